import type { Crypto } from "../../hal/hal.js";
import { equalConstantTime } from "../bytes/compare.js";
import { ByteWriter } from "../bytes/writer.js";

const TIME_LENGTH = 4;
const TAG_LENGTH = 8;

/**
 * Echo values that prove how old a request can be at most (RFC 9175 §2.3, App. A.2): the time they were made at, in
 * seconds, and a MAC over it and whom they are for. Nothing is kept for each of them.
 *
 * The key is random and lives as long as this object, so a value also proves that it is not from before a restart:
 * what a server that lost its replay windows needs to know (RFC 8613 App. B.1.2).
 */
export class EchoIssuer {
  readonly #crypto: Crypto;
  readonly #key: Uint8Array;
  readonly #scratch = new ByteWriter(32);

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
    this.#key = crypto.random(16);
  }

  /**
   * A value for one client.
   * @param client what names it: its Recipient ID and ID Context, or its address
   * @param now ms, of a clock that does not go back while this object lives
   */
  issue(client: Uint8Array, now: number): Uint8Array {
    const seconds = Math.floor(now / 1000) >>> 0;
    const value = new Uint8Array(TIME_LENGTH + TAG_LENGTH);
    for (let i = 0; i < TIME_LENGTH; i++) value[i] = seconds >>> (8 * (TIME_LENGTH - 1 - i));
    value.set(this.#tag(client, value), TIME_LENGTH);
    return value;
  }

  /** How old a value is, in ms; `undefined` when it is not one of ours, or was made for another client. */
  age(value: Uint8Array, client: Uint8Array, now: number): number | undefined {
    if (value.length !== TIME_LENGTH + TAG_LENGTH) return undefined;
    if (!equalConstantTime(value.subarray(TIME_LENGTH), this.#tag(client, value))) return undefined;
    let seconds = 0;
    for (let i = 0; i < TIME_LENGTH; i++) seconds = seconds * 256 + value[i];
    // Seconds are counted modulo 2^32, as wall time passes that in 2106.
    const age = (Math.floor(now / 1000) - seconds) % 2 ** 32;
    return (age < 0 ? age + 2 ** 32 : age) * 1000;
  }

  #tag(client: Uint8Array, value: Uint8Array): Uint8Array {
    const input = this.#scratch.reset().bytes(value.subarray(0, TIME_LENGTH)).bytes(client).view();
    return this.#crypto.cmac(this.#key, input).subarray(0, TAG_LENGTH);
  }
}

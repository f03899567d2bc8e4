import { unsafe } from "@noble/ciphers/aes.js";
import { put, word } from "./ccm.js";

/** AES-CMAC (RFC 4493) with its key's schedule and subkeys. */
export class Cmac {
  readonly #schedule: Uint32Array;
  /** K1 and K2 (RFC 4493 §2.3). */
  readonly #whole: Uint8Array;
  readonly #padded: Uint8Array;
  readonly #last = new Uint8Array(16);

  constructor(key: Uint8Array) {
    this.#schedule = unsafe.expandKeyLE(key);
    this.#whole = unsafe.dbl(unsafe.encryptBlock(this.#schedule, new Uint8Array(16)));
    this.#padded = unsafe.dbl(this.#whole.slice());
  }

  /** The whole code, 16 bytes. */
  mac(message: Uint8Array): Uint8Array {
    const schedule = this.#schedule;
    let state = { s0: 0, s1: 0, s2: 0, s3: 0 };
    let at = 0;
    for (; at + 16 < message.length; at += 16) {
      state = unsafe.encrypt(
        schedule,
        state.s0 ^ word(message, at),
        state.s1 ^ word(message, at + 4),
        state.s2 ^ word(message, at + 8),
        state.s3 ^ word(message, at + 12),
      );
    }
    const last = this.#last;
    const rest = message.length - at;
    const subkey = rest === 16 ? this.#whole : this.#padded;
    for (let i = 0; i < 16; i++) last[i] = subkey[i] ^ (i < rest ? message[at + i] : i === rest ? 0x80 : 0);
    state = unsafe.encrypt(
      schedule,
      state.s0 ^ word(last, 0),
      state.s1 ^ word(last, 4),
      state.s2 ^ word(last, 8),
      state.s3 ^ word(last, 12),
    );
    const code = new Uint8Array(16);
    put(code, 0, state.s0);
    put(code, 4, state.s1);
    put(code, 8, state.s2);
    put(code, 12, state.s3);
    return code;
  }
}

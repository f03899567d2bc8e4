/** The way to a board through its console. */

import { hostCrypto } from "#hal/crypto.js";
import { equal, equalConstantTime } from "../../firmware/bytes/compare.js";
import { fromHex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeUtf8 } from "../../firmware/bytes/utf8.js";
import { fingerprintOf, KINDS, type Kind, proofOf } from "../../firmware/console/label.js";
import { encodeIdentity, type Identity } from "../../firmware/roles/identity.js";
import type { Clock } from "../../hal/hal.js";
import { HostClock } from "../../hal/host/clock.js";
import { ConsoleLink } from "./console-link.js";
import { type OpenPort, portOpener } from "./port.js";
import { type BoardInfo, type Label, type Progress, type SerialOptions, type Way, WayError } from "./way.js";

/** Bytes of an identity in one line. */
const PIECE = 64;
/** How often a write begins again, because the board has lost what it had of it: each time it has restarted. */
const ATTEMPTS = 5;
/** A board that restarts is asked again when it has said its first word, or after this, ms. */
const RESTART = 700;
const FIRST_WORD = /^oscore-mesh /;
const PATIENCE = 60_000;

/** Opens the console of a board. @throws {WayError} no-port, no-serial-library, silent */
export async function openSerial(port: string, options: SerialOptions = {}): Promise<Way> {
  return SerialWay.open(portOpener(port), options);
}

export class SerialWay implements Way {
  readonly #link: ConsoleLink;
  readonly #clock: Clock;
  readonly #oob: Uint8Array | undefined;
  readonly #progress: (progress: Progress) => void;
  #uuid: Uint8Array | undefined;
  #onStart: (() => void) | undefined;

  private constructor(link: ConsoleLink, clock: Clock, options: SerialOptions) {
    this.#link = link;
    this.#clock = clock;
    this.#oob = options.oob;
    this.#progress = options.onProgress ?? (() => {});
  }

  static async open(
    open: OpenPort,
    options: SerialOptions,
    clock: Clock = new HostClock(),
  ): Promise<SerialWay> {
    const { onProgress, onLog, patience = PATIENCE } = options;
    onProgress?.({ step: "connect", done: 0, of: 1 });
    let way: SerialWay | undefined;
    const link = await ConsoleLink.open({
      open,
      clock,
      patience,
      onLog: (line) => {
        onLog?.(line);
        if (way !== undefined && FIRST_WORD.test(line)) way.#onStart?.();
      },
      onCable: (there) =>
        onProgress?.({
          step: "connect",
          done: there ? 1 : 0,
          of: 1,
          note: there ? "the cable is in again" : "the cable is out: put it in again to go on",
        }),
    });
    try {
      await link.request("hello");
    } catch (error) {
      link.close();
      throw error;
    }
    onProgress?.({ step: "connect", done: 1, of: 1 });
    way = new SerialWay(link, clock, options);
    return way;
  }

  async inspect(): Promise<BoardInfo> {
    this.#progress({ step: "identify", done: 0, of: 1 });
    const info = await this.#hello();
    // Where the cable was in between, another board may be on it.
    if (this.#uuid !== undefined && !equal(this.#uuid, info.uuid)) {
      throw new WayError("wrong-board", `chip ${toHex(info.chipId)} is another board than before`);
    }
    const proven = this.#oob !== undefined;
    if (this.#oob !== undefined) await this.#challenge(info, this.#oob);
    this.#uuid = info.uuid;
    this.#progress({ step: "identify", done: 1, of: 1 });
    return { ...info, proven };
  }

  async label(): Promise<Label> {
    const [uuid, oob] = (await this.#link.request("label")).split(" ");
    return { uuid: bytesOf(uuid), oob: bytesOf(oob) };
  }

  async write(identity: Identity): Promise<void> {
    const bytes = encodeIdentity(identity);
    const name = toHex(fingerprintOf(hostCrypto, bytes));
    this.#progress({ step: "write", done: 0, of: bytes.length });
    try {
      for (let attempt = 1; ; attempt++) {
        const { fingerprint } = await this.inspect();
        if (fingerprint !== undefined && toHex(fingerprint) === name) break;
        try {
          await this.#transfer(bytes, name);
          await this.#commit(identity, name);
          break;
        } catch (error) {
          if (attempt === ATTEMPTS || !isLost(error)) throw error;
        }
      }
    } finally {
      bytes.fill(0);
    }
    this.#progress({ step: "write", done: bytes.length, of: bytes.length });
    await this.#restarted();
    const is = await this.verify(identity);
    if (is !== "same")
      throw new WayError("not-written", `the board has ${is === "none" ? "none" : "another"}`);
  }

  async verify(identity: Identity): Promise<"same" | "other" | "none"> {
    this.#progress({ step: "verify", done: 0, of: 1 });
    const { fingerprint } = await this.inspect();
    if (fingerprint === undefined) return "none";
    const expected = fingerprintOf(hostCrypto, encodeIdentity(identity));
    if (!equal(fingerprint, expected)) return "other";
    const challenge = hostCrypto.random(16);
    const [, proof] = (await this.#link.request(`prove ${toHex(challenge)}`)).split(" ");
    if (!this.#isProof(proof, identity, challenge, expected)) return "other";
    this.#progress({ step: "verify", done: 1, of: 1 });
    return "same";
  }

  async erase(): Promise<void> {
    await this.inspect();
    await this.#link.request("erase");
    await this.#restarted();
    const { fingerprint } = await this.inspect();
    if (fingerprint !== undefined) throw new WayError("not-written", "the board still has an identity");
  }

  async close(): Promise<void> {
    this.#link.close();
  }

  async #hello(): Promise<Omit<BoardInfo, "proven">> {
    const answer = await this.#link.request("hello");
    const [kind, chipId, uuid, version, fingerprint, name] = answer.split(" ");
    if (!KINDS.includes(kind as Kind) || name === undefined)
      throw new WayError("silent", `hello: "${answer}"`);
    const text = name === "-" ? undefined : decodeUtf8(bytesOf(name));
    return {
      kind: kind as Kind,
      chipId: bytesOf(chipId),
      uuid: bytesOf(uuid),
      version: version!,
      ...(fingerprint !== "-" && { fingerprint: bytesOf(fingerprint) }),
      ...(text !== undefined && !(text instanceof Refusal) && { name: text }),
    };
  }

  async #challenge({ uuid }: Pick<BoardInfo, "uuid">, oob: Uint8Array): Promise<void> {
    const challenge = hostCrypto.random(16);
    const [proof] = (await this.#link.request(`prove ${toHex(challenge)}`)).split(" ");
    if (!equalConstantTime(bytesOf(proof), proofOf(hostCrypto, oob, challenge, uuid))) {
      throw new WayError("wrong-board", "the board does not know the secret of this label");
    }
  }

  async #transfer(bytes: Uint8Array, name: string): Promise<void> {
    let at = Number(await this.#link.request(`write ${bytes.length} ${name}`));
    while (at < bytes.length) {
      this.#progress({ step: "write", done: at, of: bytes.length });
      const piece = toHex(bytes.subarray(at, at + PIECE));
      at = Number(await this.#link.request(`data ${at} ${piece}`));
    }
  }

  async #commit(identity: Identity, name: string): Promise<void> {
    const challenge = hostCrypto.random(16);
    const proof = await this.#link.request(`commit ${name} ${toHex(challenge)}`);
    if (!this.#isProof(proof, identity, challenge, bytesOf(name))) {
      throw new WayError("not-written", "the board cannot prove that it has the device key");
    }
  }

  #isProof(
    proof: string | undefined,
    { mesh }: Identity,
    challenge: Uint8Array,
    fingerprint: Uint8Array,
  ): boolean {
    const expected = proofOf(hostCrypto, mesh.deviceKey, challenge, fingerprint);
    return proof !== undefined && equalConstantTime(bytesOf(proof), expected);
  }

  /** The board is through its restart, as far as one can tell: it answers. */
  async #restarted(): Promise<void> {
    this.#progress({ step: "restart", done: 0, of: 1 });
    await new Promise<void>((resolve) => {
      this.#onStart = resolve;
      this.#clock.at(this.#clock.now() + RESTART, resolve);
    });
    await this.#link.request("hello");
    this.#progress({ step: "restart", done: 1, of: 1 });
  }
}

/** Whether the board has restarted under way and knows nothing of the transfer any more. */
function isLost(error: unknown): boolean {
  return (
    error instanceof WayError && error.reason === "refused" && /^(gap|length|incomplete)/.test(error.detail)
  );
}

/** @returns no bytes for what is no hex: it will equal nothing */
function bytesOf(text: string | undefined): Uint8Array {
  const bytes = fromHex(text ?? "");
  return bytes instanceof Refusal ? new Uint8Array(0) : bytes;
}

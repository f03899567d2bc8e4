import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import { MAX_SEQUENCE_NUMBER } from "./partial-iv.js";

/**
 * The replay window of a Recipient Context (RFC 8613 §7.4, §3.2.2): which Partial IVs were received.
 *
 * Checking and accepting are two steps, so that a server can put the second into the transaction that stores what the
 * request said. One window must not be used by two requests between the steps of one.
 */
export class ReplayWindow {
  /** How many numbers below and including the highest are told apart. 1 accepts rising numbers only. */
  readonly size: number;
  /** The highest number received, -1 before the first. */
  #top = -1;
  /** One bit for each number of the window, at the number modulo size. */
  readonly #seen: Uint8Array;

  constructor(size = 32) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
      throw new RangeError(`replay window of ${size}`);
    this.size = size;
    this.#seen = new Uint8Array((size + 7) >> 3);
  }

  /** The highest number received; -1 when there was none. */
  get top(): number {
    return this.#top;
  }

  /** Whether a number was not received before, as far as the window can tell. */
  check(partialIv: number): boolean {
    if (partialIv > this.#top) return true;
    if (partialIv <= this.#top - this.size || partialIv < 0) return false;
    const slot = partialIv % this.size;
    return (this.#seen[slot >> 3] & (1 << (slot & 7))) === 0;
  }

  /**
   * Notes a number as received.
   * @returns false, and changes nothing, when {@link check} would refuse it
   */
  accept(partialIv: number): boolean {
    if (!this.check(partialIv)) return false;
    const { size } = this;
    if (partialIv > this.#top) {
      if (partialIv - this.#top >= size) {
        this.#seen.fill(0);
      } else {
        for (let skipped = this.#top + 1; skipped < partialIv; skipped++) {
          const slot = skipped % size;
          this.#seen[slot >> 3] &= ~(1 << (slot & 7));
        }
      }
      this.#top = partialIv;
    }
    const slot = partialIv % size;
    this.#seen[slot >> 3] |= 1 << (slot & 7);
    return true;
  }

  /**
   * Takes everything up to and including `partialIv` for received: the lower limit that a fresh request sets
   * (RFC 8613 App. B.1.2).
   */
  startAt(partialIv: number): void {
    this.#seen.fill(0xff);
    this.#top = partialIv;
  }

  /** The state in bytes: the window's size (2), the highest number (6, 2^48 - 1 for none), then the bits. */
  save(): Uint8Array {
    const out = new ByteWriter(HEAD_LENGTH + this.#seen.length);
    return out
      .u16(this.size)
      .uint(this.#top < 0 ? NO_TOP : this.#top, 6)
      .bytes(this.#seen)
      .view();
  }

  /**
   * A window as it was saved; `undefined` when the bytes are none. One saved with another size keeps its highest
   * number and takes all below it for received.
   */
  static load(bytes: Uint8Array, size = 32): ReplayWindow | undefined {
    const reader = new ByteReader(bytes);
    const savedSize = reader.u16();
    const top = reader.uint(6);
    if (savedSize === undefined || top === undefined) return undefined;
    const bits = reader.rest();
    if (savedSize === 0 || bits.length !== (savedSize + 7) >> 3) return undefined;
    const window = new ReplayWindow(size);
    if (top === NO_TOP) return window;
    if (top > MAX_SEQUENCE_NUMBER) return undefined;
    window.startAt(top);
    if (savedSize === size) window.#seen.set(bits);
    return window;
  }
}

const HEAD_LENGTH = 8;
const NO_TOP = 2 ** 48 - 1;
const MAX_SIZE = 0xffff;

/**
 * Writes big-endian fields one behind the other into a buffer that grows when it must. Reuse one writer: `reset`
 * keeps the memory.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Begins anew in the same buffer. */
  reset(): this {
    this.#length = 0;
    return this;
  }

  #reserve(more: number): number {
    const at = this.#length;
    const need = at + more;
    if (need > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(need, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = need;
    return at;
  }

  /** One byte. */
  u8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  /** Two bytes, most significant first. */
  u16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  /** Four bytes, most significant first. */
  u32(value: number): this {
    return this.uint(value, 4);
  }

  /** Unsigned integer in `length` bytes, at most 6. */
  uint(value: number, length: number): this {
    const at = this.#reserve(length);
    for (let i = length - 1, rest = value; i >= 0; i--) {
      this.#bytes[at + i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return this;
  }

  /** All of `value`. */
  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Leaves room for `length` bytes whose values are whatever was there. */
  skip(length: number): this {
    this.#reserve(length);
    return this;
  }

  /** What was written, as a view that the next `reset` or write may change. */
  view(): Uint8Array {
    const length = this.#length;
    return length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, length);
  }

  /** What was written, as a copy of its own. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

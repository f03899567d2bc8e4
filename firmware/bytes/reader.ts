/**
 * Reads big-endian fields from the front of a byte string without copying it.
 *
 * Reading past the end gives `undefined` and leaves the position, so that a decoder says itself which field was cut.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  position: number;
  readonly end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** @returns the next byte; `undefined` at the end */
  u8(): number | undefined {
    return this.position < this.end ? this.bytes[this.position++] : undefined;
  }

  /** @returns the next two bytes, most significant first; `undefined` when there are fewer */
  u16(): number | undefined {
    return this.uint(2);
  }

  /** @returns the next four bytes, most significant first; `undefined` when there are fewer */
  u32(): number | undefined {
    return this.uint(4);
  }

  /** Unsigned integer of `length` bytes, at most 6 (what a double holds exactly). */
  uint(length: number): number | undefined {
    if (this.remaining < length) return undefined;
    let value = 0;
    for (let i = 0; i < length; i++) value = value * 256 + this.bytes[this.position++];
    return value;
  }

  /** A view, not a copy. */
  view(length: number): Uint8Array | undefined {
    if (length < 0 || this.remaining < length) return undefined;
    const start = this.position;
    this.position += length;
    return this.bytes.subarray(start, this.position);
  }

  /** @returns a view of everything that is left */
  rest(): Uint8Array {
    const start = this.position;
    this.position = this.end;
    return this.bytes.subarray(start, this.end);
  }
}

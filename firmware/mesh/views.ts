/**
 * One buffer and the views into it, from one place, that were asked for before.
 *
 * A PDU has one of some thirty lengths, and whoever takes it wants an array of exactly the right one. Keeping the views
 * makes the way of a PDU through the stack free of garbage, which on the chip is what costs most.
 */
export class Views {
  readonly bytes: Uint8Array;
  readonly #start: number;
  readonly #views: (Uint8Array | undefined)[] = [];

  constructor(bytes: Uint8Array, start = 0) {
    this.bytes = bytes;
    this.#start = start;
  }

  /** `length` bytes, like `subarray(start, start + length)`. */
  view(length: number): Uint8Array {
    const known = this.#views[length];
    if (known !== undefined) return known;
    const made = this.bytes.subarray(this.#start, this.#start + length);
    this.#views[length] = made;
    return made;
  }
}

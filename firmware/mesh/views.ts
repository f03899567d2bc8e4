/**
 * One buffer and the views into it that were asked for before.
 *
 * A PDU has one of some thirty lengths, and the AEAD wants arrays of exactly the right one. Keeping the views makes
 * the way of a PDU through the stack free of garbage, which on the chip is what costs most.
 */
export class Views {
  readonly bytes: Uint8Array;
  readonly #views: (Uint8Array | undefined)[] = [];

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  /** `length` bytes from `start`, like `subarray(start, start + length)`. */
  view(start: number, length: number): Uint8Array {
    const at = start * (this.bytes.length + 1) + length;
    const known = this.#views[at];
    if (known !== undefined) return known;
    const made = this.bytes.subarray(start, start + length);
    this.#views[at] = made;
    return made;
  }
}

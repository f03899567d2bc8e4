/** An input taken apart into a run of steps, for targets that have state. */

/** Takes numbers and byte strings from an input until it is used up; what is missing is 0. */
export class Pieces {
  readonly #input: Uint8Array;
  #at = 0;
  /** Byte strings taken that were not empty. */
  taken = 0;

  constructor(input: Uint8Array) {
    this.#input = input;
  }

  get more(): boolean {
    return this.#at < this.#input.length;
  }

  u8(): number {
    return this.#at < this.#input.length ? this.#input[this.#at++] : 0;
  }

  u16(): number {
    return (this.u8() << 8) | this.u8();
  }

  /** `length` bytes, or as many as there are. */
  bytes(length: number): Uint8Array {
    const piece = this.#input.slice(this.#at, this.#at + length);
    this.#at += length;
    if (piece.length > 0) this.taken++;
    return piece;
  }
}

/** The input of steps, each a byte string behind its length in one byte. */
export function pieces(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [part.length, ...part]));
}

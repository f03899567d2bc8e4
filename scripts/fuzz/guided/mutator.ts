import type { Random } from "../../../sim/random.js";

const INTERESTING = [0x00, 0x01, 0x0d, 0x0e, 0x10, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff];

/** Makes new inputs out of old ones, in one buffer that is used again and again. */
export class Mutator {
  readonly #random: Random;
  readonly #words: readonly Uint8Array[];
  readonly #bytes: Uint8Array;
  #length = 0;

  /** @param longest inputs are never longer, bytes */
  constructor(random: Random, words: readonly Uint8Array[], longest: number) {
    this.#random = random;
    this.#words = words;
    this.#bytes = new Uint8Array(longest);
  }

  /** A few changes to `base`, some of them taken from `other`. @returns a copy that the caller may keep */
  mutate(base: Uint8Array, other: Uint8Array): Uint8Array {
    this.#length = Math.min(base.length, this.#bytes.length);
    this.#bytes.set(base.subarray(0, this.#length));
    for (let changes = 1 << this.#random.below(4); changes > 0; changes--) this.#change(other);
    return this.#bytes.slice(0, this.#length);
  }

  #change(other: Uint8Array): void {
    if (this.#length === 0) this.#insert(this.#piece(other));
    else this.#changeAt(this.#random.below(this.#length), other);
  }

  #changeAt(at: number, other: Uint8Array): void {
    const random = this.#random;
    const bytes = this.#bytes;
    const length = this.#length;
    switch (random.below(12)) {
      case 0:
      case 1:
        bytes[at] ^= 1 << random.below(8);
        return;
      case 2:
        bytes[at] = random.below(256);
        return;
      case 3:
        bytes[at] = random.pick(INTERESTING);
        return;
      case 4:
        bytes[at] += 1 + random.below(16);
        return;
      case 5:
        bytes[at] -= 1 + random.below(16);
        return;
      case 6:
        this.#remove(at, 1 + random.below(random.chance(0.7) ? 4 : length));
        return;
      case 7:
        this.#insert(this.#piece(other));
        return;
      case 8:
        this.#insert(bytes.slice(at, at + 1 + random.below(16)));
        return;
      case 9:
        bytes.copyWithin(random.below(length), at, Math.min(length, at + 1 + random.below(16)));
        return;
      case 10: {
        if (this.#words.length === 0) return;
        const word = random.pick(this.#words);
        bytes.set(word.subarray(0, length - at), at);
        return;
      }
      default:
        if (random.chance(0.5)) this.#length = at + 1;
        else this.#insert(random.bytes(1 + random.below(8)));
    }
  }

  /** A word that the code compares with, or a part of another input. */
  #piece(other: Uint8Array): Uint8Array {
    const random = this.#random;
    if (other.length === 0 || random.chance(0.3)) {
      return this.#words.length === 0 ? random.bytes(1) : random.pick(this.#words);
    }
    const from = random.below(other.length);
    return other.subarray(from, from + 1 + random.below(random.chance(0.5) ? 8 : 64));
  }

  #insert(piece: Uint8Array): void {
    const bytes = this.#bytes;
    const at = this.#random.below(this.#length + 1);
    const count = Math.min(piece.length, bytes.length - this.#length);
    const fitting = piece.slice(0, count);
    bytes.copyWithin(at + count, at, this.#length);
    bytes.set(fitting, at);
    this.#length += count;
  }

  #remove(at: number, count: number): void {
    const end = Math.min(this.#length, at + count);
    this.#bytes.copyWithin(at, end, this.#length);
    this.#length -= end - at;
  }
}

/** One round of a 32-bit mixing function: every bit of the input moves about half of the output's. */
function mix(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/** 32 bits of a text, by FNV-1a over its UTF-16 code units, mixed. */
function hashText(text: string, basis: number): number {
  let hash = basis ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash ^ text.length);
}

/** 32 bits of three numbers: randomness that belongs to a pair (a link) whatever the order in which one asks. */
export function hashNumbers(seed: number, a: number, b: number): number {
  return mix(mix(mix(seed) ^ a) ^ Math.imul(b, 0x9e3779b1));
}

/**
 * Seeded randomness for simulations, never for keys: sfc32 (C. Doty-Humphrey's small fast counting generator).
 *
 * Every component draws from its own {@link fork}, which depends on the seed and the name only: one more draw in one
 * component leaves the others' histories as they were.
 */
export class Random {
  /** What forks are derived from. */
  readonly seed: number;
  /** a, b, c and the counter; in a typed array, because numbers over 31 bits in fields would be boxed. */
  readonly #state: Int32Array;
  #spare: number | undefined;

  constructor(seed: number | string) {
    this.seed = typeof seed === "number" ? mix(seed ^ Math.floor(seed / 2 ** 32)) : hashText(seed, 0);
    this.#state = Int32Array.of(
      mix(this.seed ^ 0x243f6a88),
      mix(this.seed ^ 0x85a308d3),
      mix(this.seed ^ 0x13198a2e),
      1,
    );
    for (let i = 0; i < 12; i++) this.u32();
  }

  /** A generator of its own for the component `name`, the same whenever it is made. */
  fork(name: string | number): Random {
    return new Random(hashText(String(name), this.seed));
  }

  /** 32 random bits as an unsigned number. */
  u32(): number {
    const state = this.#state;
    const b = state[1];
    const c = state[2];
    const sum = (state[0] + b + state[3]) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = (c + (c << 3)) | 0;
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    state[3]++;
    return sum >>> 0;
  }

  /** From 0 to below 1, in steps of 2^-32. */
  next(): number {
    return this.u32() / 4294967296;
  }

  /** From `low` to below `high`. */
  between(low: number, high: number): number {
    return low + (high - low) * this.next();
  }

  /** An integer from 0 to `limit` − 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** Normally distributed, mean 0, standard deviation 1 (Box–Muller, both values used). */
  normal(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Exponentially distributed with the given mean: the time between events that do not know of each other. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u32() >>> 24;
    return bytes;
  }

  /** One of the items. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("pick: no items");
    return items[this.below(items.length)];
  }

  /** The items in a random order, as a new array. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
    }
    return shuffled;
  }
}

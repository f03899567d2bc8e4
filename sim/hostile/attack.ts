import type { Random } from "../random.js";

/** What a hostile device does to what passes it. */
export type AttackKind =
  /** tries to make sense of it */
  | "read"
  /** changes bits of one field */
  | "flip"
  /** sends it once more */
  | "replay"
  /** holds it back, so that later ones come first */
  | "reorder"
  /** cuts it short */
  | "truncate"
  /** sends something that nobody said */
  | "inject"
  /** sends it in somebody else's name */
  | "other-kid";

export interface Attempt {
  readonly kind: AttackKind;
  /** ms */
  readonly time: number;
  /** Which field, or in which way. */
  readonly what: string;
}

/** Attempts that are kept; all are counted. */
const KEPT = 1000;

/** What a hostile device has tried, and whether it ever understood anything. */
export class AttackLog {
  /** The latest ones, oldest first. */
  readonly attempts: Attempt[] = [];
  onAttempt: ((attempt: Attempt) => void) | undefined;
  /** Messages that it could read: must stay 0. */
  understood = 0;
  readonly #counts = new Map<AttackKind, number>();

  add(kind: AttackKind, time: number, what: string): void {
    const attempt = { kind, time, what };
    this.#counts.set(kind, this.count(kind) + 1);
    if (this.attempts.length === KEPT) this.attempts.shift();
    this.attempts.push(attempt);
    this.onAttempt?.(attempt);
  }

  count(kind: AttackKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }
}

/** One way to attack. */
export interface Attack<Material, Result> {
  readonly kind: AttackKind;
  readonly what: string;
  /** @returns `undefined` when there is nothing that it could be done with now */
  readonly run: (material: Material) => Result | undefined;
}

/** Which attacks an actor is to make. Default: all that it can. */
export interface Choice {
  readonly kinds?: readonly AttackKind[];
  /** Only the attack with this name ({@link Attack.what}). */
  readonly only?: string;
}

/** Gives each attack its turn: all of them in a random order, then again in another. */
export class Rotation<Material, Result> {
  readonly #attacks: readonly Attack<Material, Result>[];
  readonly #random: Random;
  #round: Attack<Material, Result>[] = [];

  constructor(attacks: readonly Attack<Material, Result>[], { kinds, only }: Choice, random: Random) {
    this.#attacks = attacks.filter(
      ({ kind, what }) =>
        (kinds === undefined || kinds.includes(kind)) && (only === undefined || only === what),
    );
    this.#random = random;
  }

  /** The next attack that can be carried out, done. Those that cannot keep their turn. */
  next(
    material: Material,
    only?: AttackKind,
  ): { attack: Attack<Material, Result>; result: Result } | undefined {
    // What the rest of this round cannot do, the next round may.
    for (let rounds = 0; rounds < 2; rounds++) {
      for (let i = 0; i < this.#round.length; i++) {
        const attack = this.#round[i];
        if (only !== undefined && attack.kind !== only) continue;
        const result = attack.run(material);
        if (result === undefined) continue;
        this.#round.splice(i, 1);
        return { attack, result };
      }
      this.#round.push(...this.#random.shuffle(this.#attacks.filter((a) => !this.#round.includes(a))));
    }
    return undefined;
  }
}

/** A copy with one bit changed between `from` and `to` (default: the end). */
export function flipBit(bytes: Uint8Array, random: Random, from = 0, to = bytes.length): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[from + random.below(to - from)] ^= 1 << random.below(8);
  return flipped;
}

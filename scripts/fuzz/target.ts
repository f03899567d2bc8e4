/** What a fuzz target is. Each file of targets/ exports a list of them; `npm run fuzz` and the tests of its area run it. */

import fc from "fast-check";

export interface FuzzTarget {
  /** as it is typed behind --target */
  readonly name: string;
  /** what must hold, for --help */
  readonly holds: string;
  /** Runs until it has made so many runs or used up the time; throws with the input that broke it. */
  run(options: FuzzOptions): void;
}

export interface FuzzOptions {
  readonly runs?: number;
  /** ms */
  readonly timeLimit?: number;
  /** to repeat a run, with what a failure printed */
  readonly seed?: number;
  readonly path?: string;
}

/**
 * A target from what it is fed with and what must hold for that: `check` throws when it does not.
 */
export function fuzzTarget<T>(
  name: string,
  holds: string,
  input: fc.Arbitrary<T>,
  check: (input: T) => void,
): FuzzTarget {
  return {
    name,
    holds,
    run({ runs = Number.POSITIVE_INFINITY, timeLimit, seed, path }) {
      fc.assert(
        fc.property(input, (one) => {
          check(one);
        }),
        {
          numRuns: runs,
          ...(timeLimit === undefined ? {} : { interruptAfterTimeLimit: timeLimit }),
          ...(seed === undefined ? {} : { seed }),
          ...(path === undefined ? {} : { path }),
        },
      );
    },
  };
}

/** A change to bytes, of the kinds that radios, flash and people make. */
export type Mutation =
  | { readonly kind: "flip"; readonly at: number; readonly mask: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "remove"; readonly at: number; readonly count: number }
  | { readonly kind: "copy"; readonly from: number; readonly to: number; readonly count: number };

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: fc.nat(), mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat() }),
  fc.record({
    kind: fc.constant("insert" as const),
    at: fc.nat(),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
  }),
  fc.record({ kind: fc.constant("remove" as const), at: fc.nat(), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    kind: fc.constant("copy" as const),
    from: fc.nat(),
    to: fc.nat(),
    count: fc.integer({ min: 1, max: 16 }),
  }),
);

/** The bytes with the change made; positions are taken modulo the length. */
export function mutate(bytes: Uint8Array, change: Mutation): Uint8Array {
  const length = Math.max(1, bytes.length);
  switch (change.kind) {
    case "flip": {
      const copy = bytes.slice();
      copy[change.at % length] ^= change.mask;
      return copy;
    }
    case "cut":
      return bytes.slice(0, change.at % length);
    case "insert": {
      const at = change.at % (bytes.length + 1);
      return Uint8Array.of(...bytes.subarray(0, at), ...change.bytes, ...bytes.subarray(at));
    }
    case "remove": {
      const at = change.at % length;
      return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + change.count));
    }
    case "copy": {
      const copy = bytes.slice();
      const from = change.from % length;
      copy.copyWithin(change.to % length, from, from + change.count);
      return copy;
    }
  }
}

/** Coverage-guided fuzzing: what takes a branch that nothing took before, or more often, is kept and built upon. */

import { toHex } from "../../../firmware/bytes/hex.js";
import type { Random } from "../../../sim/random.js";
import { Mutator } from "./mutator.js";
import type { GuidedTarget } from "./target.js";

/** What broke a target, and how. */
export class FuzzFailure extends Error {
  readonly input: Uint8Array;
  constructor(input: Uint8Array, cause: unknown) {
    const what = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    super(`${toHex(input)}\n${what}`, { cause });
    this.input = input;
  }
}

export interface EngineOptions {
  readonly target: GuidedTarget;
  /** One byte a branch, counted up by the instrumented code. */
  readonly counters: Uint8Array;
  readonly words: readonly Uint8Array[];
  readonly random: Random;
  /** Told of each input before it runs, so that one that never ends can be named. */
  readonly onInput?: (input: Uint8Array) => void;
}

/** Hit counts are told apart only coarsely: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128 and more. One bit each. */
const BUCKET = Uint8Array.from({ length: 256 }, (_, hits) => {
  if (hits === 0) return 0;
  if (hits <= 3) return 1 << (hits - 1);
  if (hits < 8) return 8;
  if (hits < 16) return 16;
  if (hits < 32) return 32;
  return hits < 128 ? 64 : 128;
});

interface Kept {
  readonly input: Uint8Array;
  /** What it reaches: branch × 256 + bucket. */
  readonly reaches: readonly number[];
}

export class FuzzEngine {
  /** Byte strings that the code under test was fed with. */
  inputs = 0;
  readonly #options: EngineOptions;
  readonly #mutator: Mutator;
  /** Buckets seen, a byte of bits a branch. */
  readonly #seen: Uint8Array;
  readonly #words: Uint32Array;
  readonly #kept: Kept[] = [];

  constructor(options: EngineOptions) {
    const { target, counters, words, random } = options;
    this.#options = options;
    this.#mutator = new Mutator(random, words, target.longest);
    this.#seen = new Uint8Array(counters.length);
    this.#words = new Uint32Array(counters.buffer, counters.byteOffset, counters.length >> 2);
  }

  /** Branches taken at least once by any input. */
  get covered(): number {
    let covered = 0;
    for (const bits of this.#seen) if (bits !== 0) covered++;
    return covered;
  }

  get kept(): number {
    return this.#kept.length;
  }

  /** Runs inputs as they are: seeds, and what earlier runs have kept. @throws FuzzFailure */
  start(inputs: Iterable<Uint8Array>): void {
    for (const input of inputs) this.#run(input);
    if (this.#kept.length === 0) this.#run(new Uint8Array(0));
  }

  /** Breeds `count` times, and runs what comes. @throws FuzzFailure */
  step(count: number): void {
    const { random } = this.#options;
    for (let i = 0; i < count; i++) this.#run(this.#mutator.mutate(this.#pick(random), this.#pick(random)));
  }

  /** The least of what was kept, shortest first, that reaches all that was reached. */
  corpus(): Uint8Array[] {
    const reached = new Set<number>();
    const least: Uint8Array[] = [];
    const byLength = [...this.#kept].sort((a, b) => a.input.length - b.input.length);
    for (const { input, reaches } of byLength) {
      if (reaches.every((feature) => reached.has(feature))) continue;
      for (const feature of reaches) reached.add(feature);
      least.push(input);
    }
    return least;
  }

  /** Half of the time one of the newest: what has just been found has not been looked around from. */
  #pick(random: Random): Uint8Array {
    const { length } = this.#kept;
    const newest = Math.min(length, 16);
    const index = random.chance(0.5) ? random.below(length) : length - 1 - random.below(newest);
    return this.#kept[index].input;
  }

  #run(input: Uint8Array): void {
    const { target, counters, onInput } = this.#options;
    counters.fill(0);
    onInput?.(input);
    try {
      this.inputs += target.run(input);
    } catch (error) {
      throw new FuzzFailure(input, error);
    }
    if (this.#isNew(counters)) this.#kept.push({ input, reaches: reachesOf(counters) });
  }

  #isNew(counters: Uint8Array): boolean {
    const words = this.#words;
    const seen = this.#seen;
    let found = false;
    for (let i = 0; i < words.length; i++) {
      if (words[i] === 0) continue;
      for (let at = i << 2; at < (i << 2) + 4; at++) {
        const bit = BUCKET[counters[at]];
        if ((seen[at] & bit) === bit) continue;
        seen[at] |= bit;
        found = true;
      }
    }
    return found;
  }
}

function reachesOf(counters: Uint8Array): number[] {
  const reaches: number[] = [];
  for (let i = 0; i < counters.length; i++)
    if (counters[i] !== 0) reaches.push(i * 256 + BUCKET[counters[i]]);
  return reaches;
}

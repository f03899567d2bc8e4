/** What the suites of `npm run test:robust` find out. */

/** One attack on the whole system, and what came of it. */
export interface AttackResult {
  /** Where it attacks: "mesh network", "OSCORE", "HTTP" … */
  readonly layer: string;
  readonly attack: string;
  readonly attempts: number;
  /** The rules that refused it, each with how often it did. */
  readonly refusedBy: ReadonlyMap<string, number>;
  /** What it did all the same, each a sentence; none is what must be. */
  readonly effects: readonly string[];
}

/** Takes results as they come, so that long work is seen to go on. */
export type OnResult = (result: AttackResult) => void;

export interface AttackOptions {
  /** Fewer and shorter, for each commit. */
  readonly short: boolean;
  readonly seed: number;
}

/** A suite: calls back with each of its results. */
export type AttackSuite = (options: AttackOptions, onResult: OnResult) => Promise<void>;

/** Counts that grew from `before` to `after`. */
export function grown(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): Map<string, number> {
  const growth = new Map<string, number>();
  for (const [name, count] of after) {
    const more = count - (before.get(name) ?? 0);
    if (more > 0) growth.set(name, more);
  }
  return growth;
}

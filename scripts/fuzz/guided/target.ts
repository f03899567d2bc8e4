/** What coverage-guided fuzzing feeds: each file of guided/targets/ exports a list of them. */
export interface GuidedTarget {
  /** as it is typed behind --target; also the name of its corpus file */
  readonly name: string;
  /** what must hold, for --help and the report */
  readonly holds: string;
  /** Longest input, bytes. */
  readonly longest: number;
  /** Valid inputs to begin with. */
  readonly seeds: readonly Uint8Array[];
  /**
   * Throws when what must hold does not. The input is the target's to keep or to change.
   * @returns how many byte strings it made of it for the code under test: 1, or as many as a state machine was fed with
   */
  readonly run: (input: Uint8Array) => number;
}

/** What must hold did not. */
export class Violation extends Error {}

export function must(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Violation(sentence);
}

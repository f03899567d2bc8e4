/**
 * What a routine waits for: `ready()` or the time `deadline`, whichever comes first.
 */
export interface Wait {
  readonly deadline: number;
  /** Whether what was waited for has happened. */
  ready(): boolean;
}

/**
 * A course of steps with waiting in between, written top to bottom. It is sans-IO like everything here: a generator
 * that yields what it waits for and is resumed by `receive` and `tick` of the driver.
 */
export type Routine<T> = Generator<Wait, T, void>;

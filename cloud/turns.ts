/** What wants to be called at a time of its own choosing. */
export interface Ticking {
  tick(now: number): void;
  /** ms of performance.now(); in the past or now: as soon as may be */
  readonly deadline: number;
}

/** setTimeout takes no more. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The turns of the event loop, and the time, for what {@link Ticking} needs of them. */
export class Turns {
  readonly #what: Ticking;
  readonly #after: () => void;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  #stopped = false;

  /** @param after is called behind each tick */
  constructor(what: Ticking, after: () => void) {
    this.#what = what;
    this.#after = after;
  }

  /** The deadline may have moved. What is due now is done behind all that waits already, so that it shares a commit. */
  arm(): void {
    if (this.#stopped) return;
    const wait = this.#what.deadline - performance.now();
    if (wait <= 0) {
      this.due();
      return;
    }
    clearTimeout(this.#timer);
    if (wait !== Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(() => this.#tick(), Math.min(wait, LONGEST_TIMER));
    }
  }

  /** There is something to do at the end of this turn. */
  due(): void {
    if (this.#stopped) return;
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#tick();
    });
  }

  #tick(): void {
    if (this.#stopped) return;
    this.#what.tick(performance.now());
    this.#after();
    this.arm();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
  }
}

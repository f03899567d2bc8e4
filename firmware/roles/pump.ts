import type { Cancel, Clock } from "../../hal/hal.js";

/** A sans-IO core that wants to be called at some time. */
export interface Timed {
  /** When it wants `tick`, in the clock's milliseconds; `Infinity` when it waits for input only. */
  readonly deadline: number;
  tick(now: number): void;
}

/**
 * Connects sans-IO cores to the one clock: after every input, `settle` runs what is due and arms one timer for the
 * earliest deadline of all.
 */
export class Pump {
  readonly #clock: Clock;
  readonly #cores: Timed[];
  #cancel: Cancel | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #settling = false;

  constructor(clock: Clock, ...cores: Timed[]) {
    this.#clock = clock;
    this.#cores = cores;
  }

  /** Another core; its deadline counts from the next {@link settle} on. */
  add(core: Timed): void {
    this.#cores.push(core);
  }

  /** To be called whenever a core was given input. Calls from within a `tick` are folded into the running one. */
  settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    // A core that is due again at once after its tick would spin here for ever: the bound hands over to the clock.
    for (let round = 0; round < 16 && this.#runDue(this.#clock.now()); round++);
    this.#settling = false;
    this.#arm();
  }

  #runDue(now: number): boolean {
    let ran = false;
    for (const core of this.#cores) {
      if (core.deadline <= now) {
        core.tick(now);
        ran = true;
      }
    }
    return ran;
  }

  #arm(): void {
    let earliest = Number.POSITIVE_INFINITY;
    for (const core of this.#cores) if (core.deadline < earliest) earliest = core.deadline;
    if (earliest === this.#armedFor) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedFor = earliest;
    if (earliest === Number.POSITIVE_INFINITY) return;
    this.#cancel = this.#clock.at(earliest, () => {
      this.#armedFor = Number.POSITIVE_INFINITY;
      this.#cancel = undefined;
      this.settle();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }
}

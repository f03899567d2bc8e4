import type { LowPower } from "../mesh/low-power.js";
import type { Timed } from "./pump.js";

/** After the last thing that was expected: for what the server has kept for the moment when the node is heard. */
const LINGER = 2000;
/** One beacon in ten seconds is what a place hears of a network (Mesh Profile §3.9.3.1). */
const BEACONS_FOR = 15_000;
/** An IV Update lasts 96 hours at least, so this often is enough not to miss it (§3.10.5). */
const BEACONS_EVERY = 6 * 3_600_000;
const NEVER = Number.POSITIVE_INFINITY;

export interface WakeWindowOptions {
  /** Switches the receiver. It is on at first. */
  readonly listen: (on: boolean) => void;
  /** Whether something is to come: an answer, an acknowledgment, the rest of a message. */
  readonly expects: () => boolean;
  /** The node's Low Power feature, which decides while there is a friend, or one is looked for. */
  readonly lowPower?: LowPower | undefined;
}

/**
 * When a battery node's receiver is on, which takes a hundred times what all else takes: from a message until its answer
 * is here, and four times a day long enough to hear what the network's beacons say. At first too, since the node may
 * have been off for long. With a friend (Mesh Profile §3.6.6), which hears for the node, it is on for the friend's
 * answers only.
 */
export class WakeWindow implements Timed {
  readonly #options: WakeWindowOptions;
  #listening = true;
  #expecting = false;
  #closeAt = 0;
  #beaconsAt: number;

  constructor(options: WakeWindowOptions, now: number) {
    this.#options = options;
    this.#closeAt = now + BEACONS_FOR;
    this.#beaconsAt = now + BEACONS_EVERY;
  }

  get deadline(): number {
    // Due at once when an expectation has come or gone: there is no event for that.
    if (this.#options.expects() !== this.#expecting) return Number.NEGATIVE_INFINITY;
    const { lowPower } = this.#options;
    if (lowPower?.alone === false) {
      return lowPower.listening === this.#listening ? this.#beaconsAt : Number.NEGATIVE_INFINITY;
    }
    // Also when the friend was lost in the middle of it.
    if (this.#expecting) return this.#listening ? this.#beaconsAt : Number.NEGATIVE_INFINITY;
    return Math.min(this.#listening ? this.#closeAt : NEVER, this.#beaconsAt);
  }

  tick(now: number): void {
    const expecting = this.#options.expects();
    if (this.#expecting && !expecting) this.#closeAt = Math.max(this.#closeAt, now + LINGER);
    this.#expecting = expecting;
    if (now >= this.#beaconsAt) {
      this.#beaconsAt = now + BEACONS_EVERY;
      this.#closeAt = now + BEACONS_FOR;
    }
    const { lowPower } = this.#options;
    const on = lowPower?.alone === false ? lowPower.listening : expecting || now < this.#closeAt;
    if (on === this.#listening) return;
    this.#listening = on;
    this.#options.listen(on);
  }
}

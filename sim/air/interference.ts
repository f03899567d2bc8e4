import type { Random } from "../random.js";

/** A point in metres. */
export interface Position {
  readonly x: number;
  readonly y: number;
  readonly z?: number;
}

export function distance(a: Position, b: Position): number {
  return Math.hypot(a.x - b.x, a.y - b.y, (a.z ?? 0) - (b.z ?? 0));
}

/** Something else that uses the band: Wi-Fi traffic, a microwave oven. */
export interface InterferenceOptions {
  /** Advertising channels that it covers. Default all three. */
  readonly channels?: readonly number[];
  /** Mean length of a burst, ms. */
  readonly burst: number;
  /** Mean time between two bursts, ms. */
  readonly quiet: number;
  /** Where it is; without it everyone hears it. */
  readonly position?: Position;
  /** Metres around `position` within which a receiver is drowned. Default: everywhere. */
  readonly range?: number;
}

/**
 * Bursts and pauses of exponentially distributed lengths, made as time is asked for. Times must be asked for in a
 * nearly ascending order: the burst before the present one is still known, older ones are not.
 */
export class InterferenceSource {
  readonly #options: InterferenceOptions;
  readonly #random: Random;
  #previousEnd = Number.NEGATIVE_INFINITY;
  #previousStart = Number.NEGATIVE_INFINITY;
  #start: number;
  #end: number;

  constructor(options: InterferenceOptions, random: Random, now: number) {
    if (!(options.burst > 0 && options.quiet > 0)) {
      throw new RangeError(
        `interference: burst ${options.burst} and quiet ${options.quiet} must be above 0 ms`,
      );
    }
    this.#options = options;
    this.#random = random;
    this.#start = now + random.exponential(options.quiet);
    this.#end = this.#start + random.exponential(options.burst);
  }

  /** Whether a burst on `channel` touches the time from `from` to `to`. */
  busy(channel: number, from: number, to: number): boolean {
    if (this.#options.channels?.includes(channel) === false) return false;
    while (this.#end < from) {
      this.#previousStart = this.#start;
      this.#previousEnd = this.#end;
      this.#start = this.#end + this.#random.exponential(this.#options.quiet);
      this.#end = this.#start + this.#random.exponential(this.#options.burst);
    }
    return (this.#start < to && this.#end > from) || (this.#previousStart < to && this.#previousEnd > from);
  }

  /** Whether a receiver at `position` is within its reach. */
  drowns(position: Position): boolean {
    const { position: own, range } = this.#options;
    return own === undefined || range === undefined || distance(own, position) <= range;
  }
}

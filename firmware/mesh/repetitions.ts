import type { Counters } from "../bytes/counters.js";
import { AD_STRUCTURE_MAX } from "./numbers.js";

/** What {@link Repetitions} is put between. */
export interface RepetitionsOptions {
  /** The bearer. */
  readonly transmit: (adStructure: Uint8Array, count: number, intervalMs: number) => boolean;
  readonly counters: Counters;
  /** ms */
  readonly now: () => number;
  /** Frames that can wait for their next transmission. */
  readonly capacity: number;
}

interface Waiting {
  readonly bytes: Uint8Array;
  length: number;
  interval: number;
  /** Transmissions still to come. */
  left: number;
  at: number;
}

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Retransmissions of relayed PDUs (Mesh Profile §4.2.20), one by one, so that others fit in between.
 *
 * A controller has one advertising set: left to it, a frame that is sent twice occupies the bearer for 30 ms of which
 * it is on the air for two. A relay then passes on some 30 PDUs a second and no more, and a network with answers breaks
 * down at a tenth of what its air would carry (docs/MESH-DELIVERY.md). Here the bearer is only asked for single
 * transmissions; the next one of each frame comes when its interval is over. A repetition for which there is no room
 * is left out: it matters less than what waits to be sent for the first time.
 *
 * A node's own PDUs are not sent this way: their receiver would hear a later one before an earlier one's repetition,
 * and refuse that as a replay (§3.8.8). Those of one source reach a relay with all their transmissions between them.
 */
export class Repetitions {
  readonly #options: RepetitionsOptions;
  readonly #waiting: Waiting[] = [];
  /** Places that were used before. */
  readonly #free: Waiting[] = [];
  deadline = NEVER;

  constructor(options: RepetitionsOptions) {
    this.#options = options;
  }

  /**
   * As the bearer's `send`: the first transmission is queued at once.
   * @param adStructure valid during the call only
   * @returns false when the bearer has no room; nothing will be sent then
   */
  send(adStructure: Uint8Array, count: number, intervalMs: number): boolean {
    const { transmit, now } = this.#options;
    if (count === 1) return transmit(adStructure, 1, intervalMs);
    // So many frames wait that the bearer's own way is the better one for this one.
    if (this.#waiting.length >= this.#options.capacity) return transmit(adStructure, count, intervalMs);
    if (!transmit(adStructure, 1, intervalMs)) return false;
    const place = this.#free.pop() ?? newPlace();
    this.#waiting.push(place);
    place.bytes.set(adStructure);
    place.length = adStructure.length;
    place.interval = intervalMs;
    place.left = count - 1;
    place.at = now() + intervalMs;
    if (place.at < this.deadline) this.deadline = place.at;
    return true;
  }

  /** Sends the repetitions that are due at `now` (ms). */
  tick(now: number): void {
    if (this.deadline > now) return;
    let deadline = NEVER;
    let kept = 0;
    for (let i = 0; i < this.#waiting.length; i++) {
      const waiting = this.#waiting[i];
      if (waiting.at <= now) {
        const { bytes, length, interval } = waiting;
        if (!this.#options.transmit(bytes.subarray(0, length), 1, interval)) {
          this.#options.counters.add("repetition-left-out");
        }
        waiting.left--;
        waiting.at = now + interval;
      }
      if (waiting.left === 0) {
        this.#free.push(waiting);
        continue;
      }
      this.#waiting[kept++] = waiting;
      if (waiting.at < deadline) deadline = waiting.at;
    }
    this.#waiting.length = kept;
    this.deadline = deadline;
  }

  /** Forgets all that waits. */
  clear(): void {
    this.#waiting.length = 0;
    this.deadline = NEVER;
  }
}

function newPlace(): Waiting {
  return { bytes: new Uint8Array(AD_STRUCTURE_MAX), length: 0, interval: 0, left: 0, at: NEVER };
}

import type { Counters } from "../bytes/counters.js";
import type { Carriage, Reading } from "./reading.js";

/** A measurement that waits for the server's word that it is stored. */
interface Waiting {
  readonly measured: number;
  readonly temperature: number | undefined;
  readonly humidity: number | undefined;
  readonly battery: number | undefined;
  firstCarriage: Carriage | undefined;
  /** It travels for the first time: its name is that of the request under way. */
  unnamed: boolean;
}

/** What was measured, in the units of {@link Reading}. */
export interface Measurement {
  readonly temperature?: number | undefined;
  readonly humidity?: number | undefined;
  readonly battery?: number | undefined;
}

/**
 * The readings that the server has not acknowledged yet (DESIGN §4.6): a bounded ring, oldest dropped and counted.
 *
 * One request is under way at a time. `take` says what it carries, `carried` under which Partial IV it went, and then
 * either `confirm` (the protected answer came: forget them) or `release` (it did not: they travel again later).
 */
export class Outbox {
  readonly #capacity: number;
  readonly #counters: Counters;
  readonly #onDropped: ((measurement: Measurement) => void) | undefined;
  readonly #waiting: Waiting[] = [];
  /** How many at the front travel in the request that is under way. */
  #underWay = 0;

  /**
   * @param capacity readings kept at most; counters: "reading dropped: outbox full"
   * @param onDropped told of each reading that is dropped without the server's word that it has it
   */
  constructor(capacity: number, counters: Counters, onDropped?: (measurement: Measurement) => void) {
    if (!(capacity >= 1)) throw new RangeError(`outbox capacity ${capacity}: at least 1`);
    this.#capacity = capacity;
    this.#counters = counters;
    this.#onDropped = onDropped;
  }

  get length(): number {
    return this.#waiting.length;
  }

  add(measurement: Measurement, now: number): void {
    this.#waiting.push({
      measured: now,
      temperature: measurement.temperature,
      humidity: measurement.humidity,
      battery: measurement.battery,
      firstCarriage: undefined,
      unnamed: false,
    });
    if (this.#waiting.length > this.#capacity) {
      const dropped = this.#waiting.shift() as Waiting;
      // What was dropped may be on its way at this moment: its answer then confirms one reading less.
      if (this.#underWay > 0) this.#underWay--;
      this.#counters.add("reading dropped: outbox full");
      this.#onDropped?.(dropped);
    }
  }

  /** The readings of the next request, oldest first, at most `most`; they count as under way from now on. */
  take(most: number, now: number): Reading[] {
    this.#underWay = Math.min(most, this.#waiting.length);
    const readings: Reading[] = [];
    for (let i = 0; i < this.#underWay; i++) {
      const waiting = this.#waiting[i];
      const { measured, temperature, humidity, battery, firstCarriage } = waiting;
      waiting.unnamed = firstCarriage === undefined;
      readings.push({
        age: Math.max(0, Math.round((now - measured) / 1000)),
        ...(temperature !== undefined && { temperature }),
        ...(humidity !== undefined && { humidity }),
        ...(battery !== undefined && { battery }),
        ...(firstCarriage !== undefined && { firstCarriage }),
      });
    }
    return readings;
  }

  /** The request under way left under this Partial IV; once more when it goes again under another one. */
  carried(partialIv: number): void {
    for (let index = 0; index < this.#underWay; index++) {
      const waiting = this.#waiting[index];
      if (waiting.unnamed) waiting.firstCarriage = { partialIv, index };
    }
  }

  /** The server has stored what was under way. */
  confirm(): void {
    this.#waiting.splice(0, this.#underWay);
    this.#underWay = 0;
  }

  /** No answer came that proves anything: what was under way waits again. */
  release(): void {
    this.#underWay = 0;
  }

  /** A new security context has no Partial IVs in common with the old one: what travelled before cannot be named. */
  forgetCarriages(): void {
    for (const reading of this.#waiting) reading.firstCarriage = undefined;
  }
}

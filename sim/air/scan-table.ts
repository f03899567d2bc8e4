import { FIRST_CHANNEL } from "./phy.js";

/**
 * When which radio listens where, in columns by the radios' numbers: the question "does it hear this PDU?" is asked
 * for every neighbour of every PDU, most often answered by no, and numbers in objects would be boxed.
 */
export class ScanTable {
  #interval = new Float64Array(64);
  #window = new Float64Array(64);
  #phase = new Float64Array(64);
  #deafUntil = new Float64Array(64);
  #eventStart = new Float64Array(64);
  #eventEnd = new Float64Array(64);

  /**
   * @param interval time between two changes of the channel, ms
   * @param window part of it in which the receiver is on, ms
   * @param phase where in its round of three channels the radio is at time 0, ms
   */
  add(index: number, interval: number, window: number, phase: number): void {
    if (index >= this.#interval.length) this.#grow(2 * index);
    this.#interval[index] = interval;
    this.#window[index] = window;
    this.#phase[index] = phase;
    this.#deafUntil[index] = Number.NEGATIVE_INFINITY;
    this.#eventStart[index] = Number.NEGATIVE_INFINITY;
    this.#eventEnd[index] = Number.NEGATIVE_INFINITY;
  }

  /** The receiver is off for what begins before `time`; `Infinity` until said otherwise. */
  deafUntil(index: number, time: number): void {
    this.#deafUntil[index] = time;
  }

  /** The radio transmits: its last advertising event takes from `start` to `end`. */
  transmits(index: number, start: number, end: number): void {
    this.#eventStart[index] = start;
    this.#eventEnd[index] = end;
  }

  /** Whether the receiver is on `channel` without a break between `from` and `to`. */
  listens(index: number, channel: number, from: number, to: number): boolean {
    const interval = this.#interval[index];
    const time = from + this.#phase[index];
    const round = 3 * interval;
    // where in the time that it gives to this channel, in each round
    const into = time - Math.floor(time / round) * round - (channel - FIRST_CHANNEL) * interval;
    if (into < 0 || into + (to - from) > this.#window[index]) return false;
    if (from < this.#deafUntil[index]) return false;
    return this.#eventStart[index] >= to || this.#eventEnd[index] <= from;
  }

  #grow(size: number): void {
    const grown = (column: Float64Array) => {
      const next = new Float64Array(size);
      next.set(column);
      return next;
    };
    this.#interval = grown(this.#interval);
    this.#window = grown(this.#window);
    this.#phase = grown(this.#phase);
    this.#deafUntil = grown(this.#deafUntil);
    this.#eventStart = grown(this.#eventStart);
    this.#eventEnd = grown(this.#eventEnd);
  }
}

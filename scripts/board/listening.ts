/** How long a board's receiver is on, from its calls of the SoftDevice. */

/** SVC numbers of sd_ble_gap_scan_start and sd_ble_gap_scan_stop (S140 7, ble_gap.h). */
const SCAN = { start: 0x8a, stop: 0x8b } as const;

/** Scanning is started anew after each report, and stopped once. */
export class ListeningTime {
  readonly #from: number;
  #since: number | undefined;
  #seconds = 0;

  /** @param from seconds from power-on: what was before does not count */
  constructor(from: number) {
    this.#from = from;
  }

  /** A call that the emulator tells of, and when, ms. */
  call(svc: number, ms: number): void {
    const now = Math.max(ms / 1000, this.#from);
    if (svc === SCAN.start) this.#since ??= now;
    else if (svc === SCAN.stop && this.#since !== undefined) {
      this.#seconds += now - this.#since;
      this.#since = undefined;
    }
  }

  /** @param end seconds from power-on: when the board lost its power */
  until(end: number): number {
    return this.#seconds + (this.#since === undefined ? 0 : end - this.#since);
  }
}

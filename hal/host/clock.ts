import type { Cancel, Clock } from "../hal.js";

/** Node's timers take at most this many milliseconds. */
const LONGEST_TIMER = 0x7fffffff;

/** Real time: monotonic, milliseconds since the process began. Its timers keep the process alive until cancelled. */
export class HostClock implements Clock {
  now(): number {
    return performance.now();
  }

  at(time: number, callback: () => void): Cancel {
    if (Number.isNaN(time)) throw new RangeError("at: time is NaN");
    if (time === Number.POSITIVE_INFINITY) return () => {};
    let timer: NodeJS.Timeout;
    const arm = () => {
      const delay = Math.ceil(time - this.now());
      timer = setTimeout(ring, Math.max(0, Math.min(delay, LONGEST_TIMER)));
    };
    const ring = () => {
      // Timers of Node may ring up to a millisecond early; and long waits come in pieces.
      if (this.now() < time) arm();
      else callback();
    };
    arm();
    return () => clearTimeout(timer);
  }
}

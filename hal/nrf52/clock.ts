import type { Cancel, Clock } from "../hal.js";

function now(this: void): number {
  return native("board_clock_now").call(this);
}

function start(this: void, callback: () => void): void {
  native("board_clock_start").call(this, callback);
}

function alarm(this: void, milliseconds: number): void {
  native("board_clock_alarm").call(this, milliseconds);
}

/** Farther alarms are reached in steps: an alarm that comes too early only sets the next one. */
const LONGEST = 3_600_000;

interface Appointment {
  readonly time: number;
  readonly callback: () => void;
  next: Appointment | undefined;
  due: boolean;
}

/** Whole milliseconds since the chip started, from FreeRTOS's tick. There is one per chip. */
export class BoardClock implements Clock {
  /** In the order of their times; few at a time, since each core has one deadline. */
  #first: Appointment | undefined;

  constructor() {
    start(() => this.#run());
  }

  now(): number {
    return now();
  }

  at(time: number, callback: () => void): Cancel {
    const appointment: Appointment = { time, callback, next: undefined, due: true };
    if (this.#first === undefined || time < this.#first.time) {
      appointment.next = this.#first;
      this.#first = appointment;
      this.#set();
    } else {
      let before = this.#first;
      while (before.next !== undefined && before.next.time <= time) before = before.next;
      appointment.next = before.next;
      before.next = appointment;
    }
    return () => this.#cancel(appointment);
  }

  #cancel(appointment: Appointment): void {
    if (!appointment.due) return;
    appointment.due = false;
    if (this.#first === appointment) {
      // The alarm may come for nothing: cheaper than to set it anew at each cancellation.
      this.#first = appointment.next;
      return;
    }
    for (let at = this.#first; at !== undefined; at = at.next) {
      if (at.next === appointment) {
        at.next = appointment.next;
        return;
      }
    }
  }

  #run(): void {
    // What callbacks add for now runs in the next turn, after frames and serial input had theirs.
    const until = now();
    for (;;) {
      const appointment = this.#first;
      if (appointment === undefined || appointment.time > until) break;
      this.#first = appointment.next;
      appointment.due = false;
      appointment.callback();
    }
    this.#set();
  }

  #set(): void {
    const first = this.#first;
    if (first === undefined) return;
    const wait = Math.ceil(first.time - now());
    alarm(Math.max(0, Math.min(wait, LONGEST)));
  }
}

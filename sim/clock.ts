import type { Cancel, Clock } from "../hal/hal.js";

/** A handle without memory of its own for events that can never run. */
const NOTHING_TO_CANCEL: Cancel = () => {};

/** Below this many cancelled entries a clean-up of the queue is not worth its cost. */
const SWEEP_MINIMUM = 256;

/**
 * Virtual time: a discrete-event loop behind {@link Clock}.
 *
 * Events run in the order of their times, those of equal times in the order in which they were scheduled, so one seed
 * gives one history. Time stands still while a callback runs.
 *
 * The queue is a four-ary heap in parallel typed arrays: numbers in objects would be boxed, one allocation for every
 * event, and a simulated network schedules millions. A cancelled event stays in the heap without its callback until
 * it comes to the top or until such entries are the majority, so cancelling costs O(1) on average.
 */
export class VirtualClock implements Clock {
  #now: number;
  #size = 0;
  #cancelled = 0;
  #order = 0;
  #executed = 0;
  #running = false;

  // the heap: time and order are the key, slot says where the callback is
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #slots = new Int32Array(1024);

  // the slots: callback, and the order number of the event that it belongs to (slots are used again)
  readonly #callbacks: ((() => void) | undefined)[] = [];
  readonly #owners: number[] = [];
  readonly #freeSlots: number[] = [];

  /** @param start what `now()` says first, ms */
  constructor(start = 0) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** Events that wait, without cancelled ones. */
  get pending(): number {
    return this.#size - this.#cancelled;
  }

  /** Events that have run. */
  get executed(): number {
    return this.#executed;
  }

  /** Time of the earliest event, `Infinity` when there is none. */
  get nextTime(): number {
    this.#dropCancelled();
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#times[0];
  }

  /** Whether a callback of this clock is being executed. */
  get running(): boolean {
    return this.#running;
  }

  /** As {@link Clock.at}. A time in the past means now, behind the events that already wait for now. */
  at(time: number, callback: () => void): Cancel {
    const order = this.#push(time, callback);
    if (order === undefined) return NOTHING_TO_CANCEL;
    const slot = this.#lastSlot;
    return () => this.#cancel(slot, order);
  }

  /** `at` for callers that never cancel: without the handle. */
  post(time: number, callback: () => void): void {
    this.#push(time, callback);
  }

  /** Runs the earliest event and sets the time to its time. @returns false when there is none */
  runNext(): boolean {
    this.#refuseNesting();
    this.#dropCancelled();
    if (this.#size === 0) return false;
    this.#runTop();
    return true;
  }

  /**
   * Runs every event up to and at `until`, then sets the time to `until`.
   * @param stop asked after every event; true ends the run at that event's time
   * @returns whether `stop` ended it
   */
  run(until: number, stop?: () => boolean): boolean {
    this.#refuseNesting();
    if (Number.isNaN(until)) throw new RangeError("run: until is NaN");
    for (;;) {
      this.#dropCancelled();
      if (this.#size === 0 || this.#times[0] > until) break;
      this.#runTop();
      if (stop?.()) return true;
    }
    if (until > this.#now && until !== Number.POSITIVE_INFINITY) this.#now = until;
    return false;
  }

  /** Sets the time forward without passing an event; for a pacer that follows another time. */
  protected advanceTo(time: number): void {
    const limit = Math.min(time, this.nextTime);
    if (limit > this.#now) this.#now = limit;
  }

  /** Called when an event becomes the earliest one while no callback runs; for a pacer that sleeps. */
  protected onEarlier(): void {}

  #lastSlot = 0;

  #push(time: number, callback: () => void): number | undefined {
    if (Number.isNaN(time)) throw new RangeError("at: time is NaN");
    if (time === Number.POSITIVE_INFINITY) return undefined;
    const order = this.#order++;
    const slot = this.#freeSlots.pop() ?? this.#callbacks.length;
    this.#callbacks[slot] = callback;
    this.#owners[slot] = order;
    this.#lastSlot = slot;
    if (this.#size === this.#times.length) this.#grow();
    const at = this.#siftUp(this.#size++, Math.max(time, this.#now), order, slot);
    if (at === 0 && !this.#running) this.onEarlier();
    return order;
  }

  #cancel(slot: number, order: number): void {
    if (this.#owners[slot] !== order || this.#callbacks[slot] === undefined) return;
    this.#callbacks[slot] = undefined;
    this.#cancelled++;
    if (this.#cancelled > SWEEP_MINIMUM && this.#cancelled > this.#size >> 1) this.#sweep();
  }

  #refuseNesting(): void {
    if (this.#running) throw new Error("the clock is already running: a callback must not run it");
  }

  #runTop(): void {
    const slot = this.#slots[0];
    const callback = this.#callbacks[slot]!;
    this.#now = this.#times[0];
    this.#pop();
    this.#executed++;
    this.#running = true;
    try {
      callback();
    } finally {
      this.#running = false;
    }
  }

  #dropCancelled(): void {
    while (this.#cancelled > 0 && this.#size > 0 && this.#callbacks[this.#slots[0]] === undefined) {
      this.#pop();
      this.#cancelled--;
    }
  }

  /** Takes the top off the heap and gives its slot back. */
  #pop(): void {
    this.#release(this.#slots[0]);
    const last = --this.#size;
    if (last > 0) this.#siftDown(0, this.#times[last], this.#orders[last], this.#slots[last]);
  }

  #release(slot: number): void {
    this.#callbacks[slot] = undefined;
    this.#owners[slot] = -1;
    this.#freeSlots.push(slot);
  }

  #siftUp(start: number, time: number, order: number, slot: number): number {
    const times = this.#times;
    const orders = this.#orders;
    const slots = this.#slots;
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      const parentTime = times[parent];
      if (parentTime < time || (parentTime === time && orders[parent] < order)) break;
      times[at] = parentTime;
      orders[at] = orders[parent];
      slots[at] = slots[parent];
      at = parent;
    }
    times[at] = time;
    orders[at] = order;
    slots[at] = slot;
    return at;
  }

  #siftDown(start: number, time: number, order: number, slot: number): void {
    const times = this.#times;
    const orders = this.#orders;
    const slots = this.#slots;
    const size = this.#size;
    let at = start;
    for (;;) {
      const first = 4 * at + 1;
      if (first >= size) break;
      const end = Math.min(first + 4, size);
      let least = first;
      let leastTime = times[first];
      for (let child = first + 1; child < end; child++) {
        const childTime = times[child];
        if (childTime < leastTime || (childTime === leastTime && orders[child] < orders[least])) {
          least = child;
          leastTime = childTime;
        }
      }
      if (time < leastTime || (time === leastTime && order < orders[least])) break;
      times[at] = leastTime;
      orders[at] = orders[least];
      slots[at] = slots[least];
      at = least;
    }
    times[at] = time;
    orders[at] = order;
    slots[at] = slot;
  }

  /** Throws all cancelled entries out and makes a heap of the rest. */
  #sweep(): void {
    let kept = 0;
    for (let i = 0; i < this.#size; i++) {
      const slot = this.#slots[i];
      if (this.#callbacks[slot] === undefined) {
        this.#release(slot);
        continue;
      }
      this.#times[kept] = this.#times[i];
      this.#orders[kept] = this.#orders[i];
      this.#slots[kept] = slot;
      kept++;
    }
    this.#size = kept;
    this.#cancelled = 0;
    for (let i = (kept - 2) >> 2; i >= 0; i--) {
      this.#siftDown(i, this.#times[i], this.#orders[i], this.#slots[i]);
    }
  }

  #grow(): void {
    const capacity = 2 * this.#times.length;
    const times = new Float64Array(capacity);
    times.set(this.#times);
    const orders = new Float64Array(capacity);
    orders.set(this.#orders);
    const slots = new Int32Array(capacity);
    slots.set(this.#slots);
    this.#times = times;
    this.#orders = orders;
    this.#slots = slots;
  }
}

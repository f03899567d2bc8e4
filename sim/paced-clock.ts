import { VirtualClock } from "./clock.js";

/** What a pacer needs from the machine; a test gives its own. */
export interface Wall {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls back once after `delay` milliseconds of wall time, at the earliest in the next turn. @returns how to stop it */
  after(delay: number, callback: () => void): () => void;
}

/** The machine's monotonic time. */
export const machineWall: Wall = {
  now: () => performance.now(),
  after(delay, callback) {
    if (delay <= 0) {
      const handle = setImmediate(callback);
      return () => clearImmediate(handle);
    }
    // Timers of Node fire up to a millisecond early; rounding up saves the turn that would find nothing due.
    const handle = setTimeout(callback, Math.min(Math.ceil(delay), 0x7fffffff));
    return () => clearTimeout(handle);
  },
};

export interface PaceOptions {
  /** What `now()` says first, ms. Default 0. */
  readonly start?: number;
  /** Virtual milliseconds in one millisecond of wall time. Default 1. */
  readonly speed?: number;
  /** Virtual milliseconds that the loop may be late before time itself gives way. Default 1,000. */
  readonly maximumLag?: number;
  /** Wall milliseconds that one turn may take before sockets and pages get theirs. Default 20. */
  readonly turn?: number;
  readonly wall?: Wall;
}

/** How many events run between two looks at the wall clock. */
const EVENTS_PER_LOOK = 32;

/**
 * Virtual time that follows wall time: the same loop, the same components, and real sockets beside them.
 *
 * Targets are computed from one origin, so there is no drift. When the machine cannot keep up, or was asleep, virtual
 * time is at most `maximumLag` late; what is beyond that is dropped from it, counted in {@link slipped}, instead of
 * being made up for in one long burst that would look like a hang.
 *
 * Events are never early: `now()` stands at the time of the event during its callback. Between callbacks `now()` is
 * wall time, but not past an event that still waits, so that nobody sees time go back.
 */
export class PacedClock extends VirtualClock {
  readonly #speed: number;
  readonly #maximumLag: number;
  readonly #turn: number;
  readonly #wall: Wall;
  /** Wall time at which virtual time was, or would have been, `#origin`. */
  #wallOrigin = 0;
  #origin: number;
  #started = false;
  #disarm: (() => void) | undefined;
  #slipped = 0;

  constructor(options: PaceOptions = {}) {
    super(options.start ?? 0);
    this.#origin = options.start ?? 0;
    this.#speed = options.speed ?? 1;
    this.#maximumLag = options.maximumLag ?? 1000;
    this.#turn = options.turn ?? 20;
    this.#wall = options.wall ?? machineWall;
    if (!(this.#speed > 0)) throw new RangeError(`speed must be above 0, not ${this.#speed}`);
  }

  /** Virtual milliseconds that were given up because the machine could not keep up. */
  get slipped(): number {
    return this.#slipped;
  }

  /** Whether time moves. */
  get started(): boolean {
    return this.#started;
  }

  override now(): number {
    if (this.#started && !this.running) this.advanceTo(this.#target());
    return super.now();
  }

  /** Lets time move, from where it stands. */
  start(): void {
    if (this.#started) return;
    this.#origin = super.now();
    this.#wallOrigin = this.#wall.now();
    this.#started = true;
    this.#arm();
  }

  /** Stops time where it is. Nothing keeps the process alive for this clock afterwards; events stay queued. */
  stop(): void {
    if (!this.#started) return;
    this.now();
    this.#started = false;
    this.#disarm?.();
    this.#disarm = undefined;
  }

  /**
   * Runs `callback` at the present wall time, behind all events that were due before: how a datagram of a real socket
   * comes into the simulation. Does nothing once stopped.
   */
  enter(callback: () => void): void {
    if (!this.#started) return;
    this.#giveWay();
    this.post(this.#target(), callback);
    if (!this.running) this.#runDue();
  }

  protected override onEarlier(): void {
    if (this.#started) this.#arm();
  }

  /** Where virtual time should be. */
  #target(): number {
    return this.#origin + (this.#wall.now() - this.#wallOrigin) * this.#speed;
  }

  #arm(): void {
    this.#disarm?.();
    this.#disarm = undefined;
    const next = this.nextTime;
    if (next === Number.POSITIVE_INFINITY) return;
    const delay = (next - this.#target()) / this.#speed;
    this.#disarm = this.#wall.after(Math.max(0, delay), () => {
      this.#disarm = undefined;
      this.#runDue();
    });
  }

  /** Moves the target back when the earliest event is too late to be made up for. */
  #giveWay(): void {
    const excess = this.#target() - this.nextTime - this.#maximumLag;
    if (!(excess > 0)) return;
    this.#origin -= excess;
    this.#slipped += excess;
  }

  #runDue(): void {
    this.#giveWay();
    const wallEnd = this.#wall.now() + this.#turn;
    let looked = 0;
    try {
      this.run(this.#target(), () => {
        if (!this.#started) return true;
        looked++;
        return looked % EVENTS_PER_LOOK === 0 && this.#wall.now() >= wallEnd;
      });
    } finally {
      if (this.#started) this.#arm();
    }
  }
}

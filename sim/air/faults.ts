import type { AdvertisingBearer } from "../../hal/hal.js";
import type { VirtualClock } from "../clock.js";
import type { Random } from "../random.js";

/** Probabilities per frame; each 0 when not given. */
export interface FaultRates {
  /** The frame disappears. */
  readonly drop?: number;
  /** One to four bits of what is behind the AD structure's length and type are inverted. */
  readonly corrupt?: number;
  /** The AD structure is cut short (its length byte fits the shorter form). */
  readonly truncate?: number;
  /** The frame comes twice. */
  readonly duplicate?: number;
  /** The frame is held back until `delay` has passed, so that later ones overtake it. */
  readonly reorder?: number;
  /** How long, ms, uniformly from 0. Default 100. */
  readonly delay?: number;
}

export interface FaultOptions {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** What happens to frames that are sent. */
  readonly send?: FaultRates;
  /** What happens to frames that are received. */
  readonly receive?: FaultRates;
}

/** What was done, by kind. */
export interface FaultCounts {
  drop: number;
  corrupt: number;
  truncate: number;
  duplicate: number;
  reorder: number;
}

/** Length and type of an AD structure stay as they are, so that the frame still reaches the code behind them. */
const HEADER = 2;

/**
 * A bearer with faults, around any other bearer: drops, bit errors, cuts, duplicates, changed order. Radios have a
 * CRC, so real frames do not arrive corrupted; the code above must stand it all the same.
 */
export class FaultyBearer implements AdvertisingBearer {
  readonly sent: FaultCounts = noFaults();
  readonly received: FaultCounts = noFaults();
  onReceive: ((data: Uint8Array, address: Uint8Array, rssi: number) => void) | undefined;
  readonly #inner: AdvertisingBearer;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #send: FaultRates;

  /** Takes over `inner.onReceive`. */
  constructor(inner: AdvertisingBearer, options: FaultOptions) {
    this.#inner = inner;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#send = options.send ?? {};
    const receive = options.receive ?? {};
    inner.onReceive = (data, address, rssi) => {
      this.#apply(data, receive, this.received, (frame) => this.onReceive?.(frame, address, rssi));
    };
  }

  get free(): number {
    return this.#inner.free;
  }

  send(data: Uint8Array, count: number, interval: number): boolean {
    if (this.#inner.free === 0) return false;
    this.#apply(data, this.#send, this.sent, (frame) => this.#inner.send(frame, count, interval));
    return true;
  }

  #apply(data: Uint8Array, rates: FaultRates, counts: FaultCounts, pass: (frame: Uint8Array) => void): void {
    const random = this.#random;
    if (random.chance(rates.drop ?? 0)) {
      counts.drop++;
      return;
    }
    let frame = data;
    if (data.length > HEADER && random.chance(rates.corrupt ?? 0)) {
      counts.corrupt++;
      frame = flipBits(frame, random);
    }
    if (data.length > HEADER && random.chance(rates.truncate ?? 0)) {
      counts.truncate++;
      frame = frame.slice(0, HEADER + random.below(frame.length - HEADER));
      frame[0] = frame.length - 1;
    }
    const twice = random.chance(rates.duplicate ?? 0);
    if (random.chance(rates.reorder ?? 0)) {
      counts.reorder++;
      const held = new Uint8Array(frame);
      this.#clock.post(this.#clock.now() + random.between(0, rates.delay ?? 100), () => pass(held));
    } else {
      pass(frame);
    }
    if (!twice) return;
    counts.duplicate++;
    const copy = new Uint8Array(frame);
    this.#clock.post(this.#clock.now() + random.between(0, rates.delay ?? 100), () => pass(copy));
  }
}

function flipBits(data: Uint8Array, random: Random): Uint8Array {
  const flipped = new Uint8Array(data);
  for (let left = 1 + random.below(4); left > 0; left--) {
    flipped[HEADER + random.below(data.length - HEADER)] ^= 1 << random.below(8);
  }
  return flipped;
}

function noFaults(): FaultCounts {
  return { drop: 0, corrupt: 0, truncate: 0, duplicate: 0, reorder: 0 };
}

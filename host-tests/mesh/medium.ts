import { Counters } from "../../firmware/bytes/counters.js";
import { MeshStorage } from "../../firmware/mesh/mesh-storage.js";
import type { KeyValueStore } from "../../hal/hal.js";

/** A key-value store in memory. `image()` is what a power cut would leave. */
export class MemoryStore implements KeyValueStore {
  readonly #values: Map<string, Uint8Array>;
  writes = 0;

  constructor(image?: Map<string, Uint8Array>) {
    this.#values = new Map(image);
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)?.slice();
  }

  set(key: string, value: Uint8Array): void {
    if (value.length > 512) throw new RangeError(`value of ${value.length} bytes`);
    this.writes++;
    this.#values.set(key, value.slice());
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.writes++;
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  image(): Map<string, Uint8Array> {
    return new Map(this.#values);
  }
}

/** A store as the parts of the mesh stack take it. */
export function meshStorage(store: KeyValueStore): MeshStorage {
  return new MeshStorage(store, new Counters());
}

/** xorshift32: the same numbers on every machine. */
export function seeded(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x100000000;
  };
}

/** What the medium asks of a node. */
export interface Station {
  receive(adStructure: Uint8Array, rssi: number, now: number): void;
  tick(now: number): void;
  readonly deadline: number;
}

interface Frame {
  readonly at: number;
  readonly order: number;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

export interface MediumOptions {
  readonly random: () => number;
  /** Whether one copy of a frame reaches a station. */
  readonly reaches?: (from: number, to: number, bytes: Uint8Array, now: number) => boolean;
  /** Milliseconds on the way, for each copy: unequal ones re-order. */
  readonly delay?: () => number;
}

/**
 * The smallest air there can be, in virtual time: stations hear one another as `reaches` says, after a delay. Each
 * transmission of a frame is a copy of its own.
 */
export class Medium {
  now = 0;
  readonly #options: MediumOptions;
  readonly #stations: (Station | undefined)[] = [];
  readonly #frames: Frame[] = [];
  /** Until when each station's bearer is busy: it sends one frame after the other, as the HAL says. */
  readonly #busyUntil: number[] = [];
  #order = 0;
  /** Frames put on the air, all copies counted. */
  transmissions = 0;

  constructor(options: MediumOptions) {
    this.#options = options;
  }

  /** A place for a station; `transmit` is what its stack is given. */
  reserve(): { index: number; transmit: (bytes: Uint8Array, count: number, intervalMs: number) => boolean } {
    const index = this.#stations.push(undefined) - 1;
    return {
      index,
      transmit: (bytes, count, intervalMs) => {
        this.#send(index, bytes.slice(), count, intervalMs);
        return true;
      },
    };
  }

  /** Puts a station at its place, or takes it away. */
  attach(index: number, station: Station | undefined): void {
    this.#stations[index] = station;
  }

  #send(from: number, bytes: Uint8Array, count: number, intervalMs: number): void {
    const { reaches, delay } = this.#options;
    const start = Math.max(this.now, this.#busyUntil[from] ?? 0);
    this.#busyUntil[from] = start + count * intervalMs;
    for (let copy = 0; copy < count; copy++) {
      this.transmissions++;
      const at = start + copy * intervalMs;
      for (let to = 0; to < this.#stations.length; to++) {
        if (to === from || reaches?.(from, to, bytes, at) === false) continue;
        this.#insert({ at: at + (delay?.() ?? 1), order: this.#order++, from, to, bytes });
      }
    }
  }

  #insert(frame: Frame): void {
    let low = 0;
    let high = this.#frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#frames[middle];
      if (other.at < frame.at || (other.at === frame.at && other.order < frame.order)) low = middle + 1;
      else high = middle;
    }
    this.#frames.splice(low, 0, frame);
  }

  /** Lets everything happen that is due until `time`. */
  runUntil(time: number): void {
    for (;;) {
      let next = this.#frames.length > 0 ? this.#frames[0].at : Number.POSITIVE_INFINITY;
      for (const station of this.#stations)
        if (station !== undefined && station.deadline < next) next = station.deadline;
      if (next > time) break;
      this.now = Math.max(this.now, next);
      while (this.#frames.length > 0 && this.#frames[0].at <= this.now) {
        const frame = this.#frames.shift()!;
        this.#stations[frame.to]?.receive(frame.bytes, -60, this.now);
      }
      for (const station of this.#stations) {
        if (station !== undefined && station.deadline <= this.now) station.tick(this.now);
      }
    }
    this.now = time;
  }

  run(milliseconds: number): void {
    this.runUntil(this.now + milliseconds);
  }
}

/** The AD structure around a network PDU. */
export function ad(pdu: Uint8Array): Uint8Array {
  return Uint8Array.of(pdu.length + 1, 0x2a, ...pdu);
}

import { hashNumbers } from "../random.js";
import type { Propagation } from "./propagation.js";
import type { SimulatedRadio } from "./radio.js";

/** What one radio's transmissions arrive as elsewhere. */
export interface Neighbours {
  /** Radios that can receive it, at least when fading is kind, in the order of their numbers. */
  readonly receivers: SimulatedRadio[];
  /** Their numbers. */
  readonly indexes: Int32Array;
  /** dBm at each of them, before fading. */
  readonly rssi: Float64Array;
  /** Loss probability to each of them. */
  readonly loss: Float64Array;
  /**
   * Signal level at every radio by its number, also where it only disturbs: see {@link levelOf}. One byte per pair of
   * radios, since it is asked for at every meeting of two PDUs; radios attached later are not in it.
   */
  readonly levels: Uint8Array;
}

/** dBm as a level of one byte in steps of half a decibel; 0 is silence. */
export function levelOf(dBm: number): number {
  return Math.max(0, Math.min(255, Math.round(2 * (dBm + 120))));
}

/** A level in dBm. */
export function dBmOf(level: number): number {
  return level / 2 - 120;
}

/** mW of each level. */
export const LEVEL_POWER = Float64Array.from({ length: 256 }, (_, level) =>
  level === 0 ? 0 : 10 ** (dBmOf(level) / 10),
);

/** A signal this far below the sensitivity still counts as disturbance, dB. */
const DISTURBANCE_MARGIN = 10;

/** Fading beyond this many standard deviations is not expected to help. */
const FADING_REACH = 3;

/** Grid cells are numbered from here so that coordinates may be negative. */
const GRID_OFFSET = 2 ** 20;

/**
 * Who hears whom, from positions and propagation. A grid with cells as wide as the longest possible link keeps the
 * search to nine cells; tables are made when a radio transmits for the first time after a change.
 */
export class NeighbourTable {
  readonly #propagation: Propagation;
  readonly #seed: number;
  readonly #radios = new Set<SimulatedRadio>();
  readonly #linkLoss = new Map<number, number>();
  readonly #tables = new Map<SimulatedRadio, Neighbours>();
  #grid: Map<number, SimulatedRadio[]> | undefined;
  #reach = 0;
  /** One above the highest number of a radio. */
  #places = 0;

  constructor(propagation: Propagation, seed: number) {
    this.#propagation = propagation;
    this.#seed = seed;
  }

  add(radio: SimulatedRadio): void {
    this.#radios.add(radio);
    this.#places = Math.max(this.#places, radio.index + 1);
    this.invalidate();
  }

  remove(radio: SimulatedRadio): void {
    this.#radios.delete(radio);
    this.invalidate();
  }

  /** Positions changed. */
  invalidate(): void {
    this.#grid = undefined;
    this.#tables.clear();
  }

  /** Loss probability of one direction of a link, in place of the general one; `undefined` takes it back. */
  setLoss(from: SimulatedRadio, to: SimulatedRadio, loss: number | undefined): void {
    const key = linkKey(from, to);
    if (loss === undefined) this.#linkLoss.delete(key);
    else this.#linkLoss.set(key, loss);
    this.#tables.delete(from);
  }

  /** @param generalLoss for links without a loss of their own */
  of(radio: SimulatedRadio, generalLoss: number): Neighbours {
    let table = this.#tables.get(radio);
    if (table === undefined) {
      table = this.#make(radio, generalLoss);
      this.#tables.set(radio, table);
    }
    return table;
  }

  /** dBm that arrive at `to`, before fading; −Infinity where there is no link. */
  rssi(from: SimulatedRadio, to: SimulatedRadio): number {
    const low = Math.min(from.index, to.index);
    const high = Math.max(from.index, to.index);
    return from.txPower - this.#propagation.loss(from.distanceTo(to), hashNumbers(this.#seed, low, high));
  }

  #make(radio: SimulatedRadio, generalLoss: number): Neighbours {
    const candidates = this.#near(radio);
    const receivers: SimulatedRadio[] = [];
    const receiverRssi: number[] = [];
    const loss: number[] = [];
    const levels = new Uint8Array(this.#places);
    const margin = FADING_REACH * this.#propagation.fading;
    for (const other of candidates) {
      if (other === radio || other.distanceTo(radio) > this.#reach) continue;
      const rssi = this.rssi(radio, other);
      if (rssi + margin >= other.sensitivity) {
        receivers.push(other);
        receiverRssi.push(rssi);
        loss.push(this.#linkLoss.get(linkKey(radio, other)) ?? generalLoss);
      }
      if (rssi + DISTURBANCE_MARGIN >= other.sensitivity) levels[other.index] = levelOf(rssi);
    }
    return {
      receivers,
      indexes: Int32Array.from(receivers, ({ index }) => index),
      rssi: Float64Array.from(receiverRssi),
      loss: Float64Array.from(loss),
      levels,
    };
  }

  /** All radios in the nine cells around, in the order of their numbers. */
  #near(radio: SimulatedRadio): SimulatedRadio[] {
    this.#grid ??= this.#makeGrid();
    const column = this.#cell(radio.position.x);
    const row = this.#cell(radio.position.y);
    const near: SimulatedRadio[] = [];
    for (let x = column - 1; x <= column + 1; x++) {
      for (let y = row - 1; y <= row + 1; y++) {
        const cell = this.#grid.get(x * 2 * GRID_OFFSET + y);
        if (cell !== undefined) for (const other of cell) near.push(other);
      }
    }
    return near.sort((a, b) => a.index - b.index);
  }

  #makeGrid(): Map<number, SimulatedRadio[]> {
    let power = Number.NEGATIVE_INFINITY;
    let sensitivity = Number.POSITIVE_INFINITY;
    for (const radio of this.#radios) {
      power = Math.max(power, radio.txPower);
      sensitivity = Math.min(sensitivity, radio.sensitivity);
    }
    const margin = Math.max(DISTURBANCE_MARGIN, FADING_REACH * this.#propagation.fading);
    this.#reach = this.#propagation.reach(power - sensitivity + margin);
    const grid = new Map<number, SimulatedRadio[]>();
    for (const radio of this.#radios) {
      const key = this.#cell(radio.position.x) * 2 * GRID_OFFSET + this.#cell(radio.position.y);
      const cell = grid.get(key);
      if (cell === undefined) grid.set(key, [radio]);
      else cell.push(radio);
    }
    return grid;
  }

  #cell(coordinate: number): number {
    return Math.floor(coordinate / this.#reach) + GRID_OFFSET;
  }
}

function linkKey(from: SimulatedRadio, to: SimulatedRadio): number {
  return from.index * 2 ** 26 + to.index;
}

import { hashNumbers } from "../random.js";
import type { Propagation } from "./propagation.js";
import type { SimulatedRadio } from "./radio.js";

/** What one radio's transmissions arrive as elsewhere, in the order of the receivers' numbers. */
export interface Neighbours {
  /** Radios that can receive it, at least when fading is kind. */
  readonly receivers: SimulatedRadio[];
  /** dBm at each of them, before fading. */
  readonly rssi: Float64Array;
  /** Loss probability to each of them. */
  readonly loss: Float64Array;
  /** Radios that it disturbs: the receivers, and those for which it is too weak to be received. */
  readonly disturbed: SimulatedRadio[];
  /** mW at each of them. */
  readonly power: Float64Array;
  /** Whether each of them would lock onto it. */
  readonly audible: Uint8Array;
}

/** A signal this far below the sensitivity still counts as disturbance, dB. */
const DISTURBANCE_MARGIN = 10;

/** Fading beyond this many standard deviations is not expected to help. */
const FADING_REACH = 3;

/** Grid cells are numbered from here so that coordinates may be negative. */
const GRID_OFFSET = 2 ** 20;

export function milliwatts(dBm: number): number {
  return 10 ** (dBm / 10);
}

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

  constructor(propagation: Propagation, seed: number) {
    this.#propagation = propagation;
    this.#seed = seed;
  }

  add(radio: SimulatedRadio): void {
    this.#radios.add(radio);
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
    const disturbed: SimulatedRadio[] = [];
    const power: number[] = [];
    const audible: number[] = [];
    const margin = FADING_REACH * this.#propagation.fading;
    for (const other of candidates) {
      if (other === radio) continue;
      const rssi = this.rssi(radio, other);
      if (rssi + margin >= other.sensitivity) {
        receivers.push(other);
        receiverRssi.push(rssi);
        loss.push(this.#linkLoss.get(linkKey(radio, other)) ?? generalLoss);
      }
      if (rssi + DISTURBANCE_MARGIN >= other.sensitivity) {
        disturbed.push(other);
        power.push(milliwatts(rssi));
        audible.push(rssi >= other.sensitivity ? 1 : 0);
      }
    }
    return {
      receivers,
      rssi: Float64Array.from(receiverRssi),
      loss: Float64Array.from(loss),
      disturbed,
      power: Float64Array.from(power),
      audible: Uint8Array.from(audible),
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

/** Why a reading is not in the store. */
export type Loss = "outbox full" | "rejected" | "power cut";

interface Entry {
  /** virtual ms */
  readonly measured: number;
  /** How often the store has it. */
  stored: number;
  /** By how much the time that the server gives it is off, ms. */
  offBy: number;
  loss: Loss | undefined;
}

export interface Balance {
  readonly measured: number;
  /** In the store, once. */
  readonly stored: number;
  /** In the store, although the node gave it up: a copy on the way was faster than the node's patience said. */
  readonly storedAllTheSame: number;
  /** Not in the store, and counted by its node with this reason. */
  readonly lost: Readonly<Record<string, number>>;
  /** In the store more than once, or never measured. Has to be empty. */
  readonly doubled: readonly string[];
  readonly unknown: readonly string[];
  /** Neither in the store nor counted. Has to be empty. */
  readonly missing: readonly string[];
  /** Share of readings whose time is off by more than two seconds; the largest such difference in ms. */
  readonly lateShare: number;
  readonly latest: number;
}

/** Values are unique per node, so each can be followed on its own: the number of the measurement in two fields. */
const TEMPERATURES = 20_000;
const COLDEST = -5000;

/** 1/100 °C and 1/100 % that stand for the `number`th measurement of a node. */
export function valuesOf(number: number): { temperature: number; humidity: number } {
  return {
    temperature: COLDEST + (number % TEMPERATURES),
    humidity: Math.floor(number / TEMPERATURES),
  };
}

/** The inverse of {@link valuesOf}, in the same units. */
export function numberOf(temperature: number, humidity: number): number {
  return humidity * TEMPERATURES + temperature - COLDEST;
}

/** Follows every single reading from its sensor to the store. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #counts = new Map<string, number>();
  #unknown: string[] = [];

  get size(): number {
    return this.#entries.size;
  }

  /** How often a node has measured: the number of its next measurement. */
  countOf(node: string): number {
    return this.#counts.get(node) ?? 0;
  }

  measured(node: string, number: number, time: number): void {
    this.#counts.set(node, number + 1);
    this.#entries.set(`${node} ${number}`, { measured: time, stored: 0, offBy: 0, loss: undefined });
  }

  /** The node counts it as dropped. */
  lost(node: string, number: number, loss: Loss): void {
    const entry = this.#entries.get(`${node} ${number}`);
    if (entry !== undefined) entry.loss = loss;
  }

  /** @param time virtual ms, as the server says that it was measured */
  stored(node: string, number: number, time: number): void {
    const entry = this.#entries.get(`${node} ${number}`);
    if (entry === undefined) {
      this.#unknown.push(`${node} ${number}`);
      return;
    }
    entry.stored++;
    entry.offBy = Math.abs(time - entry.measured);
  }

  /** Forgets what was said to be stored, and takes this for it: what the store itself has. */
  recount(stored: Iterable<{ node: string; number: number; time: number }>): void {
    this.#unknown = [];
    for (const entry of this.#entries.values()) entry.stored = 0;
    for (const { node, number, time } of stored) this.stored(node, number, time);
  }

  /** Readings that are neither in the store nor counted as lost. */
  get open(): number {
    let open = 0;
    for (const { stored, loss } of this.#entries.values()) if (stored === 0 && loss === undefined) open++;
    return open;
  }

  balance(): Balance {
    const lost: Record<string, number> = {};
    const doubled: string[] = [];
    const missing: string[] = [];
    let [stored, storedAllTheSame, late, latest] = [0, 0, 0, 0];
    for (const [name, entry] of this.#entries) {
      if (entry.stored > 1) doubled.push(name);
      if (entry.stored > 0) {
        stored++;
        if (entry.loss !== undefined) storedAllTheSame++;
        if (entry.offBy > 2000) late++;
        latest = Math.max(latest, entry.offBy);
      } else if (entry.loss === undefined) missing.push(name);
      else lost[entry.loss] = (lost[entry.loss] ?? 0) + 1;
    }
    return {
      measured: this.#entries.size,
      stored,
      storedAllTheSame,
      lost,
      doubled,
      unknown: this.#unknown,
      missing,
      lateShare: stored === 0 ? 0 : late / stored,
      latest,
    };
  }
}

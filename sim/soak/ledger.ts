/** Why a reading is not in the store. */
const LOSSES = ["outbox full", "rejected", "power cut"] as const;
export type Loss = (typeof LOSSES)[number];

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

/** What is known of one node's readings, by their numbers: in typed arrays, because a long run has millions. */
class Account {
  length = 0;
  /** virtual ms */
  measured = new Float64Array(256);
  /** By how much the time that the server gives it is off, ms. */
  offBy = new Float32Array(256);
  /** How often the store has it. */
  stored = new Uint8Array(256);
  /** Why it is not stored: 1 + the place in {@link LOSSES}. */
  loss = new Uint8Array(256);

  reach(length: number): void {
    if (length > this.measured.length) {
      const capacity = Math.max(length, 2 * this.measured.length);
      this.measured = enlarged(this.measured, new Float64Array(capacity));
      this.offBy = enlarged(this.offBy, new Float32Array(capacity));
      this.stored = enlarged(this.stored, new Uint8Array(capacity));
      this.loss = enlarged(this.loss, new Uint8Array(capacity));
    }
    this.length = Math.max(this.length, length);
  }

  /** Whether there is a measurement of this number. */
  has(number: number): boolean {
    return number >= 0 && number < this.length && this.measured[number] >= 0;
  }
}

function enlarged<T extends { set(values: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Follows every single reading from its sensor to the store. */
export class Ledger {
  readonly #accounts = new Map<string, Account>();
  #unknown: string[] = [];
  #measured = 0;

  get size(): number {
    return this.#measured;
  }

  /** How often a node has measured: the number of its next measurement. */
  countOf(node: string): number {
    return this.#accounts.get(node)?.length ?? 0;
  }

  measured(node: string, number: number, time: number): void {
    let account = this.#accounts.get(node);
    if (account === undefined) {
      account = new Account();
      this.#accounts.set(node, account);
    }
    const before = account.length;
    account.reach(number + 1);
    account.measured.fill(-1, before, number);
    account.measured[number] = time;
    this.#measured++;
  }

  /** The node counts it as dropped. */
  lost(node: string, number: number, loss: Loss): void {
    const account = this.#accounts.get(node);
    if (account?.has(number)) account.loss[number] = 1 + LOSSES.indexOf(loss);
  }

  /** @param time virtual ms, as the server says that it was measured */
  stored(node: string, number: number, time: number): void {
    const account = this.#accounts.get(node);
    if (account === undefined || !account.has(number)) {
      this.#unknown.push(`${node} ${number}`);
      return;
    }
    account.stored[number]++;
    account.offBy[number] = Math.abs(time - account.measured[number]);
  }

  /** Forgets what was said to be stored, and takes this for it: what the store itself has. */
  recount(stored: Iterable<{ node: string; number: number; time: number }>): void {
    this.#unknown = [];
    for (const account of this.#accounts.values()) account.stored.fill(0);
    for (const { node, number, time } of stored) this.stored(node, number, time);
  }

  /** Readings that are neither in the store nor counted as lost. */
  get open(): number {
    let open = 0;
    for (const account of this.#accounts.values()) {
      for (let number = 0; number < account.length; number++) {
        if (account.has(number) && account.stored[number] === 0 && account.loss[number] === 0) open++;
      }
    }
    return open;
  }

  balance(): Balance {
    const lost: Record<string, number> = {};
    const doubled: string[] = [];
    const missing: string[] = [];
    let [stored, storedAllTheSame, late, latest] = [0, 0, 0, 0];
    for (const [node, account] of this.#accounts) {
      for (let number = 0; number < account.length; number++) {
        if (!account.has(number)) continue;
        const loss = account.loss[number] === 0 ? undefined : LOSSES[account.loss[number] - 1];
        if (account.stored[number] > 1) doubled.push(`${node} ${number}`);
        if (account.stored[number] > 0) {
          stored++;
          if (loss !== undefined) storedAllTheSame++;
          if (account.offBy[number] > 2000) late++;
          latest = Math.max(latest, account.offBy[number]);
        } else if (loss === undefined) missing.push(`${node} ${number}`);
        else lost[loss] = (lost[loss] ?? 0) + 1;
      }
    }
    return {
      measured: this.#measured,
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

/** Sender Sequence Numbers that are never used twice, whatever happens to the power (RFC 8613 §7.2, App. B.1.1). */

import type { KeyValueStore } from "../../hal/hal.js";
import { Refusal } from "../bytes/refusal.js";
import { ByteWriter } from "../bytes/writer.js";
import { MAX_SEQUENCE_NUMBER } from "./partial-iv.js";

/** Where numbers come from: what has been given out once is never given out again. */
export interface NumberReserve {
  /**
   * Takes `count` numbers, durably, before it returns.
   * @returns the first of them; "sequence-lost" when it is not known which are taken, "sequence-busy" when none can be
   * had at the moment
   */
  reserve(count: number): number | Refusal<"sequence-lost" | "sequence-busy">;
}

/** Why there is no Sender Sequence Number. */
export type SequenceRefusal = Refusal<"sequence-exhausted" | "sequence-lost" | "sequence-busy">;

/** Numbers taken from storage at a time: at most so many are skipped by a restart, and one write serves so many. */
const DEFAULT_BLOCK = 64;

/**
 * The Sender Sequence Number of one Sender Context.
 *
 * Numbers are reserved in blocks that are written before the first of them is used; after a restart the next number is
 * above every one that was ever reserved. App. B.1.1 stores the number it has reached and adds K on boot; storing where
 * the block ends says the same and needs no F, because a HAL store is durable when `set` returns.
 */
export class SequenceNumbers {
  readonly #reserve: NumberReserve;
  readonly #block: number;
  readonly #limit: number;
  #next = 0;
  #end = 0;

  /**
   * @param block numbers to reserve at a time
   * @param limit the last number to use; lower than the maximum only to leave room for something
   */
  constructor(reserve: NumberReserve, block = DEFAULT_BLOCK, limit = MAX_SEQUENCE_NUMBER) {
    if (!Number.isInteger(block) || block < 1) throw new RangeError(`block of ${block} sequence numbers`);
    if (!(limit >= 0 && limit <= MAX_SEQUENCE_NUMBER)) throw new RangeError(`last sequence number ${limit}`);
    this.#reserve = reserve;
    this.#block = block;
    this.#limit = limit;
  }

  /**
   * A number that nothing else will ever get. When this throws, because the store did, no number was used.
   * @returns "sequence-exhausted" past the limit: only another context helps (§7.2.1); the others as
   * {@link NumberReserve}
   */
  next(): number | SequenceRefusal {
    if (this.#next === this.#end) {
      const first = this.#reserve.reserve(this.#block);
      if (first instanceof Refusal) return first;
      this.#next = first;
      this.#end = first + this.#block;
    }
    if (this.#next > this.#limit) return new Refusal("sequence-exhausted", `${this.#next}`);
    return this.#next++;
  }
}

const END_LENGTH = 6;

/**
 * Keeps where the reserved numbers end under one key of the HAL's store: 6 bytes, big-endian. Bytes behind them belong
 * to `StoredState` and are kept.
 */
export class StoredReserve implements NumberReserve {
  readonly #store: KeyValueStore;
  readonly #key: string;

  constructor(store: KeyValueStore, key: string) {
    this.#store = store;
    this.#key = key;
  }

  /**
   * Notes that no number from `first` on was used: for a Sender Key that never was used before, when it is provisioned
   * or derived anew. Without this note the number counts as lost, not as 0.
   */
  initialize(first = 0): void {
    this.writeState(first, NO_BYTES);
  }

  reserve(count: number): number | Refusal<"sequence-lost"> {
    const value = this.#store.get(this.#key);
    if (value === undefined || value.length < END_LENGTH) {
      return new Refusal("sequence-lost", value === undefined ? "nothing stored" : `${value.length} bytes`);
    }
    const first = this.#end(value);
    // Behind the last number there is nothing to reserve, and the count must not run away from its 6 bytes.
    if (first <= MAX_SEQUENCE_NUMBER) this.writeState(first + count, value.subarray(END_LENGTH));
    return first;
  }

  /** The end and what is behind it; `undefined` when nothing, or nothing whole, is stored. */
  protected readState(): { end: number; rest: Uint8Array } | undefined {
    const value = this.#store.get(this.#key);
    if (value === undefined || value.length < END_LENGTH) return undefined;
    return { end: this.#end(value), rest: value.subarray(END_LENGTH) };
  }

  /** Both in one write: after a power cut they belong together. */
  protected writeState(end: number, rest: Uint8Array): void {
    const out = new ByteWriter(END_LENGTH + rest.length);
    this.#store.set(this.#key, out.uint(end, END_LENGTH).bytes(rest).finish());
  }

  #end(value: Uint8Array): number {
    let end = 0;
    for (let i = 0; i < END_LENGTH; i++) end = end * 256 + value[i];
    return end;
  }
}

const NO_BYTES = new Uint8Array(0);

import type { KeyValueStore } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";

/**
 * The node's storage, where a write that fails (flash worn out or full) is a result and not an exception: each user
 * of it decides what may not happen without the write. Numbers are not given out, messages not taken, states not
 * changed.
 */
export class MeshStorage {
  readonly #store: KeyValueStore;
  readonly #counters: Counters;

  constructor(store: KeyValueStore, counters: Counters) {
    this.#store = store;
    this.#counters = counters;
  }

  /** The value, a copy; `undefined` without one. */
  get(key: string): Uint8Array | undefined {
    return this.#store.get(key);
  }

  /** All keys. */
  keys(): string[] {
    return this.#store.keys();
  }

  /** @returns whether the value is durable now */
  set(key: string, value: Uint8Array): boolean {
    try {
      this.#store.set(key, value);
      return true;
    } catch {
      this.#counters.add("storage-failure");
      return false;
    }
  }

  /** @returns whether it worked */
  delete(key: string): boolean {
    try {
      this.#store.delete(key);
      return true;
    } catch {
      this.#counters.add("storage-failure");
      return false;
    }
  }
}

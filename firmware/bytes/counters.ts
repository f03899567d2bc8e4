/** Counts events by name; what `/metrics`, the gateway's health and the tests read. */
export class Counters {
  readonly #counts = new Map<string, number>();

  /** Counts something under its name. */
  add(name: string, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  /** @returns how often it was counted; 0 for a name that never was */
  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** All counters that were ever added to, in the order of their first event. */
  entries(): IterableIterator<[string, number]> {
    return this.#counts.entries();
  }
}

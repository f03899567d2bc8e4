/**
 * A hash table over the places of columns of numbers. Internal to {@link MessageIdNames} and {@link TokenNames}: a Map
 * would take 100 to 300 bytes an entry in XS, and a gateway has some 100 KB for everything.
 */

/** No place: the end of a chain. */
export const NONE = -1;

/** Chains of places with one hash, the newest first. 4 bytes for each place. */
export class Places {
  readonly #heads: Int16Array;
  readonly #next: Int16Array;

  /** @param size how many places there are, at most 32,768 */
  constructor(size: number) {
    this.#heads = new Int16Array(size).fill(NONE);
    this.#next = new Int16Array(size);
  }

  /** The newest place with this hash. */
  first(hash: number): number {
    return this.#heads[this.#chain(hash)];
  }

  /** The next older one. */
  after(place: number): number {
    return this.#next[place];
  }

  /**
   * Makes a place the newest of its hash.
   * @param place that is in no chain
   */
  add(hash: number, place: number): void {
    const chain = this.#chain(hash);
    this.#next[place] = this.#heads[chain];
    this.#heads[chain] = place;
  }

  /**
   * Takes a place out of its chain.
   * @param place that was added with this hash
   */
  remove(hash: number, place: number): void {
    const chain = this.#chain(hash);
    const next = this.#next;
    const after = next[place];
    let before = this.#heads[chain];
    if (before === place) {
      this.#heads[chain] = after;
      return;
    }
    while (next[before] !== place) before = next[before];
    next[before] = after;
  }

  #chain(hash: number): number {
    return (hash >>> 0) % this.#heads.length;
  }
}

/** So much at once, and so much more each second: a token bucket per name, for names that anybody can make up. */
export class Allowances {
  readonly #burst: number;
  readonly #rate: number;
  readonly #limit: number;
  readonly #buckets = new Map<string, { left: number; since: number }>();

  /**
   * @param burst at once
   * @param rate each second
   * @param limit names remembered; one that is forgotten begins with a full bucket
   */
  constructor(burst: number, rate: number, limit = 10_000) {
    this.#burst = burst;
    this.#rate = rate;
    this.#limit = limit;
  }

  /** @param now ms */
  take(name: string, now: number): boolean {
    if (this.#rate === Number.POSITIVE_INFINITY) return true;
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = { left: this.#burst, since: now };
      if (this.#buckets.size >= this.#limit) this.#buckets.delete(this.#buckets.keys().next().value!);
      this.#buckets.set(name, bucket);
    } else {
      const gained = ((now - bucket.since) * this.#rate) / 1000;
      bucket.left = Math.min(this.#burst, bucket.left + Math.max(0, gained));
      bucket.since = now;
    }
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }
}

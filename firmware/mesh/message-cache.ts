/** A place that holds nothing, and the end of a chain. */
const NONE = 0xffff;

/**
 * The network message cache (Mesh Profile §3.4.6.5): what has been seen lately is neither processed nor relayed again.
 *
 * SRC, SEQ and IVI together name a PDU. Only authenticated ones are added, so that nobody without a key can push
 * entries out. The oldest goes first.
 *
 * A ring, with chains through it of the entries that share a bucket: most PDUs on the air are asked for here, and to
 * look through the whole ring would cost the chip more than their decryption.
 */
export class MessageCache {
  readonly #entries: Float64Array;
  /** By bucket: the newest of its entries. */
  readonly #newest: Uint16Array;
  /** By place: its bucket, and the next older entry of the same one. */
  readonly #buckets: Uint16Array;
  readonly #older: Uint16Array;
  readonly #capacity: number;
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#entries = new Float64Array(capacity).fill(-1);
    this.#newest = new Uint16Array(capacity).fill(NONE);
    this.#buckets = new Uint16Array(capacity);
    this.#older = new Uint16Array(capacity);
  }

  /**
   * Whether this PDU was seen lately.
   * @param ivi lowest bit of its IV Index
   */
  has(src: number, seq: number, ivi: number): boolean {
    const entry = src * 0x2000000 + ivi * 0x1000000 + seq;
    let place = this.#newest[bucketOf(src, seq) % this.#capacity];
    while (place !== NONE) {
      if (this.#entries[place] === entry) return true;
      place = this.#older[place];
    }
    return false;
  }

  /** Remembers a PDU, in the place of the oldest. */
  add(src: number, seq: number, ivi: number): void {
    const place = this.#next;
    this.#next = place + 1 === this.#capacity ? 0 : place + 1;
    if (this.#entries[place] >= 0) this.#forget(place);
    const bucket = bucketOf(src, seq) % this.#capacity;
    this.#entries[place] = src * 0x2000000 + ivi * 0x1000000 + seq;
    this.#buckets[place] = bucket;
    this.#older[place] = this.#newest[bucket];
    this.#newest[bucket] = place;
  }

  /** Forgets all. */
  clear(): void {
    this.#entries.fill(-1);
    this.#newest.fill(NONE);
  }

  /** Takes the oldest entry out of its chain, where it is the last one. */
  #forget(place: number): void {
    const bucket = this.#buckets[place];
    let newer = this.#newest[bucket];
    if (newer === place) {
      this.#newest[bucket] = NONE;
      return;
    }
    while (this.#older[newer] !== place) newer = this.#older[newer];
    this.#older[newer] = NONE;
  }
}

/** Consecutive numbers of one source get buckets of their own, and sources begin at different ones. */
function bucketOf(src: number, seq: number): number {
  return seq + 37 * src;
}

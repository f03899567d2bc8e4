import { equal } from "../bytes/compare.js";
import type { Counters } from "../bytes/counters.js";

/** One datagram that waits for the modem. */
interface Waiting {
  readonly datagram: Uint8Array;
  readonly since: number;
}

/**
 * The gateway's store-and-forward queue (DESIGN §4.7): datagrams in order while the modem is out of coverage, bounded,
 * oldest dropped and counted.
 *
 * The head stays until the modem has taken it for certain: what may or may not have left is sent again, and the
 * server removes the copy.
 */
export class UplinkQueue {
  readonly #capacity: number;
  readonly #lifetime: number;
  readonly #counters: Counters;
  readonly #waiting: Waiting[] = [];

  /**
   * @param capacity datagrams kept at most
   * @param lifetime ms after which a datagram is not worth its transmission: its sender has sent the reading anew
   */
  constructor(capacity: number, lifetime: number, counters: Counters) {
    if (!(capacity >= 1)) throw new RangeError(`uplink queue capacity ${capacity}: at least 1`);
    this.#capacity = capacity;
    this.#lifetime = lifetime;
    this.#counters = counters;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Takes the datagram over; the bytes must not change afterwards. */
  push(datagram: Uint8Array, now: number): void {
    for (const { datagram: queued } of this.#waiting) {
      if (equal(queued, datagram)) {
        this.#counters.add("uplink: retransmission already waits");
        return;
      }
    }
    this.#waiting.push({ datagram, since: now });
    if (this.#waiting.length > this.#capacity) {
      this.#waiting.shift();
      this.#counters.add("uplink: dropped, queue full");
    }
  }

  /** The oldest that is still worth sending. */
  head(now: number): Uint8Array | undefined {
    while (this.#waiting.length > 0 && now - this.#waiting[0].since > this.#lifetime) {
      this.#waiting.shift();
      this.#counters.add("uplink: dropped, too old");
    }
    return this.#waiting[0]?.datagram;
  }

  /** The head has left; nothing happens when it is not `datagram` any more. */
  sent(datagram: Uint8Array): void {
    if (this.#waiting[0]?.datagram === datagram) this.#waiting.shift();
  }
}

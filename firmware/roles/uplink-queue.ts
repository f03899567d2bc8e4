import { equal } from "../bytes/compare.js";
import type { Counters } from "../bytes/counters.js";
import { Type } from "../coap/message.js";
import { isRequest } from "../coap/numbers.js";
import { DEFAULT_TRANSMISSION, exchangeLifetime } from "../coap/transmission.js";

/** A datagram for the server, and whose it is. */
export interface Arrival {
  /** Its bytes must not change any more. */
  readonly datagram: Uint8Array;
  /** Unicast address of whoever said it. */
  readonly source: number;
  /** The message ID that the source itself gave it. */
  readonly messageId: number;
  /** When it came, ms. Before the clock's beginning for what an earlier run left behind. */
  readonly since: number;
}

/** One datagram that waits for the modem. */
export interface Waiting extends Arrival {
  /** Where {@link UplinkStore} keeps it. */
  block: number;
}

/** {@link Waiting.block} of what is kept in memory only: not yet, or not any more. */
export const Kept = { NOT_YET: 0, NEVER: -1 } as const;

/** Why a datagram leaves the queue unsent; the counters are named "uplink: …". */
type Drop = "dropped, queue full" | "dropped, too old" | "superseded";

export interface UplinkQueueOptions {
  /** Datagrams kept at most, default 256. */
  readonly capacity?: number;
  /** Bytes of datagrams kept at most, default 24,576. One datagram is taken whatever its length. */
  readonly bytes?: number;
  /** ms after which a datagram is not worth its transmission any more, default 24 h. */
  readonly lifetime?: number;
  readonly counters: Counters;
  /** It waits no longer: sent, or dropped and counted. */
  readonly onGone?: (waiting: Waiting) => void;
}

const DAY = 86_400_000;
const DEFAULT_BYTES = 24_576;

/** The server has given up what an ACK or RST is about (RFC 7252 §4.8.2), and may use its message ID for another. */
const REPLY_LIFETIME = exchangeLifetime(DEFAULT_TRANSMISSION);

/**
 * A client has one confirmable request outstanding (NSTART, RFC 7252 §4.7). When a new one comes, the answer or the
 * end of its patience has come to the one before; this is the least patience by §4.8 (31 · ACK_TIMEOUT, rounded down).
 * Requests that come closer to each other are of a client that does not keep to it: none stands for another.
 */
const LEAST_PATIENCE = 60_000;

/**
 * A node counts its message IDs up, and begins at a random one when it starts. A larger step is a new life of the
 * node, which knows nothing of what the former one had to say.
 */
const LARGEST_STEP = 64;

/**
 * The gateway's store-and-forward queue (DESIGN §4.7): datagrams in order while the modem cannot send, bounded, the
 * oldest dropped and counted.
 *
 * Copies of what waits are not queued again. A node that was not answered sends what it has anew, in another request:
 * the request before, which nobody waits for, makes room for it. Without that an hour without coverage would fill the
 * queue with the same few readings over and over, and they would be stored with the time of the first attempt's
 * arrival, not of the measurement.
 *
 * The head stays until the modem has taken it for certain: what may or may not have left is sent again, and the server
 * recognises the copy.
 */
export class UplinkQueue {
  readonly #options: UplinkQueueOptions;
  readonly #capacity: number;
  readonly #limit: number;
  readonly #lifetime: number;
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  /** The modem has the head in hand: nothing but {@link settle} takes it away. */
  #inHand = false;

  /** @throws RangeError for a capacity below 1 */
  constructor(options: UplinkQueueOptions) {
    const { capacity = 256, bytes = DEFAULT_BYTES, lifetime = DAY } = options;
    if (!(capacity >= 1)) throw new RangeError(`uplink queue capacity ${capacity}: at least 1`);
    this.#options = options;
    this.#capacity = capacity;
    this.#limit = bytes;
    this.#lifetime = lifetime;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Bytes of all datagrams that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What waits, oldest first. Not to be changed. */
  get waiting(): readonly Waiting[] {
    return this.#waiting;
  }

  get inHand(): boolean {
    return this.#inHand;
  }

  /**
   * Takes a datagram over.
   * @returns undefined for a copy of what waits already
   */
  push(arrival: Arrival, now: number): Waiting | undefined {
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const other = this.#waiting[i];
      if (other.source !== arrival.source) continue;
      if (equal(other.datagram, arrival.datagram)) {
        this.#count("retransmission already waits");
        return undefined;
      }
      if (!this.#isInHand(i) && isAskedAnew(other, arrival)) this.#drop(i, "superseded");
    }
    const waiting: Waiting = { ...arrival, block: Kept.NOT_YET };
    this.#waiting.push(waiting);
    this.#bytes += waiting.datagram.length;
    while (this.#waiting.length > this.#capacity || this.#bytes > this.#limit) {
      if (!this.#makeRoom(now)) break;
    }
    return waiting;
  }

  /** The oldest that is still worth sending: it is in hand from now on, until {@link settle}. */
  take(now: number): Uint8Array | undefined {
    while (this.#waiting.length > 0 && this.#isTooOld(this.#waiting[0], now))
      this.#drop(0, "dropped, too old");
    this.#inHand = this.#waiting.length > 0;
    return this.#waiting[0]?.datagram;
  }

  /** What became of what was in hand. @param gone false: it waits again, at the head */
  settle(gone: boolean): void {
    if (!this.#inHand) return;
    this.#inHand = false;
    if (gone) this.#remove(0);
  }

  #isInHand(index: number): boolean {
    return this.#inHand && index === 0;
  }

  #isTooOld({ datagram, since }: Waiting, now: number): boolean {
    return now - since > (isReply(datagram) ? Math.min(REPLY_LIFETIME, this.#lifetime) : this.#lifetime);
  }

  /** What is too old goes first, then the oldest; never the newest. */
  #makeRoom(now: number): boolean {
    const first = this.#inHand ? 1 : 0;
    const last = this.#waiting.length - 1;
    for (let i = first; i < last; i++) {
      if (!this.#isTooOld(this.#waiting[i], now)) continue;
      this.#drop(i, "dropped, too old");
      return true;
    }
    if (first >= last) return false;
    this.#drop(first, "dropped, queue full");
    return true;
  }

  #drop(index: number, reason: Drop): void {
    this.#count(reason);
    this.#remove(index);
  }

  #remove(index: number): void {
    const [waiting] = this.#waiting.splice(index, 1);
    this.#bytes -= waiting.datagram.length;
    this.#options.onGone?.(waiting);
  }

  #count(what: string): void {
    this.#options.counters.add(`uplink: ${what}`);
  }
}

/**
 * Whether the sender of `before` has given it up and sent `after` in its place. No step at all is a late copy, under
 * other names because the hop has forgotten the first ones: their answer would not find its way any more.
 */
function isAskedAnew(before: Arrival, after: Arrival): boolean {
  const step = (after.messageId - before.messageId) & 0xffff;
  return (
    after.since - before.since >= LEAST_PATIENCE &&
    step <= LARGEST_STEP &&
    isConfirmableRequest(after.datagram) &&
    isConfirmableRequest(before.datagram)
  );
}

// Our own hop made these datagrams: they have a whole header.

function typeOf(datagram: Uint8Array): number {
  return (datagram[0] >> 4) & 3;
}

function isReply(datagram: Uint8Array): boolean {
  const type = typeOf(datagram);
  return type === Type.ACK || type === Type.RST;
}

function isConfirmableRequest(datagram: Uint8Array): boolean {
  return typeOf(datagram) === Type.CON && isRequest(datagram[1]);
}

import type { KeyValueStore } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";
import type { SaraR4, SendOutcome } from "../modem/sara-r4.js";
import type { Timed } from "./pump.js";
import { Kept, UplinkQueue, type UplinkQueueOptions } from "./uplink-queue.js";
import { UplinkStore } from "./uplink-store.js";

/** What the uplink wants of the modem's driver. */
export type UplinkModem = Pick<SaraR4, "canSend" | "send" | "maxDatagram">;

/** When datagrams are held back so as to travel together; for modems with power saving. */
export interface GatherOptions {
  /**
   * ms that the first datagram of a radio session waits for others, default 10,000. With the waking of the modem (10 to
   * 20 s) it has to stay below the patience of whoever waits for the answer: a node waits 90 s at least.
   */
  readonly hold?: number;
  /** Datagrams that are enough to begin at once, default 16. */
  readonly enough?: number;
  /** ms that the radio stays connected after a datagram, default 10,000: what networks usually give (RRC inactivity). */
  readonly linger?: number;
}

export interface KeepOptions {
  readonly place: KeyValueStore;
  /** As {@link UplinkStore}'s. */
  readonly blocks?: number;
  /** ms that a datagram waits before it is written at all, default 2 min: short gaps never come to the flash. */
  readonly after?: number;
  /** ms between two writings, default 15 min: what a power cut may take, and what the flash pays for. */
  readonly every?: number;
}

export interface UplinkOptions extends Pick<UplinkQueueOptions, "capacity" | "bytes" | "lifetime"> {
  readonly modem: UplinkModem;
  readonly counters: Counters;
  /** Absent: each datagram goes as soon as the modem takes it. */
  readonly gather?: GatherOptions;
  /** A radio session has begun: what is pushed now travels in it. */
  readonly onOpen?: (now: number) => void;
  /** Absent: the queue ends with the power. */
  readonly keep?: KeepOptions;
}

const NEVER = Number.POSITIVE_INFINITY;

/** After a failure the same datagram is tried again after this, doubled each time up to the second figure, ms. */
const FIRST_RETRY = 500;
const LAST_RETRY = 30_000;
/** A datagram that fails so often in a row, for so long, while the modem says that it can send, will never do. */
const HOPELESS_FAILURES = 10;
const HOPELESS_TIME = 120_000;

/**
 * The way out of the gateway: a queue in front of the modem, its copy in flash, and the decision when the radio is
 * worth switching on.
 *
 * With power saving a radio session costs the same for one datagram as for ten (the connection lingers), so the first
 * one waits a little for others. While the session lasts everything goes at once.
 */
export class Uplink implements Timed {
  readonly queue: UplinkQueue;
  readonly #options: UplinkOptions;
  readonly #store: UplinkStore | undefined;
  readonly #hold: number;
  readonly #enough: number;
  readonly #linger: number;
  readonly #keepAfter: number;
  readonly #keepEvery: number;
  /** What could not be sent, how often in a row, since when, and when it is tried again. */
  #failing: Uint8Array | undefined;
  #failures = 0;
  #failingSince = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  /** Until then the radio is connected. */
  #openUntil = Number.NEGATIVE_INFINITY;
  #keptAt = Number.NEGATIVE_INFINITY;
  /** When it is time to look what is worth writing. */
  #keepAt = NEVER;

  /** Brings back what an earlier run left in the place. */
  constructor(options: UplinkOptions, now: number) {
    const { counters, gather, keep } = options;
    this.#options = options;
    this.#hold = gather?.hold ?? 10_000;
    this.#enough = gather?.enough ?? 16;
    this.#linger = gather?.linger ?? 10_000;
    this.#keepAfter = keep?.after ?? 120_000;
    this.#keepEvery = keep?.every ?? 900_000;
    this.queue = new UplinkQueue({
      ...options,
      onGone: (waiting) => this.#store?.gone(waiting),
    });
    if (keep === undefined) return;
    const { place, blocks } = keep;
    this.#store = new UplinkStore({ place, counters, ...(blocks !== undefined && { blocks }) });
    this.#store.restore(now, (arrival) => this.queue.push(arrival, now));
    if (this.queue.length > 0) counters.add("uplink: brought back after a restart", this.queue.length);
  }

  /** Whether what is pushed now leaves without being held. */
  isOpen(now: number): boolean {
    return this.#options.gather === undefined || now < this.#openUntil;
  }

  /** A datagram from `source`, the address of a node, who gave the message this ID. The bytes must not change any more. */
  push(datagram: Uint8Array, source: number, messageId: number, now: number): void {
    this.queue.push({ datagram, source, messageId, since: now }, now);
    this.#scheduleKeeping(now);
    this.drain(now);
  }

  /** The server was heard: the radio is connected. */
  heard(now: number): void {
    this.#used(now);
    this.drain(now);
  }

  /** Sends what may be sent. To be called also when the modem has become able to. */
  drain(now: number): void {
    const { modem, counters, onOpen } = this.#options;
    while (!this.queue.inHand && modem.canSend && now >= this.#retryAt && this.#isWorthIt(now)) {
      const datagram = this.queue.take(now);
      if (datagram === undefined) return;
      if (datagram.length > modem.maxDatagram) {
        counters.add("uplink: dropped, too long");
        this.queue.settle(true);
        continue;
      }
      const begins = now >= this.#openUntil;
      this.#used(now);
      if (!modem.send(datagram, now)) this.queue.settle(false);
      if (begins) onOpen?.(now);
      return;
    }
  }

  /** What became of the datagram that the modem had in hand. */
  sent(outcome: SendOutcome, now: number): void {
    if (!this.queue.inHand) return;
    const { datagram } = this.queue.waiting[0];
    if (datagram !== this.#failing) this.#failures = 0;
    this.#failing = datagram;
    if (outcome === "sent") {
      this.#used(now);
      this.#next();
    } else if (this.#failures >= HOPELESS_FAILURES && now - this.#failingSince >= HOPELESS_TIME) {
      // One datagram must not stand in the way of all others.
      this.#options.counters.add("uplink: dropped, the modem never takes it");
      this.#next();
    } else {
      // What was refused, or may not have left, stays at the head: a copy too many is recognised by the server.
      if (this.#failures++ === 0) this.#failingSince = now;
      this.#retryAt = now + Math.min(LAST_RETRY, FIRST_RETRY * 2 ** (this.#failures - 1));
      this.queue.settle(false);
    }
    this.drain(now);
  }

  #next(): void {
    this.#failures = 0;
    this.#failing = undefined;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.queue.settle(true);
  }

  get deadline(): number {
    const { modem } = this.#options;
    const { waiting, inHand } = this.queue;
    if (waiting.length === 0 || inHand || !modem.canSend) return this.#keepAt;
    // What waits although the modem would take it has failed, or is held.
    return Math.min(this.#failures > 0 ? this.#retryAt : waiting[0].since + this.#hold, this.#keepAt);
  }

  tick(now: number): void {
    this.drain(now);
    if (now >= this.#keepAt) this.#keep(now);
  }

  /** Writes what was not written yet, before the power goes in order. */
  keepAll(now: number): void {
    this.#store?.write(this.queue.waiting, now);
  }

  #keep(now: number): void {
    this.#keepAt = NEVER;
    const oldest = this.queue.waiting.find(({ block }) => block === Kept.NOT_YET);
    if (oldest === undefined) return;
    this.#scheduleKeeping(oldest.since);
    if (now < this.#keepAt) return;
    this.#keepAt = NEVER;
    this.#keptAt = now;
    this.#store?.write(this.queue.waiting, now);
  }

  #scheduleKeeping(since: number): void {
    if (this.#store === undefined || this.#keepAt !== NEVER) return;
    this.#keepAt = Math.max(since + this.#keepAfter, this.#keptAt + this.#keepEvery);
  }

  #used(now: number): void {
    this.#openUntil = now + this.#linger;
  }

  /** Whether the radio is worth switching on now for what waits. */
  #isWorthIt(now: number): boolean {
    const { waiting } = this.queue;
    if (waiting.length === 0) return false;
    // What has failed was worth it before.
    if (this.#failures > 0) return true;
    return this.isOpen(now) || waiting.length >= this.#enough || now >= waiting[0].since + this.#hold;
  }
}

/** Observing resources (RFC 7641): the order of notifications at a client, the observers of a server. */

import { Refusal } from "../bytes/refusal.js";
import { DeadlineHeap, type Timed } from "./deadline-heap.js";
import type { Content, OutgoingHandle, RespondOptions } from "./messaging.js";
import { codeClass, OptionNumber } from "./numbers.js";
import { setOption, uintOption } from "./options.js";

/** Observe in a request (RFC 7641 §2). */
export const Observe = { REGISTER: 0, DEREGISTER: 1 } as const;

const HALF = 1 << 23;
const MODULUS = 1 << 24;
/** Behind so long a silence any notification is newer (RFC 7641 §3.4), ms. */
const REORDER_WINDOW = 128_000;

/**
 * Which notifications of one observation are newer than those before (RFC 7641 §3.4). Under OSCORE the Partial IV orders
 * them instead (RFC 8613 §4.1.3.5.2).
 */
export class ObserveOrder {
  #latest: number | undefined;
  #at = 0;

  /**
   * Whether this notification is the newest so far; an older one is to be passed over.
   * @param value of its Observe option
   * @param now ms
   */
  accept(value: number, now: number): boolean {
    const latest = this.#latest;
    if (latest !== undefined && now <= this.#at + REORDER_WINDOW) {
      const isNewer = (latest < value && value - latest < HALF) || (latest > value && latest - value > HALF);
      if (!isNewer) return false;
    }
    this.#latest = value;
    this.#at = now;
    return true;
  }
}

/** Sends a notification to one observer; with OSCORE, protects it first. */
export type Notify = (
  content: Content,
  now: number,
  options: RespondOptions,
) => OutgoingHandle | Refusal<string>;

/** Makes an observer's notification from what the resource is now. */
export type Represent = (now: number) => Content;

/** How many may observe, and how they are kept up to date. */
export interface ObserversOptions {
  /** observers over all resources, default 256; beyond, registrations are answered without Observe (RFC 7641 §4.1) */
  readonly limit?: number;
  /** ms after which a NON observer gets a CON, to learn whether it is still there; default a day (RFC 7641 §4.5) */
  readonly confirmAfter?: number;
  /** ms between NON notifications to one observer, default 3000 (RFC 7641 §4.5.1) */
  readonly interval?: number;
}

interface Observer extends Timed {
  readonly key: string;
  readonly resource: string;
  readonly notify: Notify;
  readonly represent: Represent;
  readonly confirmable: boolean;
  /** of the latest notification: what a RST names */
  handle: OutgoingHandle | undefined;
  /** one is under way, and the resource changed since */
  stale: boolean;
  inFlight: boolean;
  /** when it last proved to be there */
  confirmed: number;
  /** when the next NON may go */
  notBefore: number;
}

/** Names a notification, as a RST does. */
function handleKey({ endpoint, messageId }: OutgoingHandle): string {
  return `${messageId}|${endpoint}`;
}

const DAY = 86_400_000;

/**
 * The observers of a server's resources (RFC 7641 §4). Each has at most one notification under way; what changes
 * meanwhile is told once, in its latest state (§4.5.2).
 */
export class Observers {
  readonly #limit: number;
  readonly #confirmAfter: number;
  readonly #interval: number;
  readonly #observers = new Map<string, Observer>();
  readonly #byResource = new Map<string, Set<Observer>>();
  /** Observers whose notification waits for the interval. */
  readonly #waiting = new DeadlineHeap<Observer>();
  /** Observers by their latest notification. */
  readonly #byHandle = new Map<string, Observer>();
  #sequence: number;

  /** @param sequence the first Observe value */
  constructor(options: ObserversOptions = {}, sequence = 0) {
    this.#limit = options.limit ?? 256;
    this.#confirmAfter = options.confirmAfter ?? DAY;
    this.#interval = options.interval ?? 3000;
    this.#sequence = sequence;
  }

  get size(): number {
    return this.#observers.size;
  }

  /** When {@link tick} wants to be called; Infinity for never. */
  get deadline(): number {
    return this.#waiting.first?.due ?? Number.POSITIVE_INFINITY;
  }

  /** Sends the notifications that are due at `now` (ms). */
  tick(now: number): void {
    for (
      let first = this.#waiting.first;
      first !== undefined && first.due <= now;
      first = this.#waiting.first
    ) {
      this.#send(first, now);
    }
  }

  /**
   * Registers an observer, or renews it (RFC 7641 §4.1).
   * @param key of the observer: its endpoint and token
   * @param confirmable whether it asked with a CON, and is notified by CON
   * @returns the Observe option's value for the response; `undefined` when there is no room
   */
  register(
    key: string,
    resource: string,
    confirmable: boolean,
    notify: Notify,
    represent: Represent,
    now: number,
  ): number | undefined {
    this.remove(key);
    if (this.#observers.size >= this.#limit) return undefined;
    const observer: Observer = {
      due: 0,
      heapIndex: -1,
      key,
      resource,
      notify,
      represent,
      confirmable,
      handle: undefined,
      stale: false,
      inFlight: false,
      confirmed: now,
      notBefore: now + this.#interval,
    };
    this.#observers.set(key, observer);
    let others = this.#byResource.get(resource);
    if (others === undefined) {
      others = new Set();
      this.#byResource.set(resource, others);
    }
    others.add(observer);
    return this.#nextSequence();
  }

  /** Takes an observer off the list; does nothing when it is not on it. */
  remove(key: string): void {
    const observer = this.#observers.get(key);
    if (observer === undefined) return;
    this.#observers.delete(key);
    this.#waiting.remove(observer);
    this.#setHandle(observer, undefined);
    const others = this.#byResource.get(observer.resource);
    others?.delete(observer);
    if (others?.size === 0) this.#byResource.delete(observer.resource);
  }

  /** A RST came for a NON that is no longer tracked: whoever it was sent to observes no more (RFC 7641 §3.6). */
  reset(endpoint: string, messageId: number): void {
    const observer = this.#byHandle.get(handleKey({ endpoint, messageId }));
    if (observer !== undefined) this.remove(observer.key);
  }

  /** A resource changed: its observers are told. */
  changed(resource: string, now: number): void {
    for (const observer of [...(this.#byResource.get(resource) ?? [])]) this.#send(observer, now);
  }

  #send(observer: Observer, now: number): void {
    this.#waiting.remove(observer);
    if (observer.inFlight) {
      observer.stale = true;
      return;
    }
    // RFC 7641 §4.5: who is told by NON only is asked from time to time whether it still listens.
    const confirmable = observer.confirmable || now - observer.confirmed >= this.#confirmAfter;
    if (!confirmable && now < observer.notBefore) {
      this.#waiting.set(observer, observer.notBefore);
      return;
    }
    const content = observer.represent(now);
    const isSuccess = codeClass(content.code) === 2;
    // §4.2: an error ends the observation, and carries no Observe option.
    if (!isSuccess) this.remove(observer.key);
    const options = [...content.options];
    if (isSuccess) setOption(options, uintOption(OptionNumber.OBSERVE, this.#nextSequence()));
    observer.stale = false;
    observer.inFlight = true;
    observer.notBefore = now + this.#interval;
    const handle = observer.notify({ ...content, options }, now, {
      confirmable,
      onOutcome: (outcome, at) => this.#ended(observer, outcome, at),
    });
    if (handle instanceof Refusal) {
      // Too much waits for this endpoint. What an observer is promised is the last state, sometime (RFC 7641 §1.3).
      observer.inFlight = false;
      if (isSuccess) this.#waiting.set(observer, observer.notBefore);
    } else if (isSuccess) {
      this.#setHandle(observer, handle);
    }
  }

  #setHandle(observer: Observer, handle: OutgoingHandle | undefined): void {
    if (observer.handle !== undefined) this.#byHandle.delete(handleKey(observer.handle));
    observer.handle = handle;
    if (handle !== undefined) this.#byHandle.set(handleKey(handle), observer);
  }

  #ended(observer: Observer, outcome: string, now: number): void {
    observer.inFlight = false;
    // It may have registered anew meanwhile, with the same key.
    if (this.#observers.get(observer.key) !== observer) return;
    if (outcome === "reset" || outcome === "timeout") {
      // §4.5: nobody listens there any more.
      this.remove(observer.key);
      return;
    }
    if (outcome === "acknowledged") observer.confirmed = now;
    if (observer.stale) this.#send(observer, now);
  }

  #nextSequence(): number {
    const sequence = this.#sequence;
    this.#sequence = (sequence + 1) % MODULUS;
    return sequence;
  }
}

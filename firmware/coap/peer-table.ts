/** What the message layer keeps about each endpoint. Internal to message-layer.ts. */

import type { Counters } from "../bytes/counters.js";
import type { Timed } from "./deadline-heap.js";
import type { CoapMessage } from "./message.js";
import { Type } from "./message.js";
import type {
  Content,
  Exchange,
  Outcome,
  OutgoingHandle,
  RequestFailure,
  RequestHandle,
  RequestHandler,
  Verdict,
} from "./messaging.js";

const NO_BYTES = new Uint8Array(0);

/** Stands in for a request after its answer, so that nothing holds the datagram for the exchange's lifetime. */
const FORGOTTEN: CoapMessage = {
  type: Type.CON,
  code: 0,
  messageId: 0,
  token: NO_BYTES,
  options: [],
  payload: NO_BYTES,
};

/** Where a peer's message stands. */
export const IncomingState = {
  /** nothing was sent yet */
  OPEN: 0,
  /** the empty ACK was sent, the answer is owed */
  ACKNOWLEDGED: 1,
  /** nothing is owed any more */
  ANSWERED: 2,
} as const;
export type IncomingState = (typeof IncomingState)[keyof typeof IncomingState];

/** A CON or NON message of a peer: what deduplication remembers, and for requests the exchange. */
export class Incoming implements Exchange, Timed {
  due = 0;
  heapIndex = -1;
  readonly peer: Peer;
  readonly messageId: number;
  readonly confirmable: boolean;
  /** of its bytes: tells a repeated message from a message ID used again */
  readonly fingerprint: number;
  /** when the message ID may mean something else */
  readonly expires: number;
  readonly multicast: boolean;
  token: Uint8Array;
  request: CoapMessage;
  state: IncomingState = IncomingState.OPEN;
  /** what a duplicate is answered with */
  reply: Uint8Array | undefined = undefined;
  /** the answer to a multicast request that waits for its time */
  delayed: Uint8Array | undefined = undefined;
  /** the next younger of all that are remembered */
  next: Incoming | undefined = undefined;

  constructor(
    peer: Peer,
    request: CoapMessage,
    token: Uint8Array,
    fingerprint: number,
    expires: number,
    multicast: boolean,
  ) {
    this.peer = peer;
    this.request = request;
    this.messageId = request.messageId;
    this.confirmable = request.type === Type.CON;
    this.token = token;
    this.fingerprint = fingerprint;
    this.expires = expires;
    this.multicast = multicast;
  }

  get endpoint(): string {
    return this.peer.endpoint;
  }

  get answered(): boolean {
    return this.state === IncomingState.ANSWERED;
  }

  /** Nothing is owed any more: lets go of the datagram, for what is remembered is remembered long. */
  close(): void {
    this.state = IncomingState.ANSWERED;
    this.request = FORGOTTEN;
    this.token = NO_BYTES;
  }
}

/** Where a message of ours stands. */
export const OutgoingState = {
  /** waits for NSTART, PROBING_RATE or a free token */
  QUEUED: 0,
  /** sent, and waits for ACK or RST */
  IN_FLIGHT: 1,
  /** acknowledged, or non-confirmable: waits for the response */
  WAITING: 2,
  DONE: 3,
} as const;
export type OutgoingState = (typeof OutgoingState)[keyof typeof OutgoingState];

/** A CON or NON message of ours. */
export class Outgoing implements RequestHandle, OutgoingHandle, Timed {
  due = 0;
  heapIndex = -1;
  readonly peer: Peer;
  readonly confirmable: boolean;
  token: Uint8Array;
  messageId = -1;
  state: OutgoingState = OutgoingState.QUEUED;
  /** until it is sent */
  content: Content | undefined;
  /** as sent; kept for retransmission */
  bytes: Uint8Array = NO_BYTES;
  /** the present wait for an ACK, ms */
  timeout = 0;
  retransmissions = 0;
  firstSent = 0;
  /** counts towards NSTART */
  holdsSlot = false;
  /** for requests */
  handler: RequestHandler | undefined = undefined;
  /** for all others */
  onOutcome: ((outcome: Outcome, now: number) => void) | undefined = undefined;
  /** its token was given, not to be generated */
  fixedToken = false;
  expectsResponse = false;
  responseTimeout = 0;
  /** the latest time of a response; Infinity for an observation */
  responseDue = Number.POSITIVE_INFINITY;

  constructor(peer: Peer, content: Content, confirmable: boolean, token: Uint8Array) {
    this.peer = peer;
    this.content = content;
    this.confirmable = confirmable;
    this.token = token;
  }

  get endpoint(): string {
    return this.peer.endpoint;
  }

  get live(): boolean {
    return this.state !== OutgoingState.DONE;
  }

  /**
   * Hands an answer to whoever asked.
   * @returns whether it is taken
   */
  respond(response: CoapMessage, now: number): Verdict {
    return this.handler === undefined ? "reject" : this.handler.onResponse(response, now);
  }

  /** Tells whoever sent it that it failed. */
  fail(failure: RequestFailure & (Outcome | "no-response"), now: number): void {
    if (this.handler !== undefined) this.handler.onFailure(failure, now);
    else if (failure !== "no-response") this.onOutcome?.(failure, now);
  }
}

/** One endpoint. */
export class Peer {
  readonly endpoint: string;
  /** of our next message: counts up, so that an ID comes again as late as possible (RFC 7252 §4.4) */
  nextMessageId: number;
  /** messages of the peer that are remembered, by message ID */
  readonly incoming = new Map<number, Incoming>();
  /** our messages that ACK or RST may meet, by message ID */
  readonly outgoing = new Map<number, Outgoing>();
  /** our requests that a response may meet, by token */
  readonly requests = new Map<number | string, Outgoing>();
  /** our messages that wait to be sent, the oldest first */
  readonly queue: Outgoing[] = [];
  /** outstanding interactions, at most NSTART */
  outstanding = 0;
  /** no further unasked NON before this time, unless the peer is heard (PROBING_RATE, RFC 7252 §4.7) */
  probeUntil = 0;
  lastUsed = 0;
  older: Peer | undefined = undefined;
  newer: Peer | undefined = undefined;

  constructor(endpoint: string, firstMessageId: number) {
    this.endpoint = endpoint;
    this.nextMessageId = firstMessageId;
  }

  /** We want something from it, so it is not to be forgotten. */
  get busy(): boolean {
    return this.outgoing.size > 0 || this.requests.size > 0 || this.queue.length > 0;
  }

  /** The next message ID towards this endpoint, none of a message in flight (RFC 7252 §4.4). */
  takeMessageId(): number {
    let id = this.nextMessageId;
    // More than 65536 messages within one lifetime: at least nothing in flight is mistaken for another.
    while (this.outgoing.has(id) && this.outgoing.size < 0x10000) id = (id + 1) & 0xffff;
    this.nextMessageId = (id + 1) & 0xffff;
    return id;
  }
}

/** How many of the longest unused endpoints are looked at for one that may be forgotten. */
const EVICTION_SCAN = 8;

/** All endpoints, ordered by their last use. */
export class PeerTable {
  readonly #peers = new Map<string, Peer>();
  readonly #limit: number;
  readonly #firstMessageId: () => number;
  readonly #counters: Counters;
  #oldest: Peer | undefined = undefined;
  #newest: Peer | undefined = undefined;

  constructor(limit: number, firstMessageId: () => number, counters: Counters) {
    this.#limit = limit;
    this.#firstMessageId = firstMessageId;
    this.#counters = counters;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** The endpoint's state; `undefined` when there is none. */
  find(endpoint: string): Peer | undefined {
    return this.#peers.get(endpoint);
  }

  /**
   * The endpoint's state, made when there is none; `undefined` when the table is full of endpoints that we wait for.
   * Endpoints that merely sent us something go first: a flood of forged addresses cannot push out our own requests.
   */
  open(endpoint: string, now: number): Peer | undefined {
    let peer = this.#peers.get(endpoint);
    if (peer === undefined) {
      if (this.#peers.size >= this.#limit && !this.#evict()) return undefined;
      peer = new Peer(endpoint, this.#firstMessageId());
      this.#peers.set(endpoint, peer);
      this.#append(peer);
    }
    this.touch(peer, now);
    return peer;
  }

  /** The endpoint was used. */
  touch(peer: Peer, now: number): void {
    peer.lastUsed = now;
    if (peer === this.#newest || this.#peers.get(peer.endpoint) !== peer) return;
    this.#unlink(peer);
    this.#append(peer);
  }

  /** Forgets an endpoint. */
  remove(peer: Peer): void {
    if (this.#peers.get(peer.endpoint) !== peer) return;
    this.#peers.delete(peer.endpoint);
    this.#unlink(peer);
  }

  /** Forgets endpoints that were last used before a time and owe us nothing. Their message IDs may then come again. */
  expire(before: number): void {
    for (let peer = this.#oldest; peer !== undefined && peer.lastUsed <= before; peer = this.#oldest) {
      // One that is still waited for is looked at again a lifetime later.
      if (peer.busy) this.touch(peer, before + 1);
      else this.remove(peer);
    }
  }

  #evict(): boolean {
    for (let i = 0; i < EVICTION_SCAN && this.#oldest !== undefined; i++) {
      const peer = this.#oldest;
      if (!peer.busy) {
        this.remove(peer);
        this.#counters.add("coap-peer-dropped");
        return true;
      }
      // Out of the way, so that the next call looks at others.
      this.#unlink(peer);
      this.#append(peer);
    }
    return false;
  }

  #append(peer: Peer): void {
    peer.older = this.#newest;
    peer.newer = undefined;
    if (this.#newest === undefined) this.#oldest = peer;
    else this.#newest.newer = peer;
    this.#newest = peer;
  }

  #unlink(peer: Peer): void {
    if (peer.older === undefined) this.#oldest = peer.newer;
    else peer.older.newer = peer.newer;
    if (peer.newer === undefined) this.#newest = peer.older;
    else peer.newer.older = peer.older;
  }
}

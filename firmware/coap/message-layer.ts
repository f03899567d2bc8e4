/**
 * The message layer and the matching of requests and responses (RFC 7252 §4, §5.2, §5.3), for clients and servers with
 * any number of endpoints. Sans-IO: datagrams come in through `receive`, leave through `send`, time through `tick`.
 *
 * It carries outer messages and looks into none: OSCORE sits above it. A message is encoded once, and all its copies
 * are those bytes.
 *
 * Repetitions are timed in sender.ts, answers in exchanges.ts, copies are known by deduplication.ts. Here it is decided
 * which of them a message is for: client and server in one file, because any endpoint may be both, and one table of
 * peers serves them.
 */

import { Counters } from "../bytes/counters.js";
import { bytesKey } from "../bytes/key.js";
import { Refusal } from "../bytes/refusal.js";
import { decodeMessage, emptyMessage, MAX_TOKEN_LENGTH, resetFor } from "./codec.js";
import { Deduplication, fingerprint } from "./deduplication.js";
import { Exchanges } from "./exchanges.js";
import type { CoapMessage } from "./message.js";
import { Type } from "./message.js";
import type {
  Content,
  Exchange,
  MessageLayerOptions,
  MessageLimits,
  MessageStats,
  OutgoingHandle,
  RequestHandle,
  RequestHandler,
  RequestOptions,
  RespondOptions,
  SendRefusal,
  Verdict,
} from "./messaging.js";
import { Code, isRequest, isResponse } from "./numbers.js";
import { Incoming, Outgoing, type Peer, PeerTable } from "./peer-table.js";
import { Sender } from "./sender.js";
import { DEFAULT_TRANSMISSION, exchangeLifetime, type TransmissionParameters } from "./transmission.js";

export type * from "./messaging.js";

const DEFAULT_LIMITS: MessageLimits = { peers: 4096, remembered: 16384, pending: 4096, queued: 64 };
const NO_BYTES = new Uint8Array(0);
const NOTHING: Content = { code: Code.EMPTY, options: [], payload: NO_BYTES };
const NO_OPTIONS = {};

/** The whole message layer of RFC 7252 §4 for any number of endpoints: requests, answers, repetitions, copies. */
export class MessageLayer {
  readonly counters: Counters;
  readonly transmission: TransmissionParameters;
  readonly stats: MessageStats = {
    received: 0,
    sent: 0,
    requests: 0,
    responses: 0,
    duplicates: 0,
    retransmissions: 0,
    timeouts: 0,
  };

  readonly #options: MessageLayerOptions;
  readonly #pendingLimit: number;
  readonly #lifetime: number;
  readonly #peers: PeerTable;
  readonly #known: Deduplication;
  readonly #sender: Sender;
  readonly #exchanges: Exchanges;

  /** @throws RangeError for a token length that no token has */
  constructor(options: MessageLayerOptions) {
    const tokenLength = options.tokenLength ?? 4;
    if (!(tokenLength >= 0 && tokenLength <= MAX_TOKEN_LENGTH)) {
      throw new RangeError(`tokenLength ${tokenLength}`);
    }
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.counters = options.counters ?? new Counters();
    this.transmission = { ...DEFAULT_TRANSMISSION, ...options.transmission };
    this.#options = options;
    this.#pendingLimit = limits.pending;
    this.#lifetime = exchangeLifetime(this.transmission);
    this.#known = new Deduplication(limits.remembered, this.counters);
    this.#sender = new Sender({
      send: (endpoint, bytes) => options.send(endpoint, bytes),
      random: (length) => options.random(length),
      transmission: this.transmission,
      tokenLength,
      queued: limits.queued,
      counters: this.counters,
      stats: this.stats,
    });
    this.#exchanges = new Exchanges({
      sender: this.#sender,
      sendSeparately: (endpoint, token, content, respondOptions, now) => {
        this.#sendResponse(endpoint, content, true, token, respondOptions, now);
      },
      acknowledgeAfter: options.acknowledgeAfter ?? 1000,
      leisure: this.transmission.leisure,
      counters: this.counters,
    });
    this.#peers = new PeerTable(limits.peers, () => this.#sender.random16(), this.counters);
  }

  /** Endpoints of which anything is known. */
  get peers(): number {
    return this.#peers.size;
  }

  /** Messages remembered for deduplication. */
  get remembered(): number {
    return this.#known.size;
  }

  /** Requests handed to `onRequest` and not answered yet. */
  get pending(): number {
    return this.#exchanges.pending;
  }

  /** When `tick` wants to be called, ms; Infinity for never. What merely expires is dropped along the way. */
  get deadline(): number {
    return Math.min(this.#exchanges.deadline, this.#sender.deadline);
  }

  /** Does what is due: retransmissions, empty ACKs, giving up. */
  tick(now: number): void {
    this.#exchanges.tick(now);
    this.#sender.tick(now);
    this.#expire(now);
  }

  /**
   * Takes a datagram. Whatever its bytes are, it is answered, handed on, or dropped and counted.
   * @param bytes need to live during the call only
   * @param multicast it was addressed to a group (RFC 7252 §8)
   */
  receive(endpoint: string, bytes: Uint8Array, now: number, multicast = false): void {
    this.stats.received++;
    this.#expire(now);
    const message = decodeMessage(bytes);
    if (message instanceof Refusal) {
      this.counters.add(message.reason);
      const reset = multicast ? undefined : resetFor(bytes);
      if (reset !== undefined) this.#sender.transmit(endpoint, reset);
    } else if (message.type === Type.ACK) {
      this.#receiveAcknowledgement(endpoint, message, now);
    } else if (message.type === Type.RST) {
      this.#receiveReset(endpoint, message, now);
    } else if (multicast && (message.type === Type.CON || !isRequest(message.code))) {
      // RFC 7252 §8.1: a multicast request is non-confirmable, and nothing else is sent to a group.
      this.counters.add("coap-multicast-not-non-request");
    } else if (isRequest(message.code)) {
      this.#receiveRequest(endpoint, message, bytes, now, multicast);
    } else if (isResponse(message.code)) {
      this.#receiveResponse(endpoint, message, bytes, now);
    } else if (message.type === Type.CON) {
      // RFC 7252 §4.3: an empty CON is there to elicit a RST.
      this.counters.add("coap-ping");
      this.#sender.transmit(endpoint, emptyMessage(Type.RST, message.messageId));
    } else {
      this.counters.add("coap-empty-non");
    }
  }

  // ── Client ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a request, at once when NSTART, PROBING_RATE and the tokens allow, else later.
   * @returns its handle; or why it was not taken
   */
  request(
    endpoint: string,
    content: Content,
    handler: RequestHandler,
    now: number,
    options: RequestOptions = NO_OPTIONS,
  ): RequestHandle | Refusal<SendRefusal> {
    const peer = this.#peers.open(endpoint, now);
    if (peer === undefined) return this.#noRoom();
    const outgoing = new Outgoing(peer, content, options.confirmable ?? true, options.token ?? NO_BYTES);
    outgoing.handler = handler;
    outgoing.fixedToken = options.token !== undefined;
    outgoing.expectsResponse = options.expectResponse ?? true;
    outgoing.responseTimeout = options.responseTimeout ?? this.#lifetime;
    return this.#sender.submit(outgoing, now);
  }

  /**
   * Stops caring about a request: no more copies, no callbacks. A CON or NON response that comes later is answered with
   * RST, which also ends an observation (RFC 7641 §3.6).
   */
  cancel(handle: RequestHandle | OutgoingHandle, now: number): void {
    if (handle instanceof Outgoing) this.#sender.finish(handle, now);
  }

  /** CoAP ping (RFC 7252 §4.3): any RST or ACK says that somebody is there. */
  ping(
    endpoint: string,
    done: (alive: boolean, now: number) => void,
    now: number,
  ): OutgoingHandle | Refusal<SendRefusal> {
    const peer = this.#peers.open(endpoint, now);
    if (peer === undefined) return this.#noRoom();
    const outgoing = new Outgoing(peer, NOTHING, true, NO_BYTES);
    outgoing.onOutcome = (outcome, at) => done(outcome === "reset" || outcome === "acknowledged", at);
    return this.#sender.submit(outgoing, now);
  }

  // ── Server ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Answers a request, now or later: in the ACK while nothing was sent yet (RFC 7252 §5.2.1), else in a message of its
   * own (§5.2.2, §5.2.3). Errors are not answered to a group; other answers to a group wait a random part of the
   * leisure (§8.2).
   * @throws Error when the exchange was answered already
   */
  respond(exchange: Exchange, content: Content, now: number, options: RespondOptions = NO_OPTIONS): void {
    this.#exchanges.respond(exchange as Incoming, content, now, options);
  }

  /** Promises a CON's answer for later: the empty ACK (RFC 7252 §5.2.2). Does nothing for NON. */
  acknowledge(exchange: Exchange, _now: number): void {
    this.#exchanges.acknowledge(exchange as Incoming);
  }

  /** Rejects a request that lacks all context: RST for a CON that was not acknowledged yet, else silence. */
  reject(exchange: Exchange, _now: number): void {
    this.#exchanges.reject(exchange as Incoming);
  }

  /** Ends an exchange without an answer (RFC 7967): an empty ACK for a CON, nothing for a NON. */
  ignore(exchange: Exchange, _now: number): void {
    this.#exchanges.ignore(exchange as Incoming);
  }

  /** Sends a further response for a token: a notification (RFC 7641 §4.2). */
  notify(
    endpoint: string,
    token: Uint8Array,
    content: Content,
    now: number,
    options: RespondOptions = NO_OPTIONS,
  ): OutgoingHandle | Refusal<SendRefusal> {
    return this.#sendResponse(endpoint, content, options.confirmable ?? false, token, options, now);
  }

  /** Drops all that is known about an endpoint; what we wanted from it fails with "cancelled". */
  forget(endpoint: string, now: number): void {
    const peer = this.#peers.find(endpoint);
    if (peer === undefined) return;
    this.#peers.remove(peer);
    const ours = new Set([...peer.queue, ...peer.outgoing.values(), ...peer.requests.values()]);
    peer.queue.length = 0;
    peer.incoming.clear();
    for (const outgoing of ours) {
      this.#sender.finish(outgoing, now);
      outgoing.fail("cancelled", now);
    }
  }

  // ── What comes in ───────────────────────────────────────────────────────────────────────────────────────────────

  #receiveRequest(
    endpoint: string,
    message: CoapMessage,
    bytes: Uint8Array,
    now: number,
    multicast: boolean,
  ): void {
    if (this.#options.onRequest === undefined) {
      this.counters.add("coap-request-unexpected");
      if (message.type === Type.CON)
        this.#sender.transmit(endpoint, emptyMessage(Type.RST, message.messageId));
      return;
    }
    const peer = this.#hear(endpoint, now);
    if (peer === undefined) return;
    const print = fingerprint(bytes);
    if (this.#repeated(peer, message.messageId, print, now)) return;
    if (this.#exchanges.pending >= this.#pendingLimit) {
      // Not remembered: its retransmission is welcome.
      this.counters.add("coap-pending-limit");
      return;
    }
    const token = message.token.length === 0 ? NO_BYTES : message.token.slice();
    const incoming = new Incoming(peer, message, token, print, now + this.#lifetime, multicast);
    this.#known.remember(incoming);
    this.#exchanges.opened();
    this.stats.requests++;
    this.#options.onRequest(incoming, now);
    this.#exchanges.handedOn(incoming, now);
  }

  #receiveResponse(endpoint: string, message: CoapMessage, bytes: Uint8Array, now: number): void {
    const peer = this.#peers.find(endpoint);
    const print = fingerprint(bytes);
    if (peer !== undefined && this.#repeated(peer, message.messageId, print, now)) return;
    const outgoing = peer?.requests.get(bytesKey(message.token));
    if (peer === undefined || outgoing === undefined) {
      // Also for NON: it is how a server learns that nobody observes any more (RFC 7641 §3.6).
      this.counters.add("coap-response-unexpected");
      this.#sender.transmit(endpoint, emptyMessage(Type.RST, message.messageId));
      return;
    }
    this.#peers.touch(peer, now);
    const verdict = this.#ask(outgoing, message, now);
    if (verdict === "ignore") return;
    const incoming = new Incoming(peer, message, NO_BYTES, print, now + this.#lifetime, false);
    incoming.close();
    this.#known.remember(incoming);
    if (message.type === Type.CON) {
      incoming.reply = emptyMessage(verdict === "reject" ? Type.RST : Type.ACK, message.messageId);
      this.#sender.transmit(endpoint, incoming.reply);
    }
    this.#conclude(outgoing, verdict, now);
  }

  #receiveAcknowledgement(endpoint: string, message: CoapMessage, now: number): void {
    const peer = this.#peers.find(endpoint);
    const outgoing = peer?.outgoing.get(message.messageId);
    if (peer === undefined || outgoing === undefined || !outgoing.confirmable) {
      this.counters.add("coap-ack-unexpected");
    } else if (message.code === Code.EMPTY) {
      this.#peers.touch(peer, now);
      this.#acknowledged(outgoing, now);
    } else if (!isResponse(message.code)) {
      this.counters.add("coap-ack-request");
    } else if (outgoing.handler === undefined) {
      // RFC 7252 §5.2.2: any matching ACK of a response will do, its code and payload are passed over.
      this.#acknowledged(outgoing, now);
    } else if (bytesKey(message.token) !== bytesKey(outgoing.token)) {
      // §5.3.2: message ID and token have to match.
      this.counters.add("coap-ack-token");
    } else {
      this.#peers.touch(peer, now);
      this.#conclude(outgoing, this.#ask(outgoing, message, now), now);
    }
  }

  #receiveReset(endpoint: string, message: CoapMessage, now: number): void {
    if (message.code !== Code.EMPTY) {
      this.counters.add("coap-reset-not-empty");
      return;
    }
    const peer = this.#peers.find(endpoint);
    const outgoing = peer?.outgoing.get(message.messageId);
    if (peer === undefined || outgoing === undefined) {
      this.counters.add("coap-reset-unmatched");
      this.#options.onReset?.(endpoint, message.messageId, now);
      return;
    }
    this.#peers.touch(peer, now);
    this.#sender.finish(outgoing, now);
    outgoing.fail("reset", now);
    this.#sender.heard(peer, now);
  }

  /** Asks whoever sent the request what to make of a response. */
  #ask(outgoing: Outgoing, message: CoapMessage, now: number): Verdict {
    this.stats.responses++;
    const verdict = outgoing.respond(message, now);
    if (verdict === "ignore") this.counters.add("coap-response-ignored");
    else if (verdict === "reject") this.counters.add("coap-response-rejected");
    return verdict;
  }

  /** Brings a request in line with the verdict. A separate response stands for an ACK that was lost (RFC 7252 §5.2.2). */
  #conclude(outgoing: Outgoing, verdict: Verdict, now: number): void {
    if (verdict === "ignore" || verdict === "reject" || !outgoing.live) return;
    outgoing.peer.probeUntil = now;
    if (verdict === "done") this.#sender.finish(outgoing, now);
    else this.#sender.keepOpen(outgoing, now);
  }

  #acknowledged(outgoing: Outgoing, now: number): void {
    outgoing.peer.probeUntil = now;
    this.#sender.acknowledged(outgoing, now);
    outgoing.handler?.onAcknowledged?.(now);
    outgoing.onOutcome?.("acknowledged", now);
  }

  /** Whether a message was here before; it then has what it had coming. */
  #repeated(peer: Peer, messageId: number, print: number, now: number): boolean {
    const known = this.#known.find(peer, messageId, print, now);
    if (known === undefined) return false;
    this.stats.duplicates++;
    if (known.reply !== undefined) this.#sender.transmit(peer.endpoint, known.reply);
    return true;
  }

  // ── Bookkeeping ─────────────────────────────────────────────────────────────────────────────────────────────────

  #sendResponse(
    endpoint: string,
    content: Content,
    confirmable: boolean,
    token: Uint8Array,
    options: RespondOptions,
    now: number,
  ): OutgoingHandle | Refusal<SendRefusal> {
    const peer = this.#peers.open(endpoint, now);
    let taken: Outgoing | Refusal<SendRefusal>;
    if (peer === undefined) {
      taken = this.#noRoom();
    } else {
      const outgoing = new Outgoing(peer, content, confirmable, token);
      outgoing.onOutcome = options.onOutcome;
      taken = this.#sender.submit(outgoing, now);
    }
    if (taken instanceof Refusal) options.onOutcome?.("cancelled", now);
    return taken;
  }

  /** An endpoint sends us something new: its state, if there is room for it. */
  #hear(endpoint: string, now: number): Peer | undefined {
    const peer = this.#peers.open(endpoint, now);
    if (peer === undefined) this.counters.add("coap-peer-limit");
    else this.#sender.heard(peer, now);
    return peer;
  }

  /** NON is remembered as long as CON: RFC 7252 §4.8.2 allows a single time, and one queue then serves all. */
  #expire(now: number): void {
    this.#known.expire(now);
    this.#peers.expire(now - this.#lifetime);
  }

  #noRoom(): Refusal<SendRefusal> {
    this.counters.add("coap-peer-limit");
    return new Refusal("coap-peer-limit");
  }
}

/**
 * The sending half of the message layer: NSTART and PROBING_RATE (RFC 7252 §4.7), retransmission with back-off (§4.2),
 * message IDs (§4.4) and tokens (§5.3.1). Internal to message-layer.ts.
 */

import type { Counters } from "../bytes/counters.js";
import { bytesKey } from "../bytes/key.js";
import { Refusal } from "../bytes/refusal.js";
import { ByteWriter } from "../bytes/writer.js";
import { encodeContent } from "./codec.js";
import { DeadlineHeap } from "./deadline-heap.js";
import { Type } from "./message.js";
import type { Content, MessageStats, SendRefusal } from "./messaging.js";
import { type Outgoing, OutgoingState, type Peer } from "./peer-table.js";
import { maxTransmitSpan, type TransmissionParameters } from "./transmission.js";

const NO_BYTES = new Uint8Array(0);

/** What {@link Sender} needs of the layer that it is part of. */
export interface SenderOptions {
  /** Puts a datagram on its way. */
  readonly send: (endpoint: string, bytes: Uint8Array) => void;
  /** Random bytes: tokens, jitter. */
  readonly random: (length: number) => Uint8Array;
  readonly transmission: TransmissionParameters;
  readonly tokenLength: number;
  /** messages that may wait per endpoint */
  readonly queued: number;
  readonly counters: Counters;
  readonly stats: MessageStats;
}

/** What we send: confirmable messages with their repetitions, NSTART and PROBING_RATE (RFC 7252 §4.2, §4.7). */
export class Sender {
  readonly #options: SenderOptions;
  readonly #parameters: TransmissionParameters;
  readonly #stats: MessageStats;
  readonly #span: number;
  readonly #timers = new DeadlineHeap<Outgoing>();
  readonly #writer = new ByteWriter(128);

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#parameters = options.transmission;
    this.#stats = options.stats;
    this.#span = maxTransmitSpan(options.transmission);
  }

  get deadline(): number {
    return this.#timers.first?.due ?? Number.POSITIVE_INFINITY;
  }

  /** Repeats, gives up and lets out of the queue what is due at `now` (ms). */
  tick(now: number): void {
    for (
      let first = this.#timers.first;
      first !== undefined && first.due <= now;
      first = this.#timers.first
    ) {
      this.#timers.remove(first);
      this.#due(first, now);
    }
  }

  /** Sends a message now if it may be sent now, else queues it. */
  submit(outgoing: Outgoing, now: number): Outgoing | Refusal<SendRefusal> {
    const { queue } = outgoing.peer;
    if (queue.length >= this.#options.queued) {
      this.#options.counters.add("coap-queue-full");
      return new Refusal("coap-queue-full");
    }
    queue.push(outgoing);
    this.#pump(outgoing.peer, now);
    return outgoing;
  }

  /** The peer has this confirmable message. @returns whether a response is still to come */
  acknowledged(outgoing: Outgoing, now: number): boolean {
    if (!outgoing.expectsResponse) {
      this.finish(outgoing, now);
      return false;
    }
    this.#awaitResponse(outgoing, now + outgoing.responseTimeout, now);
    return true;
  }

  /** A response came, and more may come as long as nobody cancels: an observation. */
  keepOpen(outgoing: Outgoing, now: number): void {
    this.#awaitResponse(outgoing, Number.POSITIVE_INFINITY, now);
  }

  /** Nothing more comes of a message. Tells nobody. */
  finish(outgoing: Outgoing, now: number): void {
    if (outgoing.state === OutgoingState.DONE) return;
    const { peer } = outgoing;
    if (outgoing.state === OutgoingState.QUEUED) {
      const at = peer.queue.indexOf(outgoing);
      if (at >= 0) peer.queue.splice(at, 1);
    }
    outgoing.state = OutgoingState.DONE;
    outgoing.content = undefined;
    this.#timers.remove(outgoing);
    if (peer.outgoing.get(outgoing.messageId) === outgoing) peer.outgoing.delete(outgoing.messageId);
    if (outgoing.handler !== undefined) {
      const key = bytesKey(outgoing.token);
      if (peer.requests.get(key) === outgoing) peer.requests.delete(key);
    }
    this.#releaseSlot(outgoing);
    this.#pump(peer, now);
  }

  /** The endpoint is there: PROBING_RATE no longer holds back. */
  heard(peer: Peer, now: number): void {
    peer.probeUntil = now;
    this.#pump(peer, now);
  }

  /** A message in bytes, an array of its own. */
  encode(type: Type, content: Content, messageId: number, token: Uint8Array): Uint8Array {
    encodeContent(this.#writer.reset(), type, content, messageId, token);
    return this.#writer.finish();
  }

  /** Sends bytes now, and counts them. */
  transmit(endpoint: string, bytes: Uint8Array): void {
    this.#stats.sent++;
    this.#options.send(endpoint, bytes);
  }

  /** 16 random bits. */
  random16(): number {
    const bytes = this.#options.random(2);
    return (bytes[0] << 8) | bytes[1];
  }

  /** At least 0, below 1. */
  fraction(): number {
    return this.random16() / 0x10000;
  }

  /** Starts what waits, as far as it may start now. */
  #pump(peer: Peer, now: number): void {
    const { queue } = peer;
    while (queue.length > 0) {
      const head = queue[0];
      if (takesSlot(head) && peer.outstanding >= this.#parameters.nstart) return;
      if (head.handler !== undefined && !head.fixedToken && !this.#tokenFree(peer)) return;
      if (isProbe(head) && now < peer.probeUntil) {
        this.#timers.set(head, peer.probeUntil);
        return;
      }
      queue.shift();
      this.#timers.remove(head);
      this.#start(head, now);
    }
  }

  /** Sends a message for the first time. State first, the datagram after it: its answer may come from within `send`. */
  #start(outgoing: Outgoing, now: number): void {
    const { peer } = outgoing;
    const content = outgoing.content as Content;
    outgoing.content = undefined;
    outgoing.messageId = peer.takeMessageId();
    if (outgoing.handler !== undefined) this.#claimToken(outgoing, now);
    const type = outgoing.confirmable ? Type.CON : Type.NON;
    outgoing.bytes = this.encode(type, content, outgoing.messageId, outgoing.token);
    outgoing.firstSent = now;
    outgoing.state = OutgoingState.IN_FLIGHT;
    if (takesSlot(outgoing)) {
      outgoing.holdsSlot = true;
      peer.outstanding++;
    }
    if (outgoing.confirmable) {
      const { ackTimeout, ackRandomFactor } = this.#parameters;
      outgoing.timeout = ackTimeout * (1 + (ackRandomFactor - 1) * this.fraction());
      peer.outgoing.set(outgoing.messageId, outgoing);
      this.#timers.set(outgoing, now + outgoing.timeout);
      this.transmit(peer.endpoint, outgoing.bytes);
      return;
    }
    const pause = isProbe(outgoing) ? (outgoing.bytes.length * 1000) / this.#parameters.probingRate : 0;
    peer.probeUntil = Math.max(peer.probeUntil, now) + pause;
    if (outgoing.expectsResponse) {
      // §4.7: a NON request is outstanding until its response. As to NSTART we stop expecting one when the next message
      // may be sent by PROBING_RATE.
      outgoing.state = OutgoingState.WAITING;
      outgoing.responseDue = now + outgoing.responseTimeout;
      const release = now + Math.max(pause, this.#parameters.ackTimeout);
      peer.outgoing.set(outgoing.messageId, outgoing);
      this.#timers.set(outgoing, Math.min(release, outgoing.responseDue));
      this.transmit(peer.endpoint, outgoing.bytes);
    } else {
      this.transmit(peer.endpoint, outgoing.bytes);
      this.finish(outgoing, now);
      outgoing.handler?.onAcknowledged?.(now);
      outgoing.onOutcome?.("sent", now);
    }
  }

  #due(outgoing: Outgoing, now: number): void {
    if (outgoing.state === OutgoingState.QUEUED) {
      this.#pump(outgoing.peer, now);
    } else if (outgoing.state === OutgoingState.WAITING) {
      if (now >= outgoing.responseDue) {
        this.finish(outgoing, now);
        outgoing.fail("no-response", now);
      } else {
        this.#setFinite(outgoing, outgoing.responseDue);
        this.#releaseSlot(outgoing);
        this.#pump(outgoing.peer, now);
      }
    } else if (outgoing.retransmissions < this.#parameters.maxRetransmit) {
      outgoing.retransmissions++;
      outgoing.timeout *= 2;
      // §4.2: after a late tick the waits go on from the time that was meant, but never closer than ACK_TIMEOUT; beyond
      // MAX_TRANSMIT_SPAN the opportunity is missed.
      this.#timers.set(
        outgoing,
        Math.max(outgoing.due + outgoing.timeout, now + this.#parameters.ackTimeout),
      );
      if (now - outgoing.firstSent > this.#span) return;
      this.#stats.retransmissions++;
      this.transmit(outgoing.peer.endpoint, outgoing.bytes);
    } else {
      this.#stats.timeouts++;
      this.finish(outgoing, now);
      outgoing.fail("timeout", now);
    }
  }

  #awaitResponse(outgoing: Outgoing, until: number, now: number): void {
    const { peer } = outgoing;
    this.#timers.remove(outgoing);
    if (peer.outgoing.get(outgoing.messageId) === outgoing) peer.outgoing.delete(outgoing.messageId);
    outgoing.state = OutgoingState.WAITING;
    outgoing.responseDue = until;
    // No more copies of it are sent.
    outgoing.bytes = NO_BYTES;
    this.#setFinite(outgoing, until);
    this.#releaseSlot(outgoing);
    this.#pump(peer, now);
  }

  #setFinite(outgoing: Outgoing, due: number): void {
    if (due < Number.POSITIVE_INFINITY) this.#timers.set(outgoing, due);
  }

  #releaseSlot(outgoing: Outgoing): void {
    if (!outgoing.holdsSlot) return;
    outgoing.holdsSlot = false;
    outgoing.peer.outstanding--;
  }

  #tokenFree(peer: Peer): boolean {
    const { tokenLength } = this.#options;
    return tokenLength >= 4 || peer.requests.size < 256 ** tokenLength;
  }

  /** A request takes its token, over from another request if that is what was asked for. */
  #claimToken(outgoing: Outgoing, now: number): void {
    const { requests } = outgoing.peer;
    const { tokenLength, random } = this.#options;
    if (!outgoing.fixedToken) {
      const token = tokenLength === 0 ? NO_BYTES : random(tokenLength).slice();
      // #tokenFree was asked, so counting up from a random one ends at a free one.
      while (requests.has(bytesKey(token))) increment(token);
      outgoing.token = token;
    }
    const key = bytesKey(outgoing.token);
    const former = requests.get(key);
    requests.set(key, outgoing);
    if (former !== undefined) {
      this.finish(former, now);
      former.fail("cancelled", now);
    }
  }
}

/** Whether a message is an outstanding interaction until it is answered (RFC 7252 §4.7). */
function takesSlot(outgoing: Outgoing): boolean {
  return outgoing.confirmable || outgoing.expectsResponse;
}

/**
 * Whether PROBING_RATE limits a message: a NON request. Responses were asked for, and how often an observer may be told
 * is for RFC 7641 §4.5.1 to say, see observe.ts.
 */
function isProbe(outgoing: Outgoing): boolean {
  return !outgoing.confirmable && outgoing.handler !== undefined;
}

function increment(token: Uint8Array): void {
  for (let i = token.length - 1; i >= 0; i--) {
    token[i]++;
    if (token[i] !== 0) return;
  }
}

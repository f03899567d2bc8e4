/**
 * The requests of peers, from their arrival to their answer (RFC 7252 §5.2). Internal to message-layer.ts.
 */

import type { Counters } from "../bytes/counters.js";
import { emptyMessage } from "./codec.js";
import { DeadlineHeap } from "./deadline-heap.js";
import { Type } from "./message.js";
import type { Content, RespondOptions } from "./messaging.js";
import { isError } from "./numbers.js";
import { type Incoming, IncomingState } from "./peer-table.js";
import type { Sender } from "./sender.js";

/** What {@link Exchanges} needs of the layer that it is part of. */
export interface ExchangesOptions {
  readonly sender: Sender;
  /** Sends a response in a CON of its own. */
  readonly sendSeparately: (
    endpoint: string,
    token: Uint8Array,
    content: Content,
    options: RespondOptions,
    now: number,
  ) => void;
  /** ms until a CON that is not answered is acknowledged */
  readonly acknowledgeAfter: number;
  /** ms that answers to a group are spread over */
  readonly leisure: number;
  readonly counters: Counters;
}

/**
 * Requests that came and are owed an answer: piggybacked while there is time, in a message of its own later (RFC 7252
 * §5.2).
 */
export class Exchanges {
  readonly #options: ExchangesOptions;
  readonly #sender: Sender;
  /** Requests whose empty ACK, or whose delayed answer to a group, has its time. */
  readonly #timers = new DeadlineHeap<Incoming>();
  #pending = 0;

  constructor(options: ExchangesOptions) {
    this.#options = options;
    this.#sender = options.sender;
  }

  /** Requests that are owed an answer. */
  get pending(): number {
    return this.#pending;
  }

  get deadline(): number {
    return this.#timers.first?.due ?? Number.POSITIVE_INFINITY;
  }

  /** Sends the empty ACKs and delayed answers that are due at `now` (ms). */
  tick(now: number): void {
    for (
      let first = this.#timers.first;
      first !== undefined && first.due <= now;
      first = this.#timers.first
    ) {
      this.#timers.remove(first);
      if (first.delayed === undefined) {
        this.acknowledge(first);
      } else {
        this.#sender.transmit(first.endpoint, first.delayed);
        first.delayed = undefined;
      }
    }
  }

  /** A request is about to be handed on. */
  opened(): void {
    this.#pending++;
  }

  /** It was handed on; if it is not answered yet, its acknowledgement has a time now. */
  handedOn(incoming: Incoming, now: number): void {
    if (incoming.state !== IncomingState.OPEN || !incoming.confirmable) return;
    this.#timers.set(incoming, now + this.#options.acknowledgeAfter);
  }

  /**
   * Answers a request.
   * @throws Error when it was answered already
   */
  respond(incoming: Incoming, content: Content, now: number, options: RespondOptions): void {
    const { state, endpoint, token } = incoming;
    this.#close(incoming);
    if (incoming.multicast) {
      if (isError(content.code)) {
        this.#options.counters.add("coap-multicast-error-suppressed");
      } else {
        incoming.delayed = this.#sender.encode(Type.NON, content, incoming.peer.takeMessageId(), token);
        this.#timers.set(incoming, now + this.#options.leisure * this.#sender.fraction());
      }
    } else if (state === IncomingState.OPEN && incoming.confirmable) {
      incoming.reply = this.#sender.encode(Type.ACK, content, incoming.messageId, token);
      this.#sender.transmit(endpoint, incoming.reply);
    } else if (options.confirmable ?? incoming.confirmable) {
      this.#options.sendSeparately(endpoint, token, content, options, now);
    } else {
      // The peer asked for it, so neither NSTART nor PROBING_RATE holds it back.
      const id = incoming.peer.takeMessageId();
      this.#sender.transmit(endpoint, this.#sender.encode(Type.NON, content, id, token));
      options.onOutcome?.("sent", now);
    }
  }

  /** Sends the empty ACK: the answer comes separately. */
  acknowledge(incoming: Incoming): void {
    if (incoming.state !== IncomingState.OPEN || !incoming.confirmable) return;
    this.#timers.remove(incoming);
    incoming.state = IncomingState.ACKNOWLEDGED;
    incoming.reply = emptyMessage(Type.ACK, incoming.messageId);
    this.#sender.transmit(incoming.endpoint, incoming.reply);
  }

  /**
   * Answers with Reset, where the request was confirmable.
   * @throws Error when it was answered already
   */
  reject(incoming: Incoming): void {
    const { state } = incoming;
    this.#close(incoming);
    if (state !== IncomingState.OPEN || !incoming.confirmable) return;
    incoming.reply = emptyMessage(Type.RST, incoming.messageId);
    this.#sender.transmit(incoming.endpoint, incoming.reply);
  }

  /**
   * Ends a request without an answer (RFC 7252 §8.2, RFC 7967).
   * @throws Error when it was answered already
   */
  ignore(incoming: Incoming): void {
    this.acknowledge(incoming);
    this.#close(incoming);
  }

  #close(incoming: Incoming): void {
    if (incoming.answered) throw new Error(`CoAP exchange ${incoming.messageId} was answered already`);
    this.#timers.remove(incoming);
    this.#pending--;
    incoming.close();
  }
}

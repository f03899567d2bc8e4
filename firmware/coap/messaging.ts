/** What the message layer and its users say to each other; the layer itself is message-layer.ts. */

import type { Counters } from "../bytes/counters.js";
import type { CoapMessage, CoapOption } from "./message.js";
import type { TransmissionParameters } from "./transmission.js";

/** What is said, without type, message ID and token, which the layer adds. A CoapMessage fits. */
export interface Content {
  readonly code: number;
  /** in ascending order of their numbers */
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** A request of a peer, from its arrival to its answer. */
export interface Exchange {
  readonly endpoint: string;
  /**
   * The request. Its byte fields are views of the datagram: valid during `onRequest`, and longer only if the caller of
   * `receive` keeps the datagram. Empty after the answer.
   */
  readonly request: CoapMessage;
  /** The request's token, a copy of its own. */
  readonly token: Uint8Array;
  /** It was addressed to a group: errors are not answered, answers are delayed (RFC 7252 §8). */
  readonly multicast: boolean;
  /** `respond`, `reject` or `ignore` was called. */
  readonly answered: boolean;
}

/** How a response that was sent outside of an acknowledgement ended. */
export type Outcome =
  /** non-confirmable: it left */
  | "sent"
  | "acknowledged"
  | "reset"
  /** never acknowledged */
  | "timeout"
  /** by `forget`, or because too many wait for this endpoint */
  | "cancelled";

/** How an answer is sent. */
export interface RespondOptions {
  /**
   * Send it as CON. Default: as the request was (RFC 7252 §5.2.2, §5.2.3); for notifications false. Has no meaning when
   * the answer can be piggybacked.
   */
  readonly confirmable?: boolean;
  /** Not called for a piggybacked answer: nobody acknowledges an acknowledgement. */
  readonly onOutcome?: (outcome: Outcome, now: number) => void;
}

/** How a request is sent, and how long it is waited for. */
export interface RequestOptions {
  /** default true */
  readonly confirmable?: boolean;
  /** Use this token, of an observation to be renewed or cancelled (RFC 7641 §3.6): takes that request's place. */
  readonly token?: Uint8Array;
  /** ms to wait for the answer behind an empty ACK, or behind a NON request. Default EXCHANGE_LIFETIME. */
  readonly responseTimeout?: number;
  /** false: done with the ACK (CON) or with sending (NON), as after No-Response (RFC 7967). Default true. */
  readonly expectResponse?: boolean;
}

/** What a client makes of a response. */
export type Verdict =
  /** taken, the request is over */
  | "done"
  /** taken, and further ones may come: an observation */
  | "more"
  /**
   * As if it had never arrived: not acknowledged, the request goes on being retransmitted. For answers that do not
   * verify: whoever forged one must not end the exchange.
   */
  | "ignore"
  /** RST for a CON (RFC 7252 §5.4.1: unknown critical option); the request goes on waiting. */
  | "reject";

/** Why a request has no answer. */
export type RequestFailure =
  /** never acknowledged */
  | "timeout"
  /** acknowledged, or non-confirmable, but never answered */
  | "no-response"
  | "reset"
  /** by `forget`, or replaced by a request with its token */
  | "cancelled";

/** Who is told what becomes of a request. */
export interface RequestHandler {
  /**
   * An answer came.
   * @returns whether it is taken: what is not is answered with Reset
   */
  onResponse(response: CoapMessage, now: number): Verdict;
  /** Called at most once, and nothing behind it. */
  onFailure(failure: RequestFailure, now: number): void;
  /** The peer has the request; its answer comes separately. With `expectResponse: false` the end. */
  onAcknowledged?(now: number): void;
}

/** A request of ours. */
export interface RequestHandle {
  readonly endpoint: string;
  /** Empty while the request waits in the queue. */
  readonly token: Uint8Array;
  /** A response may still come. */
  readonly live: boolean;
}

/** Another message of ours: a notification, a ping. */
export interface OutgoingHandle {
  readonly endpoint: string;
  /** -1 while it waits in the queue */
  readonly messageId: number;
}

/** Limits on what peers can make us keep. */
export interface MessageLimits {
  /** endpoints of which anything is known */
  readonly peers: number;
  /** messages remembered for deduplication, over all endpoints */
  readonly remembered: number;
  /** requests handed to `onRequest` and not answered yet */
  readonly pending: number;
  /** messages of ours waiting for NSTART or PROBING_RATE, per endpoint */
  readonly queued: number;
}

/** What the message layer needs of the world, and its limits. */
export interface MessageLayerOptions {
  /** Puts a datagram on its way. The array is never changed afterwards and must not be written to. */
  send(endpoint: string, bytes: Uint8Array): void;
  /** Random bytes: message IDs, tokens, jitter. */
  random(length: number): Uint8Array;
  /** A request to be answered with `respond`, `reject` or `ignore`, now or later. Without it requests are rejected. */
  onRequest?(exchange: Exchange, now: number): void;
  /** A RST for something no longer in flight: whoever sent a NON notification with this ID is to stop (RFC 7641 §3.6). */
  onReset?(endpoint: string, messageId: number, now: number): void;
  readonly transmission?: Partial<TransmissionParameters>;
  readonly limits?: Partial<MessageLimits>;
  /** Bytes of the tokens of our requests, 0–8, default 4. With 0 there is one live request per endpoint, others queue. */
  readonly tokenLength?: number;
  /** ms, default 1000: a CON request not answered by then gets an empty ACK, its answer goes separately. */
  readonly acknowledgeAfter?: number;
  /** Where refusals and drops are counted by reason. */
  readonly counters?: Counters;
}

/** Plain numbers, because they count in the hot path. */
export interface MessageStats {
  received: number;
  sent: number;
  /** requests handed to `onRequest` */
  requests: number;
  /** responses handed to `onResponse` */
  responses: number;
  /** repeated messages that were answered from memory or passed over */
  duplicates: number;
  retransmissions: number;
  /** confirmable messages never acknowledged */
  timeouts: number;
}

/** Why the layer takes no further message of ours. */
export type SendRefusal =
  /** too many wait for this endpoint */
  | "coap-queue-full"
  /** the table of endpoints is full of such that we wait for */
  | "coap-peer-limit";

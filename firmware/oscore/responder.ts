import type { Crypto } from "../../hal/hal.js";
import { equal, equalConstantTime } from "../bytes/compare.js";
import { Refusal } from "../bytes/refusal.js";
import type { CoapMessage, CoapOption } from "../coap/message.js";
import type { Content } from "../coap/messaging.js";
import { Code, OptionNumber } from "../coap/numbers.js";
import { getOption, opaqueOption } from "../coap/options.js";
import type { SecurityContext } from "./context.js";
import { protectResponse } from "./protect.js";
import { OscoreRefusal } from "./refusal.js";
import type { SequenceRefusal } from "./sequence.js";
import { requestOptionOf, type UnprotectedRequest, unprotectRequest } from "./unprotect.js";

/** A context that requests are answered under: a device's own with its server, or a further client's. */
export interface ResponderContext {
  /** The Recipient ID: what requests name it by. */
  readonly kid: Uint8Array;
  /** Another one when the two ends have agreed on new keys (RFC 8613 App. B.2). */
  readonly security: SecurityContext;
  /** One of our own Sender Sequence Numbers. */
  next(): number | SequenceRefusal;
}

/** Contexts of a {@link Responder}, and what it does with requests. */
export interface ResponderOptions {
  readonly crypto: Crypto;
  readonly contexts: readonly ResponderContext[];
  /**
   * Carries a request out. `isFresh`: it was made within the last minutes, and nothing has held it back.
   * @returns the answer; `undefined` when it is to come again with the proof that it is fresh
   */
  readonly serve: (request: CoapMessage, isFresh: boolean, now: number) => Content | undefined;
}

/** ms that an Echo value proves freshness: as long as a request and its repetitions may be under way. */
const FRESH_FOR = 300_000;
const ECHO_LENGTH = 8;

/** What is known about the requests under one context. In memory only: nothing wears, and a restart begins with Echo. */
class Peer {
  readonly context: ResponderContext;
  security: SecurityContext;
  /** The highest Partial IV accepted; Infinity when it is not known any more, so that only Echo leads on. */
  top = Number.POSITIVE_INFINITY;
  echo: Uint8Array | undefined;
  echoUntil = 0;

  constructor(context: ResponderContext) {
    this.context = context;
    this.security = context.security;
  }
}

/**
 * The server's side of OSCORE for a constrained device: few contexts, each with a client that has one request
 * outstanding. `OscoreServer` has more room, and serves many.
 *
 * A request is accepted when its Partial IV is above all before (a replay window of 1), or when it has the Echo value
 * that this device has just made (RFC 8613 App. B.1.2, RFC 9175): such a request was made after everything that was
 * received before, and each value counts once. Whatever is neither is answered with a new value, under a Partial IV of
 * our own, because the request's nonce may be used up. So nothing of an earlier life is ever carried out again, and
 * several servers with blocks of numbers of their own are understood.
 */
export class Responder {
  readonly #options: ResponderOptions;
  readonly #peers: readonly Peer[];

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.#peers = options.contexts.map((context) => new Peer(context));
  }

  /**
   * @param outer any request
   * @returns its answer, and why it was not carried out, if it was not
   */
  respond(outer: CoapMessage, now: number): { readonly answer: Content; readonly refusal?: OscoreRefusal } {
    const option = requestOptionOf(outer);
    let refusal = option instanceof Refusal ? option : new OscoreRefusal("oscore-context");
    if (option === undefined) refusal = new OscoreRefusal("oscore-unprotected");
    else if (!(option instanceof Refusal)) {
      for (const peer of this.#peers) {
        if (!equal(option.kid, peer.context.kid)) continue;
        const { security } = peer.context;
        if (peer.security !== security) {
          // Keys that were never used before: nothing was received under them.
          peer.security = security;
          peer.top = -1;
        }
        const request = unprotectRequest(security, outer, option);
        const answer = request instanceof Refusal ? request : this.#verified(peer, request, now);
        if (!(answer instanceof Refusal)) return { answer };
        refusal = answer;
      }
    }
    return { answer: plainError(refusal), refusal };
  }

  #verified(peer: Peer, request: UnprotectedRequest, now: number): Content | OscoreRefusal {
    const { message, exchange, partialIv } = request;
    const echo = getOption(message, OptionNumber.ECHO);
    const isFresh =
      echo !== undefined &&
      peer.echo !== undefined &&
      equalConstantTime(echo, peer.echo) &&
      now < peer.echoUntil;
    if (isFresh) peer.echo = undefined;
    else if (partialIv <= peer.top) {
      const number = peer.context.next();
      if (number instanceof Refusal) return new OscoreRefusal("oscore-busy");
      return protectResponse(exchange, respondTo(this.#challenge(peer, now)), { partialIv: number });
    }
    if (partialIv > peer.top || peer.top === Number.POSITIVE_INFINITY) peer.top = partialIv;
    const content = this.#options.serve(message, isFresh, now) ?? this.#challenge(peer, now);
    return protectResponse(exchange, respondTo(content));
  }

  #challenge(peer: Peer, now: number): Content {
    // One that is under way already goes on to count: a copy of an old request must not end it.
    if (peer.echo === undefined || now >= peer.echoUntil) {
      peer.echo = this.#options.crypto.random(ECHO_LENGTH);
      peer.echoUntil = now + FRESH_FOR;
    }
    return {
      code: Code.UNAUTHORIZED,
      options: [opaqueOption(OptionNumber.ECHO, peer.echo)],
      payload: NO_BYTES,
    };
  }
}

const NO_BYTES = new Uint8Array(0);

/** Type, message ID and token are the message layer's. */
function respondTo({ code, options, payload }: Content): CoapMessage {
  return { type: 0, code, messageId: 0, token: NO_BYTES, options: options as CoapOption[], payload };
}

/** The unprotected error of RFC 8613 §8.2; 4.01 for what nobody protected. */
function plainError(refusal: OscoreRefusal): Content {
  return refusal.error ?? { code: Code.UNAUTHORIZED, options: [], payload: NO_BYTES };
}

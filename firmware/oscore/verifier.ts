import type { Crypto } from "../../hal/hal.js";
import { concat } from "../bytes/compare.js";
import { Refusal } from "../bytes/refusal.js";
import type { CoapMessage, CoapOption } from "../coap/message.js";
import type { Content } from "../coap/messaging.js";
import { Code, OptionNumber } from "../coap/numbers.js";
import { getOption, opaqueOption } from "../coap/options.js";
import { deriveContext, type SecurityContext } from "./context.js";
import { EchoIssuer } from "./echo.js";
import type { Exchange } from "./exchange.js";
import { decodePartialIv } from "./partial-iv.js";
import { protectResponse } from "./protect.js";
import { RederivationKeys, unwrapIdContext } from "./rederivation.js";
import { OscoreRefusal } from "./refusal.js";
import type { Change, ContextStore, ServerContext } from "./store.js";
import {
  type RequestOption,
  requestOptionOf,
  type UnprotectedRequest,
  unprotectRequest,
  wrapIdContext,
} from "./unprotect.js";

/** A verified request. It is to be acted on only if its change commits. */
export interface Verified<Context extends ServerContext> {
  readonly kind: "verified";
  readonly request: UnprotectedRequest;
  readonly change: Change<Context>;
}

/** A request that is not acted on, but has a protected answer coming: the client will come again. */
export interface Challenged<Context extends ServerContext> {
  readonly kind: "challenged";
  /** "echo": App. B.1.2, "rederivation": App. B.2, response #1 */
  readonly why: "echo" | "rederivation";
  readonly context: Context;
  /** With type, message ID and token of the request. */
  readonly answer: CoapMessage;
}

/** Limits of a {@link RequestVerifier}. */
export interface VerifierOptions {
  readonly crypto: Crypto;
  /** ms that an Echo value counts as fresh, default 5 minutes */
  readonly echoLifetime?: number | undefined;
  /** runs of App. B.2 under way at a time, default 256 */
  readonly rederivations?: number | undefined;
}

const NO_BYTES = new Uint8Array(0);

/**
 * A server's side of RFC 8613 §8.2 whole: which context, replay, decryption, and the ways back for those who lost
 * something: Echo when the replay window is lost (App. B.1.2), a new context when more is (App. B.2).
 */
export class RequestVerifier<Context extends ServerContext = ServerContext> {
  readonly #crypto: Crypto;
  readonly #echo: EchoIssuer;
  readonly #echoLifetime: number;
  readonly #runs: RederivationKeys;

  constructor({ crypto, echoLifetime = 300_000, rederivations }: VerifierOptions) {
    this.#crypto = crypto;
    this.#echo = new EchoIssuer(crypto);
    this.#echoLifetime = echoLifetime;
    this.#runs = new RederivationKeys(crypto, rederivations);
  }

  /**
   * Whether a protected request is to be acted on, and what to answer when it is not (RFC 8613 §8.2).
   * @param outer a message with an OSCORE option
   * @param now ms, of the clock that contexts expire by
   */
  verify(
    store: Pick<ContextStore<Context>, "find">,
    outer: CoapMessage,
    now: number,
    option: RequestOption | OscoreRefusal | undefined = requestOptionOf(outer),
  ): Verified<Context> | Challenged<Context> | OscoreRefusal {
    if (option === undefined) return new OscoreRefusal("oscore-unprotected");
    if (option instanceof Refusal) return option;
    let refusal: OscoreRefusal | undefined;
    let expired: Context | undefined;
    for (const context of store.find(option.kid, option.kidContext)) {
      if (context.ends <= now) continue;
      if (context.expires <= now) {
        expired = context;
        continue;
      }
      const result = this.#verifyWith(context, outer, option, now);
      if (!(result instanceof OscoreRefusal)) return result;
      // Where several contexts share a kid, a replay under one says more than that another one's keys do not fit.
      if (refusal === undefined || result.reason === "oscore-replay") refusal = result;
    }
    if (refusal !== undefined) return refusal;
    return this.#rederive(store, outer, option, now, expired);
  }

  /**
   * How old a verified request can be at most, in ms, by its Echo option (RFC 9175 §2.3); `undefined` when it has none of
   * ours. OSCORE alone proves only that a request is not older than its context (RFC 8613 §7.3).
   */
  age(context: Context, message: CoapMessage, now: number): number | undefined {
    const echo = getOption(message, OptionNumber.ECHO);
    return echo === undefined ? undefined : this.#echo.age(echo, clientName(context), now);
  }

  /** The answer that asks for the request once more, with proof of its freshness; to be protected like any other. */
  demandFreshness(context: Context, now: number): Content {
    const echo = opaqueOption(OptionNumber.ECHO, this.#echo.issue(clientName(context), now));
    return { code: Code.UNAUTHORIZED, options: [echo], payload: NO_BYTES };
  }

  #verifyWith(
    context: Context,
    outer: CoapMessage,
    option: RequestOption,
    now: number,
  ): Verified<Context> | Challenged<Context> | OscoreRefusal {
    const { window, security } = context;
    const partialIv = decodePartialIv(option.partialIv);
    if (window !== undefined && !window.check(partialIv))
      return new OscoreRefusal("oscore-replay", `${partialIv}`);
    const request = unprotectRequest(security, outer, option);
    if (request instanceof OscoreRefusal) return request;
    if (window !== undefined)
      return { kind: "verified", request, change: { kind: "accept", context, partialIv } };

    const age = this.age(context, request.message, now);
    if (age !== undefined && age <= this.#echoLifetime) {
      return { kind: "verified", request, change: { kind: "resume", context, partialIv } };
    }
    const number = context.next();
    if (number instanceof Refusal) {
      // With neither window nor numbers there is no answer under this context that would be safe.
      return context.rederivable && number.reason !== "sequence-busy"
        ? this.#begin(context, request.exchange, outer, now)
        : new OscoreRefusal("oscore-busy");
    }
    // App. B.1.2: only the Echo option, and a Partial IV of our own: the request may be a replay, its nonce used up.
    const { options } = this.demandFreshness(context, now);
    const answer = protectResponse(request.exchange, unauthorized(outer, [...options]), {
      partialIv: number,
    });
    return { kind: "challenged", why: "echo", context, answer };
  }

  /** A request that no context opens: perhaps one of App. B.2's. */
  #rederive(
    store: Pick<ContextStore<Context>, "find">,
    outer: CoapMessage,
    option: RequestOption,
    now: number,
    expired: Context | undefined,
  ): Verified<Context> | Challenged<Context> | OscoreRefusal {
    const { kid, kidContext } = option;
    const unwrapped = kidContext === undefined ? undefined : unwrapIdContext(kidContext);
    if (unwrapped === undefined && expired === undefined) return new OscoreRefusal("oscore-context");
    let refusal: OscoreRefusal | undefined;
    for (const context of store.find(kid, undefined)) {
      if (!context.rederivable || context.ends <= now) continue;
      if (unwrapped !== undefined && this.#runs.recognizes(context, unwrapped, now)) {
        const result = this.#complete(context, outer, option, unwrapped, now);
        if (!(result instanceof OscoreRefusal)) return result;
        refusal ??= result;
        continue;
      }
      // A context that expired opens the request that it may not act on any more, and begins the run.
      const own = context === expired || (unwrapped === undefined && context.expires <= now);
      if (!own && unwrapped === undefined) continue;
      const first = own ? context.security : this.#derive(context, unwrapped as Uint8Array);
      const request = unprotectRequest(first, outer, option);
      if (!(request instanceof OscoreRefusal)) return this.#begin(context, request.exchange, outer, now);
      refusal ??= request;
    }
    return refusal ?? new OscoreRefusal("oscore-context");
  }

  /** Response #1, under R2 ‖ ID1. The keys are new, so the request's nonce is too. */
  #begin(
    context: Context,
    exchange: Exchange,
    outer: CoapMessage,
    now: number,
  ): Challenged<Context> | OscoreRefusal {
    const r2 = this.#runs.issue(context, now);
    if (r2 === undefined) return new OscoreRefusal("oscore-busy");
    const second = this.#derive(context, concat(r2, exchange.context.idContext ?? NO_BYTES));
    const answer = protectResponse(exchange, unauthorized(outer, []), {
      context: second,
      kidContext: wrapIdContext(r2),
    });
    return { kind: "challenged", why: "rederivation", context, answer };
  }

  /** Request #2, under R2 ‖ R3. */
  #complete(
    context: Context,
    outer: CoapMessage,
    option: RequestOption,
    idContext: Uint8Array,
    now: number,
  ): Verified<Context> | OscoreRefusal {
    const security = this.#derive(context, idContext);
    const request = unprotectRequest(security, outer, option);
    if (request instanceof OscoreRefusal) return request;
    // From here on a replay of this request finds either the new context's window, or no run.
    this.#runs.end(context);
    const { partialIv } = request;
    return {
      kind: "verified",
      request,
      change: { kind: "replace", context, partialIv, idContext: idContext.slice(), security, now },
    };
  }

  #derive(context: Context, idContext: Uint8Array): SecurityContext {
    return deriveContext(this.#crypto, { ...context.parameters, idContext: idContext.slice() });
  }
}

function unauthorized(outer: CoapMessage, options: CoapOption[]): CoapMessage {
  const { type, messageId, token } = outer;
  return { type, code: Code.UNAUTHORIZED, messageId, token, options, payload: NO_BYTES };
}

/** Whom an Echo value is for: both IDs, told apart by the length of the first. */
function clientName({ parameters: { recipientId, idContext } }: ServerContext): Uint8Array {
  return concat(Uint8Array.of(recipientId.length), recipientId, idContext ?? NO_BYTES);
}

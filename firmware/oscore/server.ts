/** A server's side of OSCORE: turns protected requests into plain ones, and plain answers into protected ones. */

import { Refusal } from "../bytes/refusal.js";
import type { CoapMessage } from "../coap/message.js";
import type { Content } from "../coap/messaging.js";
import type { Exchange } from "./exchange.js";
import { protectResponse } from "./protect.js";
import { OscoreRefusal } from "./refusal.js";
import type { SequenceRefusal } from "./sequence.js";
import type { ContextStore, ServerContext } from "./store.js";
import { requestOptionOf } from "./unprotect.js";
import { RequestVerifier, type Verified, type VerifierOptions } from "./verifier.js";

/** A request that was verified, is new, and is on the disk as such. */
export interface SecureRequest<Context extends ServerContext = ServerContext> {
  readonly message: CoapMessage;
  readonly context: Context;
  /** For the answers to it, and for its notifications as long as it observes. */
  readonly exchange: Exchange;
  readonly partialIv: number;
}

/** What may become of a protected request. */
export interface OscoreServerHandler<Context extends ServerContext> {
  /** The request is to be acted on, and answered with {@link OscoreServer.protect}. */
  accepted(request: SecureRequest<Context>): void;
  /** The request is not to be acted on; this is to be answered, as it is. `reason` is for counting. */
  answered(answer: Content, reason: string): void;
}

/** Where an {@link OscoreServer} finds its contexts. */
export interface OscoreServerOptions<Context extends ServerContext> extends VerifierOptions {
  readonly store: ContextStore<Context>;
}

/** Protected requests of any number of clients: verified, checked for replay, answered (RFC 8613 §8.2, §8.3). */
export class OscoreServer<Context extends ServerContext = ServerContext> {
  readonly #store: ContextStore<Context>;
  readonly #verifier: RequestVerifier<Context>;

  constructor(options: OscoreServerOptions<Context>) {
    this.#store = options.store;
    this.#verifier = new RequestVerifier(options);
  }

  /**
   * Takes a request. One of the handler's functions is called once: at once when the store does not have to wait.
   * @param outer its byte fields need to live during the call only
   * @param now ms, of the clock that contexts expire by
   * @returns false for a message without an OSCORE option: nothing is called
   */
  receive(outer: CoapMessage, now: number, handler: OscoreServerHandler<Context>): boolean {
    const option = requestOptionOf(outer);
    if (option === undefined) return false;
    const result = this.#verifier.verify(this.#store, outer, now, option);
    if (result instanceof Refusal) {
      refuse(result, handler);
    } else if (result.kind === "challenged") {
      handler.answered(result.answer, `oscore-${result.why}`);
    } else {
      this.#commit(result, handler);
    }
    return true;
  }

  #commit({ change, request }: Verified<Context>, handler: OscoreServerHandler<Context>): void {
    const settle = (committed: boolean): void => {
      if (committed) handler.accepted({ ...request, context: change.context });
      else refuse(new OscoreRefusal("oscore-replay", "taken meanwhile"), handler);
    };
    const committed = this.#store.commit(change);
    if (typeof committed === "boolean") {
      settle(committed);
      return;
    }
    // Token and outer options are views of the datagram, which will not be there any more.
    const { message } = request;
    message.token = message.token.slice();
    message.options = message.options.map(({ number, value }) => ({ number, value: value.slice() }));
    committed.then(settle, () => refuse(new OscoreRefusal("oscore-busy", "the store failed"), handler));
  }

  /**
   * How old a request can be at most, in ms; `undefined` when nothing proves it. For actuators: a request that was held
   * back on its way is not a replay, and verifies (RFC 8613 §7.3).
   */
  age(
    { context, message }: Pick<SecureRequest<Context>, "context" | "message">,
    now: number,
  ): number | undefined {
    return this.#verifier.age(context, message, now);
  }

  /** The answer to a request that is not fresh enough: the client comes again by itself, with proof. */
  demandFreshness({ context }: Pick<SecureRequest<Context>, "context">, now: number): Content {
    return this.#verifier.demandFreshness(context, now);
  }

  /**
   * Protects an answer. The first to a request takes the request's nonce, which saves the Partial IV; every further one,
   * and every notification that is asked to, takes a number of ours.
   * @returns why there is no number
   */
  protect(
    request: Pick<SecureRequest<Context>, "context" | "exchange">,
    answer: Content,
    ownPartialIv = false,
  ): CoapMessage | SequenceRefusal {
    const { exchange, context } = request;
    let partialIv: number | undefined;
    if (ownPartialIv || exchange.requestNonceUsed) {
      // Only while this very context is the store's: numbers of a newer one are not those of its keys.
      if (exchange.context !== context.security)
        return new Refusal("sequence-lost", "the context was replaced");
      const number = context.next();
      if (number instanceof Refusal) return number;
      partialIv = number;
    }
    const { code, options, payload } = answer;
    const message: CoapMessage = {
      type: 0,
      code,
      messageId: 0,
      token: NO_BYTES,
      options: [...options],
      payload,
    };
    return protectResponse(exchange, message, { partialIv });
  }
}

const NO_BYTES = new Uint8Array(0);

function refuse<Context extends ServerContext>(
  refusal: OscoreRefusal,
  handler: OscoreServerHandler<Context>,
): void {
  // Every refusal of a request has an answer (RFC 8613 §8.2).
  handler.answered(refusal.error!, refusal.reason);
}

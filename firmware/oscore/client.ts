/**
 * A client's side of OSCORE with all its ways back: it protects requests, and says of each response what it is worth.
 * Sending, retransmission and tokens are the message layer's; this only turns messages into others.
 */

import type { Crypto } from "../../hal/hal.js";
import { concat } from "../bytes/compare.js";
import { Refusal } from "../bytes/refusal.js";
import type { CoapMessage } from "../coap/message.js";
import { Code, OptionNumber } from "../coap/numbers.js";
import { getOption, getUint, opaqueOption, setOption } from "../coap/options.js";
import { type ContextParameters, deriveContext, type SecurityContext } from "./context.js";
import type { Exchange } from "./exchange.js";
import { isNotification, NotificationOrder } from "./notifications.js";
import { oscoreOptionOf } from "./option.js";
import { protectRequest } from "./protect.js";
import { RANDOM_LENGTH, unwrapIdContext } from "./rederivation.js";
import { OscoreRefusal } from "./refusal.js";
import { ReplayWindow } from "./replay.js";
import { type NumberReserve, SequenceNumbers, type SequenceRefusal } from "./sequence.js";
import { unprotectResponse, wrapIdContext } from "./unprotect.js";

/** Where the client keeps what must outlive power: `StoredState`, or what stands for it. */
export interface ClientState extends NumberReserve {
  /** The ID Context that App. B.2 agreed on; `undefined` while it is the provisioned one. */
  readonly idContext: Uint8Array | undefined;
  /** As `StoredState.replace`. */
  renew(idContext: Uint8Array, end: number, window: ReplayWindow): void;
}

/** Keys, state and limits of an {@link OscoreClient}. */
export interface OscoreClientOptions {
  readonly crypto: Crypto;
  /** As provisioned. */
  readonly parameters: ContextParameters;
  readonly state: ClientState;
  /** Numbers that are reserved at a time, default 64. */
  readonly block?: number | undefined;
  /**
   * App. B.2: derive a new context when the numbers are lost or used up, or when the server asks for it. The server
   * must know how. Default false.
   */
  readonly rederive?: boolean | undefined;
  /** Send the ID Context with every request. Default false: the server knows it. */
  readonly sendKidContext?: boolean | undefined;
}

/** What a response turned out to be. */
export type ClientVerdict =
  /** the server's answer, or a notification newer than all before */
  | { readonly kind: "response"; readonly message: CoapMessage; readonly partialIv: number | undefined }
  /** the server wants to see the request once more, in this form: a new message with a new message ID */
  | { readonly kind: "again"; readonly outer: CoapMessage }
  /** nothing from the server, or nothing new: wait on */
  | OscoreRefusal
  /** the request ought to go again, but there is no number for it */
  | SequenceRefusal;

/** How often one request is sent anew because the server asks for it. More is a server that does not get well. */
const MAX_AGAIN = 4;
const NO_BYTES = new Uint8Array(0);

/** The unprotected errors that a server answers which has another context for our ID, or none (RFC 8613 §8.2). */
function isDoubt(code: number): boolean {
  return code === Code.UNAUTHORIZED || code === Code.BAD_REQUEST;
}

/** A context that App. B.2 made, until the server has proven that it has it too. */
interface Candidate {
  readonly context: SecurityContext;
  /** Its numbers, in memory only: the keys are forgotten with them. */
  next: number;
  /** Whether the server had a part in it (R2 ‖ R3), or it is only our own R1. */
  readonly agreed: boolean;
}

/** The conversation with one server under one Master Secret. */
export class OscoreClient {
  readonly #crypto: Crypto;
  readonly #parameters: ContextParameters;
  readonly #state: ClientState;
  readonly #block: number;
  readonly #rederive: boolean;
  readonly #sendKidContext: boolean;
  #context: SecurityContext;
  #numbers: SequenceNumbers;
  #candidate: Candidate | undefined;
  #generation = 0;
  /** An Echo value for the next request (RFC 9175 §2.3). */
  #echo: Uint8Array | undefined;
  /** Somebody, perhaps the server, said without protection that it does not know the context, or has another. */
  #doubted = false;
  /** Naming the ID Context in requests helps a server that has several contexts for our ID (§5.1). */
  #naming = false;

  /** @throws ContextParameterError for parameters that make no context */
  constructor({
    crypto,
    parameters,
    state,
    block = 64,
    rederive = false,
    sendKidContext = false,
  }: OscoreClientOptions) {
    this.#crypto = crypto;
    this.#parameters = parameters;
    this.#state = state;
    this.#block = block;
    this.#rederive = rederive;
    this.#sendKidContext = sendKidContext;
    this.#context = this.#derive(state.idContext ?? parameters.idContext);
    this.#numbers = new SequenceNumbers(state, block);
  }

  /** The context in use. */
  get context(): SecurityContext {
    return this.#context;
  }

  /**
   * Grows whenever requests go over to another context (App. B.2): what names something by its Partial IV has to
   * forget those names then.
   */
  get generation(): number {
    return this.#generation;
  }

  /**
   * A Sender Sequence Number for something else than a request: an answer under this context that has to have one. None
   * while it is not sure that the context in use lasts.
   */
  next(): number | SequenceRefusal {
    return this.#candidate === undefined ? this.#numbers.next() : new Refusal("sequence-busy");
  }

  /**
   * Protects a request.
   * @param message its byte fields have to stay as they are until the exchange is over
   * @returns why there is no number for it, which {@link OscoreClientOptions.rederive} would have mended
   */
  request(message: CoapMessage): ClientExchange | SequenceRefusal {
    const exchange = new ClientExchange(this, message);
    const refusal = exchange.begin();
    return refusal ?? exchange;
  }

  /**
   * A request was given up without an answer. If somebody had said meanwhile that the context is not known, which
   * anybody can say, the next request names its ID Context, and after a second failure App. B.2 begins.
   */
  failed(): void {
    if (!this.#doubted) return;
    this.#doubted = false;
    if (!this.#naming && this.#context.idContext !== undefined) this.#naming = true;
    else if (this.#rederive && this.#candidate === undefined) this.#beginRederivation();
  }

  /** @internal Protects one message under the context in use, or the candidate. */
  protect(message: CoapMessage): { outer: CoapMessage; exchange: Exchange } | SequenceRefusal {
    let request = message;
    if (this.#echo !== undefined) {
      request = { ...message, options: message.options.slice() };
      setOption(request.options, opaqueOption(OptionNumber.ECHO, this.#echo));
      this.#echo = undefined;
    }
    if (this.#candidate === undefined) {
      const number = this.#numbers.next();
      if (!(number instanceof Refusal)) {
        const kidContext = this.#sendKidContext || this.#naming ? this.#kidContext() : undefined;
        const { message: outer, exchange } = protectRequest(this.#context, request, number, { kidContext });
        return { outer, exchange };
      }
      if (!this.#rederive) return number;
      this.#beginRederivation();
    }
    const candidate = this.#candidate as unknown as Candidate;
    const kidContext = wrapIdContext(candidate.context.idContext ?? NO_BYTES);
    const { message: outer, exchange } = protectRequest(candidate.context, request, candidate.next++, {
      kidContext,
    });
    return { outer, exchange };
  }

  /** @internal A response that no context so far opens may be App. B.2's response #1. @returns whether it was */
  takesRederivation(exchange: Exchange, outer: CoapMessage): boolean {
    if (!this.#rederive) return false;
    const option = oscoreOptionOf(outer);
    if (option === undefined || option instanceof Refusal || option.kidContext === undefined) return false;
    const r2 = unwrapIdContext(option.kidContext);
    if (r2 === undefined || r2.length < RANDOM_LENGTH) return false;
    const second = this.#derive(concat(r2, exchange.context.idContext ?? NO_BYTES));
    const response = unprotectResponse(exchange, outer, second);
    if (response instanceof Refusal || response.message.code !== Code.UNAUTHORIZED) return false;
    const candidate = this.#candidate;
    const inUse = candidate?.context ?? this.#context;
    // An answer to an older request, overtaken by another run: that one's context is as good.
    if (exchange.context !== inUse && (candidate === undefined || candidate.agreed)) return true;
    const third = this.#derive(concat(r2, this.#crypto.random(RANDOM_LENGTH)));
    this.#candidate = { context: third, next: 0, agreed: true };
    this.#generation++;
    return true;
  }

  /** @internal A response verified: a candidate has become the context. */
  verified(exchange: Exchange, message: CoapMessage): void {
    this.#doubted = false;
    this.#naming = false;
    const candidate = this.#candidate;
    if (candidate !== undefined && exchange.context === candidate.context) {
      // Its first numbers were used without being reserved: the new count begins behind them.
      this.#state.renew(candidate.context.idContext as Uint8Array, candidate.next, new ReplayWindow());
      this.#context = candidate.context;
      this.#numbers = new SequenceNumbers(this.#state, this.#block);
      this.#candidate = undefined;
    }
    if (message.code !== Code.UNAUTHORIZED) this.#echo = getOption(message, OptionNumber.ECHO)?.slice();
  }

  /** @internal */
  echo(value: Uint8Array): void {
    this.#echo = value.slice();
  }

  /** @internal */
  doubted(): void {
    this.#doubted = true;
  }

  /** The ID Context as a kid context: wrapped if it is one of App. B.2's, so that a server that lost it can begin again. */
  #kidContext(): Uint8Array | undefined {
    const { idContext } = this.#context;
    return idContext === undefined || this.#state.idContext === undefined
      ? idContext
      : wrapIdContext(idContext);
  }

  /** A first context of a random R1, for request #1. */
  #beginRederivation(): void {
    const context = this.#derive(this.#crypto.random(RANDOM_LENGTH));
    this.#candidate = { context, next: 0, agreed: false };
    this.#generation++;
  }

  #derive(idContext: Uint8Array | undefined): SecurityContext {
    return deriveContext(this.#crypto, { ...this.#parameters, idContext });
  }
}

/** One request, from its first form to its answer; an observation, to its last notification. */
export class ClientExchange {
  readonly #client: OscoreClient;
  readonly #message: CoapMessage;
  readonly #observes: boolean;
  readonly #order = new NotificationOrder();
  #exchange: Exchange | undefined;
  #outer: CoapMessage | undefined;
  #again = 0;
  #over = false;

  /** @internal by {@link OscoreClient.request} */
  constructor(client: OscoreClient, message: CoapMessage) {
    this.#client = client;
    this.#message = message;
    this.#observes = getUint(message, OptionNumber.OBSERVE) === 0;
  }

  /** What to send, with type, message ID and token of the request. */
  get outer(): CoapMessage {
    return this.#outer as CoapMessage;
  }

  /** The Sender Sequence Number that it goes under now. */
  get partialIv(): number {
    return (this.#exchange as Exchange).requestPartialIv;
  }

  /** @internal */
  begin(): SequenceRefusal | undefined {
    const result = this.#client.protect(this.#message);
    if (result instanceof Refusal) return result;
    this.#exchange = result.exchange;
    this.#outer = result.outer;
    return undefined;
  }

  /** Takes a response that came for this request's token. Any message. */
  receive(outer: CoapMessage): ClientVerdict {
    const exchange = this.#exchange as Exchange;
    if (this.#over) return new OscoreRefusal("oscore-response", "the request is over");
    const response = unprotectResponse(exchange, outer);
    if (response instanceof Refusal) {
      if (response.reason === "oscore-unprotected" && isDoubt(outer.code)) this.#client.doubted();
      if (response.reason === "oscore-decrypt" && this.#again < MAX_AGAIN) {
        if (this.#client.takesRederivation(exchange, outer)) return this.#sendAgain();
      }
      return response;
    }
    const { message, partialIv } = response;
    const notification = isNotification(message);
    // §4.1.3.5.2: a notification for what is no observation is not processed.
    if (notification && !this.#observes) return new OscoreRefusal("oscore-response", "a notification");
    if (notification && !this.#order.accept(partialIv)) {
      return new OscoreRefusal("oscore-response", "an older notification");
    }
    this.#client.verified(exchange, message);
    const echo = message.code === Code.UNAUTHORIZED ? getOption(message, OptionNumber.ECHO) : undefined;
    if (echo !== undefined && this.#again < MAX_AGAIN) {
      this.#client.echo(echo);
      return this.#sendAgain();
    }
    if (!notification) this.#over = true;
    return { kind: "response", message, partialIv };
  }

  #sendAgain(): ClientVerdict {
    this.#again++;
    const refusal = this.begin();
    return refusal ?? { kind: "again", outer: this.outer };
  }
}

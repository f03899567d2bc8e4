/**
 * A CoAP server with OSCORE: sits between the message layer and an application, which sees decrypted requests with whole
 * bodies and gives plain answers. Block-wise is inside the protection (RFC 8613 §4.1.3.4.1), each block a message of its
 * own.
 */

import { Counters } from "../bytes/counters.js";
import { toHex } from "../bytes/hex.js";
import { Refusal } from "../bytes/refusal.js";
import { BlockwiseServer, type BlockwiseServerOptions } from "../coap/blockwise-server.js";
import type { CoapMessage } from "../coap/message.js";
import { Type } from "../coap/message.js";
import type { MessageLayer } from "../coap/message-layer.js";
import type { Content, Exchange, OutgoingHandle, RespondOptions } from "../coap/messaging.js";
import { isUnwanted } from "../coap/no-response.js";
import { Code, OptionNumber } from "../coap/numbers.js";
import { type Notify, Observe, type Observers, type Represent } from "../coap/observe.js";
import {
  badCriticalOption,
  getUint,
  hasOption,
  removeOption,
  setOption,
  uintOption,
} from "../coap/options.js";
import type { OscoreServer, SecureRequest } from "./server.js";
import type { ServerContext } from "./store.js";

/** What an application gets. */
export interface ServerRequest<Context extends ServerContext = ServerContext> {
  /** Decrypted if it was protected; its payload is the whole body. */
  readonly message: CoapMessage;
  /** Of whoever protected it; `undefined` when nobody did, and nothing proves who sent it. */
  readonly context: Context | undefined;
  readonly endpoint: string;
  readonly multicast: boolean;
  /** Answers, now or later, once. */
  respond(content: Content, now: number): void;
  /**
   * Makes the sender an observer if it asks for that, and ends its observation if it asks for that (RFC 7641 §4.1).
   * @param represent what the resource is at a time: notifications are made from it
   * @returns the Observe option's value for the response; `undefined` when it is to go without
   */
  observe(resource: string, represent: Represent, now: number): number | undefined;
}

/** What a {@link SecureServer} is put between. */
export interface SecureServerOptions<Context extends ServerContext> {
  /** The message layer that it answers through; asked for at each use, because each is made with the other. */
  readonly layer: () => MessageLayer;
  /** Without it the server knows nothing of OSCORE, and answers 4.02 to protected requests (RFC 7252 §5.4.1). */
  readonly oscore?: OscoreServer<Context> | undefined;
  /** Carries out a request that has passed every check. */
  readonly handle: (request: ServerRequest<Context>, now: number) => void;
  readonly observers?: Observers | undefined;
  readonly blockwise?: BlockwiseServerOptions | undefined;
  /**
   * MAX_UNFRAGMENTED_SIZE (RFC 8613 §4.1.3.4.2): bytes of the largest protected message put together from blocks that a
   * proxy made of it. They are not authenticated, so what a proxy can make us keep is bounded. Default 4096.
   */
  readonly maxUnfragmentedSize?: number | undefined;
  /** Critical options that the application acts on; default: all that have a name. */
  readonly understands?: ((number: number) => boolean) | undefined;
  readonly counters?: Counters | undefined;
}

/** Sends a protected answer, in outer blocks where the request came in such. */
type Send = (content: Content, now: number) => void;

/** A verified request and the way back. */
interface Secured<Context extends ServerContext> {
  readonly request: SecureRequest<Context>;
  readonly send: Send;
}

const NO_BYTES = new Uint8Array(0);

/** Between the message layer and the resources: OSCORE, blocks inside and outside of it, Echo, observation. */
export class SecureServer<Context extends ServerContext = ServerContext> {
  readonly counters: Counters;
  readonly #options: SecureServerOptions<Context>;
  readonly #blockwise: BlockwiseServer;
  /** Outer blocks: of protected messages that a proxy cut. */
  readonly #outerBlockwise: BlockwiseServer;

  constructor(options: SecureServerOptions<Context>) {
    this.#options = options;
    this.#blockwise = new BlockwiseServer(options.blockwise);
    this.#outerBlockwise = new BlockwiseServer({
      limit: options.maxUnfragmentedSize ?? 4096,
      operations: 16,
    });
    this.counters = options.counters ?? new Counters();
  }

  /** For the message layer's `onRequest`. */
  onRequest(exchange: Exchange, now: number): void {
    const { oscore } = this.#options;
    if (oscore === undefined || !hasOscore(exchange.request)) {
      this.#handle(exchange, exchange.request, undefined, now);
      return;
    }
    let outer = exchange.request;
    let send: Send = (content, at) => this.#options.layer().respond(exchange, content, at);
    if (hasOption(outer, OptionNumber.BLOCK1) || hasOption(outer, OptionNumber.BLOCK2)) {
      // §8.2.1: outer blocks before anything else.
      const verdict = this.#outerBlockwise.accept(exchange.endpoint, outer, now);
      if ("answer" in verdict) {
        send(verdict.answer, now);
        return;
      }
      const { request } = verdict;
      const whole = send;
      outer = request;
      send = (content, at) =>
        whole(this.#outerBlockwise.respond(exchange.endpoint, request, content, at), at);
    }
    oscore.receive(outer, now, {
      accepted: (request) => this.#handle(exchange, request.message, { request, send }, now),
      answered: (answer, reason) => {
        this.counters.add(reason);
        send(answer, now);
      },
    });
  }

  #handle(exchange: Exchange, message: CoapMessage, secure: Secured<Context> | undefined, now: number): void {
    const answer = (content: Content, at: number) => this.#answer(exchange, message, secure, content, at);
    if (badCriticalOption(message, this.#options.understands) !== undefined || hasOscore(message)) {
      answer({ code: Code.BAD_OPTION, options: [], payload: NO_BYTES }, now);
      return;
    }
    if (hasOption(message, OptionNumber.PROXY_URI) || hasOption(message, OptionNumber.PROXY_SCHEME)) {
      // RFC 7252 §5.10.2: whoever is no proxy says so.
      answer({ code: Code.PROXYING_NOT_SUPPORTED, options: [], payload: NO_BYTES }, now);
      return;
    }
    // Blocks of one body come under one context, whatever addresses they come from.
    const client = secure === undefined ? exchange.endpoint : nameOf(secure.request.context);
    const verdict = this.#blockwise.accept(client, message, now);
    if ("answer" in verdict) {
      answer(verdict.answer, now);
      return;
    }
    const { request } = verdict;
    this.#options.handle(
      {
        message: request,
        context: secure?.request.context,
        endpoint: exchange.endpoint,
        multicast: exchange.multicast,
        respond: (content, at) => answer(this.#blockwise.respond(client, request, content, at), at),
        observe: (resource, represent, at) =>
          this.#observe(exchange, request, secure, resource, represent, at),
      },
      now,
    );
  }

  #answer(
    exchange: Exchange,
    message: CoapMessage,
    secure: Secured<Context> | undefined,
    content: Content,
    now: number,
  ): void {
    const layer = this.#options.layer();
    if (isUnwanted(message, content.code)) {
      layer.ignore(exchange, now);
      return;
    }
    if (secure === undefined) {
      layer.respond(exchange, content, now);
      return;
    }
    // A registration's first answer may take the request's nonce; that of a cancellation is one answer of several.
    const ownPartialIv = getUint(message, OptionNumber.OBSERVE) === Observe.DEREGISTER;
    const outer = this.#protect(secure.request, content, ownPartialIv);
    if (outer instanceof Refusal) layer.ignore(exchange, now);
    else secure.send(outer, now);
  }

  #protect(
    secure: SecureRequest<Context>,
    content: Content,
    ownPartialIv: boolean,
  ): CoapMessage | Refusal<string> {
    const outer = (this.#options.oscore as OscoreServer<Context>).protect(secure, content, ownPartialIv);
    if (outer instanceof Refusal) this.counters.add(`oscore-${outer.reason}`);
    return outer;
  }

  #observe(
    exchange: Exchange,
    message: CoapMessage,
    secure: Secured<Context> | undefined,
    resource: string,
    represent: Represent,
    now: number,
  ): number | undefined {
    const { observers } = this.#options;
    const action = getUint(message, OptionNumber.OBSERVE);
    if (observers === undefined || action === undefined) return undefined;
    const { endpoint } = exchange;
    const token = exchange.token.slice();
    const key = `${endpoint}|${toHex(token)}|${secure === undefined ? "" : nameOf(secure.request.context)}`;
    if (action !== Observe.REGISTER) {
      observers.remove(key);
      return undefined;
    }
    const notify: Notify = (content, at, options) => {
      const protectedContent = secure === undefined ? content : this.#protect(secure.request, content, true);
      if (protectedContent instanceof Refusal) return protectedContent;
      return this.#notify(endpoint, token, protectedContent, at, options);
    };
    // RFC 7959 §2.6: a notification is the first block of its body, fetched by plain requests.
    const client = secure === undefined ? endpoint : nameOf(secure.request.context);
    const plain = { ...message, options: message.options.slice() };
    removeOption(plain.options, OptionNumber.OBSERVE);
    return observers.register(
      key,
      resource,
      message.type === Type.CON,
      notify,
      (at) => this.#blockwise.respond(client, plain, represent(at), at),
      now,
    );
  }

  #notify(
    endpoint: string,
    token: Uint8Array,
    content: Content,
    now: number,
    options: RespondOptions,
  ): OutgoingHandle | Refusal<string> {
    return this.#options.layer().notify(endpoint, token, content, now, options);
  }
}

/** Puts an Observe option into an answer, when there is one. */
export function withObserve(content: Content, value: number | undefined): Content {
  if (value === undefined) return content;
  const options = [...content.options];
  setOption(options, uintOption(OptionNumber.OBSERVE, value));
  return { ...content, options };
}

function hasOscore({ options }: CoapMessage): boolean {
  return options.some(({ number }) => number === OptionNumber.OSCORE);
}

/** What tells one security context from others. */
function nameOf({ parameters: { recipientId, idContext } }: ServerContext): string {
  return `${toHex(recipientId)}/${idContext === undefined ? "" : toHex(idContext)}`;
}

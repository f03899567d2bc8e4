/**
 * A CoAP client with OSCORE over a message layer: whole bodies in, whole bodies out, whatever it takes in blocks, Echo
 * and new contexts. Without an {@link OscoreClient} it does the same unprotected.
 */

import { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { blockSize, MAX_SZX } from "../coap/block.js";
import {
  BlockwiseClient,
  type BlockwiseClientOptions,
  type BlockwiseFailure,
} from "../coap/blockwise-client.js";
import type { CoapMessage } from "../coap/message.js";
import type { MessageLayer } from "../coap/message-layer.js";
import type {
  Content,
  RequestFailure,
  RequestHandle,
  RequestOptions,
  SendRefusal,
  Verdict,
} from "../coap/messaging.js";
import { OptionNumber } from "../coap/numbers.js";
import { Observe } from "../coap/observe.js";
import { getUint, hasOption, removeOption } from "../coap/options.js";
import type { ClientExchange, OscoreClient } from "./client.js";
import type { SequenceRefusal } from "./sequence.js";

/** Why a request came to nothing. */
export type ClientFailure = RequestFailure | BlockwiseFailure | SendRefusal | SequenceRefusal["reason"];

/** Who is told what becomes of a request. */
export interface ClientHandler {
  /** The answer with its whole body; called again for each notification of an observation. */
  onResponse(content: Content, now: number): void;
  /** The last call: there will be no answer. */
  onFailure(failure: ClientFailure, now: number): void;
  /**
   * Something unprotected, or not protected as it should be, came for a protected request. Anyone can send such, so by
   * default it is passed over and the request goes on; "give-up" ends it without a further call.
   */
  onUnverified?(outer: CoapMessage, reason: string, now: number): "wait" | "give-up";
}

/** Whom a {@link SecureClient} talks to, and under which context. */
export interface SecureClientOptions {
  readonly layer: MessageLayer;
  readonly endpoint: string;
  readonly oscore?: OscoreClient | undefined;
  /**
   * Random bytes for Request-Tags: with them the blocks of one body cannot be mixed into another (RFC 9175 §3.5.1). A
   * server must support the option (elective: one that does not passes it over).
   */
  readonly random?: ((length: number) => Uint8Array) | undefined;
  /**
   * MAX_UNFRAGMENTED_SIZE (RFC 8613 §4.1.3.4.2): bytes of the largest protected message put together from blocks that a
   * proxy made of it. Default 4096.
   */
  readonly maxUnfragmentedSize?: number | undefined;
  readonly counters?: Counters | undefined;
}

/** How a request is sent, and in what blocks. */
export type ClientRequestOptions = RequestOptions & { readonly blockwise?: BlockwiseClientOptions };

const NO_BYTES = new Uint8Array(0);
const REQUEST_TAG_LENGTH = 4;

/**
 * Requests to one endpoint with everything that they may need: OSCORE, blocks inside and outside of it, Echo,
 * observation.
 */
export class SecureClient {
  readonly counters: Counters;
  /** @internal */
  readonly layer: MessageLayer;
  /** @internal */
  readonly endpoint: string;
  /** @internal */
  readonly oscore: OscoreClient | undefined;
  /** @internal */
  readonly maxUnfragmentedSize: number;
  readonly #random: ((length: number) => Uint8Array) | undefined;

  constructor(options: SecureClientOptions) {
    const { layer, endpoint, oscore, random, maxUnfragmentedSize = 4096, counters } = options;
    this.layer = layer;
    this.endpoint = endpoint;
    this.oscore = oscore;
    this.maxUnfragmentedSize = maxUnfragmentedSize;
    this.#random = random;
    this.counters = counters ?? new Counters();
  }

  /** Sends a request. Everything that follows comes through the handler, failures of the first step too. */
  request(
    content: Content,
    handler: ClientHandler,
    now: number,
    options: ClientRequestOptions = {},
  ): Operation {
    const operation = new Operation(this, content, handler, options);
    operation.begin(now);
    return operation;
  }

  /** @internal The block-wise operation for one request. */
  blocks(request: Content, options: BlockwiseClientOptions = {}): BlockwiseClient {
    const isLarge = request.payload.length > blockSize(options.szx ?? MAX_SZX);
    if (!isLarge || this.#random === undefined) return new BlockwiseClient(request, options);
    return new BlockwiseClient(request, { requestTag: this.#random(REQUEST_TAG_LENGTH), ...options });
  }
}

/** One request on the wire. */
interface Leg {
  /** Whose step it is; an operation of a notification that a newer one replaced is not gone on with. */
  readonly blocks: BlockwiseClient;
  /** It asks to observe, and its responses are notifications. */
  readonly registers: boolean;
  handle: RequestHandle | undefined;
  /** What went out, and the outer blocks of the response so far, when a proxy cut it. */
  readonly outer: Content;
  outerBlocks: BlockwiseClient | undefined;
}

/** One request of the application, with all exchanges that it takes. */
export class Operation {
  readonly #client: SecureClient;
  readonly #handler: ClientHandler;
  readonly #request: Content;
  readonly #options: ClientRequestOptions;
  readonly #observes: boolean;
  /** The block-wise operation under way; of an observation, that of the newest notification. */
  #blocks: BlockwiseClient;
  #handle: RequestHandle | undefined;
  /** The observation's own request, which stays open while later blocks of a notification are fetched. */
  #observation: RequestHandle | undefined;
  #over = false;

  /** @internal by {@link SecureClient.request} */
  constructor(client: SecureClient, request: Content, handler: ClientHandler, options: ClientRequestOptions) {
    this.#client = client;
    this.#request = request;
    this.#handler = handler;
    this.#options = options;
    this.#observes = getUint(request, OptionNumber.OBSERVE) === Observe.REGISTER;
    this.#blocks = client.blocks(request, options.blockwise);
  }

  /** Of an observation: what its cancellation has to repeat (RFC 7641 §3.6). */
  get token(): Uint8Array {
    return (this.#observation ?? this.#handle)?.token ?? NO_BYTES;
  }

  /** @internal */
  begin(now: number): void {
    this.#send(this.#blocks.start(), now);
  }

  /** Stops caring: nothing more is called. A notification that still comes is answered with RST. */
  cancel(now: number): void {
    this.#over = true;
    for (const handle of [this.#handle, this.#observation]) {
      if (handle !== undefined) this.#client.layer.cancel(handle, now);
    }
  }

  #send(content: Content, now: number): void {
    const { oscore } = this.#client;
    if (oscore === undefined) {
      this.#submit(content, undefined, now);
      return;
    }
    const { code, options, payload } = content;
    const message: CoapMessage = {
      type: 0,
      code,
      messageId: 0,
      token: NO_BYTES,
      options: [...options],
      payload,
    };
    const exchange = oscore.request(message);
    if (exchange instanceof Refusal) this.#fail(exchange.reason, now);
    else this.#submit(exchange.outer, exchange, now);
  }

  #submit(outer: Content, exchange: ClientExchange | undefined, now: number): void {
    const { layer, endpoint, oscore } = this.#client;
    const { confirmable, token, responseTimeout, expectResponse } = this.#options;
    const options: { -readonly [key in keyof RequestOptions]: RequestOptions[key] } = {};
    if (confirmable !== undefined) options.confirmable = confirmable;
    if (responseTimeout !== undefined) options.responseTimeout = responseTimeout;
    if (expectResponse !== undefined) options.expectResponse = expectResponse;
    // A given token is the observation's, and later blocks are not the observation (RFC 7959 §2.6).
    if (token !== undefined && this.#observation === undefined) options.token = token;
    const leg: Leg = {
      blocks: this.#blocks,
      registers: this.#observes && this.#observation === undefined,
      handle: undefined,
      outer,
      outerBlocks: undefined,
    };
    const handle = layer.request(
      endpoint,
      outer,
      {
        onResponse: (response, at) =>
          exchange === undefined
            ? this.#receive(response, leg, at)
            : this.#receiveProtected(exchange, response, leg, at),
        onFailure: (failure, at) => {
          if (failure !== "cancelled") oscore?.failed();
          this.#fail(failure, at);
        },
        ...(expectResponse === false ? { onAcknowledged: () => {} } : {}),
      },
      now,
      options,
    );
    if (handle instanceof Refusal) {
      this.#fail(handle.reason, now);
    } else {
      leg.handle = handle;
      this.#handle = handle;
    }
  }

  #receiveProtected(exchange: ClientExchange, response: CoapMessage, leg: Leg, now: number): Verdict {
    if (hasOption(response, OptionNumber.BLOCK2))
      return this.#receiveOuterBlock(exchange, response, leg, now);
    const verdict = exchange.receive(response);
    if (!(verdict instanceof Refusal)) {
      if (verdict.kind === "response") return this.#receive(verdict.message, leg, now);
      this.#submit(verdict.outer, exchange, now);
      return "done";
    }
    if (verdict.reason === "sequence-lost" || verdict.reason === "sequence-exhausted") {
      this.#fail(verdict.reason, now);
      return "done";
    }
    this.#client.counters.add(verdict.reason);
    const decision = this.#handler.onUnverified?.(response, verdict.reason, now);
    if (decision !== "give-up") return "ignore";
    this.#over = true;
    return "done";
  }

  /** §8.4.1: outer blocks before anything else. They prove nothing; what they make up does, or does not. */
  #receiveOuterBlock(exchange: ClientExchange, response: CoapMessage, leg: Leg, now: number): Verdict {
    const { layer, endpoint, maxUnfragmentedSize } = this.#client;
    if (leg.outerBlocks === undefined) {
      // The rest is asked for with the same options and no payload (RFC 7959 §2.7).
      leg.outerBlocks = new BlockwiseClient(
        { ...leg.outer, payload: NO_BYTES },
        { limit: maxUnfragmentedSize },
      );
      leg.outerBlocks.start();
    }
    const step = leg.outerBlocks.next(response);
    if ("done" in step) {
      leg.outerBlocks = undefined;
      const { code, options, payload } = step.done;
      const whole = {
        ...response,
        code,
        options: options.filter(({ number }) => number !== OptionNumber.BLOCK2),
        payload,
      };
      return this.#receiveProtected(exchange, whole, leg, now);
    }
    if ("failed" in step) {
      this.#client.counters.add(step.failed);
      leg.outerBlocks = undefined;
      return "ignore";
    }
    const endLeg = (at: number): void => {
      if (leg.handle !== undefined) layer.cancel(leg.handle, at);
    };
    const handle = layer.request(
      endpoint,
      step.send,
      {
        onResponse: (next, at) => {
          const verdict = this.#receiveProtected(exchange, next, leg, at);
          if (verdict === "done") endLeg(at);
          return verdict === "ignore" ? "ignore" : "done";
        },
        onFailure: (failure, at) => {
          endLeg(at);
          this.#fail(failure, at);
        },
      },
      now,
    );
    if (handle instanceof Refusal) this.#fail(handle.reason, now);
    // Not "done": the block may be forged, and the answer still come.
    return "more";
  }

  #receive(response: Content, leg: Leg, now: number): Verdict {
    if (this.#over) return "done";
    if (!leg.registers) {
      if (leg.blocks === this.#blocks) this.#step(response, now);
      return "done";
    }
    const isNotification = response.options.some(({ number }) => number === OptionNumber.OBSERVE);
    // Each response to a registration but the first is a representation of its own, whose blocks are asked for apart.
    if (this.#observation !== undefined)
      this.#blocks = this.#client.blocks(this.#plainRequest(), this.#options.blockwise);
    if (isNotification) this.#observation = leg.handle;
    this.#step(response, now);
    return isNotification ? "more" : "done";
  }

  #step(response: Content, now: number): void {
    const step = this.#blocks.next(response);
    if ("send" in step) this.#send(step.send, now);
    else if ("done" in step) this.#handler.onResponse(step.done, now);
    else this.#fail(step.failed, now);
  }

  #plainRequest(): Content {
    const options = [...this.#request.options];
    removeOption(options, OptionNumber.OBSERVE);
    return { ...this.#request, options };
  }

  #fail(failure: ClientFailure, now: number): void {
    if (this.#over) return;
    this.#over = true;
    this.#handler.onFailure(failure, now);
  }
}

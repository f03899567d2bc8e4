import type { Crypto, KeyValueStore } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import { type CoapMessage, Type } from "../coap/message.js";
import { MessageLayer } from "../coap/message-layer.js";
import type { Content, RequestHandle, RequestHandler } from "../coap/messaging.js";
import { Code, codeClass, isRequest, OptionNumber } from "../coap/numbers.js";
import { uintOption } from "../coap/options.js";
import type { TransmissionParameters } from "../coap/transmission.js";
import { type ClientExchange, OscoreClient } from "../oscore/client.js";
import type { SecurityContext } from "../oscore/context.js";
import type { ResponderContext } from "../oscore/responder.js";
import type { SequenceRefusal } from "../oscore/sequence.js";
import { StoredState } from "../oscore/state.js";
import type { OscoreIdentity } from "./identity.js";
import type { Timed } from "./pump.js";

/** The storage key of what changes in the security context. */
export const STATE_KEY = "oscore";

/** And in the context with a further client: the numbers of our own. */
export const CLIENT_STATE_KEY = "oscore.client";

/** There is one peer: the server, wherever the transport leads. */
const SERVER = "server";

const NO_TOKEN = new Uint8Array(0);

/**
 * The way to the server is long: several mesh hops, each with segments and their acknowledgements, and a modem that
 * may have to leave its idle state. RFC 7252 §4.8.1 lets a deployment choose; a minute passes until a request is given
 * up, and the reading then travels again in a batch.
 */
export const LONG_WAY: Partial<TransmissionParameters> = {
  ackTimeout: 6000,
  maxRetransmit: 3,
  maxLatency: 60_000,
  // Of readings that nobody acknowledges, the node's interval is the rate.
  probingRate: Number.POSITIVE_INFINITY,
};

/** How a request to the server ended. */
export type Outcome =
  /** the server has it: its protected answer has come */
  | "accepted"
  /** the server's protected answer says that this request will never do (4.xx) */
  | "rejected"
  /** no answer that proves anything, or one that says "later" (5.xx) */
  | "unanswered"
  /** not acted on, and worth another try at once: there is another security context now ({@link ServerLink.generation}) */
  | "again"
  /** sent as NON: nobody will ever know */
  | "sent";

export interface ServerLinkOptions {
  readonly crypto: Crypto;
  readonly storage: KeyValueStore;
  readonly oscore: OscoreIdentity;
  /**
   * The outer CoAP message; the bytes are the receiver's to keep.
   * @param to the `source` of the request that it answers; `undefined`: wherever the server is reached
   */
  readonly send: (message: Uint8Array, to: number | undefined) => void;
  /** Answers a request that came; absent: requests are rejected. */
  readonly respond?: (request: CoapMessage, now: number) => Content;
  readonly counters: Counters;
  readonly transmission?: Partial<TransmissionParameters>;
}

export interface PostOptions {
  /** Default true. */
  readonly confirmable?: boolean;
  readonly contentFormat?: number;
  /** Under which Partial IV it travels; called again when the server wants to see it under another one. */
  readonly onCarried?: (partialIv: number) => void;
}

/**
 * A device's protected conversation with the server (DESIGN §4.6): one request at a time, POST without a path and
 * without a token, each under a Partial IV of its own; only an answer that OSCORE verifies counts as one.
 */
export class ServerLink implements Timed, ResponderContext {
  readonly kid: Uint8Array;
  readonly #client: OscoreClient;
  readonly #messages: MessageLayer;
  readonly #counters: Counters;
  #busy = false;
  #latest: RequestHandle | undefined;

  constructor(options: ServerLinkOptions) {
    const { crypto, storage, oscore, send, respond, counters, transmission = LONG_WAY } = options;
    this.kid = oscore.recipientId;
    this.#client = new OscoreClient({
      crypto,
      parameters: oscore,
      state: new StoredState(storage, STATE_KEY),
      rederive: true,
    });
    this.#counters = counters;
    this.#messages = new MessageLayer({
      send: (endpoint, message) => send(message, endpoint === SERVER ? undefined : Number(endpoint)),
      ...(respond !== undefined && {
        onRequest: (exchange, now) => this.#messages.respond(exchange, respond(exchange.request, now), now),
      }),
      random: (length) => crypto.random(length),
      transmission,
      tokenLength: 0,
      counters,
      limits: { peers: 4, remembered: 8, pending: 1, queued: 2 },
    });
  }

  /** Whether a request is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** As {@link OscoreClient.generation}: names made of Partial IVs hold as long as it stays. */
  get generation(): number {
    return this.#client.generation;
  }

  get deadline(): number {
    return this.#messages.deadline;
  }

  tick(now: number): void {
    this.#messages.tick(now);
  }

  /** The context in use. */
  get security(): SecurityContext {
    return this.#client.context;
  }

  /** As {@link OscoreClient.next}. */
  next(): number | SequenceRefusal {
    return this.#client.next();
  }

  /**
   * A CoAP message that came from the server. Any bytes.
   * @param source which gateway brought it: each has message IDs of its own for the server's requests, and the answer
   * has to go back through it. Default: there is one way
   */
  receive(message: Uint8Array, now: number, source?: number): void {
    const endpoint = source !== undefined && isRequest(message[1]) ? `${source}` : SERVER;
    this.#messages.receive(endpoint, message, now);
  }

  /**
   * Sends `payload` to the server.
   * @param done called once, perhaps before the return
   * @throws Error while {@link busy}
   */
  post(payload: Uint8Array, now: number, done: (outcome: Outcome) => void, options: PostOptions = {}): void {
    if (this.#busy) throw new Error("post: a request is under way");
    const { confirmable = true, contentFormat } = options;
    // The message layer gives type, message ID and token.
    const request: CoapMessage = {
      type: Type.CON,
      code: Code.POST,
      messageId: 0,
      token: NO_TOKEN,
      options: contentFormat === undefined ? [] : [uintOption(OptionNumber.CONTENT_FORMAT, contentFormat)],
      payload,
    };
    if (!confirmable) request.options.push(NO_SUCCESS);
    const { generation } = this;
    if (this.#latest?.live) {
      // A NON: nothing has come that asked for more, and nobody waits for it any longer.
      this.#messages.cancel(this.#latest, now);
      this.#client.failed();
    }
    const exchange = this.#client.request(request);
    if (exchange instanceof Refusal) {
      this.#counters.add(`oscore: ${exchange.reason}`);
      done("unanswered");
    } else if (this.generation !== generation) {
      // Another context than the caller thought of (its numbers are lost): what the payload names, it does not know.
      done("again");
    } else {
      this.#busy = confirmable;
      this.#send(exchange, exchange.outer, now, options, (outcome) => {
        if (!confirmable) return;
        this.#busy = false;
        done(outcome);
      });
      if (!confirmable) done("sent");
    }
  }

  #send(
    exchange: ClientExchange,
    outer: CoapMessage,
    now: number,
    options: PostOptions,
    finish: (outcome: Outcome) => void,
  ): void {
    options.onCarried?.(exchange.partialIv);
    const { generation } = this;
    const handler: RequestHandler = {
      onResponse: (response, at) => {
        const verdict = exchange.receive(response);
        if (verdict instanceof Refusal) {
          // Anybody on the way can forge an unprotected error: the request goes on as if it had not come.
          this.#counters.add(`oscore: ${verdict.reason}`);
          return "ignore";
        }
        if (verdict.kind === "response") finish(outcomeOf(verdict.message));
        else if (this.generation !== generation) finish("again");
        else this.#send(exchange, verdict.outer, at, options, finish);
        return "done";
      },
      onFailure: (failure) => {
        // Silence is what a NON hopes for.
        if (options.confirmable !== false) this.#counters.add(`request failed: ${failure}`);
        this.#client.failed();
        finish("unanswered");
      },
    };
    const handle = this.#messages.request(SERVER, outer, handler, now, {
      confirmable: options.confirmable ?? true,
    });
    if (handle instanceof Refusal) {
      this.#counters.add(`request failed: ${handle.reason}`);
      finish("unanswered");
    } else this.#latest = handle;
  }
}

function outcomeOf({ code }: CoapMessage): Outcome {
  const answerClass = codeClass(code);
  return answerClass === 2 ? "accepted" : answerClass === 4 ? "rejected" : "unanswered";
}

/** RFC 7967: nobody waits for a success; but an error may ask for something, such as Echo. */
const NO_SUCCESS = uintOption(OptionNumber.NO_RESPONSE, 2);

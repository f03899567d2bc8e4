import type { Crypto, KeyValueStore } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";
import { Refusal } from "../bytes/refusal.js";
import type { CoapMessage, CoapOption } from "../coap/message.js";
import { MessageLayer } from "../coap/message-layer.js";
import type { RequestHandler } from "../coap/messaging.js";
import { Code, codeClass, OptionNumber } from "../coap/numbers.js";
import { uintOption } from "../coap/options.js";
import type { TransmissionParameters } from "../coap/transmission.js";
import { deriveContext, type SecurityContext } from "../oscore/context.js";
import { protectRequest } from "../oscore/protect.js";
import { SequenceNumbers, type SequenceRefusal, StoredReserve } from "../oscore/sequence.js";
import { unprotectResponse } from "../oscore/unprotect.js";
import type { OscoreIdentity } from "./identity.js";
import type { Timed } from "./pump.js";

/** The storage key of the Sender Sequence Number. */
export const SEQUENCE_KEY = "oscore.ssn";

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
};

/** How a request to the server ended. */
export type Outcome =
  /** the server has it: its protected answer has come */
  | "accepted"
  /** the server's protected answer says that this request will never do (4.xx) */
  | "rejected"
  /** no answer that proves anything, or one that says "later" (5.xx) */
  | "unanswered"
  /** sent as NON: nobody will ever know */
  | "sent";

export interface ServerLinkOptions {
  readonly crypto: Crypto;
  readonly storage: KeyValueStore;
  readonly oscore: OscoreIdentity;
  /** The outer CoAP message; the bytes are the receiver's to keep. */
  readonly send: (message: Uint8Array) => void;
  readonly counters: Counters;
  readonly transmission?: Partial<TransmissionParameters>;
}

/**
 * A device's protected conversation with the server (DESIGN §4.6): one request at a time, POST without a path and
 * without a token, each under a Partial IV of its own; only an answer that OSCORE verifies counts as one.
 */
export class ServerLink implements Timed {
  readonly #context: SecurityContext;
  readonly #numbers: SequenceNumbers;
  readonly #messages: MessageLayer;
  readonly #counters: Counters;
  #busy = false;

  constructor({ crypto, storage, oscore, send, counters, transmission = LONG_WAY }: ServerLinkOptions) {
    this.#context = deriveContext(crypto, oscore);
    this.#numbers = new SequenceNumbers(new StoredReserve(storage, SEQUENCE_KEY));
    this.#counters = counters;
    this.#messages = new MessageLayer({
      send: (_endpoint, message) => send(message),
      random: (length) => crypto.random(length),
      transmission,
      tokenLength: 0,
      counters,
      limits: { peers: 1, remembered: 8, pending: 1, queued: 2 },
    });
  }

  /** Whether a request is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  get deadline(): number {
    return this.#messages.deadline;
  }

  tick(now: number): void {
    this.#messages.tick(now);
  }

  /** A CoAP message that came from the server. Any bytes. */
  receive(message: Uint8Array, now: number): void {
    this.#messages.receive(SERVER, message, now);
  }

  /**
   * Sends `payload` to the server.
   * @param done called once, later than the return for a confirmable request
   * @returns the Partial IV that it travels under; no number is left, or it is not known which are: nothing was sent
   * @throws Error while {@link busy}
   */
  post(
    payload: Uint8Array,
    now: number,
    done: (outcome: Outcome) => void,
    { confirmable = true, contentFormat }: { confirmable?: boolean; contentFormat?: number } = {},
  ): number | SequenceRefusal {
    if (this.#busy) throw new Error("post: a request is under way");
    const partialIv = this.#numbers.next();
    if (partialIv instanceof Refusal) {
      this.#counters.add(`oscore: ${partialIv.reason}`);
      return partialIv;
    }
    const options: CoapOption[] =
      contentFormat === undefined ? [] : [uintOption(OptionNumber.CONTENT_FORMAT, contentFormat)];
    // The message layer gives type, message ID and token.
    const request: CoapMessage = {
      type: 0,
      code: Code.POST,
      messageId: 0,
      token: NO_TOKEN,
      options,
      payload,
    };
    const { message, exchange } = protectRequest(this.#context, request, partialIv);

    this.#busy = confirmable;
    const finish = (outcome: Outcome) => {
      this.#busy = false;
      done(outcome);
    };
    const handler: RequestHandler = {
      onResponse: (response) => {
        const answer = unprotectResponse(exchange, response);
        if (answer instanceof Refusal) {
          // Anybody on the way can forge an unprotected error: the request goes on as if it had not come.
          this.#counters.add(`oscore: ${answer.reason}`);
          return "ignore";
        }
        const answerClass = codeClass(answer.message.code);
        finish(answerClass === 2 ? "accepted" : answerClass === 4 ? "rejected" : "unanswered");
        return "done";
      },
      onFailure: (failure) => {
        this.#counters.add(`request failed: ${failure}`);
        finish("unanswered");
      },
    };
    if (confirmable) {
      const handle = this.#messages.request(SERVER, message, handler, now);
      if (handle instanceof Refusal) {
        this.#counters.add(`request failed: ${handle.reason}`);
        finish("unanswered");
      }
    } else {
      this.#messages.request(SERVER, message, handler, now, { confirmable: false, expectResponse: false });
      done("sent");
    }
    return partialIv;
  }
}

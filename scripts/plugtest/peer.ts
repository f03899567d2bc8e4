/** A client of the plugtest that keeps what it sends and gets, inside and outside, for the steps to check. */

import { equal } from "../../firmware/bytes/compare.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage, CoapOption } from "../../firmware/coap/message.js";
import { MessageLayer } from "../../firmware/coap/message-layer.js";
import type { Content, MessageLayerOptions } from "../../firmware/coap/messaging.js";
import { pathOptions, sortOptions } from "../../firmware/coap/options.js";
import { derivationInfo } from "../../firmware/crypto/oscore-keys.js";
import { OscoreClient } from "../../firmware/oscore/client.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";
import { MemoryReserve } from "../../firmware/oscore/memory-store.js";
import { type Operation, SecureClient } from "../../firmware/oscore/secure-client.js";
import type { Crypto } from "../../hal/hal.js";

export interface PeerOptions {
  readonly crypto: Crypto;
  readonly send: (bytes: Uint8Array) => void;
  readonly now: () => number;
  /** The first Sender Sequence Number. It has to be above all that the server has seen. */
  readonly firstNumber: number;
  readonly transmission?: MessageLayerOptions["transmission"];
}

/** A request as the steps write it. */
export interface Ask {
  readonly code: number;
  readonly path: string;
  readonly options?: readonly CoapOption[];
  readonly payload?: Uint8Array;
  /** `undefined`: unprotected */
  readonly context: OscoreClient | undefined;
  readonly token?: Uint8Array;
  readonly szx?: number;
}

/** What came of it. */
export interface Outcome {
  /** The request as it went out, the last one if there were several. */
  readonly sent: CoapMessage;
  /** The response as it came in. */
  readonly received: CoapMessage | undefined;
  /** What was inside, verified; of an unprotected request the response itself. */
  readonly response: Content | undefined;
  /** Why there is none. */
  readonly failure: string | undefined;
}

/** An observation: its outcomes one after the other. */
export interface Watch {
  readonly operation: Operation;
  next(): Promise<Outcome>;
}

const SERVER = "server";
const NO_BYTES = new Uint8Array(0);

export class Peer {
  readonly layer: MessageLayer;
  readonly #options: PeerOptions;
  readonly #numbers: Map<ContextParameters, MemoryReserve> = new Map();
  /** Datagrams so far. */
  messagesSent = 0;
  #sent: CoapMessage | undefined;
  #received: CoapMessage | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
    const { transmission } = options;
    this.layer = new MessageLayer({
      send: (_, bytes) => {
        this.#sent = parse(bytes) ?? this.#sent;
        this.messagesSent++;
        options.send(bytes);
      },
      random: (length) => options.crypto.random(length),
      ...(transmission === undefined ? {} : { transmission }),
    });
  }

  receive(bytes: Uint8Array): void {
    // The layer's messages are views of the datagram; so are those that the steps look at, and they look later.
    const copy = bytes.slice();
    this.#received = parse(copy);
    this.layer.receive(SERVER, copy, this.#options.now());
  }

  /** A context whose numbers go on where those of the same parameters have ended. */
  context(parameters: ContextParameters, sendKidContext = false): OscoreClient {
    let reserve = this.#numbers.get(parameters);
    if (reserve === undefined) {
      reserve = new MemoryReserve(this.#options.firstNumber);
      this.#numbers.set(parameters, reserve);
    }
    return this.#client(this.#options.crypto, parameters, reserve, sendKidContext);
  }

  /** A context with one key that is not the server's. */
  tamperedContext(parameters: ContextParameters, key: "sender" | "recipient"): OscoreClient {
    const id = key === "sender" ? parameters.senderId : parameters.recipientId;
    return this.#client(
      withWrongKey(this.#options.crypto, parameters, id),
      parameters,
      this.#reserveOf(parameters),
    );
  }

  /** Two contexts that begin with the same number: the second repeats what the first has used. */
  repeatingContexts(parameters: ContextParameters): [OscoreClient, OscoreClient] {
    const first = this.#reserveOf(parameters).reserve(1);
    return [0, 1].map(() => this.#client(this.#options.crypto, parameters, new MemoryReserve(first))) as [
      OscoreClient,
      OscoreClient,
    ];
  }

  #reserveOf(parameters: ContextParameters): MemoryReserve {
    this.context(parameters);
    return this.#numbers.get(parameters) as MemoryReserve;
  }

  #client(
    crypto: Crypto,
    parameters: ContextParameters,
    reserve: MemoryReserve,
    sendKidContext = false,
  ): OscoreClient {
    const state = {
      idContext: undefined,
      reserve: (count: number) => reserve.reserve(count),
      renew: () => {},
    };
    return new OscoreClient({ crypto, parameters, state, block: 1, sendKidContext });
  }

  /** One request and its answer; anything unprotected that comes for a protected one ends it. */
  async ask(ask: Ask): Promise<Outcome> {
    const watch = this.watch(ask);
    return watch.next();
  }

  /** One request and all its answers. */
  watch(ask: Ask): Watch {
    const { now, crypto } = this.#options;
    const client = new SecureClient({
      layer: this.layer,
      endpoint: SERVER,
      oscore: ask.context,
      random: (length) => crypto.random(length),
    });
    const outcomes: Outcome[] = [];
    let waiting: ((outcome: Outcome) => void) | undefined;
    const settle = (response: Content | undefined, failure: string | undefined) => {
      const outcome = { sent: this.#sent as CoapMessage, received: this.#received, response, failure };
      if (waiting === undefined) outcomes.push(outcome);
      else waiting(outcome);
      waiting = undefined;
    };
    this.#received = undefined;
    const options = sortOptions([...pathOptions(ask.path), ...(ask.options ?? [])]);
    const operation = client.request(
      { code: ask.code, options, payload: ask.payload ?? NO_BYTES },
      {
        onResponse: (content) => settle(content, undefined),
        onFailure: (failure) => settle(undefined, failure),
        onUnverified: (_, reason) => {
          settle(undefined, reason);
          return "give-up";
        },
      },
      now(),
      {
        ...(ask.token === undefined ? {} : { token: ask.token }),
        ...(ask.szx === undefined ? {} : { blockwise: { szx: ask.szx, negotiate: true } }),
      },
    );
    return {
      operation,
      next: () =>
        new Promise((resolve) => {
          const ready = outcomes.shift();
          if (ready === undefined) waiting = resolve;
          else resolve(ready);
        }),
    };
  }
}

function parse(bytes: Uint8Array): CoapMessage | undefined {
  const message = decodeMessage(bytes);
  return message instanceof Refusal ? undefined : message;
}

/** A crypto whose key derivation gives a wrong key for one ID. */
function withWrongKey(crypto: Crypto, { idContext }: ContextParameters, id: Uint8Array): Crypto {
  const wrong = derivationInfo(id, idContext, 10, "Key", 16);
  return {
    ...crypto,
    hkdfSha256: (salt, material, info, length) => {
      const key = crypto.hkdfSha256(salt, material, info, length);
      if (equal(info, wrong)) key[0] ^= 1;
      return key;
    },
  };
}

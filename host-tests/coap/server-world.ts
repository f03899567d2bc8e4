import assert from "node:assert/strict";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { BlockwiseClient, type BlockwiseClientOptions } from "../../firmware/coap/blockwise-client.js";
import { decodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage, CoapOption } from "../../firmware/coap/message.js";
import { type Content, MessageLayer, type RequestHandle } from "../../firmware/coap/message-layer.js";
import { Code, ContentFormat, formatCode, OptionNumber } from "../../firmware/coap/numbers.js";
import { ObserveOrder } from "../../firmware/coap/observe.js";
import { getUint, pathOptions, queryOptions, sortOptions, uintOption } from "../../firmware/coap/options.js";
import { content, plainChannel, type Resource } from "../../firmware/coap/resource.js";
import { CoapServer } from "../../firmware/coap/server.js";
import { type Fate, Network, seeded } from "./network.js";

export const TEXT = new TextDecoder();

/** A server with the resources of the ETSI plugtest's CORE, LINK, BLOCK and OBS parts, and a client. */
export class World {
  readonly network = new Network();
  readonly client: MessageLayer;
  readonly layer: MessageLayer;
  readonly server: CoapServer;
  test = "created";
  validated = "v1";
  large = new Uint8Array(0);
  observed = 0;

  constructor(fate?: Fate) {
    const { network } = this;
    if (fate !== undefined) network.fate = fate;
    this.server = new CoapServer({ blockwise: { szx: 2 } });
    this.client = new MessageLayer({ send: network.sender("client"), random: seeded(1), tokenLength: 2 });
    this.layer = new MessageLayer({
      send: network.sender("server"),
      random: seeded(2),
      onRequest: (exchange, now) =>
        this.server.serve(exchange.request, plainChannel(this.layer, exchange), now),
      onReset: (endpoint, id) => this.server.reset(endpoint, id),
    });
    network.attach("client", this.client);
    network.attach("server", this.layer);
    this.#resources();
  }

  #resources(): void {
    const { server } = this;
    const say = (text: string) => content(Code.CONTENT, text, ContentFormat.TEXT);
    server.add("/test", {
      get: () => say(this.test),
      put: ({ message }) => {
        this.test = TEXT.decode(message.payload);
        return content(Code.CHANGED);
      },
      post: () =>
        content(Code.CREATED, "", undefined, pathOptions("location1/location2", OptionNumber.LOCATION_PATH)),
      delete: () => content(Code.DELETED),
      attributes: [
        ["rt", "Type1 Type2"],
        ["ct", "0"],
        ["title", "A test"],
      ],
    });
    server.add("/seg1/seg2/seg3", { get: ({ path }) => say(path.join("|")) });
    server.add("/query", { get: ({ query }) => say(query.join("|")) });
    server.add("/separate", {
      get: (request) => {
        const { now } = this.network;
        this.network.at(now + 5000, () => request.reply(say("separate"), this.network.now));
        return undefined;
      },
      attributes: [["if", "separate"]],
    });
    server.add("/location-query", {
      post: () =>
        content(
          Code.CREATED,
          "",
          undefined,
          queryOptions(["first=1", "second=2"], OptionNumber.LOCATION_QUERY),
        ),
    });
    server.add("/multi-format", {
      get: ({ message }) =>
        getUint(message, OptionNumber.ACCEPT) === ContentFormat.XML
          ? content(Code.CONTENT, "<a/>", ContentFormat.XML)
          : say("plain"),
    });
    server.add("/validate", {
      get: () => say(this.validated),
      put: ({ message }) => {
        this.validated = TEXT.decode(message.payload);
        return content(Code.CHANGED);
      },
      etag: () => (this.validated === "" ? undefined : new TextEncoder().encode(this.validated)),
    });
    server.add("/large", {
      get: () =>
        content(
          Code.CONTENT,
          new Uint8Array(300).map((_, i) => i),
        ),
    });
    server.add("/large-update", {
      get: () => content(Code.CONTENT, this.large),
      put: ({ message }) => {
        this.large = message.payload.slice();
        return content(Code.CHANGED);
      },
    });
    server.add("/large-post", {
      post: ({ message }) => content(Code.CHANGED, message.payload.slice().reverse()),
    });
    const observable: Resource = {
      get: () => say(`state ${this.observed}`),
      observable: true,
      attributes: [["rt", "observe"]],
    };
    server.add("/obs", observable);
    server.add("/obs-large", {
      get: () => content(Code.CONTENT, new Uint8Array(150).fill(this.observed)),
      observable: true,
    });
  }

  change(path = "/obs"): void {
    this.observed++;
    this.server.changed(path, this.network.now);
  }

  /** One exchange: the response, or how it failed. */
  exchange(request: Content, options: { confirmable?: boolean } = {}): Content | string {
    let result: Content | string = "nothing";
    const handle = this.client.request(
      "server",
      request,
      {
        onResponse: (response) => {
          result = copy(response);
          return "done";
        },
        onFailure: (failure) => {
          result = failure;
        },
      },
      this.network.now,
      options,
    );
    assert.ok(!(handle instanceof Refusal));
    const end = this.network.now + 300_000;
    while (handle.live && this.network.now < end) this.network.run(this.network.now + 100);
    // What is left to be acknowledged.
    this.network.run(this.network.now + 100);
    return result;
  }

  /** One operation, in as many exchanges as it takes. */
  operation(request: Content, options: BlockwiseClientOptions = {}): Content {
    const operation = new BlockwiseClient(request, options);
    let step: ReturnType<BlockwiseClient["next"]> = { send: operation.start() };
    while ("send" in step) {
      const response = this.exchange(step.send);
      assert.ok(typeof response !== "string", `${response}`);
      step = operation.next(response);
    }
    assert.ok("done" in step, JSON.stringify(step));
    return step.done;
  }

  get(path: string, ...options: CoapOption[]): Content {
    const response = this.exchange(requestOf(Code.GET, path, options));
    assert.ok(typeof response !== "string", `${response}`);
    return response;
  }

  /** "CON GET", "ACK 2.05" …: what went over the network. */
  get wire(): string[] {
    return this.network.sent.map(({ from, bytes }) => {
      const message = decodeMessage(bytes);
      assert.ok(!(message instanceof Refusal));
      return `${from === "client" ? ">" : "<"} ${["CON", "NON", "ACK", "RST"][message.type]} ${formatCode(message.code)}`;
    });
  }

  /** Observes a resource; gives what is told. */
  observe(path: string, options: { confirmable?: boolean; extra?: CoapOption[] } = {}) {
    const told: string[] = [];
    const messages: Content[] = [];
    const order = new ObserveOrder();
    const registration = requestOf(Code.GET, path, [
      uintOption(OptionNumber.OBSERVE, 0),
      ...(options.extra ?? []),
    ]);
    const handle = this.client.request(
      "server",
      registration,
      {
        onResponse: (response, now) => {
          const value = getUint(response, OptionNumber.OBSERVE);
          messages.push(copy(response));
          if (value === undefined) {
            told.push(`end ${formatCode(response.code)}`);
            return "done";
          }
          if (order.accept(value, now)) told.push(TEXT.decode(response.payload));
          return "more";
        },
        onFailure: (failure) => told.push(failure),
      },
      this.network.now,
      { confirmable: options.confirmable ?? true },
    );
    assert.ok(!(handle instanceof Refusal));
    return { told, messages, registration, handle: handle as RequestHandle };
  }
}

export function copy(message: CoapMessage): Content {
  return {
    code: message.code,
    options: message.options.map(({ number, value }) => ({ number, value: value.slice() })),
    payload: message.payload.slice(),
  };
}

export function requestOf(code: number, path: string, options: CoapOption[] = [], payload = ""): Content {
  return {
    code,
    options: sortOptions([...pathOptions(path), ...options]),
    payload: new TextEncoder().encode(payload),
  };
}

export function text(response: Content | string): string {
  return typeof response === "string"
    ? response
    : `${formatCode(response.code)} ${TEXT.decode(response.payload)}`;
}

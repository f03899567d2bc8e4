/** The server of the OSCORE plugtest: resources of test-spec5, section 2, and the two of its observations. */

import { hex, toHex } from "../../firmware/bytes/hex.js";
import { encodeUtf8 } from "../../firmware/bytes/utf8.js";
import { formatLinks } from "../../firmware/coap/link-format.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { MessageLayer } from "../../firmware/coap/message-layer.js";
import type { Content, MessageLayerOptions } from "../../firmware/coap/messaging.js";
import { Code, ContentFormat, OptionNumber } from "../../firmware/coap/numbers.js";
import { Observers } from "../../firmware/coap/observe.js";
import { getOptions, hasOption, opaqueOption, uintOption, uriPath } from "../../firmware/coap/options.js";
import type { TableContext } from "../../firmware/oscore/context-table.js";
import { MemoryContextStore } from "../../firmware/oscore/memory-store.js";
import { SecureServer, type ServerRequest, withObserve } from "../../firmware/oscore/secure-server.js";
import { OscoreServer } from "../../firmware/oscore/server.js";
import type { Crypto } from "../../hal/hal.js";
import { CONTEXT_A, CONTEXT_C, otherEnd } from "./contexts.js";

export interface PlugtestServerOptions {
  readonly crypto: Crypto;
  readonly send: MessageLayerOptions["send"];
  /** A server that knows nothing of OSCORE, for test 16. */
  readonly unaware?: boolean;
  /** ms between the notifications of an observation, default 2000 */
  readonly notifyAfter?: number;
  readonly log?: (line: string) => void;
}

const NO_BYTES = new Uint8Array(0);
const HELLO = encodeUtf8("Hello World!");
/** Its ETag, as the specification gives it. */
const ETAG_2 = hex("2b");
const ETAG_7 = hex("7b");
/** What the large resource of ours is for: Block-wise in both directions. */
const LARGE_LENGTH = 3000;

/** A timed change of an observed resource. */
interface Change {
  readonly at: number;
  readonly run: (now: number) => void;
}

/** The whole server, sans-IO: datagrams in through `receive`, out through `send`, time through `tick`. */
export class PlugtestServer {
  readonly layer: MessageLayer;
  readonly contexts: MemoryContextStore;
  readonly #server: SecureServer<TableContext>;
  readonly #observers = new Observers({ interval: 0 });
  readonly #notifyAfter: number;
  readonly #log: (line: string) => void;
  #changes: Change[] = [];
  /** The values that were written. */
  #six: Uint8Array = NO_BYTES;
  #large: Uint8Array = Uint8Array.from({ length: LARGE_LENGTH }, (_, index) => 0x30 + (index % 64));

  constructor({ crypto, send, unaware = false, notifyAfter = 2000, log = () => {} }: PlugtestServerOptions) {
    this.#notifyAfter = notifyAfter;
    this.#log = log;
    this.contexts = new MemoryContextStore(crypto);
    if (!unaware) for (const context of [CONTEXT_A, CONTEXT_C]) this.contexts.add(otherEnd(context));
    this.layer = new MessageLayer({
      send,
      random: (length) => crypto.random(length),
      onRequest: (exchange, now) => this.#server.onRequest(exchange, now),
      onReset: (endpoint, messageId) => this.#observers.reset(endpoint, messageId),
    });
    this.#server = new SecureServer<TableContext>({
      layer: () => this.layer,
      oscore: unaware ? undefined : new OscoreServer({ crypto, store: this.contexts }),
      observers: this.#observers,
      handle: (request, now) => this.#handle(request, now),
      counters: this.layer.counters,
    });
  }

  get deadline(): number {
    return Math.min(this.layer.deadline, this.#observers.deadline, ...this.#changes.map(({ at }) => at));
  }

  receive(endpoint: string, bytes: Uint8Array, now: number): void {
    this.layer.receive(endpoint, bytes, now);
  }

  tick(now: number): void {
    this.layer.tick(now);
    this.#observers.tick(now);
    const due = this.#changes.filter(({ at }) => at <= now);
    this.#changes = this.#changes.filter(({ at }) => at > now);
    for (const { run } of due) run(now);
  }

  #handle(request: ServerRequest<TableContext>, now: number): void {
    const path = uriPath(request.message).join("/");
    const answer = this.#answer(path, request, now);
    const protection = request.context === undefined ? "unprotected" : "OSCORE";
    this.#log(
      `${request.endpoint} ${protection} ${request.message.code} /${path} → ${answer.code.toString(16)}`,
    );
    request.respond(answer, now);
  }

  #answer(path: string, request: ServerRequest<TableContext>, now: number): Content {
    const { message, context } = request;
    if (path === "oscore/hello/coap")
      return message.code === Code.GET ? text(HELLO) : status(Code.METHOD_NOT_ALLOWED);
    if (path === ".well-known/core") return this.#links(message.code);
    if (!(path in METHODS)) return status(Code.NOT_FOUND);
    if (context === undefined) return status(Code.UNAUTHORIZED);
    if (!METHODS[path].includes(message.code)) return status(Code.METHOD_NOT_ALLOWED);
    switch (path) {
      case "oscore/hello/1":
        return text(HELLO);
      case "oscore/hello/2":
        return text(HELLO, [opaqueOption(OptionNumber.ETAG, ETAG_2)]);
      case "oscore/hello/3":
        return text(HELLO, [uintOption(OptionNumber.MAX_AGE, 5)]);
      case "oscore/hello/6":
        this.#six = message.payload.slice();
        return text(this.#six, [], Code.CHANGED);
      case "oscore/hello/7":
        return putSeven(request.message);
      case "oscore/observe1":
        return this.#observe(request, "one", now);
      case "oscore/observe2":
        return this.#observe(request, "two", now);
      case "oscore/large":
        if (message.code === Code.PUT) this.#large = message.payload.slice();
        return message.code === Code.PUT ? status(Code.CHANGED) : text(this.#large);
      default:
        return status(Code.DELETED);
    }
  }

  /**
   * "one" at once, "two" after a while; what ends with "one" ends with an error, what ends with "two" goes on until it is
   * cancelled. Each observer begins anew.
   */
  #observe(request: ServerRequest<TableContext>, last: "one" | "two", now: number): Content {
    let state: Content = text(encodeUtf8("one"));
    // A resource for each observation: what one observer sees is its own.
    const name = `${request.endpoint}/${toHex(request.message.token)}/${last}`;
    const value = request.observe(name, () => state, now);
    if (value === undefined) return text(encodeUtf8("two"));
    const later = (after: number, next: Content) =>
      this.#changes.push({
        at: now + after,
        run: (at) => {
          state = next;
          this.#observers.changed(name, at);
        },
      });
    later(this.#notifyAfter, text(encodeUtf8("two")));
    if (last === "one") {
      later(2 * this.#notifyAfter, text(encodeUtf8("Terminate Observe"), [], Code.INTERNAL_SERVER_ERROR));
    }
    return withObserve(state, value);
  }

  #links(code: number): Content {
    if (code !== Code.GET) return status(Code.METHOD_NOT_ALLOWED);
    // RFC 8613 §9: the "osc" attribute says that a resource is only there with OSCORE.
    const links = ["oscore/hello/coap", ...Object.keys(METHODS)].map((path) => ({
      target: `/${path}`,
      attributes: path === "oscore/hello/coap" ? [] : ([["osc", undefined]] as [string, undefined][]),
    }));
    const format = uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.LINK_FORMAT);
    return { code: Code.CONTENT, options: [format], payload: encodeUtf8(formatLinks(links)) };
  }
}

/** Protected resources and their methods. */
const METHODS: { readonly [path: string]: readonly number[] } = {
  "oscore/hello/1": [Code.GET],
  "oscore/hello/2": [Code.GET],
  "oscore/hello/3": [Code.GET],
  "oscore/hello/6": [Code.POST],
  "oscore/hello/7": [Code.PUT],
  "oscore/observe1": [Code.GET],
  "oscore/observe2": [Code.GET],
  "oscore/test": [Code.DELETE],
  "oscore/large": [Code.GET, Code.PUT],
};

/** The resource exists, with one ETag (RFC 7252 §5.10.8). */
function putSeven(message: CoapMessage): Content {
  if (hasOption(message, OptionNumber.IF_NONE_MATCH)) return status(Code.PRECONDITION_FAILED);
  const wanted = getOptions(message, OptionNumber.IF_MATCH).map(toHex);
  const matches = wanted.length === 0 || wanted.includes("") || wanted.includes(toHex(ETAG_7));
  return status(matches ? Code.CHANGED : Code.PRECONDITION_FAILED);
}

function status(code: number): Content {
  return { code, options: [], payload: NO_BYTES };
}

function text(payload: Uint8Array, more: Content["options"] = [], code: number = Code.CONTENT): Content {
  const options = [...more, uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.TEXT)];
  return { code, options: options.sort((a, b) => a.number - b.number), payload };
}

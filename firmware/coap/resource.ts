/** What a resource of a {@link CoapServer} is, and what it is told and says. */

import { encodeUtf8 } from "../bytes/utf8.js";
import type { CoapMessage, CoapOption } from "./message.js";
import type { MessageLayer } from "./message-layer.js";
import type { Content, Exchange } from "./messaging.js";
import { OptionNumber } from "./numbers.js";
import type { Notify } from "./observe.js";
import { setOption, uintOption } from "./options.js";

/** A request as a resource sees it. */
export interface ResourceRequest {
  /** with its whole body; views of the datagram, valid during the handler's call */
  readonly message: CoapMessage;
  readonly path: readonly string[];
  readonly query: readonly string[];
  /** from where it came */
  readonly channel: Channel;
  /** The answer of a handler that returned `undefined`; once. */
  reply(content: Content, now: number): void;
}

/** Answers at once, or returns `undefined` and calls `request.reply` later. */
export type Handler = (request: ResourceRequest, now: number) => Content | undefined;

/** A resource: its methods, and what the server does for it. */
export interface Resource {
  /** must answer at once when the resource is observable */
  readonly get?: Handler;
  readonly post?: Handler;
  readonly put?: Handler;
  readonly delete?: Handler;
  readonly fetch?: Handler;
  readonly patch?: Handler;
  readonly ipatch?: Handler;
  /** GET with Observe registers (RFC 7641); the owner calls `CoapServer.changed` */
  readonly observable?: boolean;
  /** Requests to a group are served, too (RFC 7252 §8.2). Default: they are passed over. */
  readonly multicast?: boolean;
  /**
   * The entity-tag of what is there now, `undefined` when nothing is. With it the server answers 2.03 and 4.12
   * (RFC 7252 §5.10.6, §5.10.8); without it, If-Match and If-None-Match are options that are not understood.
   */
  readonly etag?: () => Uint8Array | undefined;
  /** Critical options beyond those of the server that the handlers act on. */
  readonly understands?: (option: number) => boolean;
  /** Link attributes for /.well-known/core (RFC 6690); absent: it is not listed */
  readonly attributes?: readonly (readonly [name: string, value: string | undefined])[];
}

/** Where a request came from, and the way back: a plain exchange, or one that OSCORE protects. */
export interface Channel {
  /** names the client: its endpoint, or its security context */
  readonly client: string;
  readonly token: Uint8Array;
  readonly confirmable: boolean;
  readonly multicast: boolean;
  /** Answers the request. */
  respond(content: Content, now: number): void;
  /** ends it without an answer */
  ignore(now: number): void;
  /** sends notifications; absent: no observing here */
  readonly notify?: Notify;
}

/** The way back of a request without OSCORE. */
export function plainChannel(layer: MessageLayer, exchange: Exchange): Channel {
  const { endpoint, token, multicast } = exchange;
  return {
    client: endpoint,
    token,
    confirmable: exchange.request.type === 0,
    multicast,
    respond: (content, now) => layer.respond(exchange, content, now),
    ignore: (now) => layer.ignore(exchange, now),
    notify: (content, now, options) => layer.notify(endpoint, token, content, now, options),
  };
}

/**
 * An answer.
 * @param payload a text is sent as UTF-8
 * @param format Content-Format
 */
export function content(
  code: number,
  payload: Uint8Array | string = "",
  format?: number,
  options: readonly CoapOption[] = [],
): Content {
  const all = [...options];
  if (format !== undefined) setOption(all, uintOption(OptionNumber.CONTENT_FORMAT, format));
  return { code, options: all, payload: typeof payload === "string" ? encodeUtf8(payload) : payload };
}

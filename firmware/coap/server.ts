/**
 * Resources at paths, and what RFC 7252 §5 asks of every server: critical options, methods, preconditions, content
 * negotiation; with block-wise transfers, observing, No-Response and /.well-known/core. It sits above the message layer
 * and, where there is one, OSCORE: it is given requests and a way back.
 */

import { equal } from "../bytes/compare.js";
import { toHex } from "../bytes/hex.js";
import { BlockwiseServer, type BlockwiseServerOptions } from "./blockwise-server.js";
import { filterLinks, formatLinks, type Link } from "./link-format.js";
import { type CoapMessage, Type } from "./message.js";
import type { Content } from "./messaging.js";
import { isUnwanted } from "./no-response.js";
import { Code, ContentFormat, codeClass, OptionNumber } from "./numbers.js";
import { Observe, Observers, type ObserversOptions } from "./observe.js";
import {
  badCriticalOption,
  getOptions,
  getUint,
  hasOption,
  opaqueOption,
  optionName,
  setOption,
  uintOption,
  uriPath,
  uriQuery,
} from "./options.js";
import { type Channel, content, type Handler, type Resource, type ResourceRequest } from "./resource.js";

/** What a {@link CoapServer} may be told beside its resources. */
export interface CoapServerOptions {
  readonly blockwise?: BlockwiseServerOptions;
  readonly observers?: ObserversOptions;
  /** serves every path without a resource of its own, such as those that PUT would create; default: 4.04 */
  readonly fallback?: Resource;
}

const WELL_KNOWN_CORE = "/.well-known/core";

/** Resources by path, with block-wise transfer and observation (RFC 7252 §5.8, RFC 7959, RFC 7641). */
export class CoapServer {
  readonly #resources = new Map<string, Resource>();
  readonly #blockwise: BlockwiseServer;
  readonly #observers: Observers;
  readonly #fallback: Resource | undefined;

  constructor(options: CoapServerOptions = {}) {
    this.#blockwise = new BlockwiseServer(options.blockwise);
    this.#observers = new Observers(options.observers);
    this.#fallback = options.fallback;
    const core: Resource = { get: (request) => this.#core(request), multicast: true };
    this.#resources.set(WELL_KNOWN_CORE, core);
  }

  /** Observers of all resources. */
  get observers(): number {
    return this.#observers.size;
  }

  get deadline(): number {
    return this.#observers.deadline;
  }

  /** Sends the notifications that are due at `now` (ms). */
  tick(now: number): void {
    this.#observers.tick(now);
  }

  /** Puts a resource at a path, "/sensors/temperature"; in place of what is there. */
  add(path: string, resource: Resource): void {
    this.#resources.set(keyOf(split(path)), resource);
  }

  /** Takes the resource at a path away; its observers learn that it is gone. @returns whether there was one */
  remove(path: string, now: number): boolean {
    const existed = this.#resources.delete(keyOf(split(path)));
    if (existed) this.changed(path, now);
    return existed;
  }

  /** The resource at a path is another now: its observers are told. */
  changed(path: string, now: number): void {
    this.#observers.changed(keyOf(split(path)), now);
  }

  /** A RST that met nothing in flight (`MessageLayerOptions.onReset`): an observer has gone. */
  reset(endpoint: string, messageId: number): void {
    this.#observers.reset(endpoint, messageId);
  }

  /** Serves a request: answers it now, later or, where it says so, never. */
  serve(message: CoapMessage, channel: Channel, now: number): void {
    const path = uriPath(message);
    const resource = this.#resources.get(keyOf(path)) ?? this.#fallback;
    // RFC 7252 §8.2, §11.3: what was not made for groups does not answer them.
    if (channel.multicast && resource?.multicast !== true) {
      channel.ignore(now);
      return;
    }
    if (hasOption(message, OptionNumber.PROXY_URI) || hasOption(message, OptionNumber.PROXY_SCHEME)) {
      this.#answer(message, channel, content(Code.PROXYING_NOT_SUPPORTED), now);
      return;
    }
    const bad = badCriticalOption(message, (number) => understands(number, resource));
    if (bad !== undefined) {
      // RFC 7252 §5.4.1: in a CON it is answered, in a NON the message is rejected.
      if (message.type === Type.NON) channel.ignore(now);
      else this.#answer(message, channel, content(Code.BAD_OPTION, optionName(bad)), now);
      return;
    }
    const verdict = this.#blockwise.accept(channel.client, message, now);
    if ("answer" in verdict) {
      this.#answer(message, channel, verdict.answer, now);
      return;
    }
    const { request } = verdict;
    let kept = request;
    const response = this.#ask(resource, request, path, channel, now, (late, at) => {
      this.#finish(kept, channel, path, resource, late, at);
    });
    // Whoever answers later has no datagram any more to look at.
    if (response === undefined) kept = detach(request);
    else this.#finish(request, channel, path, resource, response, now);
  }

  /** Has a resource answer, as far as the server does not. */
  #ask(
    resource: Resource | undefined,
    message: CoapMessage,
    path: readonly string[],
    channel: Channel,
    now: number,
    reply: (late: Content, at: number) => void,
  ): Content | undefined {
    if (resource === undefined) return content(Code.NOT_FOUND);
    const handler = handlerOf(resource, message.code);
    if (handler === undefined) return content(Code.METHOD_NOT_ALLOWED);
    const settled = precondition(resource, message);
    if (settled !== undefined) return settled;
    return handler({ message, path, query: uriQuery(message), channel, reply }, now);
  }

  /** Sends a resource's answer, with what the server adds to it. */
  #finish(
    request: CoapMessage,
    channel: Channel,
    path: readonly string[],
    resource: Resource | undefined,
    response: Content,
    now: number,
  ): void {
    let final = negotiated(request, tagged(resource, request, response));
    if (request.code === Code.GET || request.code === Code.FETCH) {
      final = this.#observe(request, channel, path, resource, final, now);
    }
    this.#answer(request, channel, this.#blockwise.respond(channel.client, request, final, now), now);
  }

  #answer(request: CoapMessage, channel: Channel, response: Content, now: number): void {
    if (isUnwanted(request, response.code)) channel.ignore(now);
    else channel.respond(response, now);
  }

  /** Registers and deregisters observers (RFC 7641 §4.1). */
  #observe(
    request: CoapMessage,
    channel: Channel,
    path: readonly string[],
    resource: Resource | undefined,
    response: Content,
    now: number,
  ): Content {
    const wish = getUint(request, OptionNumber.OBSERVE);
    const { notify } = channel;
    if (wish === undefined || notify === undefined || channel.multicast) return response;
    const key = `${channel.client}|${toHex(channel.token)}`;
    if (wish === Observe.DEREGISTER) this.#observers.remove(key);
    if (wish !== Observe.REGISTER || resource?.observable !== true) return response;
    if (codeClass(response.code) !== 2) {
      this.#observers.remove(key);
      return response;
    }
    const registration = detach(request);
    const represent = (at: number) => this.#represent(registration, channel, path, at);
    const resourceKey = keyOf(path);
    const value = this.#observers.register(key, resourceKey, channel.confirmable, notify, represent, now);
    if (value === undefined) return response;
    const options = [...response.options];
    setOption(options, uintOption(OptionNumber.OBSERVE, value));
    return { ...response, options };
  }

  /** What an observer is told: the answer to its registration, if it came now. */
  #represent(registration: CoapMessage, channel: Channel, path: readonly string[], now: number): Content {
    const resource = this.#resources.get(keyOf(path)) ?? this.#fallback;
    const response =
      this.#ask(resource, registration, path, channel, now, () => {}) ?? content(Code.INTERNAL_SERVER_ERROR);
    const final = negotiated(registration, tagged(resource, registration, response));
    return this.#blockwise.respond(channel.client, registration, final, now);
  }

  /** /.well-known/core (RFC 6690 §4). */
  #core({ query, channel }: ResourceRequest): Content {
    const links: Link[] = [];
    for (const [target, { attributes, observable }] of this.#resources) {
      if (attributes === undefined) continue;
      links.push({
        target,
        attributes: observable === true ? [...attributes, ["obs", undefined]] : attributes,
      });
    }
    const found = filterLinks(links, query);
    // RFC 7252 §8.2: to a group nothing is said about what is not there; the message layer suppresses this error.
    if (channel.multicast && found.length === 0) return content(Code.NOT_FOUND);
    return content(Code.CONTENT, formatLinks(found), ContentFormat.LINK_FORMAT);
  }
}

function split(path: string): string[] {
  const relative = path.startsWith("/") ? path.slice(1) : path;
  return relative === "" ? [] : relative.split("/");
}

/** "/a/b", a slash within a segment told from one between segments. */
function keyOf(path: readonly string[]): string {
  let key = "";
  for (const segment of path) key += `/${segment.includes("/") ? segment.split("/").join("%2F") : segment}`;
  return key === "" ? "/" : key;
}

function understands(number: number, resource: Resource | undefined): boolean {
  switch (number) {
    case OptionNumber.URI_HOST:
    case OptionNumber.URI_PORT:
    case OptionNumber.URI_PATH:
    case OptionNumber.URI_QUERY:
    case OptionNumber.ACCEPT:
    case OptionNumber.BLOCK1:
    case OptionNumber.BLOCK2:
      return true;
    case OptionNumber.IF_MATCH:
    case OptionNumber.IF_NONE_MATCH:
      return resource?.etag !== undefined;
    default:
      return resource?.understands?.(number) ?? false;
  }
}

function handlerOf(resource: Resource, code: number): Handler | undefined {
  switch (code) {
    case Code.GET:
      return resource.get;
    case Code.POST:
      return resource.post;
    case Code.PUT:
      return resource.put;
    case Code.DELETE:
      return resource.delete;
    case Code.FETCH:
      return resource.fetch;
    case Code.PATCH:
      return resource.patch;
    case Code.IPATCH:
      return resource.ipatch;
    default:
      return undefined;
  }
}

/** 4.12, 2.03, or `undefined` when the handler is to be asked (RFC 7252 §5.10.6.2, §5.10.8). */
function precondition(resource: Resource, message: CoapMessage): Content | undefined {
  if (resource.etag === undefined) return undefined;
  const etag = resource.etag();
  if (etag !== undefined && hasOption(message, OptionNumber.IF_NONE_MATCH)) {
    return content(Code.PRECONDITION_FAILED);
  }
  const wanted = getOptions(message, OptionNumber.IF_MATCH);
  // An empty If-Match is content with any representation.
  const fits = etag !== undefined && wanted.some((tag) => tag.length === 0 || equal(tag, etag));
  if (wanted.length > 0 && !fits) return content(Code.PRECONDITION_FAILED);
  if (message.code !== Code.GET || etag === undefined) return undefined;
  const isFresh = getOptions(message, OptionNumber.ETAG).some((tag) => equal(tag, etag));
  return isFresh ? content(Code.VALID, "", undefined, [opaqueOption(OptionNumber.ETAG, etag)]) : undefined;
}

/** Marks a representation with its entity-tag. */
function tagged(resource: Resource | undefined, request: CoapMessage, response: Content): Content {
  if (resource?.etag === undefined || request.code !== Code.GET) return response;
  const etag = resource.etag();
  if (response.code !== Code.CONTENT || etag === undefined || hasOption(response, OptionNumber.ETAG)) {
    return response;
  }
  const options = [...response.options];
  setOption(options, opaqueOption(OptionNumber.ETAG, etag));
  return { ...response, options };
}

/** 4.06 instead of a representation in another format than the one accepted (RFC 7252 §5.10.4). */
function negotiated(request: CoapMessage, response: Content): Content {
  const accepted = getUint(request, OptionNumber.ACCEPT);
  if (accepted === undefined || response.code !== Code.CONTENT) return response;
  const isSafe = request.code === Code.GET || request.code === Code.FETCH;
  const format = getUint(response, OptionNumber.CONTENT_FORMAT);
  return isSafe && format !== undefined && format !== accepted ? content(Code.NOT_ACCEPTABLE) : response;
}

/** A message with memory of its own. */
function detach(message: CoapMessage): CoapMessage {
  return {
    ...message,
    token: message.token.slice(),
    options: message.options.map(({ number, value }) => ({ number, value: value.slice() })),
    payload: message.payload.slice(),
  };
}

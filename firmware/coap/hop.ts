/**
 * The gateway's blind CoAP hop between the nodes of a mesh and one server (DESIGN §4.7).
 *
 * On a message's way only its message ID and token are replaced: many nodes choose them independently, the server knows
 * one endpoint. RFC 8613 §4.1.3 leaves both outside of OSCORE, and the hop has no key and looks past no outer option.
 * Options and payload leave as the very bytes that came, with two exceptions: a Uri-Host that names a node is taken
 * away, and a Hop-Limit is counted down.
 *
 * No state is kept but names, and those expire; so nothing has to be timed.
 */

import { asciiLowerCase } from "../bytes/case.js";
import { Counters } from "../bytes/counters.js";
import { fromHex } from "../bytes/hex.js";
import { Refusal } from "../bytes/refusal.js";
import {
  type CoapReason,
  decodeMessage,
  emptyMessage,
  encodeMessage,
  HEADER_LENGTH,
  resetFor,
} from "./codec.js";
import { fingerprint } from "./deduplication.js";
import { type CoapMessage, Type } from "./message.js";
import { MessageIdNames } from "./message-id-names.js";
import { Code, isRequest, OptionNumber } from "./numbers.js";
import { getOption, getString, hasOption, opaqueOption, removeOption, setOption } from "./options.js";
import { TokenNames, type TokenOrigin } from "./token-names.js";
import { DEFAULT_TRANSMISSION, exchangeLifetime } from "./transmission.js";

/** Why the hop forwards nothing. */
export type HopReason =
  | CoapReason
  /** ACK or RST for something that was never sent there, or too long ago */
  | "hop-message-id-unknown"
  /** a response that nobody there asked for, or too long ago */
  | "hop-token-unknown"
  /** all tokens of the configured length are in use */
  | "hop-tokens-used-up"
  /** a request from the server whose Uri-Host names no node */
  | "hop-host"
  /** Hop-Limit used up: 5.08 (RFC 8768 §3) */
  | "hop-limit"
  /** Hop-Limit 0 came in: 4.00 (RFC 8768 §3) */
  | "hop-limit-zero"
  /** a type that may not carry such a code (RFC 7252 table 1) */
  | "hop-type"
  /** the server asks whether we are there */
  | "hop-ping"
  /** not a unicast address */
  | "hop-address";

/** Why nothing is forwarded, and what to send back to where the message came from, if anything. */
export class HopRefusal extends Refusal<HopReason> {
  readonly answer: Uint8Array | undefined;

  constructor(reason: HopReason, answer?: Uint8Array, detail?: string) {
    super(reason, detail);
    this.answer = answer;
  }
}

/** A message on its way to a node. */
export interface MeshBound {
  /** unicast address */
  readonly destination: number;
  readonly bytes: Uint8Array;
}

/** How long a hop remembers, and how long its tokens are. */
export interface CoapHopOptions {
  /** Random bytes: where message IDs and tokens start. */
  random(length: number): Uint8Array;
  /** bytes of the tokens towards the server, 1–4, default 2 */
  readonly upstreamTokenLength?: number;
  /** bytes of the tokens of the server's requests on the nodes' side, 1–4, default 1 */
  readonly meshTokenLength?: number;
  /** ms that names live behind their last use, default EXCHANGE_LIFETIME */
  readonly lifetime?: number;
  /** ms that the token of an observation lives behind its last notification; default a day (RFC 7641 §4.5) and a lifetime */
  readonly observeLifetime?: number;
  /**
   * Pairs of message IDs (the next power of two) and of tokens of what nodes ask, default 512: 22 and 35 bytes each.
   * As many as there are requests in the time that an answer may take; they live longer where there is room.
   */
  readonly limit?: number;
  /** The same of what the server asks, default {@link limit}. */
  readonly meshLimit?: number;
  /** what follows the four hex digits of a node's address in Uri-Host, default ".mesh" */
  readonly hostSuffix?: string;
  readonly counters?: Counters;
}

const DAY = 86_400_000;
const LAST_UNICAST = 0x7fff;
const NO_BYTES = new Uint8Array(0);

/**
 * The gateway between nodes and server: message IDs and tokens become its own and back again, and nothing else is
 * touched.
 */
export class CoapHop {
  readonly counters: Counters;
  readonly #lifetime: number;
  readonly #observeLifetime: number;
  readonly #hostSuffix: string;
  /** of messages of nodes */
  readonly #upstreamIds: MessageIdNames;
  /** of requests of nodes */
  readonly #upstreamTokens: TokenNames;
  /** of messages of the server */
  readonly #meshIds: MessageIdNames;
  /** of requests of the server */
  readonly #meshTokens: TokenNames;

  /** @throws RangeError for a token length out of 1–4 */
  constructor(options: CoapHopOptions) {
    this.counters = options.counters ?? new Counters();
    this.#lifetime = options.lifetime ?? exchangeLifetime(DEFAULT_TRANSMISSION);
    this.#observeLifetime = options.observeLifetime ?? DAY + this.#lifetime;
    this.#hostSuffix = asciiLowerCase(options.hostSuffix ?? ".mesh");
    const limit = options.limit ?? 512;
    const meshLimit = options.meshLimit ?? limit;
    const ids = options.random(4);
    this.#upstreamIds = new MessageIdNames((ids[0] << 8) | ids[1], limit, this.counters);
    this.#meshIds = new MessageIdNames((ids[2] << 8) | ids[3], meshLimit, this.counters);
    const upstreamToken = options.random(checkTokenLength(options.upstreamTokenLength ?? 2));
    this.#upstreamTokens = new TokenNames("upstream", upstreamToken, limit, this.counters);
    const meshToken = options.random(checkTokenLength(options.meshTokenLength ?? 1));
    this.#meshTokens = new TokenNames("mesh", meshToken, meshLimit, this.counters);
  }

  /** Pairs of names that are kept now, in all tables. */
  get size(): number {
    return this.#upstreamIds.size + this.#upstreamTokens.size + this.#meshIds.size + this.#meshTokens.size;
  }

  /**
   * A message of a node.
   * @param source the node's unicast address; the gateway's own for what it says itself
   * @returns the datagram for the server
   */
  fromMesh(source: number, bytes: Uint8Array, now: number): Uint8Array | HopRefusal {
    if (!isUnicast(source)) return this.#refuse("hop-address", undefined, `${source}`);
    const message = decodeMessage(bytes);
    if (message instanceof Refusal) return this.#refuse(message.reason, resetFor(bytes), message.detail);
    const { type, code } = message;
    if (!isAllowed(type, code)) return this.#refuse("hop-type");

    let { token } = message;
    if (isRequest(code)) {
      const limited = this.#hopLimit(message, this.#meshIds);
      if (limited !== undefined) return limited;
      const replaced = this.#upstreamTokens.substitute(source, token, now, now + this.#lifetime);
      if (replaced === undefined) return this.#refuse("hop-tokens-used-up");
      token = replaced;
    } else if (code !== Code.EMPTY) {
      const pair = this.#meshTokens.resolve(source, token, now);
      if (pair === undefined) return this.#refuse("hop-token-unknown", resetUnexpected(message));
      this.#answered(this.#meshTokens, pair, message, now);
      token = pair.token;
    }

    let messageId: number;
    if (type === Type.ACK || type === Type.RST) {
      const about = this.#meshIds.resolve(message.messageId, now);
      // Nobody acknowledges in another node's place.
      if (about === undefined || about.address !== source) return this.#refuse("hop-message-id-unknown");
      messageId = about.id;
    } else {
      const print = fingerprint(bytes);
      messageId = this.#upstreamIds.substitute(source, message.messageId, print, now, now + this.#lifetime);
    }
    return splice(bytes, message, messageId, token);
  }

  /**
   * A datagram of the server.
   * @returns the message and the node that it is for
   */
  fromUpstream(bytes: Uint8Array, now: number): MeshBound | HopRefusal {
    const message = decodeMessage(bytes);
    if (message instanceof Refusal) return this.#refuse(message.reason, resetFor(bytes), message.detail);
    const { type, code } = message;
    if (!isAllowed(type, code)) return this.#refuse("hop-type");
    if (isRequest(code)) return this.#requestFromUpstream(message, bytes, now);
    const isReply = type === Type.ACK || type === Type.RST;
    if (code === Code.EMPTY && !isReply) {
      return this.#refuse("hop-ping", emptyMessage(Type.RST, message.messageId));
    }

    const about = isReply ? this.#upstreamIds.resolve(message.messageId, now) : undefined;
    if (isReply && about === undefined) return this.#refuse("hop-message-id-unknown");
    let destination = about?.address ?? 0;
    let { token } = message;
    if (code !== Code.EMPTY) {
      const pair = this.#upstreamTokens.resolve(0, token, now);
      // In an ACK both names have to lead to the same node.
      if (pair === undefined || (about !== undefined && about.address !== pair.address)) {
        return this.#refuse("hop-token-unknown", resetUnexpected(message));
      }
      this.#answered(this.#upstreamTokens, pair, message, now);
      token = pair.token;
      destination = pair.address;
    }
    const messageId = about?.id ?? this.#meshId(destination, message, bytes, now);
    return { destination, bytes: splice(bytes, message, messageId, token) };
  }

  #requestFromUpstream(message: CoapMessage, bytes: Uint8Array, now: number): MeshBound | HopRefusal {
    const host = getString(message, OptionNumber.URI_HOST);
    const destination = host === undefined ? undefined : this.#addressOf(host);
    if (destination === undefined) {
      const answer = errorAnswer(message, Code.NOT_FOUND, this.#upstreamIds.take());
      return this.#refuse("hop-host", answer, host);
    }
    const limited = this.#hopLimit(message, this.#upstreamIds);
    if (limited !== undefined) return limited;
    const token = this.#meshTokens.substitute(destination, message.token, now, now + this.#lifetime);
    if (token === undefined) return this.#refuse("hop-tokens-used-up");
    const messageId = this.#meshId(destination, message, bytes, now);
    // Without Uri-Host the next option has another delta, so here the options are written anew.
    const options = [...message.options];
    removeOption(options, OptionNumber.URI_HOST);
    const hopLimit = getOption(message, OptionNumber.HOP_LIMIT);
    if (hopLimit !== undefined) {
      setOption(options, opaqueOption(OptionNumber.HOP_LIMIT, new Uint8Array([hopLimit[0] - 1])));
    }
    return { destination, bytes: encodeMessage({ ...message, messageId, token, options }) };
  }

  #meshId(destination: number, message: CoapMessage, bytes: Uint8Array, now: number): number {
    const print = fingerprint(bytes);
    return this.#meshIds.substitute(destination, message.messageId, print, now, now + this.#lifetime);
  }

  /** A response passed: with Observe its token lives for notifications to come (RFC 7641 §3.1), else for copies of it. */
  #answered(names: TokenNames, pair: TokenOrigin, response: CoapMessage, now: number): void {
    const observing = hasOption(response, OptionNumber.OBSERVE);
    names.refresh(pair, now + (observing ? this.#observeLifetime : this.#lifetime));
  }

  /** Refuses a request that may go no further (RFC 8768 §3). `ids`: where the answer's message ID comes from. */
  #hopLimit(request: CoapMessage, ids: MessageIdNames): HopRefusal | undefined {
    const value = getOption(request, OptionNumber.HOP_LIMIT);
    if (value === undefined || value[0] > 1) return undefined;
    const id = ids.take();
    return value[0] === 0
      ? this.#refuse("hop-limit-zero", errorAnswer(request, Code.BAD_REQUEST, id))
      : this.#refuse("hop-limit", errorAnswer(request, Code.HOP_LIMIT_REACHED, id));
  }

  #refuse(reason: HopReason, answer?: Uint8Array, detail?: string): HopRefusal {
    this.counters.add(reason);
    return new HopRefusal(reason, answer, detail);
  }

  /** 0x0012 of "0012.mesh"; hosts are compared without case (RFC 7252 §6.3). */
  #addressOf(host: string): number | undefined {
    if (host.length !== 4 + this.#hostSuffix.length) return undefined;
    if (asciiLowerCase(host.slice(4)) !== this.#hostSuffix) return undefined;
    const bytes = fromHex(host.slice(0, 4));
    if (bytes instanceof Refusal) return undefined;
    const address = (bytes[0] << 8) | bytes[1];
    return isUnicast(address) ? address : undefined;
  }
}

/** The datagram with another message ID and token; behind them the same bytes, but for a Hop-Limit counted down. */
function splice(bytes: Uint8Array, message: CoapMessage, messageId: number, token: Uint8Array): Uint8Array {
  const rest = HEADER_LENGTH + message.token.length;
  const spliced = new Uint8Array(HEADER_LENGTH + token.length + bytes.length - rest);
  spliced[0] = (bytes[0] & 0xf0) | token.length;
  spliced[1] = bytes[1];
  spliced[2] = messageId >>> 8;
  spliced[3] = messageId;
  spliced.set(token, HEADER_LENGTH);
  spliced.set(bytes.subarray(rest), HEADER_LENGTH + token.length);
  if (isRequest(message.code)) {
    const hopLimit = getOption(message, OptionNumber.HOP_LIMIT);
    // The value is a view of the datagram, so it knows its place there.
    if (hopLimit !== undefined) {
      spliced[hopLimit.byteOffset - bytes.byteOffset - rest + HEADER_LENGTH + token.length]--;
    }
  }
  return spliced;
}

/** RFC 7252 table 1, with the ping. */
function isAllowed(type: Type, code: number): boolean {
  if (type === Type.RST) return code === Code.EMPTY;
  if (type === Type.ACK) return !isRequest(code);
  return code !== Code.EMPTY || type === Type.CON;
}

/** What rejects a response that nobody waits for (RFC 7252 §4.2; for NON it ends an observation, RFC 7641 §3.6). */
function resetUnexpected(message: CoapMessage): Uint8Array | undefined {
  return message.type === Type.ACK ? undefined : emptyMessage(Type.RST, message.messageId);
}

/** An error answer of the hop itself: in the ACK of a CON, else a NON with the given ID. */
function errorAnswer(request: CoapMessage, code: number, id: number): Uint8Array {
  const isConfirmable = request.type === Type.CON;
  return encodeMessage({
    type: isConfirmable ? Type.ACK : Type.NON,
    code,
    messageId: isConfirmable ? request.messageId : id,
    token: request.token,
    options: [],
    payload: NO_BYTES,
  });
}

function isUnicast(address: number): boolean {
  return address > 0 && address <= LAST_UNICAST;
}

function checkTokenLength(length: number): number {
  if (!(length >= 1 && length <= 4)) throw new RangeError(`token length ${length}`);
  return length;
}

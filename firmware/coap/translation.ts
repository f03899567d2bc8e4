/**
 * Names of messages and requests (message IDs, tokens) that one side chose, and the names that stand for them on the
 * other. Internal to hop.ts.
 *
 * On the server's side there is one space of names for all nodes, because the server sees one endpoint. In the mesh a
 * name means nothing when another node than its owner says it.
 */

import type { Counters } from "../bytes/counters.js";
import { bytesKey } from "../bytes/key.js";

const NO_BYTES = new Uint8Array(0);

/** A message, as the side calls it that made it. */
export interface MessageIdOrigin {
  /** the node that it is from, or for */
  readonly address: number;
  readonly id: number;
}

/**
 * Message IDs of one direction: chosen by nodes and replaced upstream, or the other way about.
 *
 * The replacements count up, so each has its place in a ring that needs no search, and the oldest is the one written
 * over. Columns of numbers instead of objects, because a gateway has some 100 KB for everything.
 */
export class MessageIdNames {
  readonly #mask: number;
  readonly #counters: Counters;
  readonly #addresses: Uint16Array;
  readonly #origins: Uint16Array;
  readonly #aliases: Uint16Array;
  readonly #fingerprints: Int32Array;
  /** ms; 0 in an empty place */
  readonly #expires: Float64Array;
  /** Places, by address and ID at the origin. */
  readonly #byOrigin = new Map<number, number>();
  #next: number;

  /**
   * @param first the first replacement
   * @param limit how many are remembered; the next power of two
   */
  constructor(first: number, limit: number, counters: Counters) {
    let size = 1;
    while (size < limit && size < 0x8000) size *= 2;
    this.#mask = size - 1;
    this.#next = first;
    this.#counters = counters;
    this.#addresses = new Uint16Array(size);
    this.#origins = new Uint16Array(size);
    this.#aliases = new Uint16Array(size);
    this.#fingerprints = new Int32Array(size);
    this.#expires = new Float64Array(size);
  }

  get size(): number {
    return this.#byOrigin.size;
  }

  /**
   * The ID that stands for a message of, or for, a node; a copy of the message has the same one again.
   * @param fingerprint tells a copy from another message with its ID
   */
  replace(address: number, id: number, fingerprint: number, now: number, expires: number): number {
    const key = address * 0x10000 + id;
    const known = this.#byOrigin.get(key);
    if (known !== undefined && this.#expires[known] > now && this.#fingerprints[known] === fingerprint) {
      this.#expires[known] = expires;
      return this.#aliases[known];
    }
    const alias = this.take();
    const place = alias & this.#mask;
    this.#clear(place, now);
    this.#addresses[place] = address;
    this.#origins[place] = id;
    this.#aliases[place] = alias;
    this.#fingerprints[place] = fingerprint;
    this.#expires[place] = expires;
    this.#byOrigin.set(key, place);
    return alias;
  }

  /** The message that an ACK or RST is about. */
  resolve(alias: number, now: number): MessageIdOrigin | undefined {
    const place = alias & this.#mask;
    if (this.#aliases[place] !== alias || this.#expires[place] <= now) return undefined;
    return { address: this.#addresses[place], id: this.#origins[place] };
  }

  /** An ID that stands for nothing. */
  take(): number {
    const id = this.#next;
    this.#next = (id + 1) & 0xffff;
    return id;
  }

  #clear(place: number, now: number): void {
    const expires = this.#expires[place];
    if (expires === 0) return;
    if (expires > now) this.#counters.add("hop-dropped-oldest");
    const key = this.#addresses[place] * 0x10000 + this.#origins[place];
    // The ID at the origin may have come to mean a newer message.
    if (this.#byOrigin.get(key) === place) this.#byOrigin.delete(key);
  }
}

/** A request's token, and what stands for it. */
export interface TokenPair {
  /** the node that asks, or is asked */
  readonly address: number;
  readonly originKey: number | string;
  readonly origin: Uint8Array;
  readonly alias: number;
  readonly aliasKey: number;
  /** ms; from then on both are free */
  expires: number;
}

/**
 * On the server's side there is one space of tokens for all nodes; in the mesh each node has its own, and short ones
 * suffice.
 */
export type Side = "upstream" | "mesh";

/** Tokens of one direction. The pair that was used least recently goes when there are too many. */
export class TokenNames {
  readonly #side: Side;
  readonly #length: number;
  readonly #limit: number;
  readonly #counters: Counters;
  readonly #byOrigin = new Map<number | string, TokenPair>();
  readonly #byAlias = new Map<number, TokenPair>();
  #next: number;

  /**
   * @param side where the replacements are used
   * @param first the first replacement; all have its length, 1 to 4 bytes
   * @param limit how many are remembered
   */
  constructor(side: Side, first: Uint8Array, limit: number, counters: Counters) {
    this.#side = side;
    this.#length = first.length;
    this.#next = numberOf(first);
    this.#limit = limit;
    this.#counters = counters;
  }

  get size(): number {
    return this.#byOrigin.size;
  }

  /**
   * The token that stands for the one of a request; `undefined` when all are in use. A client that uses a token again
   * (the empty one; that of an observation to be renewed or cancelled) has the same replacement again while it lives.
   */
  replace(address: number, token: Uint8Array, now: number, expires: number): Uint8Array | undefined {
    const originKey = originKeyOf(address, token);
    const known = this.#alive(this.#byOrigin.get(originKey), now);
    if (known !== undefined) {
      this.refresh(known, Math.max(known.expires, expires));
      return this.#bytes(known.alias);
    }
    const alias = this.#take(address, now);
    if (alias === undefined) return undefined;
    if (this.#byOrigin.size >= this.#limit) this.#makeRoom(now);
    const origin = token.length === 0 ? NO_BYTES : token.slice();
    const aliasKey = this.#aliasKey(address, alias);
    const pair = { address, originKey, origin, alias, aliasKey, expires };
    this.#byOrigin.set(originKey, pair);
    this.#byAlias.set(aliasKey, pair);
    return this.#bytes(alias);
  }

  /** The request that a response is about. `address`: the node that answers; 0 upstream. */
  resolve(address: number, token: Uint8Array, now: number): TokenPair | undefined {
    if (token.length !== this.#length) return undefined;
    return this.#alive(this.#byAlias.get(this.#aliasKey(address, numberOf(token))), now);
  }

  /** A pair was used, and is kept until then. */
  refresh(pair: TokenPair, expires: number): void {
    pair.expires = expires;
    // A Map keeps the order of insertion: what was used last stands last.
    this.#byOrigin.delete(pair.originKey);
    this.#byOrigin.set(pair.originKey, pair);
  }

  #take(address: number, now: number): number | undefined {
    // So many, and no more, can be in use.
    for (let i = 0; i <= this.#byAlias.size; i++) {
      const alias = this.#next;
      this.#next = (alias + 1) % 256 ** this.#length;
      const taken = this.#byAlias.get(this.#aliasKey(address, alias));
      if (this.#alive(taken, now) === undefined) return alias;
    }
    return undefined;
  }

  #alive(pair: TokenPair | undefined, now: number): TokenPair | undefined {
    if (pair === undefined || pair.expires > now) return pair;
    this.#delete(pair);
    return undefined;
  }

  #makeRoom(now: number): void {
    for (const oldest of this.#byOrigin.values()) {
      if (oldest.expires > now) this.#counters.add("hop-dropped-oldest");
      this.#delete(oldest);
      return;
    }
  }

  #delete(pair: TokenPair): void {
    this.#byOrigin.delete(pair.originKey);
    this.#byAlias.delete(pair.aliasKey);
  }

  #aliasKey(address: number, alias: number): number {
    return this.#side === "mesh" ? address * 2 ** 32 + alias : alias;
  }

  #bytes(alias: number): Uint8Array {
    const token = new Uint8Array(this.#length);
    for (let i = this.#length - 1, rest = alias; i >= 0; i--) {
      token[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return token;
  }
}

function numberOf(token: Uint8Array): number {
  let value = 0;
  for (let i = 0; i < token.length; i++) value = value * 256 + token[i];
  return value;
}

/** A number where it fits: the tokens of nodes are short, and a string costs memory. */
function originKeyOf(address: number, token: Uint8Array): number | string {
  const key = bytesKey(token);
  return token.length <= 4 ? (key as number) * 0x10000 + address : `${address}:${key}`;
}

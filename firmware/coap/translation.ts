/**
 * Names of messages and requests (message IDs, tokens) that one side chose, and the names that stand for them on the
 * other. Internal to hop.ts.
 */

import type { Counters } from "../bytes/counters.js";
import { tokenKey } from "./peer-table.js";

/** One pair of names. */
interface Pair {
  /** the mesh address that it belongs to */
  readonly address: number;
  /** finds it by the name of the side that chose first */
  readonly originKey: number | string;
  /** finds it by the name on the other side */
  readonly aliasKey: number | string;
  /** ms; from then on both names are free */
  expires: number;
}

export interface MessageIdPair extends Pair {
  readonly origin: number;
  readonly alias: number;
  /** tells a copy of the message from another one with its ID */
  readonly fingerprint: number;
}

export interface TokenPair extends Pair {
  readonly origin: Uint8Array;
  readonly alias: Uint8Array;
}

/** Bounded, looked up by either name. The pair that was used least recently goes when it is full. */
class Translation<P extends Pair> {
  readonly #byOrigin = new Map<number | string, P>();
  readonly #byAlias = new Map<number | string, P>();
  readonly #limit: number;
  readonly #counters: Counters;

  constructor(limit: number, counters: Counters) {
    this.#limit = limit;
    this.#counters = counters;
  }

  get size(): number {
    return this.#byOrigin.size;
  }

  fromOrigin(key: number | string, now: number): P | undefined {
    return this.#alive(this.#byOrigin.get(key), now);
  }

  fromAlias(key: number | string, now: number): P | undefined {
    return this.#alive(this.#byAlias.get(key), now);
  }

  /** Puts a pair in, in place of one that has its first name. Its second name has to be free. */
  add(pair: P, now: number): void {
    const former = this.#byOrigin.get(pair.originKey);
    if (former !== undefined) this.#delete(former);
    else if (this.#byOrigin.size >= this.#limit) this.#makeRoom(now);
    this.#byOrigin.set(pair.originKey, pair);
    this.#byAlias.set(pair.aliasKey, pair);
  }

  /** A pair was used. */
  refresh(pair: P, expires: number): void {
    pair.expires = expires;
    this.#byOrigin.delete(pair.originKey);
    this.#byOrigin.set(pair.originKey, pair);
  }

  #alive(pair: P | undefined, now: number): P | undefined {
    if (pair === undefined || pair.expires > now) return pair;
    this.#delete(pair);
    return undefined;
  }

  #makeRoom(now: number): void {
    // A Map keeps the order of insertion, and refresh inserts again: the first is the least recently used.
    for (const pair of this.#byOrigin.values()) {
      if (pair.expires > now) this.#counters.add("hop-dropped-oldest");
      this.#delete(pair);
      return;
    }
  }

  #delete(pair: P): void {
    this.#byOrigin.delete(pair.originKey);
    this.#byAlias.delete(pair.aliasKey);
  }
}

/**
 * On the server's side there is one space of names for all nodes, because the server sees one endpoint. In the mesh each
 * node has its own, and a name means nothing when another node says it.
 */
export type Side = "upstream" | "mesh";

/** Message IDs of one direction: chosen by nodes and replaced upstream, or the other way about. */
export class MessageIdNames {
  readonly #pairs: Translation<MessageIdPair>;
  readonly #side: Side;
  #next: number;

  /**
   * @param side where the replacements are used
   * @param first the first replacement
   */
  constructor(side: Side, first: number, limit: number, counters: Counters) {
    this.#side = side;
    this.#next = first;
    this.#pairs = new Translation(limit, counters);
  }

  get size(): number {
    return this.#pairs.size;
  }

  /** The ID that stands for a message of, or for, a node; a copy of the message has the same one again. */
  replace(address: number, origin: number, fingerprint: number, now: number, expires: number): number {
    const originKey = address * 0x10000 + origin;
    const known = this.#pairs.fromOrigin(originKey, now);
    if (known !== undefined && known.fingerprint === fingerprint) {
      this.#pairs.refresh(known, expires);
      return known.alias;
    }
    const alias = this.take(address, now);
    const aliasKey = this.#aliasKey(address, alias);
    this.#pairs.add({ address, originKey, aliasKey, origin, alias, fingerprint, expires }, now);
    return alias;
  }

  /** The message that an ACK or RST is about. `address`: who says so; 0 upstream. */
  resolve(address: number, alias: number, now: number): MessageIdPair | undefined {
    return this.#pairs.fromAlias(this.#aliasKey(address, alias), now);
  }

  /** An ID that stands for nothing now. */
  take(address: number, now: number): number {
    let id = this.#next;
    for (let i = 0; i < 0xffff && this.resolve(address, id, now) !== undefined; i++) id = (id + 1) & 0xffff;
    this.#next = (id + 1) & 0xffff;
    return id;
  }

  #aliasKey(address: number, alias: number): number {
    return this.#side === "mesh" ? address * 0x10000 + alias : alias;
  }
}

/** Tokens of one direction. */
export class TokenNames {
  readonly #pairs: Translation<TokenPair>;
  readonly #side: Side;
  readonly #next: Uint8Array;

  /**
   * @param side where the replacements are used
   * @param first the first replacement; all have its length. Is changed.
   */
  constructor(side: Side, first: Uint8Array, limit: number, counters: Counters) {
    this.#side = side;
    this.#next = first;
    this.#pairs = new Translation(limit, counters);
  }

  get size(): number {
    return this.#pairs.size;
  }

  /**
   * The token that stands for the one of a request; `undefined` when all are in use. A client that uses a token again
   * (the empty one; that of an observation to be renewed or cancelled) has the same replacement again while it lives.
   */
  replace(address: number, origin: Uint8Array, now: number, expires: number): Uint8Array | undefined {
    const originKey = `${address}:${tokenKey(origin)}`;
    const known = this.#pairs.fromOrigin(originKey, now);
    if (known !== undefined) {
      this.#pairs.refresh(known, Math.max(known.expires, expires));
      return known.alias;
    }
    const alias = this.#take(address, now);
    if (alias === undefined) return undefined;
    const aliasKey = this.#aliasKey(address, alias);
    this.#pairs.add({ address, originKey, aliasKey, origin: origin.slice(), alias, expires }, now);
    return alias;
  }

  /** The request that a response is about. `address`: who answers; 0 upstream. */
  resolve(address: number, alias: Uint8Array, now: number): TokenPair | undefined {
    return this.#pairs.fromAlias(this.#aliasKey(address, alias), now);
  }

  /** Keeps a pair until then. */
  refresh(pair: TokenPair, expires: number): void {
    this.#pairs.refresh(pair, expires);
  }

  #take(address: number, now: number): Uint8Array | undefined {
    const token = this.#next;
    // So many tokens, and no more, can be in use.
    for (let i = 0; i <= this.#pairs.size; i++) {
      const free = this.resolve(address, token, now) === undefined;
      const alias = free ? token.slice() : undefined;
      increment(token);
      if (alias !== undefined) return alias;
    }
    return undefined;
  }

  #aliasKey(address: number, alias: Uint8Array): number | string {
    const key = tokenKey(alias);
    return this.#side === "mesh" ? `${address}:${key}` : key;
  }
}

/** Counts a token up, as a number that begins again behind its highest value. */
function increment(token: Uint8Array): void {
  for (let i = token.length - 1; i >= 0; i--) {
    token[i]++;
    if (token[i] !== 0) return;
  }
}

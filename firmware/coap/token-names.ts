import type { Counters } from "../bytes/counters.js";
import { NONE, Places } from "./places.js";

/** A request's token, as the side calls it that made it. */
export interface TokenOrigin {
  /** Where {@link TokenNames} keeps it, until the next request. */
  readonly place: number;
  /** the node that asks, or is asked */
  readonly address: number;
  readonly token: Uint8Array;
}

/**
 * On the server's side there is one space of tokens for all nodes; in the mesh each node has its own, and short ones
 * suffice. A name means nothing when another node than its owner says it.
 */
export type Side = "upstream" | "mesh";

const LONGEST = 8;

/**
 * Tokens of one direction. When there are too many, the pair goes that was used least recently; one that is kept for
 * longer, as that of an observation is, only when there are no others. Internal to hop.ts.
 *
 * Columns of numbers instead of objects: 35 bytes a pair.
 */
export class TokenNames {
  readonly #side: Side;
  readonly #length: number;
  readonly #counters: Counters;
  readonly #addresses: Uint16Array;
  readonly #tokens: Uint8Array;
  readonly #lengths: Uint8Array;
  readonly #aliases: Uint32Array;
  /** ms; from then on both names are free. 0 in an empty place. */
  readonly #expires: Float64Array;
  readonly #byOrigin: Places;
  readonly #byAlias: Places;
  /** The places from the one used least recently to the one used last. */
  readonly #newer: Int16Array;
  readonly #older: Int16Array;
  #oldest = 0;
  #newest: number;
  #size = 0;
  #next: number;

  /**
   * @param side where the replacements are used
   * @param first the first replacement; all have its length, 1 to 4 bytes
   * @param limit how many are remembered, at most 32,768
   */
  constructor(side: Side, first: Uint8Array, limit: number, counters: Counters) {
    this.#side = side;
    this.#length = first.length;
    this.#next = numberOf(first);
    this.#counters = counters;
    this.#addresses = new Uint16Array(limit);
    this.#tokens = new Uint8Array(limit * LONGEST);
    this.#lengths = new Uint8Array(limit);
    this.#aliases = new Uint32Array(limit);
    this.#expires = new Float64Array(limit);
    this.#byOrigin = new Places(limit);
    this.#byAlias = new Places(limit);
    this.#newer = new Int16Array(limit);
    this.#older = new Int16Array(limit);
    this.#newest = limit - 1;
    for (let place = 0; place < limit; place++) {
      this.#older[place] = place - 1;
      this.#newer[place] = place + 1 === limit ? NONE : place + 1;
    }
  }

  get size(): number {
    return this.#size;
  }

  /**
   * The token that stands for the one of a request; `undefined` when all are in use. A client that uses a token again
   * (the empty one; that of an observation to be renewed or cancelled) has the same replacement again while it lives.
   */
  substitute(address: number, token: Uint8Array, now: number, expires: number): Uint8Array | undefined {
    const known = this.#alive(this.#findOrigin(address, token), now);
    if (known !== NONE) {
      this.#use(known, Math.max(this.#expires[known], expires));
      return this.#bytes(this.#aliases[known]);
    }
    const alias = this.#take(address, now);
    if (alias === undefined) return undefined;
    const place = this.#makeRoom(now, expires);
    this.#addresses[place] = address;
    this.#tokens.set(token, place * LONGEST);
    this.#lengths[place] = token.length;
    this.#aliases[place] = alias;
    this.#byOrigin.add(originHash(address, token, 0, token.length), place);
    this.#byAlias.add(this.#aliasHash(address, alias), place);
    this.#size++;
    this.#use(place, expires);
    return this.#bytes(alias);
  }

  /** The request that a response is about. `address`: the node that answers; 0 upstream. */
  resolve(address: number, token: Uint8Array, now: number): TokenOrigin | undefined {
    if (token.length !== this.#length) return undefined;
    const place = this.#alive(this.#findAlias(address, numberOf(token)), now);
    if (place === NONE) return undefined;
    const start = place * LONGEST;
    return {
      place,
      address: this.#addresses[place],
      token: this.#tokens.slice(start, start + this.#lengths[place]),
    };
  }

  /** A pair was used, and is kept until then. */
  refresh({ place }: TokenOrigin, expires: number): void {
    this.#use(place, expires);
  }

  #findOrigin(address: number, token: Uint8Array): number {
    let place = this.#byOrigin.first(originHash(address, token, 0, token.length));
    while (place !== NONE && !this.#isOrigin(place, address, token)) place = this.#byOrigin.after(place);
    return place;
  }

  #isOrigin(place: number, address: number, token: Uint8Array): boolean {
    if (this.#addresses[place] !== address || this.#lengths[place] !== token.length) return false;
    const start = place * LONGEST;
    for (let i = 0; i < token.length; i++) if (this.#tokens[start + i] !== token[i]) return false;
    return true;
  }

  #findAlias(address: number, alias: number): number {
    let place = this.#byAlias.first(this.#aliasHash(address, alias));
    while (
      place !== NONE &&
      (this.#aliases[place] !== alias || (this.#side === "mesh" && this.#addresses[place] !== address))
    ) {
      place = this.#byAlias.after(place);
    }
    return place;
  }

  #take(address: number, now: number): number | undefined {
    // So many, and no more, can be in use.
    for (let i = this.#size; i >= 0; i--) {
      const alias = this.#next;
      this.#next = (alias + 1) % 256 ** this.#length;
      if (this.#alive(this.#findAlias(address, alias), now) === NONE) return alias;
    }
    return undefined;
  }

  #alive(place: number, now: number): number {
    if (place === NONE || this.#expires[place] > now) return place;
    this.#forget(place);
    return NONE;
  }

  /** A place for a pair that expires then. */
  #makeRoom(now: number, expires: number): number {
    let place = this.#oldest;
    while (place !== NONE && this.#expires[place] > expires) place = this.#newer[place];
    if (place === NONE) place = this.#oldest;
    if (this.#expires[place] > now) this.#counters.add("hop-dropped-oldest");
    if (this.#expires[place] > 0) this.#forget(place);
    return place;
  }

  #forget(place: number): void {
    const address = this.#addresses[place];
    const start = place * LONGEST;
    const end = start + this.#lengths[place];
    this.#byOrigin.remove(originHash(address, this.#tokens, start, end), place);
    this.#byAlias.remove(this.#aliasHash(address, this.#aliases[place]), place);
    this.#expires[place] = 0;
    this.#size--;
    this.#unlink(place);
    this.#newer[place] = this.#oldest;
    this.#older[place] = NONE;
    if (this.#oldest === NONE) this.#newest = place;
    else this.#older[this.#oldest] = place;
    this.#oldest = place;
  }

  #use(place: number, expires: number): void {
    this.#expires[place] = expires;
    if (place === this.#newest) return;
    this.#unlink(place);
    this.#newer[place] = NONE;
    this.#older[place] = this.#newest;
    this.#newer[this.#newest] = place;
    this.#newest = place;
  }

  #unlink(place: number): void {
    const newer = this.#newer[place];
    const older = this.#older[place];
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
  }

  #aliasHash(address: number, alias: number): number {
    return this.#side === "mesh" ? alias + Math.imul(address, 31) : alias;
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

function originHash(address: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = address;
  for (let i = start; i < end; i++) hash = Math.imul(hash, 31) + bytes[i];
  return hash;
}

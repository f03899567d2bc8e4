import type { Counters } from "../bytes/counters.js";
import { NONE, Places } from "./places.js";

/** A message, as the side calls it that made it. */
export interface MessageIdOrigin {
  /** the node that it is from, or for */
  readonly address: number;
  readonly id: number;
}

/**
 * Message IDs of one direction: chosen by nodes and replaced upstream, or the other way about. On the server's side
 * there is one space of them for all nodes, because the server sees one endpoint. Internal to hop.ts.
 *
 * The replacements count up, so each has its place in a ring that needs no search, and the oldest is the one written
 * over. Columns of numbers instead of objects: 22 bytes a pair.
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
  /** By address and ID at the origin. */
  readonly #byOrigin: Places;
  #size = 0;
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
    this.#byOrigin = new Places(size);
  }

  /** Pairs that are kept, expired ones too until their place is needed. */
  get size(): number {
    return this.#size;
  }

  /**
   * The ID that stands for a message of, or for, a node; a copy of the message has the same one again.
   * @param fingerprint tells a copy from another message with its ID
   */
  substitute(address: number, id: number, fingerprint: number, now: number, expires: number): number {
    const known = this.#find(address, id);
    if (known !== NONE && this.#expires[known] > now && this.#fingerprints[known] === fingerprint) {
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
    this.#byOrigin.add(hashOf(address, id), place);
    this.#size++;
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

  /** The newest message that had this ID at its origin. */
  #find(address: number, id: number): number {
    let place = this.#byOrigin.first(hashOf(address, id));
    while (place !== NONE && (this.#origins[place] !== id || this.#addresses[place] !== address)) {
      place = this.#byOrigin.after(place);
    }
    return place;
  }

  #clear(place: number, now: number): void {
    const expires = this.#expires[place];
    if (expires === 0) return;
    if (expires > now) this.#counters.add("hop-dropped-oldest");
    this.#byOrigin.remove(hashOf(this.#addresses[place], this.#origins[place]), place);
    this.#size--;
  }
}

function hashOf(address: number, id: number): number {
  return address * 31 + id;
}

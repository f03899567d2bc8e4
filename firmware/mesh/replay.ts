import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import type { MeshStorage } from "./mesh-storage.js";
import { SEQ_MAX } from "./numbers.js";

/** Sources in one stored value. One write covers the neighbours too, which under even traffic need it soon as well. */
const CHUNK = 32;
/**
 * A stored value of one source may be written this often, in milliseconds, one of n sources n times as seldom: about
 * one byte per second, which a few pages of flash bear for ten years.
 */
const WRITE_INTERVAL = 10_000;
const ENTRY = 9;
const PREFIX = "mesh.rpl";
const FREE = 0;

/** What the replay protection list says of a number. */
export type ReplayVerdict = "new" | "replay" | "replay-list-full";

/**
 * The replay protection list (Mesh Profile §3.8.8): per source, only numbers above the last accepted one.
 *
 * Writing every accepted number would wear out the flash, writing now and then would let an old message in after a
 * power cut. So the list stores a *ceiling* per source, some numbers above the last accepted one, before it accepts
 * anything beyond the stored one. After a cut everything up to the ceiling is refused: a peer may lose a few messages
 * (which it repeats, as they were not acknowledged), but no message is ever taken twice. How far above follows the
 * traffic: nothing at all where messages are rare, more where the writes would come too often. `flush` makes a clean
 * restart exact.
 *
 * Only messages by an AppKey or a device key move that mark. Control messages are anybody's who has the NetKey, who could
 * put it out of the reach of the node whose name he takes; what they can do once they can do twice. So they have a mark
 * in memory, which does not last beyond a power cut: the polls of a Low Power node would wear the flash, and a ceiling
 * would refuse its friend's next offers.
 *
 * Segment acknowledgments have a third one. They are sent while a segmented message to the same node may be
 * under way, with higher numbers than that message's SeqAuth: if they moved its mark too, a message whose first
 * segments were lost would be refused for good.
 */
export class ReplayList {
  readonly #storage: MeshStorage;
  readonly #mostAbove: number;
  // Columns rather than objects: 18 bytes per source.
  readonly #sources: Uint16Array;
  readonly #ivIndexes: Uint32Array;
  /** Last accepted message, -1 when there was none. */
  readonly #seqs: Int32Array;
  /** Last accepted segment acknowledgment, and other control message. */
  readonly #acknowledgments: Int32Array;
  readonly #controls: Int32Array;
  /** What storage refuses up to and including, plus one, under the entry's IV Index. */
  readonly #stored: Uint32Array;
  /** By chunk: when it was written last, and how far above the numbers its ceilings were put. */
  readonly #writtenAt: number[] = [];
  readonly #above: number[] = [];
  /** Where a source is: to look through the column would cost the chip more than a message's decryption. */
  readonly #places = new Map<number, number>();

  /**
   * @param capacity most sources; further ones are refused (§3.8.8). What is stored already is kept in any case.
   * @param mostAbove most numbers by which a ceiling may be above the last accepted one
   */
  constructor(storage: MeshStorage, capacity: number, mostAbove: number) {
    this.#storage = storage;
    this.#mostAbove = mostAbove;
    const chunks: Uint8Array[] = [];
    for (;;) {
      const stored = storage.get(PREFIX + chunks.length);
      if (stored === undefined) break;
      chunks.push(stored);
    }
    const places = Math.max(capacity, chunks.length * CHUNK);
    this.#sources = new Uint16Array(places);
    this.#ivIndexes = new Uint32Array(places);
    this.#seqs = new Int32Array(places);
    this.#acknowledgments = new Int32Array(places);
    this.#controls = new Int32Array(places);
    this.#stored = new Uint32Array(places);
    for (let chunk = 0; chunk < chunks.length; chunk++) this.#load(chunk * CHUNK, chunks[chunk]);
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#places.size;
  }

  /**
   * Whether a message may be taken.
   * @param ivIndex the IV Index that it was sent under
   * @param seq its SEQ, or of a segmented message the one of its first segment (SeqAuth)
   */
  check(src: number, ivIndex: number, seq: number): ReplayVerdict {
    const place = this.#places.get(src);
    if (place === undefined) return this.#place(ivIndex) < 0 ? "replay-list-full" : "new";
    const known = this.#ivIndexes[place];
    if (ivIndex !== known) return ivIndex > known ? "new" : "replay";
    return seq > this.#seqs[place] ? "new" : "replay";
  }

  /**
   * Remembers a message that {@link check} let pass; durable, as far as replays go, when this returns.
   * @returns false when there is no place for the source, or storage fails: the message must not be taken then
   */
  accept(src: number, ivIndex: number, seq: number, now: number): boolean {
    const place = this.#take(src, ivIndex);
    if (place < 0) return false;
    if (ivIndex === this.#ivIndexes[place] && seq > this.#seqs[place]) {
      this.#seqs[place] = seq;
      if (seq >= this.#stored[place]) return this.#raise(Math.floor(place / CHUNK), now);
    }
    return true;
  }

  /**
   * Whether a segment acknowledgment is new, and remembers it. Not stored: an old one can only repeat, of the few
   * messages under way now, what their receiver has said before.
   */
  acceptAcknowledgment(src: number, ivIndex: number, seq: number): boolean {
    return this.#acceptFor(this.#acknowledgments, src, ivIndex, seq);
  }

  /** Whether another control message is new, and remembers it; not stored either. */
  acceptControl(src: number, ivIndex: number, seq: number): boolean {
    return this.#acceptFor(this.#controls, src, ivIndex, seq);
  }

  #acceptFor(marks: Int32Array, src: number, ivIndex: number, seq: number): boolean {
    const place = this.#take(src, ivIndex);
    if (place < 0 || ivIndex !== this.#ivIndexes[place] || seq <= marks[place]) return false;
    marks[place] = seq;
    return true;
  }

  /** Stores the exact numbers: for a clean end only. */
  flush(): void {
    for (let from = 0; from < this.#sources.length; from += CHUNK) {
      if (this.#sources[from] !== FREE) this.#store(from, 0);
    }
  }

  /** Forgets everything, in storage too: at a node reset. */
  clear(): void {
    for (let from = 0; from < this.#sources.length; from += CHUNK)
      this.#storage.delete(PREFIX + from / CHUNK);
    this.#sources.fill(FREE);
    this.#places.clear();
  }

  /** The source's place, a new one if need be, under at least this IV Index; -1 when the list is full. */
  #take(src: number, ivIndex: number): number {
    let place = this.#places.get(src) ?? -1;
    if (place < 0) {
      place = this.#place(ivIndex);
      if (place < 0) return -1;
      if (this.#sources[place] !== FREE) this.#places.delete(this.#sources[place]);
      this.#sources[place] = src;
      this.#places.set(src, place);
    } else if (ivIndex <= this.#ivIndexes[place]) {
      return place;
    }
    this.#ivIndexes[place] = ivIndex;
    this.#seqs[place] = -1;
    this.#acknowledgments[place] = -1;
    this.#controls[place] = -1;
    this.#stored[place] = 0;
    return place;
  }

  /**
   * The first free place, or that of a source which cannot send a valid message any more or has sent none; -1 when there
   * is none.
   */
  #place(ivIndex: number): number {
    const free = this.#sources.indexOf(FREE);
    if (free >= 0) return free;
    // Nothing is accepted from before the previous IV Index, so an entry from there protects nothing (§3.10.5).
    for (let i = 0; i < this.#sources.length; i++) if (this.#ivIndexes[i] + 1 < ivIndex) return i;
    return this.#seqs.indexOf(-1);
  }

  /** Writes a chunk's ceilings: further up than last time if that was too short a while ago, less far if long ago. */
  #raise(chunk: number, now: number): boolean {
    const from = chunk * CHUNK;
    const sources = Math.min(CHUNK, this.#places.size - from);
    const since = now - (this.#writtenAt[chunk] ?? Number.NEGATIVE_INFINITY);
    const before = this.#above[chunk] ?? 0;
    const above = since < WRITE_INTERVAL * sources ? Math.min(2 * before + 1, this.#mostAbove) : before >> 1;
    this.#above[chunk] = above;
    this.#writtenAt[chunk] = now;
    return this.#store(from, above);
  }

  #store(from: number, above: number): boolean {
    const writer = new ByteWriter(CHUNK * ENTRY);
    const end = Math.min(from + CHUNK, this.#sources.length);
    for (let i = from; i < end; i++) {
      if (this.#sources[i] === FREE || this.#seqs[i] < 0) continue;
      writer.u16(this.#sources[i]).u32(this.#ivIndexes[i]).uint(this.#ceiling(i, above), 3);
    }
    if (!this.#storage.set(PREFIX + from / CHUNK, writer.finish())) return false;
    for (let i = from; i < end; i++) this.#stored[i] = this.#ceiling(i, above) + 1;
    return true;
  }

  #ceiling(place: number, above: number): number {
    return Math.min(this.#seqs[place] + above, SEQ_MAX);
  }

  #load(from: number, stored: Uint8Array): void {
    const reader = new ByteReader(stored);
    for (let i = from; i < from + CHUNK && reader.remaining >= ENTRY; i++) {
      this.#sources[i] = reader.u16()!;
      this.#ivIndexes[i] = reader.u32()!;
      this.#seqs[i] = reader.uint(3)!;
      // Nothing is stored of control messages, and the ceiling would refuse good ones.
      this.#acknowledgments[i] = -1;
      this.#controls[i] = -1;
      this.#stored[i] = this.#seqs[i] + 1;
      this.#places.set(this.#sources[i], i);
    }
  }
}

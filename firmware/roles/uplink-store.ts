import type { KeyValueStore } from "../../hal/hal.js";
import type { Counters } from "../bytes/counters.js";
import { ByteReader } from "../bytes/reader.js";
import { sort } from "../bytes/sort.js";
import { ByteWriter } from "../bytes/writer.js";
import { type Arrival, Kept, type Waiting } from "./uplink-queue.js";

export interface UplinkStoreOptions {
  readonly place: KeyValueStore;
  /** Values of up to 512 bytes that may be in the place at a time, default 3. */
  readonly blocks?: number;
  readonly counters: Counters;
}

/** Keys are this and the block's number, which only ever rises: their order is that of the queue. */
const PREFIX = "uplink.";
/** What a value of the HAL's store holds. */
const BLOCK_LENGTH = 512;
/** First byte of a block: another format is not read as this one. */
const FORMAT = 1;
/** Source, message ID, age in seconds, length. */
const ENTRY_HEADER = 2 + 2 + 4 + 2;

/**
 * A copy of the {@link UplinkQueue} that outlives power. What waits is written in blocks, several datagrams in one
 * value, and a block is never written again: it is deleted when the last of its datagrams is gone. The HAL's store
 * makes each of these steps whole or not at all, so whatever the power does, each datagram is there or it is not; one
 * that was sent just before may be there still, and the server recognises its copy.
 *
 * The place is small and may be shared with keys and counters, so there is a limit. The newest blocks stay.
 */
export class UplinkStore {
  readonly #place: KeyValueStore;
  readonly #limit: number;
  readonly #counters: Counters;
  readonly #writer = new ByteWriter(BLOCK_LENGTH);
  /** Datagrams that still wait, by block, in the order of the blocks. */
  readonly #live = new Map<number, number>();
  #next = 1;

  constructor({ place, blocks = 3, counters }: UplinkStoreOptions) {
    if (!(blocks >= 1)) throw new RangeError(`uplink store of ${blocks} blocks: at least 1`);
    this.#place = place;
    this.#limit = blocks;
    this.#counters = counters;
  }

  /** Blocks that are in the place. */
  get blocks(): number {
    return this.#live.size;
  }

  /**
   * Brings back what an earlier run left behind. To be called once, before anything else. How long the power was off
   * nobody knows: a datagram's age goes on from where it was.
   * @param push takes a datagram into the queue; `undefined` when it does not want it
   */
  restore(now: number, push: (arrival: Arrival) => Waiting | undefined): void {
    const numbers: number[] = [];
    for (const key of this.#place.keys()) {
      const number = key.startsWith(PREFIX) ? Number(key.slice(PREFIX.length)) : Number.NaN;
      if (Number.isSafeInteger(number) && number > 0) numbers.push(number);
    }
    sort(numbers, (a, b) => a - b);
    for (const number of numbers) {
      this.#next = number + 1;
      const arrivals = this.#read(number, now);
      // One more than there are: what the queue drops meanwhile must not take the block from under our hands.
      this.#live.set(number, arrivals.length + 1);
      for (const arrival of arrivals) {
        const waiting = push(arrival);
        if (waiting === undefined) this.#release(number);
        else waiting.block = number;
      }
      this.#release(number);
    }
  }

  #read(number: number, now: number): Arrival[] {
    const arrivals: Arrival[] = [];
    const reader = new ByteReader(this.#place.get(PREFIX + number) ?? new Uint8Array(0));
    const format = reader.u8();
    while (format === FORMAT && reader.remaining > 0) {
      const source = reader.u16();
      const messageId = reader.u16();
      const age = reader.u32();
      const length = reader.u16();
      const datagram = length === undefined ? undefined : reader.view(length);
      if (source === undefined || messageId === undefined || age === undefined || datagram === undefined) {
        this.#counters.add("uplink: stored block damaged");
        break;
      }
      arrivals.push({ datagram: datagram.slice(), source, messageId, since: now - age * 1000 });
    }
    return arrivals;
  }

  /**
   * Writes what was not written yet.
   * @param waiting the whole queue, oldest first
   */
  write(waiting: readonly Waiting[], now: number): void {
    const blocks = this.#pack(waiting);
    for (const block of blocks) {
      while (this.#live.size >= this.#limit) this.#evict(waiting);
      this.#write(block, now);
    }
  }

  /** The datagrams that are new, in as many blocks as there may be; of more, the oldest stay in memory only. */
  #pack(waiting: readonly Waiting[]): Waiting[][] {
    const blocks: Waiting[][] = [];
    let room = 0;
    for (let i = waiting.length - 1; i >= 0; i--) {
      const entry = waiting[i];
      if (entry.block !== Kept.NOT_YET) continue;
      const length = ENTRY_HEADER + entry.datagram.length;
      if (length > BLOCK_LENGTH - 1) {
        this.#counters.add("uplink: too long for the store");
        entry.block = Kept.NEVER;
        continue;
      }
      if (length > room) {
        if (blocks.length === this.#limit) {
          entry.block = Kept.NEVER;
          continue;
        }
        blocks.push([]);
        room = BLOCK_LENGTH - 1;
      }
      room -= length;
      blocks[blocks.length - 1].push(entry);
    }
    return backwards(blocks.map((block) => backwards(block)));
  }

  #write(block: readonly Waiting[], now: number): void {
    const writer = this.#writer.reset().u8(FORMAT);
    for (const { source, messageId, since, datagram } of block) {
      const age = Math.min(0xffff_ffff, Math.max(0, Math.floor((now - since) / 1000)));
      writer.u16(source).u16(messageId).u32(age).u16(datagram.length).bytes(datagram);
    }
    const number = this.#next;
    try {
      this.#place.set(PREFIX + number, writer.finish());
    } catch (error) {
      // A store that others have filled: the queue is in memory all the same.
      if (!(error instanceof RangeError)) throw error;
      this.#counters.add("uplink: store full");
      for (const entry of block) entry.block = Kept.NEVER;
      return;
    }
    this.#next++;
    this.#live.set(number, block.length);
    for (const entry of block) entry.block = number;
  }

  /** Gives up the oldest block; its datagrams wait on in memory. */
  #evict(waiting: readonly Waiting[]): void {
    for (const number of this.#live.keys()) {
      for (const entry of waiting) if (entry.block === number) entry.block = Kept.NEVER;
      this.#counters.add("uplink: stored block given up");
      this.#delete(number);
      return;
    }
  }

  /** A datagram waits no longer. */
  gone({ block }: Waiting): void {
    this.#release(block);
  }

  #release(number: number): void {
    const live = this.#live.get(number);
    if (live === undefined) return;
    if (live > 1) this.#live.set(number, live - 1);
    else this.#delete(number);
  }

  #delete(number: number): void {
    this.#live.delete(number);
    this.#place.delete(PREFIX + number);
  }
}

/** `Array.prototype.reverse` would take more flash. */
function backwards<T>(items: readonly T[]): T[] {
  return items.map((_item, i) => items[items.length - 1 - i]);
}

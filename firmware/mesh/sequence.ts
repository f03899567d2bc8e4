import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import type { MeshStorage } from "./mesh-storage.js";
import { SEQ_MAX } from "./numbers.js";

const KEY = "mesh.seq";

/**
 * The sequence numbers of this node's own PDUs (Mesh Profile §3.8.3), never given out twice under one IV Index.
 *
 * Numbers are reserved in blocks: storage holds the first number that has *not* been reserved, and it is written
 * before any of the block is used, so that after a power cut the next number is above every one used (DESIGN §4.8).
 * At most one block of the 16 million is lost by each restart.
 */
export class SequenceCounter {
  readonly #storage: MeshStorage;
  readonly #block: number;
  #ivIndex: number;
  #next: number;
  #reserved: number;

  /**
   * @param ivIndex the IV Index that PDUs are sent under now
   * @param block how many numbers one write reserves
   */
  constructor(storage: MeshStorage, ivIndex: number, block: number) {
    this.#storage = storage;
    this.#block = block;
    this.#ivIndex = ivIndex;
    this.#next = 0;
    const stored = storage.get(KEY);
    if (stored !== undefined) {
      const reader = new ByteReader(stored);
      const storedIvIndex = reader.u32() ?? 0;
      const first = reader.u32() ?? 0;
      // Numbers of an older IV Index say nothing about this one (§3.10.5). A newer one cannot be in storage, because
      // the IV Index is stored before its first number: should it be, its numbers count all the same.
      if (storedIvIndex >= ivIndex) this.#next = first;
    }
    this.#reserved = this.#next;
  }

  /** What the next call of {@link take} gives. */
  get next(): number {
    return this.#next;
  }

  /** Numbers left under this IV Index. */
  get left(): number {
    return SEQ_MAX + 1 - this.#next;
  }

  /**
   * The next number; `undefined` when this IV Index has none left (§3.10.5: the network must move on), or when no
   * block can be reserved because storage fails.
   */
  take(): number | undefined {
    if (this.#next > SEQ_MAX) return undefined;
    if (this.#next >= this.#reserved && !this.#store(Math.min(this.#next + this.#block, SEQ_MAX + 1))) {
      return undefined;
    }
    return this.#next++;
  }

  /** Leaves out some numbers. */
  skip(count: number): void {
    this.#next = Math.min(this.#next + count, SEQ_MAX + 1);
  }

  /** Starts again at zero under a new IV Index (§3.10.5). The IV Index itself must be in storage before. */
  restart(ivIndex: number): void {
    this.#ivIndex = ivIndex;
    this.#next = 0;
    this.#reserved = 0;
  }

  /** Gives back what was reserved and not used: for a clean end only. */
  flush(): void {
    if (this.#reserved !== this.#next) this.#store(this.#next);
  }

  #store(reserved: number): boolean {
    const stored = this.#storage.set(KEY, new ByteWriter(8).u32(this.#ivIndex).u32(reserved).finish());
    if (stored) this.#reserved = reserved;
    return stored;
  }
}

import type { KeyValueStore } from "../hal/hal.js";
import type { Medium } from "../hal/host/medium.js";
import type { Random } from "./random.js";

/** The power went off in the middle of something. Whoever catches it is a test, not the firmware. */
export class PowerCut extends Error {
  constructor() {
    super("power cut");
    this.name = "PowerCut";
  }
}

/** Counts operations down to the cut, and lets nothing happen after it. */
class Fuse {
  operations = 0;
  #cutAt = Number.POSITIVE_INFINITY;
  #cut = false;

  arm(operation: number): void {
    this.#cutAt = this.operations + operation;
  }

  restore(): void {
    this.#cut = false;
    this.#cutAt = Number.POSITIVE_INFINITY;
  }

  get isOff(): boolean {
    return this.#cut;
  }

  /** @returns whether the power goes off during this operation */
  burns(): boolean {
    if (this.#cut) throw new PowerCut();
    this.operations++;
    this.#cut = this.operations >= this.#cutAt;
    return this.#cut;
  }
}

/**
 * A medium in memory whose power can be cut in the middle of a write: an append leaves any part of itself, and
 * sometimes bytes that nobody wrote; a replacement leaves the old content or the new one.
 */
export class TornMedium implements Medium {
  #content = new Uint8Array(0);
  readonly #random: Random;
  readonly #fuse = new Fuse();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Writes so far. */
  get operations(): number {
    return this.#fuse.operations;
  }

  /** Cuts the power in the `operation`th write from now (1 is the next one). */
  cutAt(operation: number): void {
    this.#fuse.arm(operation);
  }

  /** The power is off: everything throws {@link PowerCut}. */
  get isOff(): boolean {
    return this.#fuse.isOff;
  }

  /** Power is back; what had become durable is there. */
  restore(): void {
    this.#fuse.restore();
  }

  load(): Uint8Array {
    return this.#content.slice();
  }

  append(bytes: Uint8Array): void {
    const cut = this.#fuse.burns();
    const kept = cut ? bytes.slice(0, this.#random.below(bytes.length + 1)) : bytes;
    const noise = cut && this.#random.chance(0.3) ? this.#random.bytes(this.#random.below(16)) : [];
    this.#content = Uint8Array.of(...this.#content, ...kept, ...noise);
    if (cut) throw new PowerCut();
  }

  replace(bytes: Uint8Array): void {
    const cut = this.#fuse.burns();
    if (!cut || this.#random.chance(0.5)) this.#content = bytes.slice();
    if (cut) throw new PowerCut();
  }

  truncate(length: number): void {
    const cut = this.#fuse.burns();
    if (!cut || this.#random.chance(0.5)) this.#content = this.#content.slice(0, length);
    if (cut) throw new PowerCut();
  }

  close(): void {}
}

/**
 * Any store with a power switch, for tests of what stands above it: the write in which the power goes off has
 * happened or has not, and everything until `restore` throws {@link PowerCut}.
 */
export class CutStore implements KeyValueStore {
  readonly #inner: KeyValueStore;
  readonly #random: Random;
  readonly #fuse = new Fuse();

  constructor(inner: KeyValueStore, random: Random) {
    this.#inner = inner;
    this.#random = random;
  }

  /** Writes so far: what flash wear is computed from. */
  get operations(): number {
    return this.#fuse.operations;
  }

  /** Cuts the power in the `operation`th write from now (1 is the next one). */
  cutAt(operation: number): void {
    this.#fuse.arm(operation);
  }

  restore(): void {
    this.#fuse.restore();
  }

  get(key: string): Uint8Array | undefined {
    return this.#inner.get(key);
  }

  keys(): string[] {
    return this.#inner.keys();
  }

  set(key: string, value: Uint8Array): void {
    this.#write(() => this.#inner.set(key, value));
  }

  delete(key: string): void {
    this.#write(() => this.#inner.delete(key));
  }

  #write(write: () => void): void {
    const cut = this.#fuse.burns();
    if (!cut || this.#random.chance(0.5)) write();
    if (cut) throw new PowerCut();
  }
}

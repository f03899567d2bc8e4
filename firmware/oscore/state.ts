import type { KeyValueStore } from "../../hal/hal.js";
import { Refusal } from "../bytes/refusal.js";
import { ReplayWindow } from "./replay.js";
import { StoredReserve } from "./sequence.js";

const NO_BYTES = new Uint8Array(0);

/**
 * All that changes in a security context, under one key of the HAL's store, so that one write changes all of it or
 * nothing: where the reserved Sender Sequence Numbers end, the ID Context of a re-derivation (App. B.2), the replay
 * window.
 *
 * Format: the end (6 bytes); length of the ID Context plus one, or 0 for none (1 byte), and its bytes; the window as
 * {@link ReplayWindow.save} gives it, or nothing.
 */
export class StoredState extends StoredReserve {
  readonly #windowSize: number;

  constructor(store: KeyValueStore, key: string, windowSize = 32) {
    super(store, key);
    this.#windowSize = windowSize;
  }

  /** The ID Context that App. B.2 agreed on; `undefined` while it is the provisioned one. */
  get idContext(): Uint8Array | undefined {
    return this.#read()?.idContext;
  }

  /** The replay window as last saved; `undefined` when it is lost. */
  get window(): ReplayWindow | undefined {
    const bytes = this.#read()?.window;
    return bytes === undefined || bytes.length === 0 ? undefined : ReplayWindow.load(bytes, this.#windowSize);
  }

  /** Notes that nothing was used or received yet, for keys that were never used before. */
  override initialize(first = 0): void {
    this.#write(first, undefined, new ReplayWindow(this.#windowSize).save());
  }

  /** @throws RangeError for an ID Context that one byte cannot count */
  saveWindow(window: ReplayWindow): void {
    const state = this.#read();
    // Where the numbers are lost, only another context helps, and it brings its own window.
    if (state !== undefined) this.#write(state.end, state.idContext, window.save());
  }

  /**
   * Goes over to a new context (App. B.2): its ID Context, the numbers below `end` used, the window of what was
   * received under it.
   */
  renew(idContext: Uint8Array, end: number, window: ReplayWindow): void {
    this.#write(end, idContext, window.save());
  }

  #read(): { end: number; idContext: Uint8Array | undefined; window: Uint8Array } | undefined {
    const state = this.readState();
    if (state === undefined) return undefined;
    const { end, rest } = state;
    if (rest.length === 0 || rest[0] === 0) return { end, idContext: undefined, window: rest.subarray(1) };
    const windowAt = rest[0];
    if (windowAt > rest.length) return undefined;
    return { end, idContext: rest.subarray(1, windowAt), window: rest.subarray(windowAt) };
  }

  #write(end: number, idContext: Uint8Array | undefined, window: Uint8Array): void {
    const idBytes = idContext ?? NO_BYTES;
    if (idBytes.length > MAX_ID_CONTEXT) throw new RangeError(`ID Context of ${idBytes.length} bytes`);
    const rest = new Uint8Array(1 + idBytes.length + window.length);
    rest[0] = idContext === undefined ? 0 : idBytes.length + 1;
    rest.set(idBytes, 1);
    rest.set(window, 1 + idBytes.length);
    this.writeState(end, rest);
  }

  /** As {@link StoredReserve.reserve}, and "sequence-lost" too when the ID Context behind the end is cut. */
  override reserve(count: number): number | Refusal<"sequence-lost"> {
    if (this.#read() === undefined) return new Refusal("sequence-lost", "no whole state stored");
    return super.reserve(count);
  }
}

const MAX_ID_CONTEXT = 254;

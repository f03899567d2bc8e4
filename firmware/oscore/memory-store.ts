import type { Crypto } from "../../hal/hal.js";
import { Refusal } from "../bytes/refusal.js";
import { type ContextParameters, checkParameters } from "./context.js";
import { type ContextPolicy, ContextTable, TableContext } from "./context-table.js";
import { ReplayWindow } from "./replay.js";
import type { NumberReserve } from "./sequence.js";
import type { Change, ContextStore } from "./store.js";

/** Contexts that live as long as the process. What is added must never have been used before. */
export class MemoryContextStore implements ContextStore<TableContext> {
  readonly #crypto: Crypto;
  readonly #table = new ContextTable<TableContext>();

  constructor(crypto: Crypto) {
    this.#crypto = crypto;
  }

  get size(): number {
    return this.#table.size;
  }

  /**
   * @throws ContextParameterError for parameters that make no context; Error for a context that is there already
   */
  add(parameters: ContextParameters, policy: ContextPolicy = {}): TableContext {
    const error = checkParameters(parameters);
    if (error !== undefined) throw error;
    const window = new ReplayWindow(policy.windowSize);
    const context = new TableContext(this.#crypto, parameters, policy, new MemoryReserve(), window);
    this.#table.add(context);
    return context;
  }

  /**
   * Forgets a context.
   * @returns whether it was there
   */
  remove(context: TableContext): boolean {
    return this.#table.remove(context);
  }

  find(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly TableContext[] {
    return this.#table.find(kid, kidContext);
  }

  commit(change: Change<TableContext>): boolean {
    const { context, partialIv } = change;
    if (change.kind === "accept") return context.window?.accept(partialIv) ?? false;
    const window = new ReplayWindow(context.windowSize);
    if (change.kind === "resume") {
      if (context.window !== undefined) return false;
      window.startAt(partialIv);
      context.window = window;
      return true;
    }
    window.accept(partialIv);
    context.renew(change, new MemoryReserve(), window);
    return true;
  }
}

/** Numbers that are forgotten with everything else. */
export class MemoryReserve implements NumberReserve {
  #end: number;

  constructor(first = 0) {
    this.#end = first;
  }

  reserve(count: number): number {
    const first = this.#end;
    this.#end += count;
    return first;
  }
}

/** Numbers of which nothing is known. */
export class LostReserve implements NumberReserve {
  reserve(): Refusal<"sequence-lost"> {
    return new Refusal("sequence-lost");
  }
}

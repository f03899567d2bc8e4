import type { Crypto } from "../../hal/hal.js";
import { equal, equalConstantTime } from "../bytes/compare.js";
import { toHex } from "../bytes/hex.js";
import { bytesKey } from "../bytes/key.js";
import { type ContextParameters, deriveContext, type SecurityContext } from "./context.js";
import type { ReplayWindow } from "./replay.js";
import { type NumberReserve, SequenceNumbers, type SequenceRefusal } from "./sequence.js";
import type { Change, ServerContext } from "./store.js";
import { isKidContextOf } from "./unprotect.js";

/** What a store is told about a context besides its parameters. */
export interface ContextPolicy {
  /** Numbers that the replay window tells apart, default 32. */
  readonly windowSize?: number | undefined;
  /** ms of the server's clock: when the context ends for good. Default never. */
  readonly ends?: number | undefined;
  /** ms that one set of keys may be used, before App. B.2 has to make others. Default without limit. */
  readonly lifetime?: number | undefined;
  /** ms of the server's clock: when these keys began to be used. Default 0. */
  readonly since?: number | undefined;
  /** App. B.2, default false. */
  readonly rederivable?: boolean | undefined;
  /** Sender Sequence Numbers that are reserved at a time, default 64. */
  readonly block?: number | undefined;
}

const DEFAULT_WINDOW = 32;

/** A context in memory, with its keys derived when they are first asked for. */
export class TableContext implements ServerContext {
  readonly windowSize: number;
  readonly ends: number;
  readonly lifetime: number;
  since: number;
  readonly rederivable: boolean;
  parameters: ContextParameters;
  window: ReplayWindow | undefined;
  readonly #crypto: Crypto;
  readonly #block: number | undefined;
  #security: SecurityContext | undefined;
  #numbers: SequenceNumbers;

  /** @throws ContextParameterError later, with the first look at {@link security}: check the parameters before */
  constructor(
    crypto: Crypto,
    parameters: ContextParameters,
    policy: ContextPolicy,
    reserve: NumberReserve,
    window: ReplayWindow | undefined,
  ) {
    this.#crypto = crypto;
    this.parameters = parameters;
    this.windowSize = policy.windowSize ?? DEFAULT_WINDOW;
    this.ends = policy.ends ?? Number.POSITIVE_INFINITY;
    this.lifetime = policy.lifetime ?? Number.POSITIVE_INFINITY;
    this.since = policy.since ?? 0;
    this.rederivable = policy.rederivable ?? false;
    this.window = window;
    this.#block = policy.block;
    this.#numbers = new SequenceNumbers(reserve, policy.block);
  }

  get expires(): number {
    return Math.min(this.ends, this.since + this.lifetime);
  }

  get security(): SecurityContext {
    this.#security ??= deriveContext(this.#crypto, this.parameters);
    return this.#security;
  }

  next(): number | SequenceRefusal {
    return this.#numbers.next();
  }

  /** Goes over to the context of another ID Context, whose numbers come from `reserve`. */
  renew(change: Change & { kind: "replace" }, reserve: NumberReserve, window: ReplayWindow): void {
    this.parameters = { ...this.parameters, idContext: change.idContext };
    this.since = change.now;
    this.#security = change.security;
    this.#numbers = new SequenceNumbers(reserve, this.#block);
    this.window = window;
  }
}

/** An index of contexts by kid. */
export class ContextTable<Context extends ServerContext> {
  readonly #byKid = new Map<number | string, Context[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @throws Error when a context with these IDs, this ID Context and this secret is there already */
  add(context: Context): void {
    const kid = context.parameters.recipientId;
    const key = bytesKey(kid);
    const list = this.#byKid.get(key);
    if (list === undefined) {
      this.#byKid.set(key, [context]);
    } else {
      if (list.some((other) => isSame(other.parameters, context.parameters))) {
        throw new Error(`a context for kid "${toHex(kid)}" with the same keys is there already`);
      }
      list.push(context);
    }
    this.#size++;
  }

  /** @returns whether it was there */
  remove(context: Context): boolean {
    const key = bytesKey(context.parameters.recipientId);
    const list = this.#byKid.get(key);
    const at = list?.indexOf(context) ?? -1;
    if (list === undefined || at < 0) return false;
    list.splice(at, 1);
    if (list.length === 0) this.#byKid.delete(key);
    this.#size--;
    return true;
  }

  /** As `ContextStore.find`. */
  find(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly Context[] {
    const list = this.#byKid.get(bytesKey(kid));
    if (list === undefined) return NONE;
    if (kidContext === undefined) return list;
    return list.filter(({ parameters }) => isKidContextOf(parameters, kidContext));
  }

  /** All contexts, in no order that means something. */
  *[Symbol.iterator](): Generator<Context> {
    for (const list of this.#byKid.values()) yield* list;
  }
}

const NONE: readonly never[] = [];
const NO_BYTES = new Uint8Array(0);

/** Two contexts with the same keys would share nonces (RFC 8613 §3.3). */
function isSame(a: ContextParameters, b: ContextParameters): boolean {
  return (
    equalConstantTime(a.masterSecret, b.masterSecret) &&
    equal(a.masterSalt ?? NO_BYTES, b.masterSalt ?? NO_BYTES) &&
    (a.idContext === undefined) === (b.idContext === undefined) &&
    equal(a.idContext ?? NO_BYTES, b.idContext ?? NO_BYTES)
  );
}

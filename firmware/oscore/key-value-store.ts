import type { Crypto, KeyValueStore } from "../../hal/hal.js";
import { type CborValue, decodeCbor, encodeCbor } from "../bytes/cbor.js";
import { Refusal } from "../bytes/refusal.js";
import { type ContextParameters, checkParameters, type Hkdf } from "./context.js";
import { type ContextPolicy, ContextTable, TableContext } from "./context-table.js";
import { ReplayWindow } from "./replay.js";
import { StoredState } from "./state.js";
import type { Change, ContextStore } from "./store.js";

/** Where and how much a {@link KeyValueContextStore} writes. */
export interface KeyValueStoreOptions {
  /** Put before every key, default "oscore." */
  readonly prefix?: string | undefined;
  /**
   * Whether replay windows outlive power: one write for each request. Without it they count as lost after a restart,
   * and Echo starts them anew (App. B.1.2): one more round trip then, and no wear of the flash. Default true.
   */
  readonly durableWindows?: boolean | undefined;
}

/** A context with the store's key for what changes in it. */
class KeyedContext extends TableContext {
  readonly number: number;
  readonly state: StoredState;
  readonly provisioned: ContextParameters;
  policy: ContextPolicy;

  constructor(
    crypto: Crypto,
    provisioned: ContextParameters,
    policy: ContextPolicy,
    number: number,
    state: StoredState,
    window: ReplayWindow | undefined,
  ) {
    const { idContext } = state;
    super(
      crypto,
      idContext === undefined ? provisioned : { ...provisioned, idContext },
      policy,
      state,
      window,
    );
    this.number = number;
    this.state = state;
    this.provisioned = provisioned;
    this.policy = policy;
  }
}

/**
 * Contexts in the HAL's key-value store: each has a value that never changes ("c", CBOR of parameters and policy) and
 * one that does ("s", {@link StoredState}), so that every change is one write, whole or not at all.
 */
export class KeyValueContextStore implements ContextStore<TableContext> {
  readonly #crypto: Crypto;
  readonly #store: KeyValueStore;
  readonly #prefix: string;
  readonly #durableWindows: boolean;
  readonly #table = new ContextTable<KeyedContext>();
  #next = 0;
  /** Keys of contexts that could not be read; they are left alone. */
  readonly unreadable: string[] = [];

  constructor(crypto: Crypto, store: KeyValueStore, options: KeyValueStoreOptions = {}) {
    this.#crypto = crypto;
    this.#store = store;
    this.#prefix = options.prefix ?? "oscore.";
    this.#durableWindows = options.durableWindows ?? true;
    const constant = `${this.#prefix}c`;
    for (const key of store.keys()) {
      if (!key.startsWith(constant)) continue;
      const number = Number.parseInt(key.slice(constant.length), 36);
      const value = store.get(key);
      const decoded = Number.isNaN(number) || value === undefined ? undefined : decodeConstants(value);
      if (decoded === undefined) {
        this.unreadable.push(key);
        continue;
      }
      this.#next = Math.max(this.#next, number + 1);
      this.#load(decoded.parameters, decoded.policy, number);
    }
  }

  get size(): number {
    return this.#table.size;
  }

  /**
   * Adds a context that was never used before.
   * @throws ContextParameterError for parameters that make no context; Error for a context that is there already
   */
  add(parameters: ContextParameters, policy: ContextPolicy = {}): TableContext {
    const error = checkParameters(parameters);
    if (error !== undefined) throw error;
    const number = this.#next;
    const state = this.#state(number, policy);
    // The state first: a context without it would count as one that lost its numbers.
    state.initialize();
    const window = new ReplayWindow(policy.windowSize);
    const context = new KeyedContext(this.#crypto, parameters, policy, number, state, window);
    this.#table.add(context);
    this.#next++;
    this.#store.set(this.#key("c", number), encodeConstants(parameters, policy));
    return context;
  }

  /**
   * Forgets a context, in storage too.
   * @returns whether it was there
   */
  remove(context: TableContext): boolean {
    if (!(context instanceof KeyedContext) || !this.#table.remove(context)) return false;
    this.#store.delete(this.#key("c", context.number));
    this.#store.delete(this.#key("s", context.number));
    return true;
  }

  find(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly TableContext[] {
    return this.#table.find(kid, kidContext);
  }

  commit(change: Change<TableContext>): boolean {
    const { context, partialIv } = change;
    if (!(context instanceof KeyedContext)) return false;
    if (change.kind === "replace") {
      const window = new ReplayWindow(context.windowSize);
      window.accept(partialIv);
      context.state.renew(change.idContext, 0, window);
      context.renew(change, context.state, window);
      if (context.lifetime !== Number.POSITIVE_INFINITY) {
        // A write of its own: without it the new keys would only seem to be as old as the first ones.
        context.policy = { ...context.policy, since: change.now };
        this.#store.set(this.#key("c", context.number), encodeConstants(context.provisioned, context.policy));
      }
      return true;
    }
    let { window } = context;
    if (change.kind === "resume") {
      if (window !== undefined) return false;
      window = new ReplayWindow(context.windowSize);
      window.startAt(partialIv);
    } else if (window === undefined || !window.accept(partialIv)) {
      return false;
    }
    if (this.#durableWindows) context.state.saveWindow(window);
    context.window = window;
    return true;
  }

  #load(parameters: ContextParameters, policy: ContextPolicy, number: number): void {
    const state = this.#state(number, policy);
    const window = this.#durableWindows ? state.window : undefined;
    this.#table.add(new KeyedContext(this.#crypto, parameters, policy, number, state, window));
  }

  #state(number: number, policy: ContextPolicy): StoredState {
    return new StoredState(this.#store, this.#key("s", number), policy.windowSize);
  }

  #key(kind: "c" | "s", number: number): string {
    return `${this.#prefix}${kind}${number.toString(36)}`;
  }
}

/** Keys of the CBOR map; never to be given another meaning. */
const SECRET = 0;
const SALT = 1;
const SENDER = 2;
const RECIPIENT = 3;
const ID_CONTEXT = 4;
const ALGORITHM = 5;
const HKDF = 6;
const WINDOW = 7;
const ENDS = 8;
const REDERIVABLE = 9;
const BLOCK = 10;
const LIFETIME = 11;
const SINCE = 12;

function encodeConstants(parameters: ContextParameters, policy: ContextPolicy): Uint8Array {
  const fields: [number, CborValue | undefined][] = [
    [SECRET, parameters.masterSecret],
    [SALT, parameters.masterSalt],
    [SENDER, parameters.senderId],
    [RECIPIENT, parameters.recipientId],
    [ID_CONTEXT, parameters.idContext],
    [ALGORITHM, parameters.algorithm],
    [HKDF, parameters.hkdf],
    [WINDOW, policy.windowSize],
    [ENDS, finite(policy.ends)],
    [LIFETIME, finite(policy.lifetime)],
    [SINCE, policy.since],
    [REDERIVABLE, policy.rederivable],
    [BLOCK, policy.block],
  ];
  const map = new Map<number, CborValue>();
  for (const [key, value] of fields) if (value !== undefined) map.set(key, value);
  return encodeCbor(map);
}

/** Infinity is the default, and left out. */
function finite(value: number | undefined): number | undefined {
  return value === Number.POSITIVE_INFINITY ? undefined : value;
}

function decodeConstants(
  bytes: Uint8Array,
): { parameters: ContextParameters; policy: ContextPolicy } | undefined {
  const map = decodeCbor(bytes);
  if (map instanceof Refusal || !(map instanceof Map)) return undefined;
  const bytesAt = (key: number): Uint8Array | undefined => {
    const value = map.get(key);
    return value instanceof Uint8Array ? value.slice() : undefined;
  };
  const numberAt = (key: number): number | undefined => {
    const value = map.get(key);
    return typeof value === "number" ? value : undefined;
  };
  const masterSecret = bytesAt(SECRET);
  const senderId = bytesAt(SENDER);
  const recipientId = bytesAt(RECIPIENT);
  if (masterSecret === undefined || senderId === undefined || recipientId === undefined) return undefined;
  const parameters: ContextParameters = {
    masterSecret,
    masterSalt: bytesAt(SALT),
    senderId,
    recipientId,
    idContext: bytesAt(ID_CONTEXT),
    algorithm: numberAt(ALGORITHM),
    hkdf: numberAt(HKDF) as Hkdf | undefined,
  };
  if (checkParameters(parameters) !== undefined) return undefined;
  const windowSize = numberAt(WINDOW);
  const block = numberAt(BLOCK);
  for (const count of [windowSize, block]) {
    if (count !== undefined && !(count >= 1 && count <= 0xffff)) return undefined;
  }
  const policy: ContextPolicy = {
    windowSize,
    ends: numberAt(ENDS),
    lifetime: numberAt(LIFETIME),
    since: numberAt(SINCE),
    rederivable: map.get(REDERIVABLE) === true,
    block,
  };
  return { parameters, policy };
}

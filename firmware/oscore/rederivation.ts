/**
 * Deriving a new security context from an old Master Secret (RFC 8613 App. B.2): random strings of both ends become its
 * ID Context, so that its keys were never used before, whatever either end has forgotten.
 *
 *     client                                    server
 *     request #1   ID Context ID1      ──▶      verifies with ID1 (the client's random R1, or what it had)
 *     verifies     ID Context R2‖ID1   ◀──      response #1, 4.01, kid context R2
 *     request #2   ID Context R2‖R3    ──▶      knows its R2, takes the context over
 *     takes it over                    ◀──      response #2
 */

import type { Crypto } from "../../hal/hal.js";
import { decodeCbor } from "../bytes/cbor.js";
import { concat, equalConstantTime } from "../bytes/compare.js";

/** Random bytes of R1, R3 and of S2 in R2: "typically, at least 8 bytes long". */
export const RANDOM_LENGTH = 8;
const TAG_LENGTH = 8;
const R2_LENGTH = RANDOM_LENGTH + TAG_LENGTH;
/** ms that a client has for its request #2. */
const DEFAULT_LIFETIME = 300_000;

/** The byte string that a kid context of App. B.2 wraps in CBOR; `undefined` when it is none. */
export function unwrapIdContext(kidContext: Uint8Array): Uint8Array | undefined {
  const value = decodeCbor(kidContext, 0);
  return value instanceof Uint8Array ? value : undefined;
}

/**
 * Makes R2 and knows its own again, as App. B.2.1 suggests: R2 = S2 ‖ MAC(K, S2) with a key for each context that has a
 * run under way, so that any number of requests #1 costs one key. AES-CMAC, which every HAL has, stands for the HMAC.
 */
export class RederivationKeys {
  readonly #crypto: Crypto;
  readonly #limit: number;
  readonly #lifetime: number;
  readonly #keys = new Map<object, { key: Uint8Array; until: number }>();

  /**
   * @param limit runs under way at a time
   * @param lifetime ms that a run may take
   */
  constructor(crypto: Crypto, limit = 256, lifetime = DEFAULT_LIFETIME) {
    this.#crypto = crypto;
    this.#limit = limit;
    this.#lifetime = lifetime;
  }

  /** An R2 for a context, never the same twice; `undefined` when too many runs are under way. */
  issue(context: object, now: number): Uint8Array | undefined {
    let entry = this.#find(context, now);
    if (entry === undefined) {
      if (this.#keys.size >= this.#limit) this.#expire(now);
      if (this.#keys.size >= this.#limit) return undefined;
      entry = { key: this.#crypto.random(16), until: now + this.#lifetime };
      this.#keys.set(context, entry);
    }
    const s2 = this.#crypto.random(RANDOM_LENGTH);
    return concat(s2, this.#tag(entry.key, s2));
  }

  /** Whether an ID Context begins with an R2 of a run under way for this context, and goes on with the client's R3. */
  recognizes(context: object, idContext: Uint8Array, now: number): boolean {
    const entry = this.#find(context, now);
    if (entry === undefined || idContext.length <= R2_LENGTH) return false;
    const tag = idContext.subarray(RANDOM_LENGTH, R2_LENGTH);
    return equalConstantTime(tag, this.#tag(entry.key, idContext.subarray(0, RANDOM_LENGTH)));
  }

  /** Ends all runs of a context: no request #2 of theirs will be taken any more. */
  end(context: object): void {
    this.#keys.delete(context);
  }

  #find(context: object, now: number): { key: Uint8Array; until: number } | undefined {
    const entry = this.#keys.get(context);
    if (entry === undefined || entry.until > now) return entry;
    this.#keys.delete(context);
    return undefined;
  }

  #expire(now: number): void {
    for (const [context, { until }] of this.#keys) if (until <= now) this.#keys.delete(context);
  }

  #tag(key: Uint8Array, s2: Uint8Array): Uint8Array {
    return this.#crypto.cmac(key, s2).subarray(0, TAG_LENGTH);
  }
}

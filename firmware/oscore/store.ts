/** Where security contexts live, as a server sees them: what every store must offer, in memory or on a disk. */

import type { ContextParameters, SecurityContext } from "./context.js";
import type { ReplayWindow } from "./replay.js";
import type { SequenceRefusal } from "./sequence.js";

/** One context as `RequestVerifier` needs it. Looking at it changes nothing. */
export interface ServerContext {
  /** Those of the context in use: after App. B.2 with another ID Context than the provisioned one. */
  readonly parameters: ContextParameters;
  readonly security: SecurityContext;
  /** The replay window; `undefined` when it was lost and only a fresh request can start it anew (App. B.1.2). */
  readonly window: Pick<ReplayWindow, "check"> | undefined;
  /** ms of the clock that the verifier is given: from then on only App. B.2 leads on. Infinity: never. */
  readonly expires: number;
  /** ms: from then on nothing does. Infinity: never. */
  readonly ends: number;
  /** Whether the two ends may agree on a new context by App. B.2. */
  readonly rederivable: boolean;
  /** One of our own Sender Sequence Numbers. */
  next(): number | SequenceRefusal;
}

/** What changes in a store when a verified request is acted on. */
export type Change<Context extends ServerContext = ServerContext> =
  /** the window takes the number */
  | { readonly kind: "accept"; readonly context: Context; readonly partialIv: number }
  /** the lost window starts above the number (App. B.1.2) */
  | { readonly kind: "resume"; readonly context: Context; readonly partialIv: number }
  /** a context with another ID Context takes over, its window has seen this number only (App. B.2) */
  | {
      readonly kind: "replace";
      readonly context: Context;
      readonly partialIv: number;
      readonly idContext: Uint8Array;
      readonly security: SecurityContext;
      /** ms: when the new context begins */
      readonly now: number;
    };

/** A value now, or later. Stores that need no waiting give it now, and nothing waits. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Contexts by kid and kid context.
 *
 * Looking up, checking and taking sequence numbers are synchronous in every store, because they happen for each
 * datagram: a store on another machine keeps what it needs for them in memory. Only a change has to wait for the disk.
 */
export interface ContextStore<Context extends ServerContext = ServerContext> {
  /**
   * The contexts that a request may have been protected with (RFC 8613 §3.3, §8.2): whose Recipient ID is `kid`, and,
   * when there is a kid context, whose ID Context it names. Usually one.
   */
  find(kid: Uint8Array, kidContext: Uint8Array | undefined): readonly Context[];
  /**
   * Makes a change durable. Of all attempts to take one number, from however many processes, one succeeds.
   * @returns false when the number was taken meanwhile, or the context is not what it was: the request is a replay
   */
  commit(change: Change<Context>): Awaitable<boolean>;
}

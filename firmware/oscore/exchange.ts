import type { SecurityContext } from "./context.js";

/**
 * What binds responses to their request (RFC 8613 §7.1): kept by the client until the response has come, by the
 * server until the last one has left.
 */
export class Exchange {
  /** The context that the request was protected with. Responses are too, except in App. B.2. */
  readonly context: SecurityContext;
  /** Whether we sent the request. */
  readonly isClient: boolean;
  /** request_piv: as a number, because its bytes have one form only. */
  readonly requestPartialIv: number;
  /**
   * Whether a response took the request's nonce. A server may protect one response with it and no more; a client
   * takes one such response and no more (§5.2, §8.4.2).
   */
  requestNonceUsed = false;

  constructor(context: SecurityContext, isClient: boolean, requestPartialIv: number) {
    this.context = context;
    this.isClient = isClient;
    this.requestPartialIv = requestPartialIv;
  }

  /** request_kid (§5.4) */
  get requestKid(): Uint8Array {
    return this.isClient ? this.context.senderId : this.context.recipientId;
  }
}

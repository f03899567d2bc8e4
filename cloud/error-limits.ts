import type { Content } from "../firmware/coap/messaging.js";
import { Allowances } from "./allowance.js";
import { hostOf } from "./refusals.js";

/** Unprotected errors to one address. */
const BURST = 100;
/** … and each second. */
const RATE = 20;
/** An error is at most so many times as long as its request. */
const AMPLIFICATION = 3;
/** Header, token and Max-Age of an error. */
const HEADER_ROOM = 16;
const NO_BYTES = new Uint8Array(0);

/**
 * Whoever sends with a false source address must not make us shout at its owner: few unprotected errors for each
 * address, and none much longer than what it answers.
 */
export class ErrorLimits {
  readonly #allowances = new Allowances(BURST, RATE);

  /**
   * @param source "host:port"
   * @param length bytes of the request
   * @param now ms
   * @returns the error that may be sent, with less text where it would be too long; `undefined` when there were too many
   */
  limit(error: Content, source: string, length: number, now: number): Content | undefined {
    if (!this.#allowances.take(hostOf(source), now)) return undefined;
    const tooLong = error.payload.length > AMPLIFICATION * length - HEADER_ROOM;
    return tooLong ? { ...error, payload: NO_BYTES } : error;
  }
}

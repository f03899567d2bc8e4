import { Refusal } from "../bytes/refusal.js";
import { encodeUtf8 } from "../bytes/utf8.js";
import type { Content } from "../coap/messaging.js";
import { Code, OptionNumber } from "../coap/numbers.js";
import { uintOption } from "../coap/options.js";

/** Why a message did not pass OSCORE. */
export type OscoreReason =
  /** the option is malformed, or lacks what a request must have */
  | "oscore-option"
  /** an OSCORE option without a payload (RFC 8613 §2) */
  | "oscore-no-payload"
  /** no context for this kid (and kid context) */
  | "oscore-context"
  /** the Partial IV was seen before, or is older than the window */
  | "oscore-replay"
  /** the tag does not fit, or what was inside is no CoAP message */
  | "oscore-decrypt"
  /** a response to something else than this exchange, or one that may not come a second time */
  | "oscore-response"
  /** a response that carries no OSCORE option at all */
  | "oscore-unprotected"
  /** the server cannot begin another re-derivation now (RFC 8613 App. B.2.1) */
  | "oscore-busy";

interface Answer {
  readonly code: number;
  readonly diagnostic: string;
}

/**
 * The unprotected error of RFC 8613 §8.2 (and §7.4) for each reason. What is wrong behind the decryption gets the
 * answer of a failed decryption, so that nobody learns from outside where it failed.
 */
const ANSWERS: { readonly [reason in OscoreReason]?: Answer } = {
  "oscore-option": { code: Code.BAD_OPTION, diagnostic: "Failed to decode COSE" },
  "oscore-no-payload": { code: Code.BAD_OPTION, diagnostic: "Failed to decode COSE" },
  "oscore-context": { code: Code.UNAUTHORIZED, diagnostic: "Security context not found" },
  "oscore-replay": { code: Code.UNAUTHORIZED, diagnostic: "Replay detected" },
  "oscore-decrypt": { code: Code.BAD_REQUEST, diagnostic: "Decryption failed" },
  "oscore-busy": { code: Code.SERVICE_UNAVAILABLE, diagnostic: "" },
};

/** A refusal that knows what to answer. */
export class OscoreRefusal extends Refusal<OscoreReason> {
  /**
   * The unprotected error that a server answers: its code, the diagnostic payload, and an Outer Max-Age of 0, so that no
   * proxy keeps it (RFC 8613 §4.1.3.1). `undefined` where there is nothing to answer: responses are dropped (§8.4).
   */
  get error(): Content | undefined {
    const answer = ANSWERS[this.reason];
    if (answer === undefined) return undefined;
    const { code, diagnostic } = answer;
    return { code, options: [uintOption(OptionNumber.MAX_AGE, 0)], payload: encodeUtf8(diagnostic) };
  }
}

/** Verifying requests and responses (RFC 8613 §8.2 and §8.4). Nothing here changes the state of a context. */

import type { Aead } from "../../hal/hal.js";
import { CborWriter } from "../bytes/cbor.js";
import { equal } from "../bytes/compare.js";
import { ByteReader } from "../bytes/reader.js";
import { Refusal } from "../bytes/refusal.js";
import { ByteWriter } from "../bytes/writer.js";
import { decodeOptions } from "../coap/codec.js";
import type { CoapMessage } from "../coap/message.js";
import { isRequest, isResponse, OptionNumber } from "../coap/numbers.js";
import type { SecurityContext } from "./context.js";
import { Exchange } from "./exchange.js";
import { classIOptions, mergeOptions } from "./fields.js";
import { type OscoreOption, oscoreOptionOf } from "./option.js";
import { decodePartialIv } from "./partial-iv.js";
import { OscoreRefusal } from "./refusal.js";

/** What {@link unprotectRequest} makes. */
export interface UnprotectedRequest {
  /** The decrypted request; its byte fields are its own or views of the outer message's. */
  readonly message: CoapMessage;
  /** For `protectResponse`. */
  readonly exchange: Exchange;
  /** Its Sender Sequence Number, for the replay window. */
  readonly partialIv: number;
}

/** The option of a request, which must have kid and Partial IV (RFC 8613 §5). */
export type RequestOption = OscoreOption & { readonly partialIv: Uint8Array; readonly kid: Uint8Array };

/**
 * The option of a protected request, for looking up its context; `undefined` for a message that is not protected.
 */
export function requestOptionOf(message: CoapMessage): RequestOption | OscoreRefusal | undefined {
  const option = oscoreOptionOf(message);
  if (option === undefined) return undefined;
  if (option instanceof Refusal) return new OscoreRefusal(option.reason, option.detail);
  if (option.partialIv === undefined)
    return new OscoreRefusal("oscore-option", "request without a Partial IV");
  if (option.kid === undefined) return new OscoreRefusal("oscore-option", "request without a kid");
  if (message.payload.length === 0) return new OscoreRefusal("oscore-no-payload");
  return option as RequestOption;
}

/**
 * Verifies and decrypts a request (RFC 8613 §8.2, steps 4 to 7).
 *
 * It neither checks nor changes the replay window: check it before, with the option's Partial IV, and accept it after,
 * in one step with what the request does (DESIGN §4.9).
 * @param option what {@link requestOptionOf} gave, when it was called already
 */
export function unprotectRequest(
  context: SecurityContext,
  outer: CoapMessage,
  option: RequestOption | OscoreRefusal | undefined = requestOptionOf(outer),
): UnprotectedRequest | OscoreRefusal {
  if (option === undefined) return new OscoreRefusal("oscore-unprotected");
  if (option instanceof Refusal) return option;
  const { kid, kidContext } = option;
  const partialIv = decodePartialIv(option.partialIv);
  if (!equal(kid, context.recipientId)) return new OscoreRefusal("oscore-context", "kid of another context");
  if (kidContext !== undefined && !isKidContextOf(context, kidContext)) {
    return new OscoreRefusal("oscore-context", "kid context of another context");
  }
  const classI = classIOptions(outer);
  const template = context.recipientAad;
  const aad = classI.length === 0 ? template.fill(partialIv) : template.encode(partialIv, classI);
  const message = open(context.recipientAead, context.recipientNonce.fill(partialIv), aad, outer);
  if (message instanceof Refusal) return message;
  if (!isRequest(message.code)) return new OscoreRefusal("oscore-decrypt", "no request inside");
  return {
    message,
    exchange: new Exchange(context, false, partialIv),
    partialIv,
  };
}

/**
 * Whether a kid context names this context's ID Context (RFC 8613 §5): as it is, or wrapped into a CBOR byte string, as
 * App. B.2 sends it.
 */
export function isKidContextOf(
  { idContext }: { readonly idContext?: Uint8Array | undefined },
  kidContext: Uint8Array,
): boolean {
  if (idContext === undefined) return false;
  if (equal(kidContext, idContext)) return true;
  return kidContext.length > idContext.length && equal(kidContext, wrapIdContext(idContext));
}

/** An ID Context (or a part of one) as App. B.2 puts it into the kid context: a CBOR byte string. */
export function wrapIdContext(idContext: Uint8Array): Uint8Array {
  return new CborWriter(new ByteWriter(idContext.length + 2)).bytes(idContext).out.finish();
}

/** What {@link unprotectResponse} makes. */
export interface UnprotectedResponse {
  readonly message: CoapMessage;
  /** The server's own Sender Sequence Number; `undefined` when the response took the request's nonce. */
  readonly partialIv: number | undefined;
}

/**
 * Verifies and decrypts a response (RFC 8613 §8.4). Notifications are ordered by their Partial IVs: see observation.ts.
 * @param context another one than the request's, for App. B.2
 */
export function unprotectResponse(
  exchange: Exchange,
  outer: CoapMessage,
  context: SecurityContext = exchange.context,
): UnprotectedResponse | OscoreRefusal {
  const option = oscoreOptionOf(outer);
  if (option === undefined) return new OscoreRefusal("oscore-unprotected");
  if (option instanceof Refusal) return new OscoreRefusal(option.reason, option.detail);
  if (outer.payload.length === 0) return new OscoreRefusal("oscore-no-payload");
  const { kid } = option;
  const partialIv = option.partialIv === undefined ? undefined : decodePartialIv(option.partialIv);
  if (kid !== undefined && !equal(kid, context.recipientId)) {
    return new OscoreRefusal("oscore-response", "kid of another endpoint");
  }
  const { requestPartialIv } = exchange;
  if (partialIv === undefined && exchange.requestNonceUsed) {
    // §8.4.2: the request's nonce is good for one response.
    return new OscoreRefusal("oscore-response", "second response without a Partial IV");
  }
  const nonce =
    partialIv === undefined
      ? context.senderNonce.fill(requestPartialIv)
      : context.recipientNonce.fill(partialIv);
  const classI = classIOptions(outer);
  const template = context.senderAad;
  const aad =
    classI.length === 0 ? template.fill(requestPartialIv) : template.encode(requestPartialIv, classI);
  const message = open(context.recipientAead, nonce, aad, outer);
  if (message instanceof Refusal) return message;
  if (!isResponse(message.code)) return new OscoreRefusal("oscore-decrypt", "no response inside");
  if (partialIv === undefined) exchange.requestNonceUsed = true;
  return { message, partialIv };
}

function open(
  aead: Aead,
  nonce: Uint8Array,
  aad: Uint8Array,
  outer: CoapMessage,
): CoapMessage | OscoreRefusal {
  const plaintext = aead.open(nonce, aad, outer.payload);
  if (plaintext === undefined) return new OscoreRefusal("oscore-decrypt");
  if (plaintext.length === 0) return new OscoreRefusal("oscore-decrypt", "nothing inside");
  const inner = decodeOptions(new ByteReader(plaintext, 1));
  if (inner instanceof Refusal) return new OscoreRefusal("oscore-decrypt", `inside: ${inner}`);
  for (const option of inner.options) {
    // §4.1.3.7: OSCORE is not nested.
    if (option.number === OptionNumber.OSCORE)
      return new OscoreRefusal("oscore-decrypt", "OSCORE option inside");
  }
  return {
    type: outer.type,
    code: plaintext[0],
    messageId: outer.messageId,
    token: outer.token,
    options: mergeOptions(inner.options, outer),
    payload: inner.payload,
  };
}

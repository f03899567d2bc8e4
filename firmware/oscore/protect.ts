/** Protecting requests and responses (RFC 8613 §8.1 and §8.3). */

import type { Aead } from "../../hal/hal.js";
import { ByteWriter } from "../bytes/writer.js";
import { encodeOptions } from "../coap/codec.js";
import type { CoapMessage, CoapOption } from "../coap/message.js";
import { Code, isRequest, isResponse, OptionNumber } from "../coap/numbers.js";
import { insertOption } from "../coap/options.js";
import type { SecurityContext } from "./context.js";
import { Exchange } from "./exchange.js";
import { ProtectError, type SplitOptions, splitOptions } from "./fields.js";
import { encodeOscoreOption, type OscoreOption } from "./option.js";
import { encodePartialIv } from "./partial-iv.js";

const PAYLOAD_MARKER = 0xff;
const NO_BYTES = new Uint8Array(0);

/** What {@link protectRequest} makes. */
export interface ProtectedRequest {
  /** What goes out. Type, message ID and token are those of the message that was given. */
  readonly message: CoapMessage;
  /** For `unprotectResponse`. */
  readonly exchange: Exchange;
}

/** What a request says beyond its Partial IV and kid. */
export interface RequestOptions {
  /**
   * The kid context to send: true for the context's ID Context, or the bytes themselves (App. B.2 wraps them).
   * Default: none, as the other endpoint knows it (§5.1).
   */
  readonly kidContext?: boolean | Uint8Array | undefined;
}

/**
 * Protects a request (RFC 8613 §8.1).
 * @param partialIv a Sender Sequence Number that this Sender Key has never seen: from `SequenceNumbers`
 * @throws ProtectError when the message is no request or is protected already; RangeError for a number above 2^40 - 1
 */
export function protectRequest(
  context: SecurityContext,
  message: CoapMessage,
  partialIv: number,
  options?: RequestOptions,
): ProtectedRequest {
  if (!isRequest(message.code)) throw new ProtectError(`code ${message.code} is no request`);
  const wanted = options?.kidContext;
  const kidContext = wanted === true ? context.idContext : wanted === false ? undefined : wanted;
  const split = splitOptions(message, true);
  const aad =
    split.classI.length === 0
      ? context.senderAad.fill(partialIv)
      : context.senderAad.encode(partialIv, split.classI);
  const payload = seal(context.senderAead, context.senderNonce.fill(partialIv), aad, message, split);
  return {
    message: outerMessage(
      message,
      split.observe ? Code.FETCH : Code.POST,
      split.outer,
      { partialIv: encodePartialIv(partialIv), kidContext, kid: context.senderId },
      payload,
    ),
    exchange: new Exchange(context, true, partialIv),
  };
}

/** What a response says beyond its ciphertext. */
export interface ResponseOptions {
  /**
   * A Sender Sequence Number of ours. Needed for every response but the first to one request, for one whose request
   * was not checked against the replay window, and for one under another context; else left out, which saves its bytes.
   */
  readonly partialIv?: number | undefined;
  /** Another context than the request's, for App. B.2. */
  readonly context?: SecurityContext | undefined;
  /** For App. B.2. */
  readonly kidContext?: Uint8Array | undefined;
}

/**
 * Protects a response (RFC 8613 §8.3). Type, message ID and token are those of the message that was given.
 * @throws ProtectError when the request's nonce would be used a second time, the message is no response, or is
 * protected already
 */
export function protectResponse(
  exchange: Exchange,
  message: CoapMessage,
  options?: ResponseOptions,
): CoapMessage {
  if (!isResponse(message.code)) throw new ProtectError(`code ${message.code} is no response`);
  if (exchange.isClient) throw new ProtectError("a response in an exchange that we began");
  const context = options?.context ?? exchange.context;
  const { requestPartialIv } = exchange;
  const split = splitOptions(message, false);
  const number = options?.partialIv;
  let nonce: Uint8Array;
  let partialIv: Uint8Array | undefined;
  if (number !== undefined) {
    partialIv = encodePartialIv(number);
    nonce = context.senderNonce.fill(number);
  } else {
    if (exchange.requestNonceUsed) throw new ProtectError("its nonce was used for another response");
    exchange.requestNonceUsed = true;
    nonce = context.recipientNonce.fill(requestPartialIv);
  }
  const template = context.recipientAad;
  const aad =
    split.classI.length === 0
      ? template.fill(requestPartialIv)
      : template.encode(requestPartialIv, split.classI);
  return outerMessage(
    message,
    split.observe ? Code.CONTENT : Code.CHANGED,
    split.outer,
    { partialIv, kidContext: options?.kidContext },
    seal(context.senderAead, nonce, aad, message, split),
  );
}

/** Code, Class E options and payload (RFC 8613 §5.3), encrypted in the memory that they were written to. */
function seal(
  aead: Aead,
  nonce: Uint8Array,
  aad: Uint8Array,
  message: CoapMessage,
  split: SplitOptions,
): Uint8Array {
  const { payload } = message;
  const options = split.inner.length === 0 ? NO_BYTES : encodedOptions(split.inner);
  let length = 1 + options.length;
  if (payload.length > 0) length += 1 + payload.length;
  const sealed = new Uint8Array(length + aead.tagLength);
  sealed[0] = message.code;
  if (options.length > 0) sealed.set(options, 1);
  if (payload.length > 0) {
    sealed[1 + options.length] = PAYLOAD_MARKER;
    sealed.set(payload, 2 + options.length);
  }
  aead.sealAt(nonce, aad, sealed, 0, length);
  return sealed;
}

function encodedOptions(options: readonly CoapOption[]): Uint8Array {
  const writer = new ByteWriter(64);
  encodeOptions(options, writer);
  return writer.view();
}

function outerMessage(
  message: CoapMessage,
  code: number,
  options: CoapOption[],
  option: OscoreOption,
  payload: Uint8Array,
): CoapMessage {
  const oscore = { number: OptionNumber.OSCORE, value: encodeOscoreOption(option) };
  if (options.length === 0 || options[options.length - 1].number < OptionNumber.OSCORE) options.push(oscore);
  else insertOption(options, oscore);
  return { type: message.type, code, messageId: message.messageId, token: message.token, options, payload };
}

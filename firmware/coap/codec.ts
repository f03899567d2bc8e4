/**
 * CoAP messages in bytes (RFC 7252 §3). Nothing here keeps state.
 *
 * Decoding copies nothing: token, option values and payload are views of the bytes given. Whoever keeps a message
 * longer than those bytes live copies it.
 */

import type { ByteReader } from "../bytes/reader.js";
import { Refusal } from "../bytes/refusal.js";
import { ByteWriter } from "../bytes/writer.js";
import type { CoapMessage, CoapOption } from "./message.js";
import { Type } from "./message.js";

/** Why bytes are not a CoAP message. */
export type CoapReason =
  /** less than the four bytes of the header */
  | "coap-too-short"
  /** Ver is not 1: silently ignored, never answered (RFC 7252 §3) */
  | "coap-version"
  /** TKL 9–15 is reserved (§3) */
  | "coap-token-length"
  /** the token goes past the end */
  | "coap-token-cut"
  /** code class 1, 6 or 7 (§4.2, §12.1) */
  | "coap-code-class"
  /** code 0.00 with a token or bytes behind the message ID (§4.1) */
  | "coap-empty-with-content"
  | CoapOptionReason;

/** Why bytes are not options and payload. */
export type CoapOptionReason =
  /** option delta 15 that is not the payload marker (§3.1) */
  | "coap-option-delta"
  /** option length 15 is reserved (§3.1) */
  | "coap-option-length"
  /** the option's header or value goes past the end */
  | "coap-option-cut"
  /** the sum of deltas is above 65535, more than an option number has (§3.1, §12.2) */
  | "coap-option-number"
  /** payload marker with nothing behind it (§3) */
  | "coap-payload-marker";

/** A field that cannot be encoded: a mistake of the caller. */
export class CoapFieldError extends RangeError {
  readonly field: string;
  readonly value: number;

  constructor(field: string, value: number) {
    super(`CoAP ${field} ${value}`);
    this.name = "CoapFieldError";
    this.field = field;
    this.value = value;
  }
}

/** Options and payload, the part of a message behind its token; also behind the code of an OSCORE plaintext (RFC 8613 §5.3). */
export interface OptionsAndPayload {
  options: CoapOption[];
  payload: Uint8Array;
}

/** Bytes before the token (RFC 7252 §3). */
export const HEADER_LENGTH = 4;
/** Bytes of the longest token (RFC 7252 §3). */
export const MAX_TOKEN_LENGTH = 8;
const VERSION = 1;
const PAYLOAD_MARKER = 0xff;
/** An extended delta or length: 13 says one more byte, 14 two (§3.1). */
const EXTENDED_8 = 13;
const EXTENDED_16 = 14;
const EXTENDED_16_BASE = 269;
const RESERVED = 15;
const MAX_OPTION_NUMBER = 0xffff;
const MAX_OPTION_LENGTH = 0xffff + EXTENDED_16_BASE;
const NO_BYTES = new Uint8Array(0);

/**
 * Parses a whole datagram.
 * @returns the message, its byte fields being views of `bytes`; or why it is none. See {@link resetFor} for what to
 * answer then.
 */
export function decodeMessage(bytes: Uint8Array): CoapMessage | Refusal<CoapReason> {
  if (bytes.length < HEADER_LENGTH) return new Refusal("coap-too-short", `${bytes.length} bytes`);
  const first = bytes[0];
  if (first >> 6 !== VERSION) return new Refusal("coap-version", `${first >> 6}`);
  const type = ((first >> 4) & 3) as Type;
  const tokenLength = first & 15;
  if (tokenLength > MAX_TOKEN_LENGTH) return new Refusal("coap-token-length", `${tokenLength}`);
  const code = bytes[1];
  const messageId = (bytes[2] << 8) | bytes[3];

  if (code === 0) {
    if (bytes.length > HEADER_LENGTH || tokenLength > 0) {
      return new Refusal("coap-empty-with-content", `${bytes.length} bytes`);
    }
    return { type, code, messageId, token: NO_BYTES, options: [], payload: NO_BYTES };
  }
  const codeClass = code >> 5;
  if (codeClass === 1 || codeClass > 5) return new Refusal("coap-code-class", `${codeClass}`);

  const start = HEADER_LENGTH + tokenLength;
  if (start > bytes.length) return new Refusal("coap-token-cut", `${tokenLength} bytes`);
  const options: CoapOption[] = [];
  const payload = parseOptions(bytes, start, bytes.length, options);
  if (payload instanceof Refusal) return payload;
  const token = tokenLength === 0 ? NO_BYTES : bytes.subarray(HEADER_LENGTH, start);
  return { type, code, messageId, token, options, payload };
}

/** Parses options and payload from a byte string, or from where a reader stands to its end. Views, as above. */
export function decodeOptions(from: Uint8Array | ByteReader): OptionsAndPayload | Refusal<CoapOptionReason> {
  const options: CoapOption[] = [];
  const payload =
    from instanceof Uint8Array
      ? parseOptions(from, 0, from.length, options)
      : parseOptions(from.bytes, from.position, from.end, options);
  return payload instanceof Refusal ? payload : { options, payload };
}

function parseOptions(
  bytes: Uint8Array,
  start: number,
  end: number,
  options: CoapOption[],
): Uint8Array | Refusal<CoapOptionReason> {
  let at = start;
  let number = 0;
  while (at < end) {
    const head = bytes[at++];
    if (head === PAYLOAD_MARKER) {
      // RFC 7252 §3: a marker followed by a zero-length payload is a message format error.
      return at === end ? new Refusal("coap-payload-marker") : bytes.subarray(at, end);
    }
    let delta = head >> 4;
    let length = head & 15;
    if (delta === RESERVED) return new Refusal("coap-option-delta", `behind option ${number}`);
    if (length === RESERVED) return new Refusal("coap-option-length", `behind option ${number}`);
    if (delta === EXTENDED_8) {
      if (at + 1 > end) return cut(number);
      delta = EXTENDED_8 + bytes[at++];
    } else if (delta === EXTENDED_16) {
      if (at + 2 > end) return cut(number);
      delta = EXTENDED_16_BASE + ((bytes[at] << 8) | bytes[at + 1]);
      at += 2;
    }
    if (length === EXTENDED_8) {
      if (at + 1 > end) return cut(number + delta);
      length = EXTENDED_8 + bytes[at++];
    } else if (length === EXTENDED_16) {
      if (at + 2 > end) return cut(number + delta);
      length = EXTENDED_16_BASE + ((bytes[at] << 8) | bytes[at + 1]);
      at += 2;
    }
    number += delta;
    if (number > MAX_OPTION_NUMBER) return new Refusal("coap-option-number", `${number}`);
    if (at + length > end) return cut(number);
    options.push({ number, value: length === 0 ? NO_BYTES : bytes.subarray(at, at + length) });
    at += length;
  }
  return NO_BYTES;
}

function cut(number: number): Refusal<CoapOptionReason> {
  return new Refusal("coap-option-cut", `at option ${number}`);
}

/**
 * A message in bytes.
 * @param writer is reset and used for it; the result is then a view that the writer's next use changes. Without one
 * the result is an array of its own.
 * @throws CoapFieldError for a field out of range or options that do not ascend
 */
export function encodeMessage(message: CoapMessage, writer?: ByteWriter): Uint8Array {
  const out = writer === undefined ? new ByteWriter(64) : writer.reset();
  encodeContent(out, message.type, message, message.messageId, message.token);
  return out.view();
}

/** Writes a message whose code, options and payload come from one place, type, message ID and token from another. */
export function encodeContent(
  out: ByteWriter,
  type: Type,
  content: { readonly code: number; readonly options: readonly CoapOption[]; readonly payload: Uint8Array },
  messageId: number,
  token: Uint8Array,
): void {
  writeHeader(out, type, content.code, messageId, token);
  encodeOptions(content.options, out);
  if (content.payload.length > 0) out.u8(PAYLOAD_MARKER).bytes(content.payload);
}

/** The four bytes of the header and the token. @throws CoapFieldError */
export function writeHeader(
  out: ByteWriter,
  type: Type,
  code: number,
  messageId: number,
  token: Uint8Array,
): void {
  if (token.length > MAX_TOKEN_LENGTH) throw new CoapFieldError("token length", token.length);
  if (!(code >= 0 && code <= 0xff)) throw new CoapFieldError("code", code);
  if (!(messageId >= 0 && messageId <= 0xffff)) throw new CoapFieldError("message ID", messageId);
  out
    .u8((VERSION << 6) | (type << 4) | token.length)
    .u8(code)
    .u16(messageId);
  if (token.length > 0) out.bytes(token);
}

/** Options with their deltas (RFC 7252 §3.1), without payload marker. @throws CoapFieldError */
export function encodeOptions(options: readonly CoapOption[], out: ByteWriter): void {
  let previous = 0;
  for (let i = 0; i < options.length; i++) {
    const { number, value } = options[i];
    const delta = number - previous;
    const { length } = value;
    // NaN and fractions fail here too: their delta is no integer.
    if (!Number.isInteger(delta) || delta < 0 || number > MAX_OPTION_NUMBER) {
      throw new CoapFieldError(delta < 0 ? "options out of order at number" : "option number", number);
    }
    if (length > MAX_OPTION_LENGTH) throw new CoapFieldError("option length", length);
    out.u8((nibble(delta) << 4) | nibble(length));
    writeExtended(delta, out);
    writeExtended(length, out);
    if (length > 0) out.bytes(value);
    previous = number;
  }
}

function nibble(value: number): number {
  return value < EXTENDED_8 ? value : value < EXTENDED_16_BASE ? EXTENDED_8 : EXTENDED_16;
}

function writeExtended(value: number, out: ByteWriter): void {
  if (value < EXTENDED_8) return;
  if (value < EXTENDED_16_BASE) out.u8(value - EXTENDED_8);
  else out.u16(value - EXTENDED_16_BASE);
}

/** An empty message: ACK, RST, or the CON of a ping (RFC 7252 §4.1). Always an array of its own. */
export function emptyMessage(type: Type, messageId: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_LENGTH);
  bytes[0] = (VERSION << 6) | (type << 4);
  bytes[2] = messageId >>> 8;
  bytes[3] = messageId;
  return bytes;
}

/**
 * The RST that bytes refused by {@link decodeMessage} deserve, `undefined` where silence is due: a confirmable message
 * with a format error is rejected with a matching Reset (RFC 7252 §4.2); ACK and RST are never answered; for NON the
 * Reset is allowed but not asked for (§4.3), and we spare it; without a version-1 header there is no message at all (§3).
 */
export function resetFor(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < HEADER_LENGTH || bytes[0] >> 6 !== VERSION) return undefined;
  if (((bytes[0] >> 4) & 3) !== Type.CON) return undefined;
  return emptyMessage(Type.RST, (bytes[2] << 8) | bytes[3]);
}

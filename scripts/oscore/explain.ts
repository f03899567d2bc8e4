/** What a message says, in lines for people. */

import { type CborValue, decodeCbor } from "../../firmware/bytes/cbor.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeUtf8 } from "../../firmware/bytes/utf8.js";
import type { CoapMessage, CoapOption } from "../../firmware/coap/message.js";
import {
  ContentFormat,
  codeName,
  contentFormatName,
  formatCode,
  isRequest,
  OptionNumber,
} from "../../firmware/coap/numbers.js";
import {
  getUint,
  isCritical,
  isWellFormed,
  OPTIONS,
  optionName,
  uintValue,
} from "../../firmware/coap/options.js";
import { AEAD_ALGORITHMS } from "../../firmware/oscore/algorithms.js";
import { decodeOscoreOption, OscoreFlag, oscoreOptionOf } from "../../firmware/oscore/option.js";
import { decodePartialIv } from "../../firmware/oscore/partial-iv.js";

const TYPES = ["CON", "NON", "ACK", "RST"];

/** Header, options and payload of a CoAP message. */
export function explainMessage(message: CoapMessage): string[] {
  const token = message.token.length === 0 ? "no token" : `token ${toHex(message.token)}`;
  const id = `message ID 0x${message.messageId.toString(16).padStart(4, "0")}`;
  const lines = [
    `${TYPES[message.type]} ${formatCode(message.code)} ${codeName(message.code)}, ${id}, ${token}`,
    ...message.options.map((option) => `  ${explainOption(option)}`),
  ];
  if (oscoreOptionOf(message) !== undefined) lines.push(`  ciphertext: ${explainCiphertext(message)}`);
  else if (message.payload.length > 0) lines.push(`  payload: ${explainPayload(message)}`);
  return lines;
}

function explainOption(option: CoapOption): string {
  const { number, value } = option;
  const name = `${optionName(number)} (${number})`;
  if (!isWellFormed(option)) {
    const consequence = isCritical(number)
      ? "critical: the message has to be refused"
      : "elective: passed over";
    return `${name}: ${toHex(value) || "empty"}, which it may not hold (${consequence})`;
  }
  if (number === OptionNumber.OSCORE) return explainOscoreOption(value);
  if (number === OptionNumber.BLOCK1 || number === OptionNumber.BLOCK2) {
    const block = uintValue(value);
    const more = (block & 8) !== 0 ? ", more to come" : "";
    return `${name}: block ${Math.floor(block / 16)} of ${2 ** ((block & 7) + 4)} bytes${more}`;
  }
  switch (OPTIONS.get(number)?.format) {
    case "empty":
      return name;
    case "uint": {
      const uint = uintValue(value);
      const format = number === OptionNumber.CONTENT_FORMAT || number === OptionNumber.ACCEPT;
      return `${name}: ${uint}${format ? ` (${contentFormatName(uint)})` : ""}`;
    }
    case "string":
      return `${name}: "${decodeUtf8(value)}"`;
    default:
      return `${name}: ${value.length === 0 ? "empty" : `0x${toHex(value)}`}`;
  }
}

function explainOscoreOption(value: Uint8Array): string {
  const name = `OSCORE (9): ${value.length === 0 ? "empty" : `0x${toHex(value)}`}`;
  const option = decodeOscoreOption(value);
  if (option instanceof Refusal) return `${name}, malformed: ${option.detail}`;
  const { partialIv, kidContext, kid } = option;
  const parts: string[] = [];
  if (value.length > 0) {
    const flags = value[0];
    const bits = [
      (flags & OscoreFlag.KID_CONTEXT) !== 0 ? "kid context" : "",
      (flags & OscoreFlag.KID) !== 0 ? "kid" : "",
      `Partial IV of ${flags & OscoreFlag.PARTIAL_IV_LENGTH}`,
    ];
    parts.push(`flags 0x${toHex(value.subarray(0, 1))} (${bits.filter((bit) => bit !== "").join(", ")})`);
  }
  if (partialIv !== undefined) parts.push(`Partial IV ${decodePartialIv(partialIv)} (0x${toHex(partialIv)})`);
  if (kidContext !== undefined) parts.push(`kid context ${explainId(kidContext)}`);
  if (kid !== undefined) parts.push(`kid ${explainId(kid)}`);
  if (parts.length === 0) parts.push("the nonce is that of the request");
  return `${name}\n      ${parts.join("\n      ")}`;
}

/** An ID in hex; the empty one in words. */
export function explainId(id: Uint8Array): string {
  return id.length === 0
    ? "empty (0 bytes)"
    : `0x${toHex(id)} (${id.length} byte${id.length === 1 ? "" : "s"})`;
}

function explainCiphertext(message: CoapMessage): string {
  const { length } = message.payload;
  if (length === 0) return "none: an OSCORE message without a payload is malformed";
  const inside = (tag: number) =>
    length > tag ? `${length - tag} with a tag of ${tag}` : `too short for a tag of ${tag}`;
  return `${length} bytes; inside ${inside(8)}, ${inside(16)}`;
}

/** One line about which context a protected message asks for; `undefined` for an unprotected one. */
export function explainContext(message: CoapMessage): string | undefined {
  const option = oscoreOptionOf(message);
  if (option === undefined) return undefined;
  if (option instanceof Refusal) return "No context opens it: its OSCORE option is malformed.";
  if (isRequest(message.code)) {
    if (option.kid === undefined || option.partialIv === undefined) {
      return "No context opens it: a request needs both kid and Partial IV.";
    }
    const context =
      option.kidContext === undefined ? "" : ` and the ID Context ${explainId(option.kidContext)}`;
    return `Opens with the context whose Recipient ID (seen from the receiver) is ${explainId(option.kid)}${context}.`;
  }
  return "A response: opens only together with the request that it answers (same token), --for HEX.";
}

function explainPayload(message: CoapMessage): string {
  const { payload } = message;
  const format = getUint(message, OptionNumber.CONTENT_FORMAT);
  const length = `${payload.length} byte${payload.length === 1 ? "" : "s"}`;
  const cborFormat = format === ContentFormat.CBOR || format === ContentFormat.SENML_CBOR;
  if (cborFormat || format === undefined) {
    const value = decodeCbor(payload);
    // Any byte below 0x18 is a CBOR number; without a Content-Format only what has a structure is worth showing.
    if (!(value instanceof Refusal) && (cborFormat || typeof value === "object")) {
      return `${length}, CBOR ${diagnostic(value)}`;
    }
  }
  const text = decodeUtf8(payload);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach the terminal
  const printable = !(text instanceof Refusal) && !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text);
  return `${length}, ${printable ? JSON.stringify(text) : `0x${toHex(payload)}`}`;
}

/** CBOR's diagnostic notation (RFC 8949 §8). */
export function diagnostic(value: CborValue): string {
  if (value instanceof Uint8Array) return `h'${toHex(value)}'`;
  if (Array.isArray(value)) return `[${value.map(diagnostic).join(", ")}]`;
  if (value instanceof Map) {
    const pairs = [...value].map(([key, item]) => `${JSON.stringify(key)}: ${diagnostic(item)}`);
    return `{${pairs.join(", ")}}`;
  }
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** All algorithms, for --help. */
export function algorithmList(): string {
  return [...AEAD_ALGORITHMS.values()].map(({ number, name }) => `${number} ${name}`).join(", ");
}

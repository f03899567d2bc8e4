import { ByteReader } from "../firmware/bytes/reader.js";
import { Refusal } from "../firmware/bytes/refusal.js";
import { ByteWriter } from "../firmware/bytes/writer.js";
import { decodeOptions, encodeOptions } from "../firmware/coap/codec.js";
import type { Content } from "../firmware/coap/message-layer.js";

const PAYLOAD_MARKER = 0xff;

/** A protected answer as the store keeps it: code, options, payload. No bytes for "none was sent". */
export function encodeAnswer(answer: Content | undefined): Uint8Array {
  const writer = new ByteWriter(32);
  if (answer === undefined) return writer.finish();
  writer.u8(answer.code);
  encodeOptions(answer.options, writer);
  if (answer.payload.length > 0) writer.u8(PAYLOAD_MARKER).bytes(answer.payload);
  return writer.finish();
}

/** `undefined` for an answer that was not sent. */
export function decodeAnswer(bytes: Uint8Array): Content | undefined {
  if (bytes.length === 0) return undefined;
  const rest = decodeOptions(new ByteReader(bytes, 1));
  return rest instanceof Refusal ? undefined : { code: bytes[0], ...rest };
}

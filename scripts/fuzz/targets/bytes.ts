import fc from "fast-check";
import { type CborValue, decodeCbor, encodeCbor } from "../../../firmware/bytes/cbor.js";
import { toHex } from "../../../firmware/bytes/hex.js";
import { Refusal } from "../../../firmware/bytes/refusal.js";
import { decodeUtf8, encodeUtf8 } from "../../../firmware/bytes/utf8.js";
import { parseHexDump } from "../../oscore/hex-dump.js";
import { type FuzzTarget, fuzzTarget, mutate, mutation } from "../target.js";

/** Bytes that are CBOR to a large part: heads of all kinds, with lengths that fit and that do not. */
const nearCbor = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        0x00,
        0x17,
        0x18,
        0x19,
        0x1b,
        0x20,
        0x41,
        0x44,
        0x5b,
        0x61,
        0x7f,
        0x80,
        0x82,
        0x9b,
        0xa1,
        0xbb,
        0xf5,
        0xf9,
        0xfb,
        0xff,
      ),
      fc.nat({ max: 255 }),
    ),
    { maxLength: 200 },
  )
  .map((bytes) => Uint8Array.from(bytes));

const encodedCbor = fc.jsonValue({ maxDepth: 4 }).map((value) => encodeCbor(fromJson(value)));

function fromJson(value: unknown): CborValue {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "object" && value !== null) {
    return new Map(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
  }
  return value as CborValue;
}

const targets: readonly FuzzTarget[] = [
  fuzzTarget(
    "cbor",
    "any bytes are a value or a refusal; a value's encoding is decoded to itself",
    fc.oneof(
      nearCbor,
      fc.uint8Array({ maxLength: 2000 }),
      fc.tuple(encodedCbor, mutation).map(([bytes, change]) => mutate(bytes, change)),
    ),
    (bytes) => {
      const value = decodeCbor(bytes);
      if (value instanceof Refusal) return;
      const encoded = encodeCbor(value);
      const again = decodeCbor(encoded);
      if (again instanceof Refusal) throw new Error(`refused what it encoded: ${again}`);
      if (toHex(encodeCbor(again)) !== toHex(encoded)) throw new Error("two encodings of one value");
    },
  ),

  fuzzTarget(
    "utf8",
    "any bytes are a text or a refusal; a text's bytes are those it came from",
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.string({ unit: "grapheme" }).map(encodeUtf8), mutation)
        .map(([bytes, change]) => mutate(bytes, change)),
    ),
    (bytes) => {
      const text = decodeUtf8(bytes);
      if (text instanceof Refusal) return;
      if (toHex(encodeUtf8(text)) !== toHex(bytes)) throw new Error("another text");
    },
  ),

  fuzzTarget(
    "hex-dump",
    "any text is bytes or a refusal",
    fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.string({ unit: fc.constantFrom(..."0123456789abcdefx:| -\n\t"), maxLength: 300 }),
    ),
    (text) => {
      parseHexDump(text);
    },
  ),
];

export default targets;

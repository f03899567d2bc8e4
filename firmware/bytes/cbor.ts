/**
 * The CBOR that this system needs (RFC 8949): integers, byte and text strings, arrays, maps, booleans, null and
 * floating-point numbers, all of definite length. No tags: none of our formats has one.
 *
 * What is written is deterministic (RFC 8949 §4.2.1): shortest heads, shortest floats, map keys in bytewise order.
 * What is read may be any well-formed encoding of those types.
 */

import { decodeFloat, encodeFloat } from "./float.js";
import { Refusal } from "./refusal.js";
import { sort } from "./sort.js";
import { decodeUtf8, encodeUtf8 } from "./utf8.js";
import { ByteWriter } from "./writer.js";

/** Keys of maps are integers or texts. */
export type CborMap = Map<number | string, CborValue>;
/** What a CBOR item becomes here: maps are {@link CborMap}, byte strings are views of the input. */
export type CborValue = number | boolean | null | string | Uint8Array | CborValue[] | CborMap;

/** Why bytes are not taken as CBOR. */
export type CborRefusal = Refusal<
  | "cbor-truncated"
  | "cbor-trailing"
  | "cbor-depth"
  | "cbor-range"
  | "cbor-unsupported"
  | "cbor-duplicate-key"
  | "cbor-key"
  | "cbor-utf8"
>;

/** Major types (RFC 8949 §3.1), already in their place in the head. */
const UNSIGNED = 0x00;
const NEGATIVE = 0x20;
const BYTES = 0x40;
const TEXT = 0x60;
const ARRAY = 0x80;
const MAP = 0xa0;
const SIMPLE = 0xe0;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;

/** Arrays and maps inside each other. Ours need two. */
const DEFAULT_DEPTH = 8;

/**
 * Writes CBOR item by item. After `array(n)` write n items, after `map(n)` n pairs of key and value, the keys in
 * order: the writer does not sort.
 */
export class CborWriter {
  readonly out: ByteWriter;

  constructor(out: ByteWriter = new ByteWriter()) {
    this.out = out;
  }

  /** @throws RangeError when `value` is no integer that a double holds exactly */
  int(value: number): this {
    if (!Number.isSafeInteger(value)) throw new RangeError(`CBOR integer ${value}`);
    return value >= 0 ? this.#head(UNSIGNED, value) : this.#head(NEGATIVE, -1 - value);
  }

  /** The shortest of half, single and double precision that holds the value exactly. */
  float(value: number): this {
    const bytes = encodeFloat(value);
    this.out.u8(SIMPLE | (bytes.length === 2 ? 25 : bytes.length === 4 ? 26 : 27)).bytes(bytes);
    return this;
  }

  /** A byte string. */
  bytes(value: Uint8Array): this {
    this.#head(BYTES, value.length).out.bytes(value);
    return this;
  }

  /** A text string in UTF-8. */
  text(value: string): this {
    const bytes = encodeUtf8(value);
    this.#head(TEXT, bytes.length).out.bytes(bytes);
    return this;
  }

  /** Begins an array of so many items, which are written next. */
  array(length: number): this {
    return this.#head(ARRAY, length);
  }

  /** Begins a map of so many pairs, which are written next: key, value, key, value … */
  map(pairs: number): this {
    return this.#head(MAP, pairs);
  }

  /** True or false. */
  bool(value: boolean): this {
    this.out.u8(value ? TRUE : FALSE);
    return this;
  }

  /** Null. */
  null(): this {
    this.out.u8(NULL);
    return this;
  }

  /** Any value, whole numbers as integers, maps with their keys sorted (RFC 8949 §4.2.1). */
  value(value: CborValue): this {
    if (typeof value === "number") {
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? this.int(value) : this.float(value);
    }
    if (typeof value === "string") return this.text(value);
    if (typeof value === "boolean") return this.bool(value);
    if (value === null) return this.null();
    if (value instanceof Uint8Array) return this.bytes(value);
    if (Array.isArray(value)) {
      this.array(value.length);
      for (const item of value) this.value(item);
      return this;
    }
    this.map(value.size);
    const pairs: { key: Uint8Array; value: CborValue }[] = [];
    for (const [key, item] of value) {
      const encoded = new CborWriter(new ByteWriter(8));
      if (typeof key === "number") encoded.int(key);
      else encoded.text(key);
      pairs.push({ key: encoded.out.finish(), value: item });
    }
    sort(pairs, (a, b) => compareBytes(a.key, b.key));
    for (const pair of pairs) {
      this.out.bytes(pair.key);
      this.value(pair.value);
    }
    return this;
  }

  #head(major: number, argument: number): this {
    const out = this.out;
    if (argument < 24) out.u8(major | argument);
    else if (argument < 0x100) out.u8(major | 24).u8(argument);
    else if (argument < 0x10000) out.u8(major | 25).u16(argument);
    else if (argument < 0x100000000) out.u8(major | 26).u32(argument);
    else
      out
        .u8(major | 27)
        .u32(Math.floor(argument / 0x100000000))
        .u32(argument % 0x100000000);
    return this;
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** One value as CBOR. @throws RangeError for a map key that is no safe integer */
export function encodeCbor(value: CborValue): Uint8Array {
  return new CborWriter().value(value).out.finish();
}

/**
 * The one value that `bytes` encode. Byte strings in it are views of `bytes`, not copies.
 *
 * Time and memory are linear in the input: a length that the rest of the input cannot hold is refused before
 * anything is made for it.
 */
export function decodeCbor(bytes: Uint8Array, maximumDepth = DEFAULT_DEPTH): CborValue | CborRefusal {
  const decoder = new Decoder(bytes);
  const value = decoder.item(maximumDepth);
  if (!(value instanceof Refusal) && decoder.at < bytes.length) {
    return new Refusal("cbor-trailing", `${bytes.length - decoder.at} bytes`);
  }
  return value;
}

class Decoder {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  item(depth: number): CborValue | CborRefusal {
    const start = this.at;
    if (start >= this.#bytes.length) return new Refusal("cbor-truncated", `at byte ${start}`);
    const first = this.#bytes[this.at++];
    const major = first & 0xe0;
    const information = first & 0x1f;
    if (major === SIMPLE) return this.#simple(first, start);

    const argument = this.#argument(information, start);
    if (argument instanceof Refusal) return argument;
    switch (major) {
      case UNSIGNED:
        return argument;
      case NEGATIVE:
        if (argument === Number.MAX_SAFE_INTEGER) return new Refusal("cbor-range", `at byte ${start}`);
        return -1 - argument;
      case BYTES:
        return this.#take(argument) ?? new Refusal("cbor-truncated", `string at byte ${start}`);
      case TEXT: {
        const text = this.#take(argument);
        if (text === undefined) return new Refusal("cbor-truncated", `text at byte ${start}`);
        const decoded = decodeUtf8(text);
        return decoded instanceof Refusal ? new Refusal("cbor-utf8", `text at byte ${start}`) : decoded;
      }
      case ARRAY:
        return this.#array(argument, depth, start);
      case MAP:
        return this.#map(argument, depth, start);
      default:
        return new Refusal("cbor-unsupported", `tag at byte ${start}`);
    }
  }

  #take(length: number): Uint8Array | undefined {
    if (length > this.#bytes.length - this.at) return undefined;
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  #argument(information: number, start: number): number | CborRefusal {
    if (information < 24) return information;
    if (information > 27) return new Refusal("cbor-unsupported", `head at byte ${start}`);
    const bytes = this.#take(1 << (information - 24));
    if (bytes === undefined) return new Refusal("cbor-truncated", `head at byte ${start}`);
    let value = 0;
    for (let i = 0; i < bytes.length; i++) value = value * 256 + bytes[i];
    return value <= Number.MAX_SAFE_INTEGER ? value : new Refusal("cbor-range", `at byte ${start}`);
  }

  #simple(first: number, start: number): CborValue | CborRefusal {
    if (first === FALSE) return false;
    if (first === TRUE) return true;
    if (first === NULL) return null;
    const information = first & 0x1f;
    if (information < 25 || information > 27) return new Refusal("cbor-unsupported", `at byte ${start}`);
    const bytes = this.#take(1 << (information - 24));
    return bytes === undefined ? new Refusal("cbor-truncated", `at byte ${start}`) : decodeFloat(bytes);
  }

  #array(length: number, depth: number, start: number): CborValue | CborRefusal {
    if (depth === 0) return new Refusal("cbor-depth", `array at byte ${start}`);
    if (length > this.#bytes.length - this.at) return new Refusal("cbor-truncated", `array at byte ${start}`);
    const items: CborValue[] = [];
    for (let i = 0; i < length; i++) {
      const item = this.item(depth - 1);
      if (item instanceof Refusal) return item;
      items.push(item);
    }
    return items;
  }

  #map(pairs: number, depth: number, start: number): CborValue | CborRefusal {
    if (depth === 0) return new Refusal("cbor-depth", `map at byte ${start}`);
    if (2 * pairs > this.#bytes.length - this.at)
      return new Refusal("cbor-truncated", `map at byte ${start}`);
    const map: CborMap = new Map();
    for (let i = 0; i < pairs; i++) {
      const keyAt = this.at;
      // A key has no business being an array or a map.
      const key = this.item(0);
      if (key instanceof Refusal)
        return key.reason === "cbor-depth" ? new Refusal("cbor-key", key.detail) : key;
      if (typeof key !== "string" && !(typeof key === "number" && Number.isSafeInteger(key))) {
        return new Refusal("cbor-key", `at byte ${keyAt}`);
      }
      if (map.has(key)) return new Refusal("cbor-duplicate-key", `at byte ${keyAt}`);
      const value = this.item(depth - 1);
      if (value instanceof Refusal) return value;
      map.set(key, value);
    }
    return map;
  }
}

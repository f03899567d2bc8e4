/**
 * What is known about each option (RFC 7252 §5.4 and §5.10, RFC 8613 §4.1), and reading and making their values.
 */

import { Refusal } from "../bytes/refusal.js";
import { sort } from "../bytes/sort.js";
import { decodeUtf8, encodeUtf8 } from "../bytes/utf8.js";
import type { CoapOption } from "./message.js";
import { OptionNumber } from "./numbers.js";

/** How an option's value is to be read (RFC 7252 §3.2). */
export type OptionFormat = "empty" | "opaque" | "uint" | "string";

/**
 * How OSCORE treats an option (RFC 8613 §4.1), as bits, because some are both: an inner instance for the other
 * endpoint and an outer one for the proxies.
 */
export const OscoreClass = {
  /** encrypted and integrity protected: inner */
  E: 1,
  /** integrity protected only: outer, and in the AAD */
  I: 2,
  /** unprotected: outer */
  U: 4,
} as const;

/** What is known of an option by its number. */
export interface OptionDefinition {
  readonly number: number;
  readonly name: string;
  readonly format: OptionFormat;
  /** bytes */
  readonly minLength: number;
  /** bytes */
  readonly maxLength: number;
  readonly repeatable: boolean;
  /** bits of {@link OscoreClass} */
  readonly oscore: number;
}

const E = OscoreClass.E;
const U = OscoreClass.U;
const EU = E | U;

type Row = readonly [number, string, OptionFormat, number, number, boolean, number];

// Formats and lengths: RFC 7252 table 4 and the RFCs named in numbers.ts. Classes: RFC 8613 figure 5; Hop-Limit is
// changed by every hop and can only be U; Echo and Request-Tag RFC 9175 §2.2.1 and §3.2.1; Q-Block RFC 9177 §4.1;
// EDHOC RFC 9668 §3.1.
const ROWS: readonly Row[] = [
  [OptionNumber.IF_MATCH, "If-Match", "opaque", 0, 8, true, E],
  [OptionNumber.URI_HOST, "Uri-Host", "string", 1, 255, false, U],
  [OptionNumber.ETAG, "ETag", "opaque", 1, 8, true, E],
  [OptionNumber.IF_NONE_MATCH, "If-None-Match", "empty", 0, 0, false, E],
  [OptionNumber.OBSERVE, "Observe", "uint", 0, 3, false, EU],
  [OptionNumber.URI_PORT, "Uri-Port", "uint", 0, 2, false, U],
  [OptionNumber.LOCATION_PATH, "Location-Path", "string", 0, 255, true, E],
  [OptionNumber.OSCORE, "OSCORE", "opaque", 0, 255, false, U],
  [OptionNumber.URI_PATH, "Uri-Path", "string", 0, 255, true, E],
  [OptionNumber.CONTENT_FORMAT, "Content-Format", "uint", 0, 2, false, E],
  [OptionNumber.MAX_AGE, "Max-Age", "uint", 0, 4, false, EU],
  [OptionNumber.URI_QUERY, "Uri-Query", "string", 0, 255, true, E],
  [OptionNumber.HOP_LIMIT, "Hop-Limit", "uint", 1, 1, false, U],
  [OptionNumber.ACCEPT, "Accept", "uint", 0, 2, false, E],
  [OptionNumber.Q_BLOCK1, "Q-Block1", "uint", 0, 3, false, EU],
  [OptionNumber.LOCATION_QUERY, "Location-Query", "string", 0, 255, true, E],
  [OptionNumber.EDHOC, "EDHOC", "empty", 0, 0, false, U],
  [OptionNumber.BLOCK2, "Block2", "uint", 0, 3, false, EU],
  [OptionNumber.BLOCK1, "Block1", "uint", 0, 3, false, EU],
  [OptionNumber.SIZE2, "Size2", "uint", 0, 4, false, EU],
  [OptionNumber.Q_BLOCK2, "Q-Block2", "uint", 0, 3, true, EU],
  [OptionNumber.PROXY_URI, "Proxy-Uri", "string", 1, 1034, false, U],
  [OptionNumber.PROXY_SCHEME, "Proxy-Scheme", "string", 1, 255, false, U],
  [OptionNumber.SIZE1, "Size1", "uint", 0, 4, false, EU],
  [OptionNumber.ECHO, "Echo", "opaque", 1, 40, false, EU],
  [OptionNumber.NO_RESPONSE, "No-Response", "uint", 0, 1, false, EU],
  [OptionNumber.REQUEST_TAG, "Request-Tag", "opaque", 0, 8, true, EU],
];

/** Every option that we know, by number. */
export const OPTIONS: ReadonlyMap<number, OptionDefinition> = new Map(
  ROWS.map(([number, name, format, minLength, maxLength, repeatable, oscore]) => [
    number,
    { number, name, format, minLength, maxLength, repeatable, oscore },
  ]),
);

/** A message that does not understand this option must not be acted on (RFC 7252 §5.4.1). */
export function isCritical(number: number): boolean {
  return (number & 1) !== 0;
}

/** A proxy that does not understand this option must not forward the message (RFC 7252 §5.4.2). */
export function isUnsafe(number: number): boolean {
  return (number & 2) !== 0;
}

/** Not part of the cache key; has meaning for safe-to-forward options only (RFC 7252 §5.4.6). */
export function isNoCacheKey(number: number): boolean {
  return (number & 0x1e) === 0x1c;
}

/** Bits of {@link OscoreClass}; an option that is not registered is class E (RFC 8613 §4.1). */
export function oscoreClass(number: number): number {
  return OPTIONS.get(number)?.oscore ?? OscoreClass.E;
}

/** "Uri-Path" of 11; "option 65001" of a number without a name. */
export function optionName(number: number): string {
  return OPTIONS.get(number)?.name ?? `option ${number}`;
}

/** Anything that carries options: a message, or the inner part of an OSCORE message. */
export interface HasOptions {
  readonly options: readonly CoapOption[];
}

/** Whether a value has a form that its option may have (RFC 7252 §5.4.3, §3.2). Unknown options may hold anything. */
export function isWellFormed(option: CoapOption): boolean {
  const definition = OPTIONS.get(option.number);
  if (definition === undefined) return true;
  const { length } = option.value;
  if (length < definition.minLength || length > definition.maxLength) return false;
  return definition.format !== "string" || !(decodeUtf8(option.value) instanceof Refusal);
}

/**
 * The first critical option that has to be treated as not understood, `undefined` when there is none: one that
 * `understands` does not name, whose value has no permitted form (RFC 7252 §5.4.3), or that stands more often than it
 * may (§5.4.5). The message is then answered with 4.02 or rejected (§5.4.1). Elective ones are simply passed over, here
 * and by the getters below.
 * @param understands default: every option of {@link OPTIONS}
 */
export function badCriticalOption(
  message: HasOptions,
  understands: (number: number) => boolean = isRegistered,
): number | undefined {
  let previous = -1;
  for (const option of message.options) {
    const { number } = option;
    if (isCritical(number)) {
      if (!understands(number) || !isWellFormed(option)) return number;
      if (number === previous && OPTIONS.get(number)?.repeatable === false) return number;
    }
    previous = number;
  }
  return undefined;
}

function isRegistered(number: number): boolean {
  return OPTIONS.has(number);
}

// Getters. A value of a length that its option may not have reads as absent (RFC 7252 §5.4.3); of an option that is not
// repeatable the first one counts (§5.4.5).

/** The value of the first instance, `undefined` when absent. Not a copy. */
export function getOption(message: HasOptions, number: number): Uint8Array | undefined {
  const { options } = message;
  for (let i = 0; i < options.length; i++) {
    const option = options[i];
    if (option.number === number) return isWellFormed(option) ? option.value : undefined;
    if (option.number > number) return undefined;
  }
  return undefined;
}

/** The values of all instances, in their order. */
export function getOptions(message: HasOptions, number: number): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (const option of message.options) {
    if (option.number === number && isWellFormed(option)) values.push(option.value);
  }
  return values;
}

/** Whether the message has an option of this number. */
export function hasOption(message: HasOptions, number: number): boolean {
  return getOption(message, number) !== undefined;
}

/** Unsigned integer, big-endian, no bytes for 0; leading zeros are accepted (RFC 7252 §3.2). */
export function uintValue(value: Uint8Array): number {
  let result = 0;
  for (let i = 0; i < value.length; i++) result = result * 256 + value[i];
  return result;
}

function text(value: Uint8Array): string | undefined {
  const decoded = decodeUtf8(value);
  return decoded instanceof Refusal ? undefined : decoded;
}

/** The first option of this number as an unsigned integer; `undefined` without it. */
export function getUint(message: HasOptions, number: number): number | undefined {
  const value = getOption(message, number);
  return value === undefined ? undefined : uintValue(value);
}

/** The first option of this number as text; `undefined` without it. */
export function getString(message: HasOptions, number: number): string | undefined {
  const value = getOption(message, number);
  return value === undefined ? undefined : text(value);
}

/** All instances of a repeatable string option. Values that are not UTF-8 are left out, see {@link isWellFormed}. */
export function getStrings(message: HasOptions, number: number): string[] {
  const texts: string[] = [];
  for (const option of message.options) {
    if (option.number !== number || !isWellFormed(option)) continue;
    texts.push(text(option.value)!);
  }
  return texts;
}

/** Path segments, none for the root. Check {@link badCriticalOption} first: a segment that is not UTF-8 is left out. */
export function uriPath(message: HasOptions): string[] {
  return getStrings(message, OptionNumber.URI_PATH);
}

/** Query arguments, each "key=value" or "key". */
export function uriQuery(message: HasOptions): string[] {
  return getStrings(message, OptionNumber.URI_QUERY);
}

const NO_BYTES = new Uint8Array(0);

/** The shortest form of an unsigned integer: no bytes for 0 (RFC 7252 §3.2). @throws RangeError */
export function uintBytes(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`uint option value ${value}`);
  if (value === 0) return NO_BYTES;
  let length = 1;
  for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) length++;
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = value; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** An option without a value. */
export function emptyOption(number: number): CoapOption {
  return { number, value: NO_BYTES };
}

/** An option with these bytes. */
export function opaqueOption(number: number, value: Uint8Array): CoapOption {
  return { number, value };
}

/** An option with an unsigned integer in as few bytes as it needs (RFC 7252 §3.2). */
export function uintOption(number: number, value: number): CoapOption {
  return { number, value: uintBytes(value) };
}

/** An option with text in UTF-8. */
export function stringOption(number: number, text: string): CoapOption {
  return { number, value: encodeUtf8(text) };
}

/** One Uri-Path option (or Location-Path) per segment of "a/b", "/a/b" or ["a", "b"]; none for "" and "/". */
export function pathOptions(
  path: string | readonly string[],
  number: number = OptionNumber.URI_PATH,
): CoapOption[] {
  if (typeof path !== "string") return path.map((segment) => stringOption(number, segment));
  const relative = path.startsWith("/") ? path.slice(1) : path;
  return relative === "" ? [] : relative.split("/").map((segment) => stringOption(number, segment));
}

/** One Uri-Query option (or Location-Query) per argument. */
export function queryOptions(
  query: readonly string[],
  number: number = OptionNumber.URI_QUERY,
): CoapOption[] {
  return query.map((argument) => stringOption(number, argument));
}

/** Puts an option where its number belongs, behind others of that number. */
export function insertOption(options: CoapOption[], option: CoapOption): void {
  let at = options.length;
  while (at > 0 && options[at - 1].number > option.number) at--;
  options.splice(at, 0, option);
}

/** Puts an option in place of all that have its number. */
export function setOption(options: CoapOption[], option: CoapOption): void {
  removeOption(options, option.number);
  insertOption(options, option);
}

/** Takes away all options of that number. @returns how many there were */
export function removeOption(options: CoapOption[], number: number): number {
  let kept = 0;
  for (const option of options) if (option.number !== number) options[kept++] = option;
  const removed = options.length - kept;
  options.length = kept;
  return removed;
}

/** Options in ascending order, those of one number in the order given (RFC 7252 §3.1). Sorts in place. */
export function sortOptions(options: CoapOption[]): CoapOption[] {
  return sort(options, (a, b) => a.number - b.number);
}

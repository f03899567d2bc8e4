/** CoAP URIs into options and back (RFC 7252 §6.4, §6.5), and Proxy-Uri (§5.10.2). */

import { asciiLowerCase } from "../bytes/case.js";
import { fromHex } from "../bytes/hex.js";
import { Refusal } from "../bytes/refusal.js";
import { decodeUtf8, encodeUtf8 } from "../bytes/utf8.js";
import type { CoapOption } from "./message.js";
import { OptionNumber } from "./numbers.js";
import { getString, getUint, type HasOptions, OPTIONS, stringOption, uintOption } from "./options.js";

/** Why a text is no URI that options can carry. */
export type UriReason =
  | "uri-not-absolute"
  /** neither coap nor coaps */
  | "uri-scheme"
  | "uri-host"
  | "uri-port"
  /** a fragment has no place in a request (RFC 7252 §6.4 step 4) */
  | "uri-fragment"
  /** a percent sign without two hex digits, or bytes that are no UTF-8 */
  | "uri-encoding"
  /** a segment or argument beyond the 255 bytes of its option */
  | "uri-too-long";

/** An absolute URI, taken apart. */
export interface UriParts {
  /** in lower case */
  readonly scheme: string;
  /** host and port as they were written */
  readonly authority: string;
  /** in lower case, percent-encoding resolved; IPv6 literals without brackets */
  readonly host: string;
  /** the host is an address and not a name */
  readonly isAddress: boolean;
  /** `undefined` when none was written */
  readonly port: number | undefined;
  /** Uri-Path options */
  readonly path: CoapOption[];
  /** Uri-Query options */
  readonly query: CoapOption[];
}

/** Where a request goes: what Uri-Host and Uri-Port need not repeat. */
export interface Destination {
  /** an IP address, IPv6 without brackets */
  readonly address: string;
  readonly port: number;
}

/** The default ports (RFC 7252 §6.1, §6.2). */
export const COAP_PORT = 5683;
/** UDP port of coaps (RFC 7252 §6.2). */
export const COAPS_PORT = 5684;

/** Takes an absolute URI of any scheme apart; RFC 7252 §6.4 but for what depends on scheme and destination. */
export function splitUri(uri: string): UriParts | Refusal<UriReason> {
  const schemeEnd = uri.indexOf("://");
  const scheme = asciiLowerCase(uri.slice(0, Math.max(schemeEnd, 0)));
  if (!isScheme(scheme)) return new Refusal("uri-not-absolute");
  if (uri.includes("#")) return new Refusal("uri-fragment");

  const start = schemeEnd + 3;
  let end = start;
  while (end < uri.length && uri[end] !== "/" && uri[end] !== "?") end++;
  const authority = uri.slice(start, end);
  const place = splitAuthority(authority);
  if (place instanceof Refusal) return place;

  const queryAt = uri.indexOf("?", end);
  const path = removeDotSegments(uri.slice(end, queryAt < 0 ? uri.length : queryAt));
  const pathOptions =
    path === "" || path === "/" ? [] : components(OptionNumber.URI_PATH, path.slice(1), "/");
  if (pathOptions instanceof Refusal) return pathOptions;
  const query = queryAt < 0 ? [] : components(OptionNumber.URI_QUERY, uri.slice(queryAt + 1), "&");
  if (query instanceof Refusal) return query;
  return { scheme, authority, ...place, path: pathOptions, query };
}

/**
 * The options of a request for a coap or coaps URI (RFC 7252 §6.4): Uri-Host, Uri-Port, Uri-Path, Uri-Query.
 * @param destination where the request is sent to; what is the same there is left out
 */
export function uriOptions(uri: string, destination: Destination): CoapOption[] | Refusal<UriReason> {
  const parts = splitUri(uri);
  if (parts instanceof Refusal) return parts;
  const defaultPort = portOf(parts.scheme);
  if (defaultPort === undefined) return new Refusal("uri-scheme", parts.scheme);
  const options: CoapOption[] = [];
  if (!parts.isAddress || parts.host !== asciiLowerCase(destination.address)) {
    options.push(stringOption(OptionNumber.URI_HOST, parts.host));
  }
  const port = parts.port ?? defaultPort;
  if (port !== destination.port) options.push(uintOption(OptionNumber.URI_PORT, port));
  options.push(...parts.path, ...parts.query);
  return options;
}

/**
 * The URI that a request is about (RFC 7252 §6.5).
 * @param destination where the request was sent to
 */
export function composeUri(
  message: HasOptions,
  destination: Destination,
  scheme: "coap" | "coaps" = "coap",
): string | Refusal<"uri-host"> {
  const named = getString(message, OptionNumber.URI_HOST);
  const host =
    named === undefined || named.includes(":") ? literal(named ?? destination.address) : hostName(named);
  if (host === undefined) return new Refusal("uri-host", named);
  const port = getUint(message, OptionNumber.URI_PORT) ?? destination.port;
  let uri = `${scheme}://${host}${port === portOf(scheme) ? "" : `:${port}`}`;
  let path = "";
  let query = "";
  for (const { number, value } of message.options) {
    if (number === OptionNumber.URI_PATH) path += `/${percentEncode(value, PATH_SAFE)}`;
    else if (number === OptionNumber.URI_QUERY) {
      query += `${query === "" ? "?" : "&"}${percentEncode(value, QUERY_SAFE)}`;
    }
  }
  uri += path === "" ? "/" : path;
  return uri + query;
}

/** An address as it stands in a URI. */
function literal(address: string): string | undefined {
  if (!address.includes(":")) return address;
  const bare = address.startsWith("[") && address.endsWith("]") ? address.slice(1, -1) : address;
  return isIpv6(bare) ? `[${bare}]` : undefined;
}

/** A reg-name (RFC 3986 §3.2.2), other characters than ASCII percent-encoded; `undefined` when it cannot be one. */
function hostName(name: string): string | undefined {
  let encoded = "";
  for (const byte of encodeUtf8(name)) {
    if (byte >= 0x80) encoded += percent(byte);
    else if (isIn(byte, REG_NAME_SAFE)) encoded += String.fromCharCode(byte);
    else return undefined;
  }
  return encoded;
}

function splitAuthority(
  authority: string,
): { host: string; isAddress: boolean; port: number | undefined } | Refusal<UriReason> {
  let host = authority;
  let port: number | undefined;
  const bracket = lastOf(authority, "]");
  const colon = lastOf(authority, ":");
  if (colon > bracket) {
    host = authority.slice(0, colon);
    // An empty port is the default one (RFC 3986 §3.2.3).
    const digits = authority.slice(colon + 1);
    if (digits !== "") {
      port = decimal(digits, 0xffff);
      if (port === undefined) return new Refusal("uri-port", digits);
    }
  }
  if (host.startsWith("[")) {
    const address = asciiLowerCase(host.slice(1, -1));
    if (!host.endsWith("]") || !isIpv6(address)) return new Refusal("uri-host", host);
    return { host: address, isAddress: true, port };
  }
  const decoded = percentDecode(host);
  const name = decoded === undefined ? undefined : decodeUtf8(decoded);
  if (name === undefined || name instanceof Refusal) return new Refusal("uri-encoding", host);
  // Neither a user (coap URIs have none) nor a second port.
  if (name === "" || host.includes("@") || host.includes(":")) return new Refusal("uri-host", host);
  if (encodeUtf8(name).length > 255) return new Refusal("uri-too-long", host);
  return { host: asciiLowerCase(name), isAddress: isIpv4(name), port };
}

function components(number: number, text: string, separator: string): CoapOption[] | Refusal<UriReason> {
  const options: CoapOption[] = [];
  const { maxLength = 255 } = OPTIONS.get(number) ?? {};
  for (const part of text.split(separator)) {
    const value = percentDecode(part);
    if (value === undefined || decodeUtf8(value) instanceof Refusal) return new Refusal("uri-encoding", part);
    if (value.length > maxLength) return new Refusal("uri-too-long", part);
    options.push({ number, value });
  }
  return options;
}

/** RFC 3986 §5.2.4, for a path that is empty or begins with "/". */
function removeDotSegments(path: string): string {
  if (!path.includes("/.")) return path;
  const kept: string[] = [];
  const segments = path.slice(1).split("/");
  for (const [i, segment] of segments.entries()) {
    const last = i === segments.length - 1;
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
    // "/a/." and "/a/b/.." end in a slash.
    if (last && (segment === "." || segment === "..")) kept.push("");
  }
  return `/${kept.join("/")}`;
}

function percentDecode(text: string): Uint8Array | undefined {
  const bytes = encodeUtf8(text);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== 0x25) {
      bytes[length++] = bytes[i];
      continue;
    }
    if (i + 2 >= bytes.length) return undefined;
    const byte = fromHex(String.fromCharCode(bytes[i + 1], bytes[i + 2]));
    if (byte instanceof Refusal) return undefined;
    bytes[length++] = byte[0];
    i += 2;
  }
  return bytes.subarray(0, length);
}

const SUB_DELIMS_BUT_AMPERSAND = "!$'()*+,;=";
/** Besides the unreserved characters: sub-delims, ":" and "@" (RFC 7252 §6.5 step 6). */
const PATH_SAFE = `${SUB_DELIMS_BUT_AMPERSAND}&:@`;
/** Step 8: no ampersand, but "/" and "?". */
const QUERY_SAFE = `${SUB_DELIMS_BUT_AMPERSAND}:@/?`;
const REG_NAME_SAFE = `${SUB_DELIMS_BUT_AMPERSAND}&`;
const UPPER_DIGITS = "0123456789ABCDEF";

function percentEncode(value: Uint8Array, safe: string): string {
  let text = "";
  for (const byte of value) text += isIn(byte, safe) ? String.fromCharCode(byte) : percent(byte);
  return text;
}

function percent(byte: number): string {
  return `%${UPPER_DIGITS[byte >> 4]}${UPPER_DIGITS[byte & 15]}`;
}

/** Unreserved (RFC 3986 §2.3), or one of `others`. */
function isIn(byte: number, others: string): boolean {
  if (byte >= 0x80) return false;
  if (isAlphanumeric(byte)) return true;
  const character = String.fromCharCode(byte);
  return "-._~".includes(character) || others.includes(character);
}

function isAlphanumeric(code: number): boolean {
  const letter = code | 0x20;
  return (code >= 0x30 && code <= 0x39) || (letter >= 0x61 && letter <= 0x7a);
}

function isScheme(text: string): boolean {
  if (text === "" || (text.charCodeAt(0) >= 0x30 && text.charCodeAt(0) <= 0x39)) return false;
  for (let i = 0; i < text.length; i++) {
    if (!isAlphanumeric(text.charCodeAt(i)) && !"+-.".includes(text[i])) return false;
  }
  return !"+-.".includes(text[0]);
}

function portOf(scheme: string): number | undefined {
  return scheme === "coap" ? COAP_PORT : scheme === "coaps" ? COAPS_PORT : undefined;
}

function decimal(text: string, most: number): number | undefined {
  if (text.length === 0 || text.length > 5) return undefined;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (!(digit >= 0 && digit <= 9)) return undefined;
    value = value * 10 + digit;
  }
  return value <= most ? value : undefined;
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => part.length <= 3 && decimal(part, 255) !== undefined);
}

/** Enough to tell an address from what is none; zones are taken as they are. */
function isIpv6(text: string): boolean {
  if (!text.includes(":")) return false;
  for (let i = 0; i < text.length; i++) {
    if (!isAlphanumeric(text.charCodeAt(i)) && !":.%-_~".includes(text[i])) return false;
  }
  return true;
}

/** `lastIndexOf` would bring that of arrays with it, 1 KB of flash. */
function lastOf(text: string, character: string): number {
  let at = text.length - 1;
  while (at >= 0 && text[at] !== character) at--;
  return at;
}

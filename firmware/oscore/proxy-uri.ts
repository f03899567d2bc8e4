/** Proxy-Uri, taken apart so that path and query can be encrypted (RFC 8613 §4.1.3.3, RFC 7252 §6.4). */

import { Refusal } from "../bytes/refusal.js";
import { decodeUtf8, encodeUtf8 } from "../bytes/utf8.js";
import type { CoapOption } from "../coap/message.js";
import { OptionNumber } from "../coap/numbers.js";
import { stringOption } from "../coap/options.js";

export interface ProxyUriParts {
  /** Proxy-Uri with scheme and authority only */
  readonly outer: CoapOption;
  /** Uri-Path and Uri-Query, in this order */
  readonly inner: readonly CoapOption[];
}

/** Splits an absolute URI. The authority is kept as it was written: only the proxy reads it. */
export function decomposeProxyUri(value: Uint8Array): ProxyUriParts | Refusal<"proxy-uri"> {
  const uri = decodeUtf8(value);
  if (uri instanceof Refusal) return new Refusal("proxy-uri", "not UTF-8");
  const schemeEnd = uri.indexOf("://");
  if (schemeEnd <= 0) return new Refusal("proxy-uri", "not absolute");
  // RFC 7252 §6.4: a fragment has no place in a request.
  if (uri.includes("#")) return new Refusal("proxy-uri", "with a fragment");
  const authority = schemeEnd + 3;
  let authorityEnd = authority;
  while (authorityEnd < uri.length && uri[authorityEnd] !== "/" && uri[authorityEnd] !== "?") authorityEnd++;
  if (authorityEnd === authority) return new Refusal("proxy-uri", "without a host");

  const rest = uri.slice(authorityEnd);
  const queryAt = rest.indexOf("?");
  const path = queryAt < 0 ? rest : rest.slice(0, queryAt);
  const inner: CoapOption[] = [];
  if (path !== "" && path !== "/") {
    for (const segment of path.slice(1).split("/")) {
      const option = component(OptionNumber.URI_PATH, segment);
      if (option instanceof Refusal) return option;
      inner.push(option);
    }
  }
  if (queryAt >= 0 && queryAt + 1 < rest.length) {
    for (const argument of rest.slice(queryAt + 1).split("&")) {
      const option = component(OptionNumber.URI_QUERY, argument);
      if (option instanceof Refusal) return option;
      inner.push(option);
    }
  }
  return { outer: stringOption(OptionNumber.PROXY_URI, uri.slice(0, authorityEnd)), inner };
}

function component(number: number, text: string): CoapOption | Refusal<"proxy-uri"> {
  const value = percentDecode(text);
  if (value === undefined) return new Refusal("proxy-uri", "with a percent sign that encodes nothing");
  return { number, value };
}

function percentDecode(text: string): Uint8Array | undefined {
  const bytes = encodeUtf8(text);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== 0x25) {
      bytes[length++] = bytes[i];
      continue;
    }
    const high = hexDigit(bytes[i + 1]);
    const low = hexDigit(bytes[i + 2]);
    if (high < 0 || low < 0) return undefined;
    bytes[length++] = (high << 4) | low;
    i += 2;
  }
  return bytes.subarray(0, length);
}

function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

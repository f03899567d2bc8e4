/** Proxy-Uri, taken apart so that path and query can be encrypted (RFC 8613 §4.1.3.3). */

import { Refusal } from "../bytes/refusal.js";
import { decodeUtf8 } from "../bytes/utf8.js";
import type { CoapOption } from "../coap/message.js";
import { OptionNumber } from "../coap/numbers.js";
import { stringOption } from "../coap/options.js";
import { splitUri, type UriReason } from "../coap/uri.js";

/** What {@link decomposeProxyUri} makes of a Proxy-Uri (RFC 8613 §4.1.3.3). */
export interface ProxyUriParts {
  /** Proxy-Uri with scheme and authority only */
  readonly outer: CoapOption;
  /** Uri-Path and Uri-Query, in this order */
  readonly inner: readonly CoapOption[];
}

/** Splits an absolute URI. The authority stays as it was written: only the proxy reads it. */
export function decomposeProxyUri(value: Uint8Array): ProxyUriParts | Refusal<UriReason> {
  const uri = decodeUtf8(value);
  if (uri instanceof Refusal) return new Refusal("uri-encoding");
  const parts = splitUri(uri);
  if (parts instanceof Refusal) return parts;
  return {
    outer: stringOption(OptionNumber.PROXY_URI, `${parts.scheme}://${parts.authority}`),
    inner: [...parts.path, ...parts.query],
  };
}

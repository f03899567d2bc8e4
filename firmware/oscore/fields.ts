/** Which field of a CoAP message goes where: inside, outside, or both (RFC 8613 §4). */

import { Refusal } from "../bytes/refusal.js";
import type { CoapMessage, CoapOption } from "../coap/message.js";
import { OptionNumber } from "../coap/numbers.js";
import { insertOption, OscoreClass, oscoreClass } from "../coap/options.js";
import { decomposeProxyUri } from "./proxy-uri.js";

const NO_BYTES = new Uint8Array(0);
const NO_OPTIONS: readonly CoapOption[] = [];

/** A message that OSCORE cannot protect: a mistake of the caller. */
export class ProtectError extends Error {
  constructor(problem: string) {
    super(`OSCORE cannot protect the message: ${problem}`);
    this.name = "ProtectError";
  }
}

/** A message's options by how OSCORE protects them (RFC 8613 §4.1). */
export interface SplitOptions {
  /** Class E, for the plaintext */
  readonly inner: CoapOption[];
  /** Class U and I, without the OSCORE option */
  readonly outer: CoapOption[];
  /** Class I alone, for the AAD */
  readonly classI: readonly CoapOption[];
  /** whether Observe is among them, which decides the Outer Code (§4.1.3.5) */
  readonly observe: boolean;
}

/**
 * Divides the options of a message that is to be protected (RFC 8613 §4.1).
 *
 * An option that may be both inner and outer is written inner only: the outer one is for proxies to add. Observe
 * alone is written twice, and inside a notification it is empty (§4.1.3.5.2).
 * @throws ProtectError for a message that is already protected, or a Proxy-Uri that is no URI
 */
export function splitOptions(message: CoapMessage, isRequest: boolean): SplitOptions {
  const inner: CoapOption[] = [];
  const outer: CoapOption[] = [];
  let classI: CoapOption[] | undefined;
  let observe = false;
  let proxyUri: CoapOption | undefined;
  const { options } = message;
  for (let i = 0; i < options.length; i++) {
    const option = options[i];
    const { number } = option;
    if (number === OptionNumber.OBSERVE) {
      observe = true;
      inner.push(isRequest ? option : { number, value: NO_BYTES });
      outer.push(option);
      continue;
    }
    if (number === OptionNumber.OSCORE) throw new ProtectError("it has an OSCORE option");
    if (number === OptionNumber.PROXY_URI) {
      proxyUri = option;
      continue;
    }
    const place = oscoreClass(number);
    if ((place & OscoreClass.E) !== 0) {
      inner.push(option);
    } else {
      outer.push(option);
      if ((place & OscoreClass.I) !== 0) {
        classI ??= [];
        classI.push(option);
      }
    }
  }
  if (proxyUri !== undefined) {
    const parts = decomposeProxyUri(proxyUri.value);
    if (parts instanceof Refusal) throw new ProtectError(`Proxy-Uri: ${parts}`);
    for (const option of parts.inner) insertOption(inner, option);
    insertOption(outer, parts.outer);
  }
  return { inner, outer, classI: classI ?? NO_OPTIONS, observe };
}

/** The Class I options of a received message. */
export function classIOptions(outer: CoapMessage): readonly CoapOption[] {
  let classI: CoapOption[] | undefined;
  for (const option of outer.options) {
    if ((oscoreClass(option.number) & OscoreClass.I) === 0) continue;
    classI ??= [];
    classI.push(option);
  }
  return classI ?? NO_OPTIONS;
}

/**
 * Puts the outer options that survive (RFC 8613 §8.2 and §8.4, step 1: all that are not Class E, without the OSCORE
 * option) among the decrypted ones. An inner option keeps out an outer one of the same number: it is the protected one.
 */
export function mergeOptions(inner: CoapOption[], outer: CoapMessage): CoapOption[] {
  let merged: CoapOption[] | undefined;
  for (const option of outer.options) {
    const { number } = option;
    if (number === OptionNumber.OSCORE || (oscoreClass(number) & OscoreClass.E) !== 0) continue;
    if (inner.some((one) => one.number === number)) continue;
    merged ??= inner.slice();
    insertOption(merged, option);
  }
  return merged ?? inner;
}

/** The Echo option (RFC 9175 §2): a server asks a client to prove that a request is fresh, or its address its own. */

import type { Content } from "./messaging.js";
import { Code, OptionNumber } from "./numbers.js";
import { getOption, opaqueOption, setOption } from "./options.js";

const NO_BYTES = new Uint8Array(0);

/** 4.01 with an Echo value, which the client is to repeat in its request (RFC 9175 §2.3). */
export function echoChallenge(value: Uint8Array): Content {
  return {
    code: Code.UNAUTHORIZED,
    options: [opaqueOption(OptionNumber.ECHO, value)],
    payload: NO_BYTES,
  };
}

/**
 * The request again with the Echo value that a response asks for; `undefined` when it asks for none. A client repeats
 * once: a second challenge is an answer. The value is copied.
 */
export function withEcho(request: Content, response: Content): Content | undefined {
  if (response.code !== Code.UNAUTHORIZED) return undefined;
  const value = getOption(response, OptionNumber.ECHO);
  if (value === undefined) return undefined;
  const options = [...request.options];
  setOption(options, opaqueOption(OptionNumber.ECHO, value.slice()));
  return { code: request.code, options, payload: request.payload };
}

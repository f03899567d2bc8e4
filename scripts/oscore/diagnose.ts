/** Why a message does not open: by trying what people get wrong. */

import { equal } from "../../firmware/bytes/compare.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { AEAD_ALGORITHMS } from "../../firmware/oscore/algorithms.js";
import {
  type ContextParameters,
  checkParameters,
  deriveContext,
  Hkdf,
} from "../../firmware/oscore/context.js";
import type { OscoreRefusal } from "../../firmware/oscore/refusal.js";
import { requestOptionOf, unprotectRequest } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { explainId } from "./explain.js";
import { openResponse } from "./open.js";

const NO_BYTES = new Uint8Array(0);

interface Attempt {
  readonly what: string;
  readonly parameters: ContextParameters;
}

/** Sentences for a person, behind a failed attempt to open `message`. */
export function diagnose(
  parameters: ContextParameters,
  message: CoapMessage,
  request: CoapMessage | undefined,
  refusal: OscoreRefusal,
): string[] {
  const hints: string[] = [];
  const option = requestOptionOf(request ?? message);
  if (option === undefined || option instanceof Refusal) return hints;
  const { senderId, recipientId } = parameters;
  if (!equal(option.kid, senderId) && !equal(option.kid, recipientId)) {
    const ids = `${explainId(senderId)} and ${explainId(recipientId)}`;
    hints.push(`The request's kid is ${explainId(option.kid)}; the IDs given are ${ids}.`);
    return hints;
  }
  if (refusal.reason === "oscore-option" || refusal.reason === "oscore-no-payload") return hints;
  for (const { what, parameters: changed } of attempts(parameters, option.kidContext)) {
    if (opens(changed, message, request)) {
      hints.push(`It opens ${what}.`);
      return hints;
    }
  }
  hints.push(
    "No likely mistake explains it: the secret is another one, or the message was changed on its way.",
  );
  return hints;
}

function* attempts(given: ContextParameters, kidContext: Uint8Array | undefined): Generator<Attempt> {
  const { masterSalt, idContext } = given;
  const swapped = { ...given, senderId: given.recipientId, recipientId: given.senderId };
  for (const base of [given, swapped]) {
    const changed = (what: string, change: Partial<ContextParameters>) => ({
      what,
      parameters: { ...base, ...change },
    });
    if (masterSalt !== undefined && masterSalt.length > 0)
      yield changed("without a Master Salt", { masterSalt: NO_BYTES });
    if (kidContext !== undefined && (idContext === undefined || !equal(kidContext, idContext))) {
      yield changed("with its kid context as the ID Context", { idContext: kidContext });
    }
    if (idContext !== undefined) yield changed("without an ID Context", { idContext: undefined });
    for (const { number, name } of AEAD_ALGORITHMS.values()) {
      if (number !== (given.algorithm ?? 10))
        yield changed(`with --alg ${number} (${name})`, { algorithm: number });
    }
    if (given.hkdf === Hkdf.SHA_512) yield changed("with --hkdf sha-256", { hkdf: Hkdf.SHA_256 });
    else yield changed("with --hkdf sha-512", { hkdf: Hkdf.SHA_512 });
  }
}

function opens(
  parameters: ContextParameters,
  message: CoapMessage,
  request: CoapMessage | undefined,
): boolean {
  if (checkParameters(parameters) !== undefined) return false;
  const context = deriveContext(hostCrypto, parameters);
  const result =
    request === undefined ? unprotectRequest(context, message) : openResponse(context, message, request);
  return !(result instanceof Refusal);
}

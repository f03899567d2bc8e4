import { equal } from "../../firmware/bytes/compare.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import type { SecurityContext } from "../../firmware/oscore/context.js";
import { Exchange } from "../../firmware/oscore/exchange.js";
import { decodePartialIv } from "../../firmware/oscore/partial-iv.js";
import { OscoreRefusal } from "../../firmware/oscore/refusal.js";
import {
  requestOptionOf,
  type UnprotectedResponse,
  unprotectResponse,
} from "../../firmware/oscore/unprotect.js";

/**
 * The exchange of a protected request that was captured, not sent by us: enough to protect or open its response.
 * @param isClient whether the request is one of ours
 */
export function exchangeOf(
  context: SecurityContext,
  request: CoapMessage,
  isClient: boolean,
): Exchange | OscoreRefusal {
  const option = requestOptionOf(request);
  if (option === undefined) return new OscoreRefusal("oscore-unprotected", "the request of --for");
  if (option instanceof Refusal) return option;
  const kid = isClient ? context.senderId : context.recipientId;
  if (!equal(option.kid, kid)) {
    return new OscoreRefusal("oscore-context", "the request of --for has the kid of another context");
  }
  return new Exchange(context, isClient, decodePartialIv(option.partialIv));
}

/** Opens a response to a captured request. */
export function openResponse(
  context: SecurityContext,
  response: CoapMessage,
  request: CoapMessage,
): UnprotectedResponse | OscoreRefusal {
  const exchange = exchangeOf(context, request, true);
  return exchange instanceof Refusal ? exchange : unprotectResponse(exchange, response);
}

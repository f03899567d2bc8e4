import { Refusal } from "../firmware/bytes/refusal.js";
import { type CoapMessage, Type } from "../firmware/coap/message.js";
import type { Content } from "../firmware/coap/message-layer.js";
import { Code, isError, OptionNumber } from "../firmware/coap/numbers.js";
import { getOption, hasOption, opaqueOption, setOption } from "../firmware/coap/options.js";
import { protectRequest } from "../firmware/oscore/protect.js";
import type { SequenceRefusal } from "../firmware/oscore/sequence.js";
import { unprotectResponse } from "../firmware/oscore/unprotect.js";
import type { Device } from "./device.js";
import type { Attempt } from "./downlink.js";

const NO_BYTES = new Uint8Array(0);

/** A request of ours to a node, under the keys it has when the request leaves. @returns why it cannot be protected */
export function protectedAttempt(
  device: Device,
  request: Content,
): Attempt | Refusal<"no-keys"> | SequenceRefusal {
  const { context } = device;
  if (context === undefined) return new Refusal("no-keys");
  const number = context.next();
  if (number instanceof Refusal) return number;
  const message: CoapMessage = {
    type: Type.CON,
    messageId: 0,
    token: NO_BYTES,
    ...request,
    options: [...request.options],
  };
  const { message: outer, exchange } = protectRequest(context.security, message, number);
  return {
    outer,
    take(answer) {
      const opened = unprotectResponse(exchange, answer);
      if (opened instanceof Refusal) return opened;
      const echo = getOption(opened.message, OptionNumber.ECHO);
      // RFC 8613 App. B.1.2: the node wants to know that this is no replay.
      if (opened.message.code !== Code.UNAUTHORIZED || echo === undefined) return opened.message;
      const options = request.options.slice();
      setOption(options, opaqueOption(OptionNumber.ECHO, echo.slice()));
      return protectedAttempt(device, { ...request, options });
    },
  };
}

/**
 * A message that somebody else has protected: forwarded blind, and so is its answer (RFC 8613 §11). An error without
 * protection proves nothing, but that is for the client to judge; any other answer without it is not the node's.
 */
export function blindAttempt(option: Uint8Array, payload: Uint8Array): Attempt {
  return {
    outer: { code: Code.POST, options: [opaqueOption(OptionNumber.OSCORE, option)], payload },
    take: (answer) =>
      hasOption(answer, OptionNumber.OSCORE) || isError(answer.code)
        ? answer
        : new Refusal("oscore-unprotected", "answer without OSCORE"),
  };
}

/** The security contexts of the OSCORE plugtest (test-spec5, section 2), from the client's side. */

import { hex } from "../../firmware/bytes/hex.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";

/** Security context A of the client, B of the server. */
export const CONTEXT_A: ContextParameters = {
  masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
  masterSalt: hex("9e7ca92223786340"),
  senderId: hex(""),
  recipientId: hex("01"),
};

/** Security context C of the client, D of the server. */
export const CONTEXT_C: ContextParameters = { ...CONTEXT_A, idContext: hex("37cbf3210017a2d3") };

/** The same context from the other end. */
export function otherEnd(parameters: ContextParameters): ContextParameters {
  return { ...parameters, senderId: parameters.recipientId, recipientId: parameters.senderId };
}

/** The two ends of the security context that the fuzz targets share (Master Secret and Salt of RFC 8613 App. C.1). */

import { hex } from "../../firmware/bytes/hex.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";

export const CLIENT: ContextParameters = {
  masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
  masterSalt: hex("9e7ca92223786340"),
  senderId: hex("0a"),
  recipientId: hex("01"),
};
export const SERVER: ContextParameters = { ...CLIENT, senderId: hex("01"), recipientId: hex("0a") };

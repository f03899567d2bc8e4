/** OSCORE as a library, `npm run example`: a request is protected at one end and opened at the other, so is its answer. */

import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest, unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";

const [masterSecret, one, none] = [hostCrypto.random(16), Uint8Array.of(1), new Uint8Array(0)];
const client = deriveContext(hostCrypto, { masterSecret, senderId: one, recipientId: none });
const server = deriveContext(hostCrypto, { masterSecret, senderId: none, recipientId: one });
const common = { messageId: 1, token: one, options: [] };
const post: CoapMessage = { ...common, type: Type.CON, code: Code.POST, payload: Uint8Array.of(21) };

// The Partial IV, 0 here, is never used twice: sequence.ts counts, also across power cuts.
const { message, exchange } = protectRequest(client, post, 0);
const datagram = encodeMessage(message); // over any network, past anybody

const arrived = decodeMessage(datagram);
const request = arrived instanceof Refusal ? arrived : unprotectRequest(server, arrived);
if (request instanceof Refusal) throw new Error(`forged, damaged, or another's: ${request}`);
const changed: CoapMessage = { ...common, type: Type.ACK, code: Code.CHANGED, payload: none };
const answer = protectResponse(request.exchange, changed);

const response = unprotectResponse(exchange, answer);
if (response instanceof Refusal) throw new Error(`not the server's answer: ${response}`);
console.log(`${datagram.length} bytes carried ${request.message.payload}; the answer is authentic`);

import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest, unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { contextPair, encode, taken } from "./helpers.js";

describe("sizes on the wire", () => {
  const reading = (): CoapMessage => ({
    type: Type.NON,
    code: Code.POST,
    messageId: 0x0102,
    token: hex(""),
    options: [],
    payload: hex("0bb8"),
  });

  it("20 bytes for a NON POST of 2 bytes without token and path under an empty Sender ID", () => {
    const { client, server } = contextPair();
    const { message: outer, exchange } = protectRequest(client, reading(), 5);
    const bytes = encodeMessage(outer);
    // header, OSCORE option (delta 9, length 2: flags 09, Partial IV 05), payload marker, 4 bytes and a tag of 8
    assert.equal(toHex(bytes.subarray(0, 8)), "50020102920905ff");
    assert.equal(toHex(bytes), `50020102920905ff${toHex(outer.payload)}`);
    assert.equal(bytes.length, 20);

    const request = taken(unprotectRequest(server, taken(decodeMessage(bytes))));
    assert.equal(toHex(request.message.payload), "0bb8");
    const answer = protectResponse(request.exchange, { ...reading(), code: Code.CHANGED, payload: hex("") });
    assert.equal(encode(answer).slice(0, 12), "5044010290ff");
    assert.equal(encodeMessage(answer).length, 15);
    assert.equal(taken(unprotectResponse(exchange, answer)).message.code, Code.CHANGED);
  });

  it("21 bytes under a Sender ID of one byte", () => {
    const { client } = contextPair({ senderId: hex("00") });
    const bytes = encodeMessage(protectRequest(client, reading(), 5).message);
    assert.equal(toHex(bytes.subarray(0, 9)), "5002010293090500ff");
    assert.equal(bytes.length, 21);
  });
});

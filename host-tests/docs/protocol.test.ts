import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { hostCrypto } from "#hal/crypto.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest } from "../../firmware/oscore/unprotect.js";
import { encodeHealth, encodeReadings } from "../../firmware/reading/codec.js";

const PAGE = readFileSync(new URL("../../docs/PROTOCOL.md", import.meta.url), "utf8");

function says(bytes: Uint8Array, what: string): void {
  assert.ok(
    PAGE.includes(`\`${toHex(bytes)}\``),
    `docs/PROTOCOL.md has another ${what}: ${toHex(bytes)} is right`,
  );
}

describe("docs/PROTOCOL.md", () => {
  const reading = { age: 0, temperature: 2234, humidity: 5112 };

  it("has the right bytes of readings and health", () => {
    says(encodeReadings([reading]), "reading");
    says(encodeReadings([{ ...reading, battery: 2980 }]), "reading with battery");
    const batch = [
      { age: 120, temperature: 2231, humidity: 5100, firstCarriage: { partialIv: 4, index: 0 } },
      { age: 60, temperature: -512, firstCarriage: { partialIv: 5, index: 1 } },
    ];
    says(encodeReadings(batch), "batch");
    says(
      encodeHealth({ uptime: 3600, rsrp: -101, rat: "LTE-M", queue: 2, heard: new Map([[0x100, 2]]) }),
      "health report",
    );
  });

  it("has the right bytes of a protected reading and of its answer", () => {
    const secrets = {
      masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
      masterSalt: hex("9e7ca92223786340"),
    };
    const [empty, zero] = [new Uint8Array(0), Uint8Array.of(0)];
    const node = deriveContext(hostCrypto, { ...secrets, senderId: empty, recipientId: zero });
    const server = deriveContext(hostCrypto, { ...secrets, senderId: zero, recipientId: empty });
    const request: CoapMessage = {
      type: Type.CON,
      code: Code.POST,
      messageId: 0x1234,
      token: hex("0a"),
      options: [],
      payload: encodeReadings([reading]),
    };
    says(encodeMessage(request), "plain message");
    const { message } = protectRequest(node, request, 0);
    const datagram = encodeMessage(message).slice();
    says(datagram, "protected message");
    says(Uint8Array.of(0xc1, 0xff, 0xff, ...datagram), "access payload");
    const received = unprotectRequest(server, message);
    assert.ok(!(received instanceof Refusal));
    const answer = { ...request, type: Type.ACK, code: Code.CHANGED, payload: empty };
    says(encodeMessage(protectResponse(received.exchange, answer)), "answer");
  });
});

import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { derivationInfo, deriveOutput, Hkdf } from "../../firmware/crypto/oscore-keys.js";
import { encodeAad } from "../../firmware/oscore/aad.js";
import { oscoreOptionOf } from "../../firmware/oscore/option.js";
import { encodePartialIv } from "../../firmware/oscore/partial-iv.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest, unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { contextOf, encode, parametersOf, parse, taken } from "./helpers.js";
import { DERIVATIONS, type DerivationVector, REQUESTS, RESPONSES } from "./vectors.js";

const NO_BYTES = new Uint8Array(0);

describe("RFC 8613 Appendix C", () => {
  for (const [number, vector] of Object.entries<DerivationVector>(DERIVATIONS)) {
    it(`${number}: key derivation ${vector.name}`, () => {
      const id = (text: string) => hex(text);
      const parameters = parametersOf(number as keyof typeof DERIVATIONS);
      const { idContext } = parameters;
      const input = {
        masterSecret: parameters.masterSecret,
        masterSalt: parameters.masterSalt ?? NO_BYTES,
        idContext,
        algorithm: 10,
        hkdf: Hkdf.SHA_256,
      };
      const rows = [
        [id(vector.senderId), "Key", 16, vector.senderInfo, vector.senderKey],
        [id(vector.recipientId), "Key", 16, vector.recipientInfo, vector.recipientKey],
        [NO_BYTES, "IV", 13, vector.ivInfo, vector.commonIv],
      ] as const;
      for (const [forId, type, length, info, output] of rows) {
        assert.equal(toHex(derivationInfo(forId, idContext, 10, type, length)), info);
        assert.equal(toHex(deriveOutput(hostCrypto, input, forId, type, length)!), output);
      }
      const context = contextOf(number as keyof typeof DERIVATIONS);
      assert.equal(toHex(context.senderNonce.fill(0)), vector.senderNonce);
      assert.equal(toHex(context.recipientNonce.fill(0)), vector.recipientNonce);
    });
  }

  for (const [number, vector] of Object.entries(REQUESTS)) {
    it(`${number}: request`, () => {
      const context = contextOf(vector.client);
      const partialIv = encodePartialIv(vector.sequenceNumber);
      assert.equal(toHex(encodeAad(10, context.senderId, partialIv)), vector.aad);
      assert.equal(toHex(context.senderNonce.fill(vector.sequenceNumber)), vector.nonce);

      const { message } = protectRequest(context, parse(vector.unprotected), vector.sequenceNumber, {
        kidContext: vector.sendKidContext,
      });
      assert.equal(toHex(message.options.find((option) => option.number === 9)!.value), vector.option);
      assert.equal(toHex(message.payload), vector.ciphertext);
      assert.equal(encode(message), vector.protected);

      const request = taken(unprotectRequest(contextOf(vector.server), parse(vector.protected)));
      assert.equal(encode(request.message), vector.unprotected);
      assert.equal(request.partialIv, vector.sequenceNumber);
    });
  }

  for (const [number, vector] of Object.entries(RESPONSES)) {
    it(`${number}: response`, () => {
      const request = REQUESTS[vector.request];
      const { exchange } = protectRequest(
        contextOf(request.client),
        parse(request.unprotected),
        request.sequenceNumber,
      );
      const received = taken(unprotectRequest(contextOf(request.server), parse(request.protected)));
      const protectedResponse = protectResponse(received.exchange, parse(vector.unprotected), {
        partialIv: vector.sequenceNumber,
      });
      assert.equal(toHex(protectedResponse.payload), vector.ciphertext);
      assert.equal(encode(protectedResponse), vector.protected);
      assert.deepEqual(
        toHex(taken(oscoreOptionOf(protectedResponse))?.partialIv ?? NO_BYTES),
        vector.option.slice(2),
      );

      const response = taken(unprotectResponse(exchange, parse(vector.protected)));
      assert.equal(encode(response.message), vector.unprotected);
      assert.equal(response.partialIv, vector.sequenceNumber);
    });
  }
});

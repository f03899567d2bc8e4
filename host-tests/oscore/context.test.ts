import assert from "node:assert/strict";
import fc from "fast-check";
import { equal } from "../../firmware/bytes/compare.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Code } from "../../firmware/coap/numbers.js";
import { AadTemplate, encodeAad } from "../../firmware/oscore/aad.js";
import {
  ContextParameterError,
  checkParameters,
  deriveContext,
  Hkdf,
} from "../../firmware/oscore/context.js";
import { encodePartialIv } from "../../firmware/oscore/partial-iv.js";
import { protectRequest } from "../../firmware/oscore/protect.js";
import { unprotectRequest } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { contextPair, message, reasonOf } from "./helpers.js";

describe("AAD", () => {
  it("from the template is that of the definition", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 7 }),
        fc.array(
          fc.nat({ max: 2 ** 31 - 1 }).map((number) => number * 511),
          { maxLength: 10 },
        ),
        fc.constantFrom(1, 10, 24, 33),
        (kid, partialIvs, algorithm) => {
          const template = new AadTemplate(algorithm, kid);
          for (const partialIv of partialIvs) {
            assert.ok(equal(template.fill(partialIv), encodeAad(algorithm, kid, encodePartialIv(partialIv))));
          }
        },
      ),
    );
  });

  it("carries Class I options, of which there are none yet", () => {
    const options = [
      { number: 2, value: hex("aa") },
      { number: 300, value: hex("") },
    ];
    assert.equal(
      toHex(encodeAad(10, hex("00"), hex("25"), options)),
      "8368456e637279707430404e8501810a410041254521aae0001d",
    );
  });
});

describe("context parameters", () => {
  const good = {
    masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
    senderId: hex(""),
    recipientId: hex("01"),
  };

  it("are refused by field, without a word of the secret", () => {
    const cases = [
      [{ ...good, masterSecret: hex("") }, "masterSecret"],
      [{ ...good, senderId: new Uint8Array(8) }, "senderId"],
      [{ ...good, recipientId: new Uint8Array(8) }, "recipientId"],
      [{ ...good, recipientId: hex("") }, "recipientId"],
      [{ ...good, algorithm: 5 }, "algorithm"],
      [{ ...good, algorithm: 12, senderId: hex("0102") }, "senderId"],
      [{ ...good, algorithm: 24, senderId: new Uint8Array(7) }, "senderId"],
      [{ ...good, hkdf: 5 as Hkdf }, "hkdf"],
    ] as const;
    for (const [parameters, field] of cases) {
      const error = checkParameters(parameters);
      assert.ok(error instanceof ContextParameterError);
      assert.equal(error.field, field);
      assert.doesNotMatch(error.message, /0102030405/);
      assert.throws(() => deriveContext(hostCrypto, parameters), ContextParameterError);
    }
    assert.equal(checkParameters({ ...good, senderId: new Uint8Array(7) }), undefined);
  });

  it("say when the platform lacks an algorithm", () => {
    const { hkdfSha512: _, ...rest } = { hkdfSha256: hostCrypto.hkdfSha256, hkdfSha512: undefined };
    const poor = Object.assign(Object.create(hostCrypto), rest, {
      hkdfSha512: undefined,
      aead: () => undefined,
    });
    assert.throws(() => deriveContext(poor, { ...good, hkdf: Hkdf.SHA_512 }), /hkdf: not on this platform/);
    assert.throws(() => deriveContext(poor, { ...good, algorithm: 1 }), /A128GCM is not on this platform/);
    assert.ok(deriveContext(poor, { ...good, algorithm: 30 }));
  });

  it("tell an empty ID Context from none", () => {
    const none = contextPair();
    const empty = contextPair({ idContext: hex("") });
    const { message: outer } = protectRequest(none.client, message(Code.GET), 1);
    assert.equal(reasonOf(unprotectRequest(empty.server, outer)), "oscore-decrypt");
  });
});

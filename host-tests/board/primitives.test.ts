/**
 * The HAL's primitives against their specifications' examples. Runs on Node against hal/host, and in the self-test
 * image on the chip against hal/nrf52 (`npm run test:board`).
 */

import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { hostCrypto as crypto } from "../../hal/host/crypto.js";

const count = (from: number, length: number) => Uint8Array.from({ length }, (_, index) => from + index);

describe("primitives: AES-CCM", () => {
  const RFC3610 = [
    [
      "packet vector 1",
      "00000003020100a0a1a2a3a4a5",
      23,
      "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0",
    ],
    [
      "packet vector 2",
      "00000004030201a0a1a2a3a4a5",
      24,
      "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916",
    ],
    [
      "packet vector 3",
      "00000005040302a0a1a2a3a4a5",
      25,
      "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5",
    ],
  ] as const;
  for (const [name, nonce, length, sealed] of RFC3610) {
    it(`RFC 3610 §8 ${name}`, () => {
      const ccm = crypto.ccm(count(0xc0, 16), 8);
      assert.equal(toHex(ccm.seal(hex(nonce), count(0, 8), count(8, length))), sealed);
      assert.equal(toHex(ccm.open(hex(nonce), count(0, 8), hex(sealed))!), toHex(count(8, length)));
    });
  }

  it("SP 800-38C example 1: nonce of 7 bytes, tag of 4", () => {
    const sealed = crypto.ccm(count(0x40, 16), 4).seal(count(0x10, 7), count(0, 8), count(0x20, 4));
    assert.equal(toHex(sealed), "7162015b4dac255d");
  });

  it("SP 800-38C example 3: nonce of 12 bytes", () => {
    const sealed = crypto.ccm(count(0x40, 16), 8).seal(count(0x10, 12), count(0, 20), count(0x20, 24));
    assert.equal(toHex(sealed), "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951");
  });

  it("in place, both ways, into memory that is longer", () => {
    const ccm = crypto.ccm(count(0xc0, 16), 8);
    const nonce = hex("00000003020100a0a1a2a3a4a5");
    const memory = new Uint8Array(40);
    memory.set(count(8, 23));
    const sealed = ccm.seal(nonce, count(0, 8), memory.subarray(0, 23), memory);
    assert.equal(sealed.length, 31);
    assert.equal(sealed.buffer, memory.buffer);
    assert.equal(toHex(sealed), "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0");
    const opened = ccm.open(nonce, count(0, 8), memory.subarray(0, 31), memory)!;
    assert.equal(toHex(opened), toHex(count(8, 23)));
  });

  it("empty plaintext, empty AAD", () => {
    const ccm = crypto.ccm(count(0xc0, 16), 16);
    const none = new Uint8Array(0);
    const sealed = ccm.seal(count(0, 13), none, none);
    assert.equal(sealed.length, 16);
    assert.equal(ccm.open(count(0, 13), none, sealed)!.length, 0);
  });

  it("opens nothing that was changed", () => {
    const ccm = crypto.ccm(count(0xc0, 16), 8);
    const nonce = count(0, 13);
    const sealed = ccm.seal(nonce, count(0, 8), count(8, 20));
    for (let at = 0; at < sealed.length; at++) {
      const changed = sealed.slice();
      changed[at] ^= 1;
      assert.equal(ccm.open(nonce, count(0, 8), changed), undefined);
    }
    assert.equal(ccm.open(nonce, count(0, 7), sealed), undefined);
    assert.equal(ccm.open(count(1, 13), count(0, 8), sealed), undefined);
    assert.equal(ccm.open(nonce, count(0, 8), sealed.subarray(0, 5)), undefined);
  });

  it("refuses keys and nonces of wrong lengths", () => {
    assert.throws(() => crypto.ccm(new Uint8Array(15), 8));
    assert.throws(() => crypto.ccm(new Uint8Array(16), 8).seal(count(0, 6), count(0, 1), count(0, 1)));
    assert.throws(() => crypto.ccm(new Uint8Array(16), 8).seal(count(0, 14), count(0, 1), count(0, 1)));
  });

  it("by COSE number", () => {
    const key = count(0xc0, 16);
    const [nonce, aad, text] = [count(0, 13), count(0, 8), count(0, 12)];
    assert.equal(
      toHex(crypto.aead(10, key)!.seal(nonce, aad, text)),
      toHex(crypto.ccm(key, 8).seal(nonce, aad, text)),
    );
    assert.equal(crypto.aead(30, key)!.tagLength, 16);
    assert.throws(() => crypto.aead(11, key));
  });
});

describe("primitives: AES-CMAC", () => {
  const KEY = hex("2b7e151628aed2a6abf7158809cf4f3c");
  const MESSAGE = hex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
  );
  for (const [length, mac] of [
    [0, "bb1d6929e95937287fa37d129b756746"],
    [16, "070a16b46b4d4144f79bdd9dd04a287c"],
    [40, "dfa66747de9ae63030ca32611497c827"],
    [64, "51f0bebf7e3b9d92fc49741779363cfe"],
  ] as const) {
    it(`RFC 4493 §4, ${length} bytes`, () => {
      assert.equal(toHex(crypto.cmac(KEY, MESSAGE.subarray(0, length))), mac);
    });
  }
});

describe("primitives: AES-128 block", () => {
  it("FIPS 197 Appendix B and C.1, one object for many blocks", () => {
    const out = new Uint8Array(16);
    const b = crypto.aesBlock(hex("2b7e151628aed2a6abf7158809cf4f3c"));
    b.encrypt(hex("3243f6a8885a308d313198a2e0370734"), out);
    assert.equal(toHex(out), "3925841d02dc09fbdc118597196a0b32");
    const c = crypto.aesBlock(count(0, 16));
    for (let again = 0; again < 3; again++) {
      c.encrypt(hex("00112233445566778899aabbccddeeff"), out);
      assert.equal(toHex(out), "69c4e0d86a7b0430d8cdb78070b4c55a");
    }
  });
});

describe("primitives: within a buffer", () => {
  const AAD = count(0, 20);
  const NONCE = count(0x40, 13);

  for (const tagLength of [4, 8, 16] as const) {
    it(`CCM with a tag of ${tagLength} bytes gives what it gives apart, and touches nothing beside`, () => {
      const ccm = crypto.ccm(count(0, 16), tagLength);
      for (const length of [0, 1, 15, 16, 17, 40]) {
        const text = count(0x80, length);
        const sealed = ccm.seal(NONCE, AAD, text);
        const bytes = new Uint8Array(64).fill(0xee);
        bytes.set(text, 5);
        ccm.sealAt(NONCE, AAD, bytes, 5, length);
        assert.equal(toHex(bytes.slice(5, 5 + sealed.length)), toHex(sealed));
        assert.ok(ccm.openAt(NONCE, AAD, bytes, 5, sealed.length));
        assert.equal(toHex(bytes.slice(5, 5 + length)), toHex(text));
        assert.ok(bytes.slice(0, 5).every((byte) => byte === 0xee));
        assert.ok(bytes.slice(5 + sealed.length).every((byte) => byte === 0xee));
        // A wrong tag leaves nothing of the plaintext.
        bytes.set(sealed, 5);
        bytes[5 + sealed.length - 1] ^= 1;
        assert.ok(!ccm.openAt(NONCE, AAD, bytes, 5, sealed.length));
        assert.ok(bytes.slice(5, 5 + length).every((byte) => byte === 0));
      }
      assert.ok(!ccm.openAt(NONCE, AAD, new Uint8Array(20), 0, tagLength - 1));
      assert.throws(() => ccm.sealAt(NONCE, AAD, new Uint8Array(20), 5, 16 - tagLength));
      assert.throws(() => ccm.sealAt(NONCE, AAD, new Uint8Array(20), -1, 1));
      assert.throws(() => ccm.openAt(NONCE, AAD, new Uint8Array(20), 1, 20));
    });
  }

  it("an AES block as a mask", () => {
    const aes = crypto.aesBlock(hex("2b7e151628aed2a6abf7158809cf4f3c"));
    const block = hex("3243f6a8885a308d313198a2e0370734");
    const bytes = hex("00000000ff0000000000");
    aes.mask(block, bytes, 2, 6);
    assert.equal(toHex(bytes), "00003925 7b1d02dc 0000".replaceAll(" ", ""));
    aes.mask(block, bytes, 2, 6);
    assert.equal(toHex(bytes), "00000000ff0000000000");
    assert.throws(() => aes.mask(block, bytes, 5, 6));
  });
});

describe("primitives: HKDF-SHA-256", () => {
  it("RFC 5869 A.1", () => {
    const okm = crypto.hkdfSha256(count(0, 13), new Uint8Array(22).fill(0x0b), count(0xf0, 10), 42);
    assert.equal(
      toHex(okm),
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
  });

  it("RFC 5869 A.3: no salt, no info", () => {
    const none = new Uint8Array(0);
    const okm = crypto.hkdfSha256(none, new Uint8Array(22).fill(0x0b), none, 42);
    assert.equal(
      toHex(okm),
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    );
  });
});

describe("primitives: P-256", () => {
  it("RFC 5903 §8.1: shared secret", () => {
    const secret = crypto.p256.sharedSecret(
      hex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433"),
      hex(
        "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
      ),
    );
    assert.equal(toHex(secret!), "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
  });

  it("two fresh pairs agree; a point off the curve is refused", () => {
    const a = crypto.p256.generate();
    const b = crypto.p256.generate();
    assert.equal(a.publicKey.length, 64);
    assert.notDeepEqual(a.privateKey, b.privateKey);
    assert.deepEqual(
      crypto.p256.sharedSecret(a.privateKey, b.publicKey),
      crypto.p256.sharedSecret(b.privateKey, a.publicKey),
    );
    const off = b.publicKey.slice();
    off[63] ^= 1;
    assert.equal(crypto.p256.sharedSecret(a.privateKey, off), undefined);
    assert.equal(crypto.p256.sharedSecret(a.privateKey, b.publicKey.subarray(1)), undefined);
  });
});

describe("primitives: random", () => {
  it("fills any length, differently each time", () => {
    for (const length of [0, 1, 16, 100, 300]) assert.equal(crypto.random(length).length, length);
    assert.notDeepEqual(crypto.random(16), crypto.random(16));
  });
});

import assert from "node:assert/strict";
import { createCipheriv, createHmac } from "node:crypto";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Ccm } from "../../hal/host/ccm.js";
import { hostCrypto } from "../../hal/host/crypto.js";

const count = (from: number, length: number) => Uint8Array.from({ length }, (_, index) => from + index);

interface CcmVector {
  name: string;
  key: Uint8Array;
  nonce: Uint8Array;
  aad: Uint8Array;
  plaintext: Uint8Array;
  tagLength: number;
  sealed: string;
}

/** RFC 3610 §8 packet vectors 1–3 and 7; NIST SP 800-38C examples 1–4 (the last has 65,536 bytes of AAD). */
const RFC3610_KEY = count(0xc0, 16);
const NIST_KEY = count(0x40, 16);
const CCM_VECTORS: CcmVector[] = [
  {
    name: "RFC 3610 #1",
    key: RFC3610_KEY,
    nonce: hex("00000003020100a0a1a2a3a4a5"),
    aad: count(0, 8),
    plaintext: count(8, 23),
    tagLength: 8,
    sealed: "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0",
  },
  {
    name: "RFC 3610 #2",
    key: RFC3610_KEY,
    nonce: hex("00000004030201a0a1a2a3a4a5"),
    aad: count(0, 8),
    plaintext: count(8, 24),
    tagLength: 8,
    sealed: "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916",
  },
  {
    name: "RFC 3610 #3",
    key: RFC3610_KEY,
    nonce: hex("00000005040302a0a1a2a3a4a5"),
    aad: count(0, 8),
    plaintext: count(8, 25),
    tagLength: 8,
    sealed: "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5",
  },
  {
    name: "RFC 3610 #7",
    key: RFC3610_KEY,
    nonce: hex("00000009080706a0a1a2a3a4a5"),
    aad: count(0, 8),
    plaintext: count(8, 23),
    tagLength: 10,
    sealed: "0135d1b2c95f41d5d1d4fec185d166b8094e999dfed96c048c56602c97acbb7490",
  },
  {
    name: "SP 800-38C example 1",
    key: NIST_KEY,
    nonce: count(0x10, 7),
    aad: count(0, 8),
    plaintext: count(0x20, 4),
    tagLength: 4,
    sealed: "7162015b4dac255d",
  },
  {
    name: "SP 800-38C example 2",
    key: NIST_KEY,
    nonce: count(0x10, 8),
    aad: count(0, 16),
    plaintext: count(0x20, 16),
    tagLength: 6,
    sealed: "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd",
  },
  {
    name: "SP 800-38C example 3",
    key: NIST_KEY,
    nonce: count(0x10, 12),
    aad: count(0, 20),
    plaintext: count(0x20, 24),
    tagLength: 8,
    sealed: "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951",
  },
  {
    name: "SP 800-38C example 4",
    key: NIST_KEY,
    nonce: count(0x10, 13),
    aad: count(0, 65536),
    plaintext: count(0x20, 32),
    tagLength: 14,
    sealed: "69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72b4ac6bec93e8598e7f0dadbcea5b",
  },
];

describe("host crypto: AES-CCM", () => {
  for (const { name, key, nonce, aad, plaintext, tagLength, sealed } of CCM_VECTORS) {
    it(name, () => {
      const ccm = new Ccm(key, tagLength);
      assert.equal(toHex(ccm.seal(nonce, aad, plaintext)), sealed);
      assert.deepEqual(ccm.open(nonce, aad, hex(sealed)), plaintext);
    });
  }

  const sizes = fc.record({
    key: fc
      .constantFrom(16, 24, 32)
      .chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
    nonce: fc.uint8Array({ minLength: 7, maxLength: 13 }),
    aad: fc.uint8Array({ maxLength: 70 }),
    plaintext: fc.uint8Array({ maxLength: 70 }),
    tagLength: fc.constantFrom(4, 6, 8, 10, 12, 14, 16),
  });

  it("seals as OpenSSL does", () => {
    fc.assert(
      fc.property(sizes, ({ key, nonce, aad, plaintext, tagLength }) => {
        const name = `aes-${key.length * 8}-ccm` as "aes-128-ccm";
        const cipher = createCipheriv(name, key, nonce, { authTagLength: tagLength });
        cipher.setAAD(aad, { plaintextLength: plaintext.length });
        const body = cipher.update(plaintext);
        cipher.final();
        const expected = Buffer.concat([body, cipher.getAuthTag()]);
        assert.equal(toHex(new Ccm(key, tagLength).seal(nonce, aad, plaintext)), expected.toString("hex"));
      }),
      { numRuns: 300 },
    );
  });

  it("seals and opens in place", () => {
    fc.assert(
      fc.property(sizes, ({ key, nonce, aad, plaintext, tagLength }) => {
        const ccm = new Ccm(key, tagLength);
        const expected = ccm.seal(nonce, aad, plaintext);
        const buffer = new Uint8Array(plaintext.length + tagLength + 3);
        buffer.set(plaintext);
        const sealed = ccm.seal(nonce, aad, buffer.subarray(0, plaintext.length), buffer);
        assert.deepEqual(sealed, expected);
        assert.deepEqual(ccm.open(nonce, aad, sealed, buffer), plaintext);
      }),
      { numRuns: 100 },
    );
  });

  it("opens nothing that was changed in any bit, and leaves no plaintext behind", () => {
    const ccm = new Ccm(RFC3610_KEY, 8);
    const nonce = hex("00000003020100a0a1a2a3a4a5");
    const aad = count(0, 8);
    const sealed = ccm.seal(nonce, aad, count(8, 23));
    const out = new Uint8Array(23);
    for (const part of [sealed, nonce, aad]) {
      for (let bit = 0; bit < 8 * part.length; bit++) {
        part[bit >> 3] ^= 1 << (bit & 7);
        assert.equal(ccm.open(nonce, aad, sealed, out), undefined);
        assert.deepEqual(out, new Uint8Array(23));
        part[bit >> 3] ^= 1 << (bit & 7);
      }
    }
    for (let length = 0; length < sealed.length; length++) {
      assert.equal(ccm.open(nonce, aad, sealed.subarray(0, length)), undefined);
    }
    assert.ok(ccm.open(nonce, aad, sealed, out));
  });

  it("throws for lengths that are the caller's mistake", () => {
    assert.throws(() => new Ccm(new Uint8Array(15), 8), RangeError);
    assert.throws(() => new Ccm(new Uint8Array(16), 7), RangeError);
    const ccm = new Ccm(new Uint8Array(16), 8);
    assert.throws(() => ccm.seal(new Uint8Array(14), count(0, 1), count(0, 1)), RangeError);
    assert.throws(() => ccm.seal(new Uint8Array(6), count(0, 1), count(0, 1)), RangeError);
    assert.throws(() => ccm.seal(new Uint8Array(13), count(0, 1), new Uint8Array(65536)), RangeError);
    assert.throws(
      () => ccm.seal(new Uint8Array(13), count(0, 1), count(0, 4), new Uint8Array(11)),
      RangeError,
    );
  });
});

describe("host crypto: the other AEADs of COSE", () => {
  const names: [number, string, number, number][] = [
    [1, "aes-128-gcm", 16, 12],
    [2, "aes-192-gcm", 24, 12],
    [3, "aes-256-gcm", 32, 12],
    [24, "chacha20-poly1305", 32, 12],
    [10, "aes-128-ccm", 16, 13],
    [11, "aes-256-ccm", 32, 13],
    [12, "aes-128-ccm", 16, 7],
    [13, "aes-256-ccm", 32, 7],
    [30, "aes-128-ccm", 16, 13],
    [31, "aes-256-ccm", 32, 13],
    [32, "aes-128-ccm", 16, 7],
    [33, "aes-256-ccm", 32, 7],
  ];
  for (const [number, name, keyLength, nonceLength] of names) {
    it(`${number}: ${name} agrees with OpenSSL`, () => {
      const key = count(1, keyLength);
      const nonce = count(2, nonceLength);
      const aad = count(3, 21);
      const plaintext = count(4, 37);
      const aead = hostCrypto.aead(number, key);
      assert.ok(aead);
      const cipher = createCipheriv(name as "aes-128-ccm", key, nonce, { authTagLength: aead.tagLength });
      cipher.setAAD(aad, { plaintextLength: plaintext.length });
      const body = cipher.update(plaintext);
      cipher.final();
      const expected = Buffer.concat([body, cipher.getAuthTag()]);
      const out = new Uint8Array(64);
      assert.equal(toHex(aead.seal(nonce, aad, plaintext, out)), expected.toString("hex"));
      assert.deepEqual(aead.open(nonce, aad, expected, out), plaintext);
      expected[3] ^= 1;
      assert.equal(aead.open(nonce, aad, expected), undefined);
      assert.equal(aead.open(nonce, aad, expected.subarray(0, aead.tagLength - 1)), undefined);
      assert.throws(() => hostCrypto.aead(number, count(0, keyLength + 1)), RangeError);
    });
  }

  it("has no others", () => assert.equal(hostCrypto.aead(5, count(0, 32)), undefined));
});

describe("host crypto: AES-CMAC (RFC 4493 §4)", () => {
  const key = hex("2b7e151628aed2a6abf7158809cf4f3c");
  const message = hex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" +
      "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
  );
  const codes: [number, string][] = [
    [0, "bb1d6929e95937287fa37d129b756746"],
    [16, "070a16b46b4d4144f79bdd9dd04a287c"],
    [40, "dfa66747de9ae63030ca32611497c827"],
    [64, "51f0bebf7e3b9d92fc49741779363cfe"],
  ];
  for (const [length, code] of codes) {
    it(`${length} bytes`, () => assert.equal(toHex(hostCrypto.cmac(key, message.subarray(0, length))), code));
  }

  it("keeps keys apart, however many there are", () => {
    const keys = Array.from({ length: 40 }, (_, index) => count(index, 16));
    const first = keys.map((one) => toHex(hostCrypto.cmac(one, message)));
    assert.equal(new Set(first).size, keys.length);
    assert.deepEqual(
      keys.map((one) => toHex(hostCrypto.cmac(one, message))),
      first,
    );
  });
});

describe("host crypto: keys that are handed in as a Buffer", () => {
  it("are copied: what becomes of the Buffer afterwards changes nothing", () => {
    const buffer = Buffer.alloc(32);
    const uses = [
      (key: Uint8Array) => hostCrypto.cmac(key.subarray(0, 16), count(0, 20)),
      ...[1, 3, 10, 24, 30].map((algorithm) => {
        const cipher = (key: Uint8Array) =>
          hostCrypto.aead(algorithm, key.subarray(0, [3, 24].includes(algorithm) ? 32 : 16))!;
        const nonce = (length: number) => count(0, length);
        return (key: Uint8Array) => {
          const aead = cipher(key);
          buffer.fill(0xee);
          return aead.seal(nonce(algorithm === 10 || algorithm === 30 ? 13 : 12), count(0, 3), count(0, 20));
        };
      }),
    ];
    for (const use of uses) {
      const results = [1, 2, 3].map((first) => {
        const expected = use(count(first, 32));
        buffer.set(count(first, 32));
        assert.deepEqual(use(buffer), expected);
        return toHex(expected);
      });
      assert.equal(new Set(results).size, 3);
    }
  });
});

describe("host crypto: the rest", () => {
  it("AES-128 block (FIPS 197 Appendix C.1)", () => {
    const block = hex("00112233445566778899aabbccddeeff");
    hostCrypto.aesBlock(count(0, 16)).encrypt(block, block);
    assert.equal(toHex(block), "69c4e0d86a7b0430d8cdb78070b4c55a");
  });

  it("HKDF-SHA-256 (RFC 5869 A.1–A.3)", () => {
    const material = new Uint8Array(22).fill(0x0b);
    assert.equal(
      toHex(hostCrypto.hkdfSha256(count(0, 13), material, count(0xf0, 10), 42)),
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    );
    assert.equal(
      toHex(hostCrypto.hkdfSha256(count(0x60, 80), count(0, 80), count(0xb0, 80), 82)),
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09" +
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    );
    assert.equal(
      toHex(hostCrypto.hkdfSha256(new Uint8Array(0), material, new Uint8Array(0), 42)),
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    );
  });

  it("HKDF-SHA-512 is extract and expand of RFC 5869 over OpenSSL's HMAC", () => {
    const [salt, material, info] = [count(1, 20), count(2, 30), count(3, 40)];
    const pseudorandomKey = createHmac("sha512", salt).update(material).digest();
    const expanded = createHmac("sha512", pseudorandomKey).update(info).update(Uint8Array.of(1)).digest();
    assert.ok(hostCrypto.hkdfSha512);
    assert.equal(toHex(hostCrypto.hkdfSha512(salt, material, info, 48)), toHex(expanded.subarray(0, 48)));
  });

  it("P-256 shared secret (RFC 5903 §8.1)", () => {
    const i = hex("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433");
    const r = hex("C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53");
    const gi = hex(
      "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C37725811805271A0461CDB8252D61F1C456FA3E59A" +
        "B1F45B33ACCF5F58389E0577B8990BB3",
    );
    const gr = hex(
      "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF6356FBF3CA366CC23E8157854C13C58D6A" +
        "AC23F046ADA30F8353E74F33039872AB",
    );
    const shared = "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de";
    assert.equal(toHex(hostCrypto.p256.sharedSecret(i, gr)!), shared);
    assert.equal(toHex(hostCrypto.p256.sharedSecret(r, gi)!), shared);
  });

  it("P-256 pairs agree, and a point off the curve is refused", () => {
    const [a, b] = [hostCrypto.p256.generate(), hostCrypto.p256.generate()];
    assert.equal(a.publicKey.length, 64);
    assert.equal(a.privateKey.length, 32);
    assert.deepEqual(
      hostCrypto.p256.sharedSecret(a.privateKey, b.publicKey),
      hostCrypto.p256.sharedSecret(b.privateKey, a.publicKey),
    );
    const off = b.publicKey.slice();
    off[63] ^= 1;
    assert.equal(hostCrypto.p256.sharedSecret(a.privateKey, off), undefined);
    assert.equal(hostCrypto.p256.sharedSecret(a.privateKey, new Uint8Array(64)), undefined);
    assert.equal(hostCrypto.p256.sharedSecret(a.privateKey, b.publicKey.subarray(1)), undefined);
  });

  it("random bytes differ", () => {
    assert.equal(hostCrypto.random(16).length, 16);
    assert.notDeepEqual(hostCrypto.random(16), hostCrypto.random(16));
  });
});

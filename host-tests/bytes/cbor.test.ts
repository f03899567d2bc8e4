import assert from "node:assert/strict";
import fc from "fast-check";
import { type CborValue, CborWriter, decodeCbor, encodeCbor } from "../../firmware/bytes/cbor.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";

/** RFC 8949 Appendix A, the rows of the types that we have. */
const EXAMPLES: [string, CborValue][] = [
  ["00", 0],
  ["01", 1],
  ["0a", 10],
  ["17", 23],
  ["1818", 24],
  ["1819", 25],
  ["1864", 100],
  ["1903e8", 1000],
  ["1a000f4240", 1000000],
  ["1b000000e8d4a51000", 1000000000000],
  ["20", -1],
  ["29", -10],
  ["3863", -100],
  ["3903e7", -1000],
  ["f98000", -0],
  ["fb3ff199999999999a", 1.1],
  ["f93e00", 1.5],
  ["fa7f7fffff", (2 - 2 ** -23) * 2 ** 127],
  ["fb7e37e43c8800759c", 1.0e300],
  ["f90001", 2 ** -24],
  ["f90400", 0.00006103515625],
  ["fbc010666666666666", -4.1],
  ["f97c00", Infinity],
  ["f97e00", NaN],
  ["f9fc00", -Infinity],
  ["f4", false],
  ["f5", true],
  ["f6", null],
  ["40", new Uint8Array(0)],
  ["4401020304", hex("01020304")],
  ["60", ""],
  ["6161", "a"],
  ["6449455446", "IETF"],
  ["62225c", '"\\'],
  ["62c3bc", "\u00fc"],
  ["63e6b0b4", "\u6c34"],
  ["64f0908591", "\ud800\udd51"],
  ["80", []],
  ["83010203", [1, 2, 3]],
  ["8301820203820405", [1, [2, 3], [4, 5]]],
  [
    "98190102030405060708090a0b0c0d0e0f101112131415161718181819",
    Array.from({ length: 25 }, (_, index) => index + 1),
  ],
  ["a0", new Map()],
  [
    "a201020304",
    new Map([
      [1, 2],
      [3, 4],
    ]),
  ],
  [
    "a26161016162820203",
    new Map<string, CborValue>([
      ["a", 1],
      ["b", [2, 3]],
    ]),
  ],
  ["826161a161626163", ["a", new Map([["b", "c"]])]],
];

/** What must not be taken, and why. The first rows are RFC 8949 Appendix F's kinds of malformed input. */
const REFUSED: [string, string][] = [
  ["", "cbor-truncated"],
  ["18", "cbor-truncated"],
  ["1903", "cbor-truncated"],
  ["1b000000e8d4", "cbor-truncated"],
  ["4201", "cbor-truncated"],
  ["6161ff", "cbor-trailing"],
  ["8201", "cbor-truncated"],
  ["9bffffffffffffffff", "cbor-range"],
  ["9b0000ffffffffffff", "cbor-truncated"],
  ["bb0000ffffffffffff", "cbor-truncated"],
  ["5b001fffffffffffff", "cbor-truncated"],
  ["a101", "cbor-truncated"],
  ["1c", "cbor-unsupported"],
  ["5f4101ff", "cbor-unsupported"],
  ["9f01ff", "cbor-unsupported"],
  ["bfff", "cbor-unsupported"],
  ["c001", "cbor-unsupported"],
  ["f7", "cbor-unsupported"],
  ["f820", "cbor-unsupported"],
  ["ff", "cbor-unsupported"],
  ["f9", "cbor-truncated"],
  ["1b0020000000000000", "cbor-range"],
  ["3b001fffffffffffff", "cbor-range"],
  ["61ff", "cbor-utf8"],
  ["62c080", "cbor-utf8"],
  ["63eda080", "cbor-utf8"],
  ["64f4908080", "cbor-utf8"],
  ["a201020103", "cbor-duplicate-key"],
  ["a2010218010300", "cbor-duplicate-key"],
  ["a1800000", "cbor-key"],
  ["a1f401", "cbor-key"],
  ["a1410001", "cbor-key"],
  ["a1f93e0001", "cbor-key"],
  ["818181818181818181", "cbor-depth"],
];

const value = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.maxSafeInteger(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array(),
    fc.array(tie("value")),
    fc
      .array(fc.tuple(fc.oneof(fc.maxSafeInteger(), fc.string()), tie("value")))
      .map((pairs) => new Map(pairs)),
  ),
})).value;

describe("cbor", () => {
  for (const [encoded, decoded] of EXAMPLES) {
    it(`RFC 8949 Appendix A: ${encoded}`, () => {
      assert.equal(toHex(encodeCbor(decoded)), encoded);
      assert.deepEqual(decodeCbor(hex(encoded)), decoded);
    });
  }

  for (const [encoded, reason] of REFUSED) {
    it(`refuses ${encoded || "nothing"}: ${reason}`, () => {
      const result = decodeCbor(hex(encoded));
      assert.ok(result instanceof Refusal);
      assert.equal(result.reason, reason);
    });
  }

  it("takes heads and floats that are longer than needed", () => {
    assert.equal(decodeCbor(hex("1b0000000000000001")), 1);
    assert.equal(decodeCbor(hex("fb3ff8000000000000")), 1.5);
    assert.equal(decodeCbor(hex("fa47c35000")), 100000);
    assert.equal(decodeCbor(hex("f97bff")), 65504);
  });

  it("sorts map keys by their encodings", () => {
    const map = new Map<number | string, CborValue>([
      ["aa", 6],
      [-1, 3],
      [100, 2],
      ["z", 5],
      [10, 1],
      ["", 4],
    ]);
    assert.equal(toHex(encodeCbor(map)), "a60a0118640220036004617a0562616106");
  });

  it("keeps integers beyond 32 bits", () => {
    for (const number of [
      2 ** 32 - 1,
      2 ** 32,
      2 ** 40 - 1,
      Number.MAX_SAFE_INTEGER,
      -(2 ** 32),
      -(2 ** 53) + 1,
    ]) {
      assert.equal(decodeCbor(encodeCbor(number)), number);
    }
  });

  it("throws for an integer that is none", () => {
    assert.throws(() => new CborWriter().int(1.5), RangeError);
    assert.throws(() => new CborWriter().int(2 ** 53), RangeError);
  });

  it("gives back every value it encoded, in one deterministic form", () => {
    fc.assert(
      fc.property(value, (original) => {
        const encoded = encodeCbor(original);
        const decoded = decodeCbor(encoded);
        assert.ok(!(decoded instanceof Refusal), String(decoded));
        assert.deepEqual(encodeCbor(decoded), encoded);
      }),
    );
  });

  it("answers any bytes with a value or a refusal", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const decoded = decodeCbor(bytes);
        if (decoded instanceof Refusal) assert.match(decoded.reason, /^cbor-/);
        else assert.deepEqual(decodeCbor(encodeCbor(decoded)), decoded);
      }),
      { numRuns: 2000 },
    );
  });
});

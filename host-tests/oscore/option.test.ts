import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { Code } from "../../firmware/coap/numbers.js";
import { decodeOscoreOption, encodeOscoreOption, oscoreOptionOf } from "../../firmware/oscore/option.js";
import { decodePartialIv, encodePartialIv, MAX_SEQUENCE_NUMBER } from "../../firmware/oscore/partial-iv.js";
import { message, reasonOf, taken } from "./helpers.js";

/** RFC 8613 §6.3, then every flag alone and all together. */
const VALUES: [string, { partialIv?: string; kidContext?: string; kid?: string }][] = [
  ["", {}],
  ["0925", { partialIv: "25", kid: "" }],
  ["090525", { partialIv: "05", kid: "25" }],
  ["0900", { partialIv: "00", kid: "" }],
  ["19050444616c656b", { partialIv: "05", kidContext: "44616c65", kid: "6b" }],
  ["0107", { partialIv: "07" }],
  ["05ffffffffff", { partialIv: "ffffffffff" }],
  ["08", { kid: "" }],
  ["0801020304050607", { kid: "01020304050607" }],
  ["1000", { kidContext: "" }],
  ["1002abcd", { kidContext: "abcd" }],
  ["1800", { kidContext: "", kid: "" }],
  ["1d0102030405020a0b0c", { partialIv: "0102030405", kidContext: "0a0b", kid: "0c" }],
];

/** Malformed ones (§6.1, §8.2 step 2). */
const REFUSED = [
  ["00", "flags that are all zero have an empty value"],
  ["2025", "reserved bit 5"],
  ["4925", "reserved bit 6"],
  ["8925", "reserved bit 7"],
  ["0e010203040506", "Partial IV length 6"],
  ["0f01020304050607", "Partial IV length 7"],
  ["09", "Partial IV missing"],
  ["0a01", "Partial IV cut"],
  ["0a0014", "Partial IV with a leading zero"],
  ["10", "kid context without a length"],
  ["1902", "kid context without a length behind the Partial IV"],
  ["100501020304", "kid context cut"],
  ["010702", "a byte behind the last field"],
  ["1001ab00", "a byte behind the kid context"],
];

describe("OSCORE option", () => {
  for (const [value, fields] of VALUES) {
    it(`${value || "empty"}`, () => {
      const option = taken(decodeOscoreOption(hex(value)));
      assert.equal(option.partialIv && toHex(option.partialIv), fields.partialIv);
      assert.equal(option.kidContext && toHex(option.kidContext), fields.kidContext);
      assert.equal(option.kid && toHex(option.kid), fields.kid);
      assert.equal(toHex(encodeOscoreOption(option)), value);
    });
  }

  for (const [value, why] of REFUSED) {
    it(`refuses ${value}: ${why}`, () => {
      assert.equal(reasonOf(decodeOscoreOption(hex(value))), "oscore-option");
    });
  }

  it("has one encoding for everything it decodes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (value) => {
        const option = decodeOscoreOption(value);
        if (!(option instanceof Refusal)) assert.equal(toHex(encodeOscoreOption(option)), toHex(value));
      }),
      { numRuns: 2000 },
    );
  });

  it("is found in a message, and refused when it stands twice", () => {
    const option = { number: 9, value: hex("0925") };
    assert.equal(oscoreOptionOf(message(Code.POST)), undefined);
    assert.equal(oscoreOptionOf(message(Code.POST, [{ number: 3, value: hex("61") }])), undefined);
    assert.equal(oscoreOptionOf(message(Code.POST, [{ number: 11, value: hex("61") }])), undefined);
    assert.deepEqual(
      taken(oscoreOptionOf(message(Code.POST, [{ number: 3, value: hex("61") }, option])))?.partialIv,
      hex("25"),
    );
    assert.equal(reasonOf(oscoreOptionOf(message(Code.POST, [option, option]))), "oscore-option");
  });

  it("throws for fields that it cannot carry", () => {
    assert.throws(() => encodeOscoreOption({ partialIv: new Uint8Array(6) }), RangeError);
    assert.throws(() => encodeOscoreOption({ partialIv: new Uint8Array(0) }), RangeError);
    assert.throws(() => encodeOscoreOption({ kidContext: new Uint8Array(256) }), RangeError);
  });
});

describe("Partial IV", () => {
  const rows: [number, string][] = [
    [0, "00"],
    [1, "01"],
    [255, "ff"],
    [256, "0100"],
    [65535, "ffff"],
    [65536, "010000"],
    [2 ** 24 - 1, "ffffff"],
    [2 ** 24, "01000000"],
    [2 ** 31, "80000000"],
    [2 ** 32 - 1, "ffffffff"],
    [2 ** 32, "0100000000"],
    [2 ** 32 + 0x12345678, "0112345678"],
    [2 ** 39 + 1, "8000000001"],
    [MAX_SEQUENCE_NUMBER, "ffffffffff"],
  ];
  for (const [number, bytes] of rows) {
    it(`${number} is ${bytes}`, () => {
      assert.equal(toHex(encodePartialIv(number)), bytes);
      assert.equal(decodePartialIv(hex(bytes)), number);
    });
  }

  it("goes no further than 2^40 - 1", () => {
    for (const number of [2 ** 40, -1, 1.5, Number.NaN])
      assert.throws(() => encodePartialIv(number), RangeError);
  });

  it("is the shortest form of every number", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 31 - 1 }), fc.nat({ max: 511 }), (low, high) => {
        const number = high * 2 ** 31 + low;
        const bytes = encodePartialIv(number);
        assert.equal(decodePartialIv(bytes), number);
        assert.ok(bytes.length === 1 || bytes[0] !== 0);
      }),
    );
  });
});

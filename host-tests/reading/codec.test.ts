import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeCbor } from "../../firmware/bytes/cbor.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeReport, encodeHealth, encodeReadings, MAXIMUM_BATCH } from "../../firmware/reading/codec.js";
import type { Health, Reading, Report } from "../../firmware/reading/reading.js";
import { decodeSenml, encodeSenml } from "../../firmware/reading/senml.js";

const readings: fc.Arbitrary<Reading> = fc
  .record(
    {
      age: fc.nat(31_536_000),
      temperature: fc.integer({ min: -10_000, max: 20_000 }),
      humidity: fc.nat(10_000),
      battery: fc.nat(100_000),
      firstCarriage: fc.record(
        { partialIv: fc.nat(2 ** 40 - 1), index: fc.nat(MAXIMUM_BATCH - 1) },
        { noNullPrototype: true },
      ),
    },
    { requiredKeys: ["age"], noNullPrototype: true },
  )
  .filter(({ temperature, humidity, battery }) => (temperature ?? humidity ?? battery) !== undefined);

function decoded(report: Report | Refusal): Report {
  assert.ok(!(report instanceof Refusal), String(report));
  return report;
}

describe("reading codec", () => {
  it("takes nine bytes for a temperature and a humidity of now", () => {
    assert.equal(
      toHex(encodeReadings([{ age: 0, temperature: 2234, humidity: 4512 }])),
      "a2011908ba021911a0",
    );
  });

  it("writes the first carriage as one number when it travelled alone", () => {
    const again = { age: 60, temperature: 5, firstCarriage: { partialIv: 7, index: 0 } };
    assert.equal(toHex(encodeReadings([again])), "a300183c01050407");
    const second = { ...again, firstCarriage: { partialIv: 7, index: 1 } };
    assert.equal(toHex(encodeReadings([second])), "a300183c010504820701");
  });

  it("gives back what was encoded", () => {
    fc.assert(
      fc.property(fc.array(readings, { minLength: 1, maxLength: 20 }), (batch) => {
        assert.deepEqual(decoded(decodeReport(encodeReadings(batch))), { kind: "readings", readings: batch });
      }),
    );
  });

  it("carries a gateway's health", () => {
    const health: Health = {
      uptime: 86_400,
      resetReason: "watchdog",
      battery: 3012,
      rsrp: -97,
      rat: "LTE-M",
      modem: "ready",
      queue: 3,
      drops: new Map([["mesh: app-mic", 12]]),
      heard: new Map([[0x12, 2]]),
    };
    assert.deepEqual(decoded(decodeReport(encodeHealth(health))), { kind: "health", health });
  });

  it("passes over keys that it does not know", () => {
    const future = encodeCbor(
      new Map<number, number | string>([
        [1, 2000],
        [9, "new"],
      ]),
    );
    assert.deepEqual(decoded(decodeReport(future)), {
      kind: "readings",
      readings: [{ age: 0, temperature: 2000 }],
    });
  });

  const wrong: [string, string, string][] = [
    ["a temperature beyond any sensor", "a1011a000186a0", "report-field"],
    ["a humidity above 100 %", "a102192af8", "report-field"],
    ["a text where a number belongs", "a1016131", "report-field"],
    ["a reading without a value", "a1001864", "report-empty"],
    ["an empty batch", "80", "report-empty"],
    ["no map at all", "07", "report-shape"],
    ["a cut map", "a201", "cbor-truncated"],
    ["nothing", "", "cbor-truncated"],
    ["heard nodes that are groups", "a21000 16a119c00001", "report-field"],
  ];
  for (const [what, bytes, reason] of wrong) {
    it(`refuses ${what}`, () => {
      const report = decodeReport(hex(bytes));
      assert.ok(report instanceof Refusal);
      assert.equal(report.reason, reason);
    });
  }

  it("takes any bytes without an exception, and only plausible values", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const report of [decodeReport(bytes), decodeSenml(bytes)]) {
          if (report instanceof Refusal || report.kind !== "readings") continue;
          for (const { temperature } of report.readings) assert.ok(Math.abs(temperature ?? 0) <= 20_000);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("SenML", () => {
  it("gives back what was encoded, one reading a time", () => {
    const batch: Reading[] = [
      { age: 120, temperature: -1234, humidity: 4512, battery: 2987 },
      { age: 0, temperature: 2234 },
    ];
    assert.deepEqual(decoded(decodeSenml(encodeSenml(batch))), { kind: "readings", readings: batch });
  });

  it("understands base fields", () => {
    const pack = encodeCbor([
      new Map<number, number | string>([
        [-2, "urn:dev:ow:10e2073a01080063"],
        [-3, -30],
        [-4, "Cel"],
        [2, 23.5],
      ]),
      new Map<number, number | string>([
        [1, "%RH"],
        [2, 40],
      ]),
    ]);
    const expected = { kind: "readings", readings: [{ age: 30, temperature: 2350, humidity: 4000 }] };
    assert.deepEqual(decoded(decodeSenml(pack)), expected);
  });

  it("refuses a time that is not relative", () => {
    const pack = encodeCbor([
      new Map<number, number | string>([
        [1, "Cel"],
        [2, 20],
        [6, 1_700_000_000],
      ]),
    ]);
    const report = decodeSenml(pack);
    assert.ok(report instanceof Refusal && report.reason === "report-field");
  });

  it("refuses a reading that is older than any node keeps", () => {
    const pack = (age: number) => encodeSenml([{ age, temperature: 2100 }]);
    assert.deepEqual(decoded(decodeSenml(pack(31_536_000))), {
      kind: "readings",
      readings: [{ age: 31_536_000, temperature: 2100 }],
    });
    const refused = decodeSenml(pack(31_536_001));
    assert.ok(refused instanceof Refusal && refused.reason === "report-field", `${refused}`);
  });
});

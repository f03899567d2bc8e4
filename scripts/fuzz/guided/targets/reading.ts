import { hex, toHex } from "../../../../firmware/bytes/hex.js";
import { Refusal } from "../../../../firmware/bytes/refusal.js";
import { decodeReport, encodeHealth, encodeReadings } from "../../../../firmware/reading/codec.js";
import type { Report } from "../../../../firmware/reading/reading.js";
import { decodeSenml, encodeSenml } from "../../../../firmware/reading/senml.js";
import { type GuidedTarget, must } from "../target.js";

const READINGS = [
  { age: 0, temperature: 2234, humidity: 5112, battery: 2980 },
  { age: 60, temperature: -512, firstCarriage: { partialIv: 300, index: 2 } },
];

function encode(report: Report): Uint8Array {
  return report.kind === "readings" ? encodeReadings(report.readings) : encodeHealth(report.health);
}

const targets: readonly GuidedTarget[] = [
  {
    name: "report",
    holds:
      "any bytes are a report or a refusal that names the field; a report is written so that it is read back",
    longest: 300,
    seeds: [
      encodeReadings(READINGS),
      encodeReadings(READINGS.slice(0, 1)),
      encodeHealth({
        uptime: 5,
        rsrp: -101,
        rat: "LTE-M",
        queue: 2,
        drops: new Map([["a", 1]]),
        heard: new Map([[3, 2]]),
      }),
    ],
    run(input) {
      const report = decodeReport(input);
      if (report instanceof Refusal) return 1;
      const encoded = encode(report);
      const again = decodeReport(encoded);
      must(!(again instanceof Refusal), `what was encoded is refused: ${again}`);
      must(toHex(encode(again)) === toHex(encoded), "two encodings of one report");
      return 1;
    },
  },
  {
    name: "senml",
    holds: "any bytes are SenML readings or a refusal, and each reading is in the range of its unit",
    longest: 300,
    seeds: [encodeSenml(READINGS), hex("81a3006174016343656c02f94d80")],
    run(input) {
      const report = decodeSenml(input);
      if (report instanceof Refusal || report.kind !== "readings") return 1;
      // Throws for what is out of range.
      const again = decodeReport(encodeReadings(report.readings));
      must(!(again instanceof Refusal), `${again}`);
      return 1;
    },
  },
];

export default targets;

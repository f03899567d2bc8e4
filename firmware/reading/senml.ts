/**
 * Readings as SenML-CBOR (RFC 8428), for senders and receivers that know nothing of our compact form: three to four
 * times as long on the air, understood everywhere. The unit says what a record is.
 */

import { type CborMap, type CborValue, CborWriter, decodeCbor } from "../bytes/cbor.js";
import { Refusal } from "../bytes/refusal.js";
import { MAXIMUM_AGE, MAXIMUM_BATCH, type ReportRefusal } from "./codec.js";
import type { Reading, Report } from "./reading.js";

/** Labels of RFC 8428 §6, table 4. */
const Label = { baseTime: -3, baseUnit: -4, baseValue: -5, name: 0, unit: 1, value: 2, time: 6 } as const;

/** What a record measures, by its unit (RFC 8428 §12.1, RFC 8798), and how its value becomes ours. */
const QUANTITIES = [
  { field: "temperature", name: "t", unit: "Cel", scale: 100, least: -10_000, most: 20_000 },
  { field: "humidity", name: "h", unit: "%RH", scale: 100, least: 0, most: 10_000 },
  { field: "battery", name: "b", unit: "V", scale: 1000, least: 0, most: 100_000 },
] as const;

/** SenML has no word for {@link Reading.firstCarriage}: a reading sent again is told by its own time only. */
export function encodeSenml(readings: readonly Reading[]): Uint8Array {
  const records: CborMap[] = [];
  for (const reading of readings) {
    for (const { field, name, unit, scale } of QUANTITIES) {
      const value = reading[field];
      if (value === undefined) continue;
      const record: CborMap = new Map<number, CborValue>([
        [Label.name, name],
        [Label.unit, unit],
        [Label.value, value / scale],
      ]);
      if (reading.age > 0) record.set(Label.time, -reading.age);
      records.push(record);
    }
  }
  return new CborWriter().value(records).out.finish();
}

/** Records of one time are one reading. Records of other units are passed over. */
export function decodeSenml(bytes: Uint8Array): Report | ReportRefusal {
  const records = decodeCbor(bytes);
  if (records instanceof Refusal) return records;
  if (!Array.isArray(records)) return new Refusal("report-shape", "SenML is an array of records");
  const byAge = new Map<number, { -readonly [Field in keyof Reading]: Reading[Field] }>();
  let [baseTime, baseValue] = [0, 0];
  let baseUnit: CborValue | undefined;
  for (const record of records) {
    if (!(record instanceof Map)) return new Refusal("report-shape", "a SenML record is a map");
    // Base fields hold from their record on (RFC 8428 §4.1).
    baseUnit = record.get(Label.baseUnit) ?? baseUnit;
    const time = record.get(Label.time) ?? 0;
    const newBaseTime = record.get(Label.baseTime) ?? baseTime;
    const newBaseValue = record.get(Label.baseValue) ?? baseValue;
    if (typeof time !== "number" || typeof newBaseTime !== "number" || typeof newBaseValue !== "number") {
      return new Refusal("report-field", "SenML time or base value");
    }
    [baseTime, baseValue] = [newBaseTime, newBaseValue];
    const unit = record.get(Label.unit) ?? baseUnit;
    const quantity = QUANTITIES.find((known) => known.unit === unit);
    const value = record.get(Label.value);
    if (quantity === undefined || value === undefined) continue;
    if (typeof value !== "number" || !Number.isFinite(value))
      return new Refusal("report-field", "SenML value");
    const scaled = Math.round((baseValue + value) * quantity.scale);
    if (scaled < quantity.least || scaled > quantity.most)
      return new Refusal("report-field", `SenML ${quantity.unit}`);
    const age = Math.round(0 - baseTime - time);
    // Only times relative to now, which are those below 2^28 s (RFC 8428 §4.5.3), and not what no node can have kept.
    if (!(age >= 0 && age <= MAXIMUM_AGE))
      return new Refusal("report-field", "SenML time: not within a year before now");
    let reading = byAge.get(age);
    if (reading === undefined) {
      if (byAge.size === MAXIMUM_BATCH) return new Refusal("report-batch", `over ${MAXIMUM_BATCH} times`);
      reading = { age };
      byAge.set(age, reading);
    }
    reading[quantity.field] = scaled;
  }
  if (byAge.size === 0) return new Refusal("report-empty");
  return { kind: "readings", readings: [...byAge.values()] };
}

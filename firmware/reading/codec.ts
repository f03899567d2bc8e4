/**
 * Reports as CBOR (DESIGN §5): a map with small integer keys for one reading, an array of such maps for a batch,
 * a map with keys from 16 on for a device's health.
 */

import { type CborMap, type CborRefusal, type CborValue, CborWriter, decodeCbor } from "../bytes/cbor.js";
import { Refusal } from "../bytes/refusal.js";
import type { Carriage, Health, Reading, Report } from "./reading.js";

/** Keys of a report's map. Positive numbers below 24 take one byte. */
export const Key = {
  age: 0,
  temperature: 1,
  humidity: 2,
  battery: 3,
  firstCarriage: 4,
  uptime: 16,
  resetReason: 17,
  rsrp: 18,
  rat: 19,
  queue: 20,
  drops: 21,
  heard: 22,
  modem: 23,
} as const;

/** What no sensor of ours can measure is a broken or hostile node, not weather: 1/100 °C and 1/100 %. */
const TEMPERATURE = { least: -10_000, most: 20_000 };
const HUMIDITY = { least: 0, most: 10_000 };
const BATTERY = { least: 0, most: 100_000 };
/** A year, in seconds: nothing waits longer in a node. */
export const MAXIMUM_AGE = 31_536_000;
const AGE = { least: 0, most: MAXIMUM_AGE };
/** Readings in one report; the mesh carries fewer. */
export const MAXIMUM_BATCH = 64;
/** Entries of a health report's maps. */
const MAXIMUM_ENTRIES = 256;

export type ReportRefusal =
  | CborRefusal
  | Refusal<"report-shape" | "report-field" | "report-empty" | "report-batch">;

/** One map for one reading, an array for more. @throws RangeError for none or more than {@link MAXIMUM_BATCH} */
export function encodeReadings(readings: readonly Reading[]): Uint8Array {
  if (readings.length < 1 || readings.length > MAXIMUM_BATCH) {
    throw new RangeError(`batch of ${readings.length} readings: 1 to ${MAXIMUM_BATCH}`);
  }
  const writer = new CborWriter();
  if (readings.length > 1) writer.array(readings.length);
  for (const reading of readings) writeReading(writer, reading);
  return writer.out.finish();
}

function writeReading(writer: CborWriter, reading: Reading): void {
  const { age, temperature, humidity, battery, firstCarriage } = reading;
  let pairs = 0;
  if (age > 0) pairs++;
  if (temperature !== undefined) pairs++;
  if (humidity !== undefined) pairs++;
  if (battery !== undefined) pairs++;
  if (firstCarriage !== undefined) pairs++;
  writer.map(pairs);
  if (age > 0) writer.int(Key.age).int(age);
  if (temperature !== undefined) writer.int(Key.temperature).int(temperature);
  if (humidity !== undefined) writer.int(Key.humidity).int(humidity);
  if (battery !== undefined) writer.int(Key.battery).int(battery);
  if (firstCarriage === undefined) return;
  writer.int(Key.firstCarriage);
  // Most readings travel alone the first time: their index 0 is left out.
  if (firstCarriage.index > 0) writer.array(2).int(firstCarriage.partialIv).int(firstCarriage.index);
  else writer.int(firstCarriage.partialIv);
}

export function encodeHealth(health: Health): Uint8Array {
  const map: CborMap = new Map();
  if (health.battery !== undefined) map.set(Key.battery, health.battery);
  // Also says that this map is a health report: it is always there.
  map.set(Key.uptime, Math.max(0, Math.floor(health.uptime ?? 0)));
  if (health.resetReason !== undefined) map.set(Key.resetReason, health.resetReason);
  if (health.rsrp !== undefined) map.set(Key.rsrp, Math.round(health.rsrp));
  if (health.rat !== undefined) map.set(Key.rat, health.rat);
  if (health.queue !== undefined) map.set(Key.queue, health.queue);
  if (health.drops !== undefined) map.set(Key.drops, new Map(health.drops));
  if (health.heard !== undefined) map.set(Key.heard, new Map(health.heard));
  if (health.modem !== undefined) map.set(Key.modem, health.modem);
  return new CborWriter().value(map).out.finish();
}

/** What a device reports. Any bytes: what does not fit is refused with the field that does not. Unknown keys are passed over. */
export function decodeReport(bytes: Uint8Array): Report | ReportRefusal {
  const value = decodeCbor(bytes);
  if (value instanceof Refusal) return value;
  if (value instanceof Map && value.has(Key.uptime)) return decodeHealth(value);
  const items = Array.isArray(value) ? value : [value];
  if (items.length === 0) return new Refusal("report-empty");
  if (items.length > MAXIMUM_BATCH) return new Refusal("report-batch", `${items.length} readings`);
  const readings: Reading[] = [];
  for (const item of items) {
    const reading = decodeReading(item);
    if (reading instanceof Refusal) return reading;
    readings.push(reading);
  }
  return { kind: "readings", readings };
}

function decodeReading(item: CborValue): Reading | ReportRefusal {
  if (!(item instanceof Map)) return new Refusal("report-shape", "a reading is a map");
  const age = wholeNumber(item, Key.age, AGE);
  if (age instanceof Refusal) return age;
  const temperature = wholeNumber(item, Key.temperature, TEMPERATURE);
  if (temperature instanceof Refusal) return temperature;
  const humidity = wholeNumber(item, Key.humidity, HUMIDITY);
  if (humidity instanceof Refusal) return humidity;
  const battery = wholeNumber(item, Key.battery, BATTERY);
  if (battery instanceof Refusal) return battery;
  const firstCarriage = decodeCarriage(item.get(Key.firstCarriage));
  if (firstCarriage instanceof Refusal) return firstCarriage;
  if (temperature === undefined && humidity === undefined && battery === undefined) {
    return new Refusal("report-empty", "a reading without a value");
  }
  return {
    age: age ?? 0,
    ...(temperature !== undefined && { temperature }),
    ...(humidity !== undefined && { humidity }),
    ...(battery !== undefined && { battery }),
    ...(firstCarriage !== undefined && { firstCarriage }),
  };
}

function decodeCarriage(value: CborValue | undefined): Carriage | undefined | ReportRefusal {
  if (value === undefined) return undefined;
  const [partialIv, index] = Array.isArray(value) && value.length === 2 ? value : [value, 0];
  if (
    !isWhole(partialIv, { least: 0, most: 2 ** 40 - 1 }) ||
    !isWhole(index, { least: 0, most: MAXIMUM_BATCH - 1 })
  ) {
    return new Refusal("report-field", `key ${Key.firstCarriage}`);
  }
  return { partialIv, index };
}

function decodeHealth(map: CborMap): Report | ReportRefusal {
  const numbers: { -readonly [Field in "uptime" | "battery" | "rsrp" | "queue"]?: number } = {};
  for (const [field, range] of [
    ["uptime", { least: 0, most: 2 ** 40 }],
    ["battery", BATTERY],
    ["rsrp", { least: -200, most: 0 }],
    ["queue", { least: 0, most: 2 ** 24 }],
  ] as const) {
    const value = wholeNumber(map, Key[field], range);
    if (value instanceof Refusal) return value;
    if (value !== undefined) numbers[field] = value;
  }
  const texts: { -readonly [Field in "resetReason" | "rat" | "modem"]?: string } = {};
  for (const field of ["resetReason", "rat", "modem"] as const) {
    const value = map.get(Key[field]);
    if (value === undefined) continue;
    if (typeof value !== "string" || value.length > 40)
      return new Refusal("report-field", `key ${Key[field]}`);
    texts[field] = value;
  }
  const drops = countsBy(
    map.get(Key.drops),
    (key): key is string => typeof key === "string" && key.length <= 60,
  );
  if (drops === "wrong") return new Refusal("report-field", `key ${Key.drops}`);
  const heard = countsBy(map.get(Key.heard), (key): key is number =>
    isWhole(key, { least: 1, most: 0x7fff }),
  );
  if (heard === "wrong") return new Refusal("report-field", `key ${Key.heard}`);
  return {
    kind: "health",
    health: { ...numbers, ...texts, ...(drops && { drops }), ...(heard && { heard }) },
  };
}

function countsBy<K extends string | number>(
  value: CborValue | undefined,
  isKey: (key: string | number) => key is K,
): ReadonlyMap<K, number> | undefined | "wrong" {
  if (value === undefined) return undefined;
  if (!(value instanceof Map) || value.size > MAXIMUM_ENTRIES) return "wrong";
  const counts = new Map<K, number>();
  for (const [key, count] of value) {
    if (!isKey(key) || !isWhole(count, { least: 0, most: Number.MAX_SAFE_INTEGER })) return "wrong";
    counts.set(key, count);
  }
  return counts;
}

interface Range {
  readonly least: number;
  readonly most: number;
}

function isWhole(value: unknown, range: Range): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= range.least && value <= range.most;
}

function wholeNumber(map: CborMap, key: number, range: Range): number | undefined | Refusal<"report-field"> {
  const value = map.get(key);
  if (value === undefined || isWhole(value, range)) return value;
  return new Refusal("report-field", `key ${key}: ${typeof value === "number" ? value : typeof value}`);
}

import type { ReadingJson, ReadingRecord } from "./model.js";
import type { ReadingQuery, Store } from "./store/store.js";

const PAGE = 2000;

/** All readings of a query in ascending order, in pages: between them others read and write. */
export async function* allReadings(
  store: Store,
  query: Omit<ReadingQuery, "limit">,
): AsyncGenerator<ReadingRecord[]> {
  let after = { time: query.from ?? 0, id: -1 };
  for (;;) {
    const page = await store.page({ ...query, after, limit: PAGE });
    if (page.length > 0) yield page;
    if (page.length < PAGE) return;
    const last = page[page.length - 1];
    after = { time: last.time, id: last.id };
  }
}

/** A form that readings leave the server in. */
export interface ExportFormat {
  readonly type: string;
  readonly head: string;
  readonly tail: string;
  readonly separator: string;
  encode(reading: ReadingJson): string;
}

const CSV_COLUMNS = [
  "node",
  "time",
  "temperature",
  "humidity",
  "battery",
  "received",
  "gateway",
  "hops",
] as const;

/** RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front. */
function csvField(value: string | number | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "number") return `${value}`;
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Units of SenML (RFC 8428 §12.1, RFC 8798). */
const QUANTITIES = [
  ["temperature", "Cel"],
  ["humidity", "%RH"],
  ["battery", "V"],
] as const;

/** Names of SenML have few characters and begin with a letter or digit (RFC 8428 §4.5.1). */
function senmlName(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9\-:./_]/g, "_");
  return /^[A-Za-z0-9]/.test(safe) ? safe : `x${safe}`;
}

export const EXPORT_FORMATS = {
  csv: {
    type: "text/csv; charset=utf-8",
    head: `${CSV_COLUMNS.join(",")}\r\n`,
    separator: "",
    tail: "",
    encode: (reading) => `${CSV_COLUMNS.map((column) => csvField(reading[column])).join(",")}\r\n`,
  },
  senml: {
    type: "application/senml+json",
    head: "[",
    separator: ",\n",
    tail: "]\n",
    encode(reading) {
      const records: Record<string, string | number>[] = [];
      for (const [name, unit] of QUANTITIES) {
        const value = reading[name];
        if (value !== undefined) records.push({ n: name, u: unit, v: value });
      }
      // Base fields hold from their record on, so that each reading sets both.
      const base = { bn: `${senmlName(reading.node)}/`, bt: Date.parse(reading.time) / 1000 };
      return records
        .map((record, index) => JSON.stringify(index === 0 ? { ...base, ...record } : record))
        .join(",");
    },
  },
  json: {
    type: "application/x-ndjson",
    head: "",
    separator: "",
    tail: "",
    encode: (reading) => `${JSON.stringify(reading)}\n`,
  },
} as const satisfies Record<string, ExportFormat>;

export type ExportName = keyof typeof EXPORT_FORMATS;
export const EXPORT_NAMES = Object.keys(EXPORT_FORMATS) as ExportName[];

/** Readings as text in a form, piece by piece. */
export async function* exported(
  format: ExportFormat,
  pages: AsyncIterable<readonly ReadingJson[]>,
): AsyncGenerator<string> {
  yield format.head;
  let first = true;
  for await (const page of pages) {
    let text = "";
    for (const reading of page) {
      const encoded = format.encode(reading);
      if (encoded === "") continue;
      text += first ? encoded : format.separator + encoded;
      first = false;
    }
    if (text !== "") yield text;
  }
  yield format.tail;
}

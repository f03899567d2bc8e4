/** Results of a run: as a table, beside an earlier one, and in a file. */

import { readFileSync } from "node:fs";
import type { Machine } from "./machine.js";
import { type BenchRow, timesAsGood } from "./measure.js";

/** A run as `--json` writes it. */
export interface BenchRun {
  /** ISO 8601 */
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  /** Figures of a quick look, which are none to be quoted. */
  readonly short: boolean;
  readonly suites: { readonly [suite: string]: readonly BenchRow[] };
}

/** @throws Error when it is none */
export function readRun(file: string): BenchRun {
  const run = JSON.parse(readFileSync(file, "utf8")) as Partial<BenchRun>;
  if (run.suites === undefined || run.machine === undefined)
    throw new Error(`${file} is not a run that npm run bench has written with --json`);
  return run as BenchRun;
}

/** Our row of the same name, for a row of somebody else's. */
export function oursOf(row: BenchRow, rows: readonly BenchRow[]): BenchRow | undefined {
  if (row.peer === undefined) return undefined;
  return rows.find(({ name, peer }) => peer === undefined && name === row.name);
}

/** Others' rows behind ours of the same name. */
export function grouped(rows: readonly BenchRow[]): BenchRow[] {
  const own = rows.filter((row) => oursOf(row, rows) === undefined);
  return own.flatMap((row) => [row, ...rows.filter((other) => oursOf(other, rows) === row)]);
}

/** Lines for a terminal. @param before the same suite of an earlier run */
export function table(rows: readonly BenchRow[], before: readonly BenchRow[] = []): string[] {
  const cells = grouped(rows).map((row) => {
    const ours = oursOf(row, rows);
    const was = before.find(({ name, peer }) => name === row.name && peer === row.peer);
    const notes = [row.note];
    if (ours !== undefined) notes.unshift(ratio(timesAsGood(ours.value, row.value, row.unit)));
    return [
      row.peer === undefined ? row.name : `  ${row.peer}`,
      format(row.value),
      row.unit,
      row.spread === undefined ? "" : `${format(row.spread[0])}–${format(row.spread[1])}`,
      was === undefined ? "" : change(row, was),
      notes.filter((note) => note !== "").join("; "),
    ];
  });
  const width = [0, 1, 2, 3, 4].map((column) => Math.max(0, ...cells.map((row) => row[column].length)));
  return cells.map(([name, value, unit, spread, was, note]) =>
    `  ${name.padEnd(width[0])}  ${value.padStart(width[1])} ${unit.padEnd(width[2])}  ${spread.padEnd(width[3])}  ${was.padEnd(width[4])}  ${note}`.trimEnd(),
  );
}

/** "ours is 3.1 × as good": of a time as fast, of a size as small. */
export function ratio(times: number): string {
  return `ours is ${format(times)} × that`;
}

/** By how much better or worse, and whether that is more than chance: the spreads do not touch. */
export function change(row: BenchRow, was: BenchRow): string {
  const times = timesAsGood(row.value, was.value, row.unit);
  if (!Number.isFinite(times)) return `was ${format(was.value)}`;
  const percent = Math.round(100 * (times - 1));
  const [low, high] = row.spread ?? [row.value, row.value];
  const [wasLow, wasHigh] = was.spread ?? [was.value, was.value];
  const chance = low <= wasHigh && wasLow <= high;
  const verdict = chance ? "within the spread" : percent > 0 ? "better" : percent < 0 ? "WORSE" : "the same";
  return `was ${format(was.value)}: ${percent >= 0 ? "+" : "−"}${Math.abs(percent)} %, ${verdict}`;
}

/** Three digits that say something. */
export function format(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const digits = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

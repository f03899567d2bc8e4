/** Bars as SVG text: what is ours, and beside it others', with the spread of each as a line. */

import type { BenchRow } from "./measure.js";
import { format, grouped, oursOf } from "./report.js";

const COLOURS = { ours: "#0072b2", peer: "#e69f00" };
const WIDTH = 860;
const LABELS = 400;
const LINE = 20;
const TOP = 34;

/** One chart: rows of one unit, which share an axis. Logarithmic where the values are far apart. */
export function barChart(title: string, rows: readonly BenchRow[]): string {
  const all = grouped(rows).filter(({ value }) => value > 0);
  const ends = all.flatMap(({ value, spread }) => [value, ...(spread ?? [])]).filter((value) => value > 0);
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const logarithmic = most / least > 30;
  const from = logarithmic ? 10 ** Math.floor(Math.log10(least)) : 0;
  const room = WIDTH - LABELS - 90;
  const across = (value: number) => {
    const share = logarithmic ? Math.log(Math.max(value, from) / from) / Math.log(most / from) : value / most;
    return Math.round(100 * (LABELS + room * share)) / 100;
  };
  const unit = all[0]?.unit ?? "";
  const parts = all.map((row, i) => {
    const theirs = oursOf(row, rows) !== undefined;
    const top = TOP + i * LINE;
    const [low, high] = row.spread ?? [row.value, row.value];
    const middle = top + LINE / 2 - 3;
    return [
      `<text x="${LABELS - 8}" y="${top + 11}" text-anchor="end"${theirs ? ' fill="#555"' : ""}>${escapeText(theirs ? row.peer! : row.name)}</text>`,
      `<rect x="${LABELS}" y="${top + 1}" width="${across(row.value) - LABELS}" height="${LINE - 8}" fill="${theirs ? COLOURS.peer : COLOURS.ours}"/>`,
      `<path d="M${across(low)} ${middle}H${across(high)}" stroke="#222" stroke-width="1.5"/>`,
      `<text x="${across(Math.max(high, row.value)) + 6}" y="${top + 11}">${format(row.value)}</text>`,
    ].join("\n");
  });
  const height = TOP + all.length * LINE + 8;
  const scale = logarithmic ? ", logarithmic" : "";
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="8" y="20" font-size="14">${escapeText(`${title} (${unit}${scale})`)}</text>`,
    ...parts,
    "</svg>",
  ].join("\n")}\n`;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

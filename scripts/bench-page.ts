/** `npm run bench-page`: the tables and charts of docs/BENCH.md from a run that `npm run bench -- --json` has written. */

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { barChart } from "./bench/bar-chart.js";
import { describe } from "./bench/machine.js";
import { type BenchRow, timesAsGood } from "./bench/measure.js";
import { type BenchRun, format, grouped, oursOf, readRun } from "./bench/report.js";
import { fail, newCommand } from "./cli.js";
import { withResults } from "./results-page.js";

const command = newCommand(
  "bench-page",
  "Writes the tables of BENCH.md, between its marks, and bench-*.svg from a run that npm run bench -- --json FILE has written.",
)
  .argument("[file]", "the run", join("docs", "bench.json"))
  .option("--out <dir>", "where to", "docs")
  .parse();
const { out } = command.opts<{ out: string }>();
const run = read(command.args[0] ?? join("docs", "bench.json"));

function read(file: string): BenchRun {
  try {
    return readRun(file);
  } catch (error) {
    return fail((error as Error).message);
  }
}

/** Rows of one unit share a chart, where there are enough of them. */
function charts(suite: string, rows: readonly BenchRow[]): { file: string; title: string; svg: string }[] {
  const units = [...new Set(rows.map(({ unit }) => unit))].filter((unit) => unit !== "");
  return units
    .map((unit) => rows.filter((row) => row.unit === unit && row.value > 0))
    .filter((some) => some.length > 1)
    .map((some, i) => {
      const file = `bench-${suite}${i === 0 ? "" : `-${i + 1}`}.svg`;
      return { file, title: suite, svg: barChart(suite, some) };
    });
}

function table(rows: readonly BenchRow[]): string[] {
  return [
    "| What | Median | Spread | Repetitions | |",
    "|---|---:|---:|---:|---|",
    ...grouped(rows).map((row) => {
      const ours = oursOf(row, rows);
      const { name, value, unit, spread, repetitions, note } = row;
      const what = ours === undefined ? name : `– ${row.peer}`;
      const factor =
        ours === undefined ? "" : `ours is **${format(timesAsGood(ours.value, value, unit))} ×** that`;
      const remark = [factor, ours === undefined ? note : ""].filter((part) => part !== "").join("; ");
      const between = spread === undefined ? "" : `${format(spread[0])}–${format(spread[1])}`;
      return `| ${what} | ${format(value)} ${unit} | ${between} | ${repetitions ?? ""} | ${remark} |`;
    }),
  ];
}

for (const name of readdirSync(out)) if (/^bench-.*\.svg$/.test(name)) rmSync(join(out, name));
const sections = Object.entries(run.suites).map(([suite, rows]) => {
  const drawn = charts(suite, rows);
  for (const { file, svg } of drawn) writeFileSync(join(out, file), svg);
  const pictures = drawn.map(({ file, title }) => `![${title}: the table below as a chart](${file})`);
  return [`### ${suite}`, "", ...pictures, ...(pictures.length > 0 ? [""] : []), ...table(rows)].join("\n");
});
const head = `\`${run.command}\`, ${run.date.slice(0, 10)}: ${describe(run.machine)}.${run.short ? " **A quick look, whose figures are none to be quoted.**" : ""}`;
const page = join(out, "BENCH.md");
writeFileSync(page, withResults(readFileSync(page, "utf8"), [head, ...sections, ""].join("\n\n")));

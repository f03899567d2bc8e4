/** `npm run mesh-study`: delivery, latency and air time of the mesh against hops, loss, load and density. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { chartOf, tableOf } from "../sim/study/delivery-report.js";
import { runSweep, SWEEPS, type SweepResult } from "../sim/study/delivery-study.js";
import { newCommand, wholeNumber } from "./cli.js";
import { withResults } from "./results-page.js";

const EMPTY_PAGE = "# Delivery in the mesh\n\n<!-- study -->\n<!-- end of study -->\n";

const command = newCommand(
  "mesh-study",
  "Measures delivery, latency and air time of the mesh stack on the simulated air, in virtual time and from a seed, and writes tables and charts: MESH-DELIVERY.md (its part between the study's marks), mesh-delivery.json and mesh-delivery-*.svg.",
)
  .option("--out <dir>", "where to", "docs")
  .option("--messages <n>", "messages for every point", wholeNumber(10, 100_000), 200)
  .option("--seed <n>", "the same seed gives the same numbers", wholeNumber(0, 2 ** 32 - 1), 1)
  .option("--only <id>", `one sweep: ${SWEEPS.map(({ id }) => id).join(", ")}; writes no document`)
  .allowExcessArguments(false)
  .parse();

const { out, messages, seed, only } = command.opts<{
  out: string;
  messages: number;
  seed: number;
  only?: string;
}>();
const sweeps = SWEEPS.filter(({ id }) => only === undefined || id === only);
if (sweeps.length === 0) command.error(`error: no sweep has the name ${only}`);

const started = performance.now();
const total = sweeps.reduce((sum, { x, sets }) => sum + x.length * sets.length, 0);
let point = 0;
const results: SweepResult[] = sweeps.map((sweep) => {
  process.stdout.write(`\n${sweep.title}\n`);
  const result = runSweep(sweep, messages, seed, (set, x) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stdout.write(`  ${++point} of ${total}, ${seconds} s: ${set}, ${sweep.xTitle}: ${x}\n`);
  });
  process.stdout.write(`${tableOf(result)}\n`);
  return result;
});
const seconds = Math.round((performance.now() - started) / 1000);

let wrong = 0;
for (const { rows } of results) for (const { points } of rows) for (const { wrong: w } of points) wrong += w;
process.stdout.write(`\nacknowledged but not delivered, or delivered twice: ${wrong}\n`);
process.exitCode = wrong === 0 ? 0 : 1;

if (only === undefined) {
  mkdirSync(out, { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.version}`;
  const run = `npm run mesh-study -- --messages ${messages} --seed ${seed}`;
  const json = { command: run, date, machine, seconds, messages, seed, results };
  writeFileSync(join(out, "mesh-delivery.json"), `${JSON.stringify(json, roundNumbers, 1)}\n`);
  const sections = results.map((result) => {
    const file = `mesh-delivery-${result.id}.svg`;
    writeFileSync(join(out, file), chartOf(result));
    return `### ${result.title}\n\n![${result.title}](${file})\n\n${tableOf(result)}`;
  });
  const head = `\`${run}\`, ${date}, ${machine}; ${seconds} s of wall time. ${messages} messages a point; acknowledged but not delivered, or delivered twice: ${wrong}.`;
  const file = join(out, "MESH-DELIVERY.md");
  const page = existsSync(file) ? readFileSync(file, "utf8") : EMPTY_PAGE;
  writeFileSync(file, withResults(page, [head, ...sections, ""].join("\n\n"), "study"));
}

function roundNumbers(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Math.round(value * 10_000) / 10_000 : value;
}

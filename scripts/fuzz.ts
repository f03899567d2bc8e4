/** `npm run fuzz`: the fuzz targets for as long as one likes. The tests run each of them for a moment. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decimal, fail, newCommand, wholeNumber } from "./cli.js";
import { writeCorpus } from "./fuzz/guided/corpus.js";
import { reportOf } from "./fuzz/guided/report.js";
import { type ListedTarget, listTargets, runTargets } from "./fuzz/guided/run.js";
import type { JobResult } from "./fuzz/guided/worker.js";
import type { FuzzOptions, FuzzTarget } from "./fuzz/target.js";
import { withResults } from "./results-page.js";

interface Options {
  target: string;
  minutes: number;
  seed?: number;
  path?: string;
  guided: boolean;
  inputs?: number;
  keep: boolean;
  report?: string;
}

const properties: FuzzTarget[] = [];
const directory = new URL("fuzz/targets/", import.meta.url);
for (const file of readdirSync(fileURLToPath(directory)).sort()) {
  const module = (await import(new URL(file, directory).href)) as { default: readonly FuzzTarget[] };
  properties.push(...module.default);
}
const guided = await listTargets();

function list(targets: readonly { readonly name: string; readonly holds: string }[]): string {
  const width = Math.max(...targets.map(({ name }) => name.length));
  return targets.map(({ name, holds }) => `  ${name.padEnd(width)}  ${holds}`).join("\n");
}

const program = newCommand(
  "fuzz",
  "Feeds decoders and state machines with bytes that nobody meant for them: with values made by rules and changed (default), or with inputs that are bred by the branches they reach (--guided).",
)
  .option("--target <name>", "one of the lists below, the beginning of several, or all", "all")
  .option("--minutes <n>", "how long, shared by the targets", decimal(0.01, 100_000), 1)
  .option("--seed <n>", "repeat a run: the seed that a failure printed", wholeSigned)
  .option("--path <path>", "and its path; not with --guided")
  .option("--guided", "coverage-guided, beginning with the corpus in host-tests/corpus", false)
  .option("--inputs <n>", "--guided: inputs for each target instead of a time", wholeNumber(1, 1e9))
  .option("--keep", "--guided: write what was bred to the corpus", false)
  .option("--report <file>", "--guided: put the results into this page of docs/")
  .addHelpText(
    "after",
    `\nTargets, and what must hold:\n${list(properties)}\n\nGuided targets:\n${list(guided)}`,
  );
program.parse();
const options = program.opts<Options>();

function chosenOf<T extends { readonly name: string }>(targets: readonly T[]): readonly T[] {
  const chosen = targets.filter(
    ({ name }) =>
      options.target === "all" || name === options.target || name.startsWith(`${options.target}-`),
  );
  if (chosen.length === 0) program.error(`error: there is no target "${options.target}": see --help`);
  return chosen;
}

if (options.guided) await runGuided(chosenOf(guided));
else runProperties(chosenOf(properties));

function runProperties(chosen: readonly FuzzTarget[]): void {
  const width = Math.max(...chosen.map(({ name }) => name.length));
  const timeLimit = (options.minutes * 60_000) / chosen.length;
  let failures = 0;
  for (const target of chosen) {
    const run: { -readonly [key in keyof FuzzOptions]: FuzzOptions[key] } = { timeLimit };
    if (options.seed !== undefined) run.seed = options.seed;
    if (options.path !== undefined) run.path = options.path;
    const start = Date.now();
    try {
      target.run(run);
      console.log(`pass  ${target.name.padEnd(width)}  ${((Date.now() - start) / 1000).toFixed(1)} s`);
    } catch (error) {
      failures++;
      console.log(`FAIL  ${target.name.padEnd(width)}  ${target.holds}`);
      console.error((error as Error).message);
    }
  }
  if (failures > 0)
    fail(`${failures} of ${chosen.length} targets failed; --target, --seed and --path repeat a failure`);
}

async function runGuided(chosen: readonly ListedTarget[]): Promise<void> {
  const width = Math.max(...chosen.map(({ name }) => name.length));
  const { inputs, seed = Date.now() % 2 ** 32, keep, report } = options;
  const budget = {
    inputs: inputs ?? Number.POSITIVE_INFINITY,
    time: inputs === undefined ? (options.minutes * 60_000) / chosen.length : Number.POSITIVE_INFINITY,
    seed,
  };
  const results = new Map<ListedTarget, JobResult>();
  const isTerminal = process.stdout.isTTY;
  await runTargets(
    chosen,
    budget,
    (target, result) => {
      const { inputs: fed, milliseconds, covered, corpus, failure } = result;
      const figures = `${fed} inputs in ${(milliseconds / 1000).toFixed(1)} s, ${covered} branches, corpus ${corpus.length}`;
      if (isTerminal) process.stdout.write("\r\x1b[K");
      console.log(`${failure === undefined ? "pass" : "FAIL"}  ${target.name.padEnd(width)}  ${figures}`);
      if (failure !== undefined) console.error(`${target.holds}\n${failure}`);
      else if (keep) writeCorpus(target.name, corpus);
      results.set(target, result);
    },
    (running) => {
      if (!isTerminal) return;
      const parts = [...running].map(([name, runs]) => `${name} ${runs}`);
      process.stdout.write(`\r\x1b[K${results.size} of ${chosen.length} done; ${parts.join(", ")}`);
    },
  );
  if (report !== undefined) {
    const command = `npm run fuzz -- --guided${inputs === undefined ? "" : ` --inputs ${inputs}`}`;
    const ordered = new Map(chosen.map((target) => [target, results.get(target)!]));
    writeFileSync(report, withResults(readFileSync(report, "utf8"), reportOf(ordered, command, new Date())));
  }
  const failures = [...results.values()].filter(({ failure }) => failure !== undefined).length;
  if (failures > 0)
    fail(`${failures} of ${chosen.length} targets failed (seed ${seed}); each has printed its input in hex`);
}

/** fast-check's seeds are 32-bit numbers of either sign. */
function wholeSigned(text: string): number {
  return text.startsWith("-") ? -wholeNumber(0, 2 ** 31)(text.slice(1)) : wholeNumber(0, 2 ** 32)(text);
}

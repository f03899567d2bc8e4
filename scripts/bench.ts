/** `npm run bench`: all measurements, or one suite, as a table and as JSON. */

import { existsSync, writeFileSync } from "node:fs";
import { describe, thisMachine } from "./bench/machine.js";
import type { BenchRow, Suite } from "./bench/measure.js";
import { type BenchRun, readRun, table } from "./bench/report.js";
import { fail, newCommand } from "./cli.js";

/** A suite is bench/NAME.ts with a default export that runs it. */
const SUITES = ["oscore", "coap", "mesh", "modem", "sim", "provisioning", "server", "page", "board"];
/** Of a suite's work, where it can be less. */
const SHORT = 0.02;

type Suites = { [suite: string]: readonly BenchRow[] };

interface Options {
  readonly json?: string;
  readonly add: boolean;
  readonly compare?: string;
  readonly short: boolean;
}

const program = newCommand(
  "bench",
  "Measures; every row says what, with the median of its repetitions and their spread. Where others' implementations can be had from a registry they run beside ours.",
)
  .argument("[suite...]", `${SUITES.join(", ")} (default: all)`)
  .option("--json <file>", "write the run as JSON too")
  .option("--add", "suites that this file has and this run has not stay in it", false)
  .option("--compare <file>", "say beside each value what it was in a run that --json has written")
  .option("--short", "a quick look, whose figures are none to be quoted", false)
  .action(async (names: string[], options: Options) => {
    const wrong = names.find((name) => !SUITES.includes(name));
    if (wrong !== undefined) program.error(`error: there is no suite "${wrong}": ${SUITES.join(", ")}`);
    const before = options.compare === undefined ? undefined : earlier(options.compare);
    const machine = thisMachine();
    console.log(describe(machine));
    if (before !== undefined) console.log(`beside ${before.date}: ${describe(before.machine)}`);
    if (options.short) console.log("a quick look: no figures to be quoted");
    const suites: Suites = {};
    if (options.add && options.json !== undefined && existsSync(options.json)) {
      Object.assign(suites, earlier(options.json).suites);
    }
    for (const suite of names.length > 0 ? names : SUITES) {
      console.log(`\n${suite}`);
      const { default: run } = (await import(`./bench/${suite}.js`)) as { default: Suite };
      const rows = await run(options.short ? SHORT : 1);
      for (const line of table(rows, before?.suites[suite])) console.log(line);
      if (rows.length === 0) continue;
      suites[suite] = rows;
      // After each, so that what ends the run takes no more than one.
      if (options.json !== undefined) save(options.json, suites, options);
    }
  });

function earlier(file: string): BenchRun {
  try {
    return readRun(file);
  } catch (error) {
    return fail(`nothing to compare with: ${(error as Error).message}`);
  }
}

function save(file: string, suites: Suites, { short }: Options): void {
  const names = SUITES.filter((name) => name in suites);
  const run: BenchRun = {
    date: new Date().toISOString(),
    command: `npm run bench -- ${names.join(" ")}`,
    machine: thisMachine(),
    short,
    suites: Object.fromEntries(names.map((name) => [name, suites[name]])),
  };
  writeFileSync(file, `${JSON.stringify(run, rounded, 1)}\n`);
}

/** Four digits are more than any of it is worth. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}

await program.parseAsync();

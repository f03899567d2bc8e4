/** `npm run fuzz`: the fuzz targets for as long as one likes. The tests run each of them for a moment. */

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decimal, fail, newCommand, wholeNumber } from "./cli.js";
import type { FuzzOptions, FuzzTarget } from "./fuzz/target.js";

const directory = new URL("fuzz/targets/", import.meta.url);

const targets: FuzzTarget[] = [];
for (const file of readdirSync(fileURLToPath(directory)).sort()) {
  const module = (await import(new URL(file, directory).href)) as { default: readonly FuzzTarget[] };
  targets.push(...module.default);
}

interface Options {
  target: string;
  minutes: number;
  seed?: number;
  path?: string;
}

const width = Math.max(...targets.map(({ name }) => name.length));
const list = targets.map(({ name, holds }) => `  ${name.padEnd(width)}  ${holds}`).join("\n");

const program = newCommand("fuzz", "Feeds decoders and state machines with bytes that nobody meant for them.")
  .option("--target <name>", "one of the list below, the beginning of several, or all", "all")
  .option("--minutes <n>", "how long, shared by the targets", decimal(0.01, 100_000), 1)
  .option("--seed <n>", "repeat a run: the seed that a failure printed", wholeSigned)
  .option("--path <path>", "and its path")
  .addHelpText("after", `\nTargets, and what must hold:\n${list}`);
program.parse();
const options = program.opts<Options>();

const chosen = targets.filter(
  ({ name }) => options.target === "all" || name === options.target || name.startsWith(`${options.target}-`),
);
if (chosen.length === 0) program.error(`error: there is no target "${options.target}":\n${list}`);

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

/** fast-check's seeds are 32-bit numbers of either sign. */
function wholeSigned(text: string): number {
  return text.startsWith("-") ? -wholeNumber(0, 2 ** 31)(text.slice(1)) : wholeNumber(0, 2 ** 32)(text);
}

/** `npm run mesh-day`: a day of a large mesh network, with loss, power cuts, replays, an IV Update and a key refresh. */

import { writeFileSync } from "node:fs";
import { DAY_DEFAULTS, type DayOptions, runDay } from "../sim/study/day.js";
import { describeDay } from "../sim/study/day-report.js";
import { decimal, newCommand, wholeNumber } from "./cli.js";

const command = newCommand(
  "mesh-day",
  "Runs the mesh stacks of a large network on the simulated air for hours of virtual time: sensors report to a gateway over relays, frames are lost, power fails anywhere and in the middle of writes, recordings are played again, the IV Index moves on and all keys change. Follows every message and every sequence number.",
)
  .option("--nodes <n>", "members, one in ten of them a relay", wholeNumber(8, 2000), DAY_DEFAULTS.nodes)
  .option("--hours <n>", "virtual hours", decimal(0.1, 1000), DAY_DEFAULTS.hours)
  .option(
    "--interval <s>",
    "seconds between two messages of a sensor",
    decimal(1, 86_400),
    DAY_DEFAULTS.interval,
  )
  .option("--loss <p>", "probability that a frame is lost on a link", decimal(0, 0.9), DAY_DEFAULTS.loss)
  .option("--cut-every <s>", "seconds between two power cuts", decimal(1, 1e6), DAY_DEFAULTS.cutEvery)
  .option(
    "--seed <n>",
    "the same seed gives the same history",
    wholeNumber(0, 2 ** 32 - 1),
    DAY_DEFAULTS.seed,
  )
  .option("--json <file>", "write the result there as well")
  .addHelpText(
    "after",
    "\nExit 0: 99.9 % of all messages arrived, every acknowledged one exactly once, no number was used twice, and all members have the new IV Index and keys. Exit 1: not so.",
  )
  .allowExcessArguments(false)
  .parse();

const { json, ...options } = command.opts<DayOptions & { json?: string }>();
const started = performance.now();
const result = runDay(options, ({ hour, messages, arrived, waiting, powerCuts, phase }) => {
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  process.stdout.write(
    `hour ${hour.toFixed(1)} of ${options.hours}: ${messages} messages, ${arrived} arrived, ${waiting} waiting, ${powerCuts} power cuts, ${phase}, ${seconds} s\n`,
  );
});
process.stdout.write(`\n${describeDay(result)}\n`);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, undefined, 2)}\n`);
process.exitCode = result.passed ? 0 : 1;

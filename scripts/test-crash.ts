/** `npm run test:crash`: the server killed again and again under load, and several on one database. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { newCommand, wholeNumber } from "./cli.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TESTS = ["host-tests/cloud/crash.test.ts", "host-tests/cloud/processes.test.ts"];

const program = newCommand(
  "npm run test:crash --",
  "Kills the server (SIGKILL) at random moments under load, on SQLite and on PostgreSQL: every acknowledged reading has\n" +
    "to be there, none twice, and no replay may be taken after the restart. Then four processes on one PostgreSQL, which\n" +
    "have to accept each Partial IV once.",
)
  .option("--rounds <n>", "kills of each store", wholeNumber(1, 100_000), 200)
  .option("--seed <n>", "of the moments", wholeNumber(0, 2 ** 31), 1)
  .allowExcessArguments(false);

program.parse();
const { rounds, seed } = program.opts<{ rounds: number; seed: number }>();
const { status } = spawnSync("npx", ["mocha", ...TESTS], {
  cwd: ROOT,
  stdio: "inherit",
  env: { ...process.env, CRASH_ROUNDS: `${rounds}`, CRASH_SEED: `${seed}` },
});
process.exit(status === 0 ? 0 : 1);

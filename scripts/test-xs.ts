/** `npm run test:xs`: the firmware's host tests in a real XS engine, without any board's SDK. */

import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { XsUnavailable, xsWorker } from "../sim/xs/worker.js";
import { BuildFailed } from "./board/build.js";
import { MissingTool } from "./board/tools.js";
import { fail, newCommand } from "./cli.js";
import { REPOSITORY } from "./xs/bundle.js";
import { checkPreloaded } from "./xs/preload-check.js";
import { runTestFile } from "./xs/run-test.js";

/** Folders of host-tests/ that test what runs on the board. */
const FOLDERS = ["bytes", "coap", "crypto", "mesh", "modem", "oscore", "reading", "roles", "sensor"];
/** Half a minute and more each in XS: a whole day, P-256 in software, an hour of a modem's mishaps. */
const SLOW = ["mesh/day.test.ts", "mesh/commission.test.ts", "modem/recovery.test.ts"];

const command = newCommand(
  "test:xs",
  "Runs the firmware's host tests in XS, the engine of the board. With the Moddable SDK (MODDABLE) also the roles with every module preloaded. What is missing it says, and exits 0.",
)
  .argument("[part...]", "only test files whose path contains one of these")
  .option("--slow", `also ${SLOW.join(", ")}`, false)
  .option("--require", "fail where it would skip", false)
  .option("--verbose", "name every file, and what those that need Node need it for", false)
  .parse();
const { verbose, slow, require } = command.opts<{ verbose: boolean; slow: boolean; require: boolean }>();

function testFiles(): string[] {
  const files = FOLDERS.flatMap((folder) =>
    readdirSync(join(REPOSITORY, "host-tests", folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts"))
      .map((file) => join("host-tests", folder, file)),
  );
  files.push("host-tests/board/primitives.test.ts");
  const { args } = command;
  if (args.length > 0) return files.filter((file) => args.some((part) => file.includes(part))).sort();
  return files.filter((file) => slow || !SLOW.some((name) => file.endsWith(name))).sort();
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** With the Moddable SDK only. */
async function runPreloaded(): Promise<void> {
  try {
    const failures = await checkPreloaded();
    for (const failure of failures) say(`       ${failure}`);
    say(`${failures.length === 0 ? "ok  " : "FAIL"} the roles at work with every module preloaded`);
    if (failures.length > 0) process.exitCode = 1;
  } catch (error) {
    if (error instanceof MissingTool) say(`preloaded modules: skipped: ${error.message}`);
    else if (error instanceof BuildFailed) fail(error.message);
    else throw error;
  }
}

async function runAll(worker: string): Promise<void> {
  let [passed, failed, files, needNode] = [0, 0, 0, 0];
  const queue = testFiles();
  const next = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const start = performance.now();
      const outcome = await runTestFile(worker, file);
      if (typeof outcome === "string") {
        needNode++;
        if (verbose) say(`-    ${file}: ${outcome}`);
        continue;
      }
      files++;
      passed += outcome.passed;
      failed += outcome.failures.length;
      if (verbose || outcome.failures.length > 0) {
        const seconds = ((performance.now() - start) / 1000).toFixed(1);
        say(
          `${outcome.failures.length === 0 ? "ok  " : "FAIL"} ${file}: ${outcome.passed} passed, ${seconds} s`,
        );
      }
      for (const failure of outcome.failures) say(`       ${failure}`);
    }
  };
  await Promise.all(Array.from({ length: cpus().length }, next));
  say(`${passed} tests passed in XS, ${failed} failed; ${files} files, ${needNode} more need Node`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

try {
  await runAll(await xsWorker(() => say("XS is compiled first, once: up to a minute …")));
} catch (error) {
  if (!(error instanceof XsUnavailable)) throw error;
  say(`skipped: ${error.message}`);
  process.exitCode = require ? 1 : 0;
}
if (command.args.length === 0) await runPreloaded();

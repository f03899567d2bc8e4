/** `npm run bench`: all measurements, or one suite, as a table and as JSON. */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import type { BenchRow } from "./bench/measure.js";
import { fail, newCommand } from "./cli.js";

/** In the order of DESIGN §7. A suite is bench/NAME.ts with a default export that runs it. */
const SUITES = ["oscore", "mesh", "modem", "server", "sim", "board"];
/** Of a suite's work, where it can be less. */
const SHORT = 0.02;
const HISTORY = fileURLToPath(new URL("bench/history.json", import.meta.url));

/** What was measured when, to be compared with: `rows` by name. */
interface Recorded {
  readonly date: string;
  readonly commit: string;
  readonly cpu: string;
  readonly rows: { readonly [name: string]: number };
}
type History = { [suite: string]: Recorded[] };

const program = newCommand("bench", "Measures; every suite says in its notes what.")
  .argument("[suite...]", `${SUITES.join(", ")} (default: all)`)
  .option("--json <file>", "write the rows as JSON too")
  .option("--short", "a quick look, whose figures are none to be quoted")
  .option("--record", "add the rows to the history that later runs are compared with")
  .action(async (names: string[], options: { json?: string; record?: boolean; short?: boolean }) => {
    const wrong = names.filter((name) => !SUITES.includes(name));
    if (wrong.length > 0) program.error(`error: there is no suite "${wrong[0]}": ${SUITES.join(", ")}`);
    const cpu = cpus()[0]?.model.trim() ?? "unknown";
    console.log(`Node ${process.version}, ${cpu}`);
    const history = readHistory();
    const results: { [suite: string]: readonly BenchRow[] } = {};
    for (const suite of names.length > 0 ? names : SUITES) {
      const run = await load(suite);
      if (run === undefined) {
        console.log(`\n${suite}: not there yet`);
        continue;
      }
      const rows = await run(options.short === true ? SHORT : 1);
      results[suite] = rows;
      const before = history[suite]?.at(-1);
      console.log(
        `\n${suite}${before === undefined ? "" : `, beside ${before.commit} of ${before.date} on ${before.cpu}`}`,
      );
      for (const line of table(rows, before)) console.log(line);
    }
    if (options.json !== undefined) {
      const file = {
        date: new Date().toISOString(),
        node: process.version,
        cpu,
        commit: commit(),
        suites: results,
      };
      writeFileSync(options.json, `${JSON.stringify(file, undefined, 2)}\n`);
    }
    if (options.record === true) record(history, results, cpu);
  });

async function load(
  suite: string,
): Promise<((scale: number) => BenchRow[] | Promise<BenchRow[]>) | undefined> {
  const file = new URL(`bench/${suite}.ts`, import.meta.url);
  if (!existsSync(file)) return undefined;
  const module = (await import(file.href)) as {
    default?: (scale: number) => BenchRow[] | Promise<BenchRow[]>;
  };
  return module.default ?? fail(`bench/${suite}.ts has no default export`);
}

function table(rows: readonly BenchRow[], before: Recorded | undefined): string[] {
  const cells = rows.map(({ name, value, unit, note }) => {
    const recorded = before?.rows[name];
    return [name, format(value), unit, recorded === undefined ? "" : `(${format(recorded)})`, note];
  });
  const width = (column: number) => Math.max(...cells.map((row) => row[column].length));
  const [names, values, units, recorded] = [0, 1, 2, 3].map(width);
  return cells.map(([name, value, unit, was, note]) =>
    `  ${name.padEnd(names)}  ${value.padStart(values)} ${unit.padEnd(units)}  ${was.padStart(recorded)}  ${note}`.trimEnd(),
  );
}

/** Three digits that say something. */
function format(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", {
    minimumFractionDigits: Math.min(digits, 6),
    maximumFractionDigits: Math.min(digits, 6),
  });
}

function readHistory(): History {
  return existsSync(HISTORY) ? (JSON.parse(readFileSync(HISTORY, "utf8")) as History) : {};
}

function record(
  history: History,
  results: { readonly [suite: string]: readonly BenchRow[] },
  cpu: string,
): void {
  for (const [suite, rows] of Object.entries(results)) {
    const values = Object.fromEntries(rows.map(({ name, value }) => [name, Number(value.toPrecision(4))]));
    const entry = { date: new Date().toISOString().slice(0, 10), commit: commit(), cpu, rows: values };
    history[suite] = [...(history[suite] ?? []), entry];
  }
  writeFileSync(HISTORY, `${JSON.stringify(history, undefined, 2)}\n`);
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown";
  }
}

await program.parseAsync();

/** `npm run docs:check`: every command that the documents name is run, so that none of them is a promise only. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, newCommand } from "./cli.js";
import { commandsOf, howToRun, type Plan } from "./docs/commands.js";
import { type Names, Surroundings } from "./docs/surroundings.js";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));

const program = newCommand(
  "docs:check",
  "Runs every command of README.md, CONTRIBUTING.md, THREATS.md and docs/.",
)
  .argument("[part...]", "only commands that contain one of these")
  .option("--list", "say how each would be run, and run none", false)
  .parse();
const { list } = program.opts<{ list: boolean }>();

interface Documented {
  readonly where: string;
  readonly command: string;
}

function documented(): Documented[] {
  const pages = ["README.md", "CONTRIBUTING.md", "THREATS.md"];
  for (const name of readdirSync(join(REPOSITORY, "docs")))
    if (name.endsWith(".md")) pages.push(join("docs", name));
  const found = new Map<string, Documented>();
  for (const page of pages) {
    for (const command of commandsOf(readFileSync(join(REPOSITORY, page), "utf8"))) {
      if (!found.has(command)) found.set(command, { where: page, command });
    }
  }
  const { args } = program;
  return [...found.values()].filter(
    ({ command }) => args.length === 0 || args.some((part) => command.includes(part)),
  );
}

/** ms that a command may take, and that a server may take until it says that it is there. */
const PATIENCE = 300_000;

/** @returns why it is wrong; `undefined` when it ran as it should */
async function run(
  plan: Exclude<Plan, { kind: "skip" }>,
  directory: string,
  names: Names,
): Promise<string | undefined> {
  const child = spawn("bash", ["-c", plan.command], {
    cwd: REPOSITORY,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      DATA_DIR: join(directory, "data"),
      HTTP_PORT: "0",
      COAP_PORT: "0",
      OSCORE_MESH_PASSPHRASE: "a passphrase of the documents",
      FORCE_COLOR: "0",
      ...names,
    },
  });
  let output = "";
  const ready = new Promise<void>((resolve) => {
    const take = (chunk: Buffer): void => {
      output += chunk;
      if (plan.kind === "serve" && plan.ready.test(output)) resolve();
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
  });
  const timer = setTimeout(() => kill(child, "SIGKILL"), PATIENCE);
  const ended = new Promise<number | string>((resolve) =>
    child.on("close", (code, signal) => resolve(code ?? signal ?? "?")),
  );
  if (plan.kind === "serve") {
    await Promise.race([ready, ended]);
    kill(child, "SIGINT");
  }
  const status = await ended;
  clearTimeout(timer);
  // The shell in between tells of the signal; the server itself has had its time to end.
  if (status === 0 || (plan.kind === "serve" && plan.ready.test(output) && status !== "SIGKILL"))
    return undefined;
  return `ended with ${status}:\n${output.split("\n").slice(-15).join("\n")}`;
}

/** The whole group: npm, and what it has started. */
function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // It has ended by itself.
  }
}

let wrong = 0;
// One for all: what one command leaves, the next one of the page goes on with.
const directory = mkdtempSync(join(tmpdir(), "docs-check-"));
const surroundings = new Surroundings(REPOSITORY, directory);
for (const { where, command } of documented()) {
  const plan = howToRun(command, directory);
  let shown = plan.kind === "skip" ? `not run: ${plan.why}` : plan.command === command ? "" : plan.command;
  let trouble: string | undefined;
  if (!list && plan.kind !== "skip") {
    const names = plan.needs === undefined ? {} : await surroundings.get(plan.needs);
    if (typeof names === "string") shown = `not run: ${names}`;
    else trouble = await run(plan, directory, names);
  }
  if (trouble !== undefined) wrong++;
  const as = shown === "" || shown.startsWith("not run: ") ? shown : `as: ${shown}`;
  console.log(
    `${trouble === undefined ? "ok  " : "FAIL"} ${where}: ${command}${as === "" ? "" : `\n       ${as}`}`,
  );
  if (trouble !== undefined) console.log(trouble.replaceAll(/^/gm, "       "));
}
await surroundings.stop();
rmSync(directory, { recursive: true, force: true });
if (wrong > 0) fail(`${wrong} documented commands do not do what the documents say`);

/** `npm run docs:api`: the reference of the firmware's cores, from their docstrings. */

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fail, newCommand } from "./cli.js";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));
const SETUP = fileURLToPath(new URL("docs/api", import.meta.url));
/** typedoc lives apart: it needs a compiler of before TypeScript 7. */
const TOOLS = join(REPOSITORY, "build", "docs-api");
const INSTALLED = join(TOOLS, "node_modules", ".package-lock.json");

const { out } = newCommand(
  "docs:api",
  "Makes the reference of firmware/{bytes,crypto,coap,oscore,mesh,modem} from their docstrings, in Markdown. Ends with 1 where an export has no docstring or a link leads nowhere. The first run installs typedoc into build/.",
)
  .option("--out <dir>", "where to", join("build", "api"))
  .parse()
  .opts<{ out: string }>();

/** As the lock has it; once, and again when the lock has changed. */
function install(): void {
  const lock = "package-lock.json";
  const same =
    existsSync(INSTALLED) && readFileSync(join(SETUP, lock)).equals(readFileSync(join(TOOLS, lock)));
  if (same) return;
  rmSync(TOOLS, { recursive: true, force: true });
  mkdirSync(TOOLS, { recursive: true });
  for (const file of ["package.json", lock]) copyFileSync(join(SETUP, file), join(TOOLS, file));
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: TOOLS, stdio: "inherit" });
  if (status !== 0) fail("typedoc could not be installed: the registry of npm cannot be reached");
}

install();
const typedoc = join(TOOLS, "node_modules", "typedoc", "bin", "typedoc");
const plugin = join(TOOLS, "node_modules", "typedoc-plugin-markdown", "dist", "index.js");
const { status } = spawnSync(
  process.execPath,
  [typedoc, "--options", join(SETUP, "typedoc.json"), "--plugin", plugin, "--out", out],
  { stdio: "inherit" },
);
if (status !== 0) fail("the reference is not complete: see above");

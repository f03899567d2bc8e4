/**
 * Where an XS engine for this machine comes from: the C sources in the optional npm package @agoric/xsnap, compiled on
 * first use by the package's own build command. Its JavaScript side we do without.
 */

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";

/** There is no XS here; the message is one sentence that says why. */
export class XsUnavailable extends Error {}

/** What a machine threw, or how its process ended. */
export class XsError extends Error {}

const PACKAGE = "@agoric/xsnap";

/** The folder of the package, `undefined` where npm did not install it. */
function packageFolder(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}

/** The worker's binary inside of the package. */
function binaryIn(folder: string): string {
  const system = process.platform === "darwin" ? "mac" : "lin";
  return join(folder, "xsnap-native", "xsnap", "build", "bin", system, "release", "xsnap-worker");
}

/**
 * The path of the worker's binary: what XSNAP_WORKER names, or the package's, which is built when it is not there yet.
 * @param onBuild called before a build, which takes up to a minute, once
 * @throws XsUnavailable
 */
export async function xsWorker(onBuild: () => void = () => {}): Promise<string> {
  const named = process.env.XSNAP_WORKER;
  if (named) {
    if (existsSync(named)) return named;
    throw new XsUnavailable(`XSNAP_WORKER=${named} is not there.`);
  }
  const folder = packageFolder();
  if (folder === undefined) {
    throw new XsUnavailable(
      `The optional package ${PACKAGE}, which brings the XS engine, is not installed: npm leaves it out on a version of Node that it does not know.`,
    );
  }
  const binary = binaryIn(folder);
  if (!existsSync(binary)) {
    onBuild();
    await build(folder, binary);
  }
  return binary;
}

/** In a copy, so that two at a time, or one that is stopped, leave nothing half. */
async function build(folder: string, binary: string): Promise<void> {
  const copy = mkdtempSync(join(dirname(folder), ".xsnap-"));
  try {
    cpSync(folder, copy, { recursive: true });
    const output = await runBuild(copy);
    const built = binaryIn(copy);
    if (!existsSync(built)) {
      throw new XsUnavailable(
        `${PACKAGE} could not be built (it needs make and a C compiler): ${lastLine(output)}`,
      );
    }
    mkdirSync(dirname(binary), { recursive: true });
    renameSync(built, binary);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function runBuild(cwd: string): Promise<string> {
  const child = spawn("npm", ["run", "--silent", "build:from-env"], {
    cwd,
    env: { ...process.env, MAKEFLAGS: `-j${availableParallelism()}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return new Promise((resolve) => {
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.on("error", (error) => resolve(error.message));
    child.on("close", () => resolve(output));
  });
}

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1) || "it says nothing";
}

/** Which emulated nRF52840 runs the images: one that is installed, or the project's own (sim/board), built when wanted. */

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { isExecutable, MissingTool, onPath } from "./tools.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SOURCES = join(ROOT, "sim", "board");
const FOLDER = join(ROOT, "build", "emulator");
const PROGRAM = join(FOLDER, "nrf52840");

/** What there is to install, where the sources do not compile without it. */
const INSTALL =
  process.platform === "darwin"
    ? "`xcode-select --install` and `brew install unicorn pkg-config` bring it"
    : "on Debian `apt-get install gcc make libc6-dev libunicorn-dev pkg-config` brings it";

function tool(command: string): void {
  if (onPath(command) === undefined) {
    throw new MissingTool(`The emulator of this repository cannot be built without ${command}: ${INSTALL}.`);
  }
}

/**
 * Compiles what has changed since it was built last.
 * @returns the path of the program
 * @throws MissingTool without a C compiler, make or the Unicorn library
 */
export function buildOwnEmulator(): string {
  tool("make");
  tool("cc");
  mkdirSync(FOLDER, { recursive: true });
  const header = spawnSync("cc", ["-E", "-x", "c", "-", ...unicornFlags()], {
    input: "#include <unicorn/unicorn.h>\n",
    encoding: "utf8",
  });
  if (header.status !== 0) {
    throw new MissingTool(
      `The emulator of this repository is built over the Unicorn library, whose headers are not here: ${INSTALL}.`,
    );
  }
  const made = spawnSync("make", ["-s", "-j2", "-C", SOURCES, `OUT=${PROGRAM}`], { encoding: "utf8" });
  if (made.status !== 0) throw new MissingTool(`The emulator does not compile:\n${made.stderr}`);
  return PROGRAM;
}

function unicornFlags(): string[] {
  const { status, stdout } = spawnSync("pkg-config", ["--cflags", "unicorn"], { encoding: "utf8" });
  return status === 0 ? stdout.trim().split(/\s+/).filter(Boolean) : [];
}

/** Whether a program is ours, which has more options than others. */
export function isOwnEmulator(program: string): boolean {
  return program === PROGRAM;
}

/** What `--emulator` and NRF52840_EMULATOR may say besides the path of a program. */
export const OWN = "own";

/** Gives a command the choice of its emulator. */
export function withEmulator(command: Command): Command {
  return command.option(
    "--emulator <own|file>",
    "the emulator of this repository, or another program with its options; default: NRF52840_EMULATOR, `nrf52840` on PATH, or our own",
  );
}

/**
 * The emulated nRF52840: the one that is named, one that is installed, or ours.
 * @param named `own` or the path of a program
 * @throws MissingTool
 */
export function findEmulator(named?: string, environment: NodeJS.ProcessEnv = process.env): string {
  const variable = environment.NRF52840_EMULATOR;
  const choice = named ?? (variable || undefined);
  if (choice === OWN) return buildOwnEmulator();
  if (choice !== undefined) {
    if (isExecutable(choice)) return choice;
    throw new MissingTool(
      `${named === undefined ? "NRF52840_EMULATOR=" : "--emulator "}${choice} cannot be run.`,
    );
  }
  return onPath("nrf52840") ?? buildOwnEmulator();
}

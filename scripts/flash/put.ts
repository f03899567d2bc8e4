/** The ways of an image onto a board. */

import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { MissingTool, onPath } from "../board/tools.js";

/** What a bootloader's drive tells of itself. */
const INFO = "INFO_UF2.TXT";
/** Bytes between two words of progress. */
const PIECE = 65_536;
/** Where systems mount the drives of a user, two levels deep. */
const MOUNTS = ["/media", "/run/media", "/mnt", "/Volumes"];

/** The image did not get onto the board; the message says what to do. */
export class FlashFailed extends Error {}

export type OnDone = (done: number, of: number) => void;

/** Drives of UF2 bootloaders that are mounted. */
export function uf2Drives(mounts: readonly string[] = MOUNTS): string[] {
  const found: string[] = [];
  const look = (folder: string, deeper: number): void => {
    let names: string[];
    try {
      names = readdirSync(folder);
    } catch {
      return;
    }
    if (names.includes(INFO)) found.push(folder);
    else if (deeper > 0) for (const name of names) look(join(folder, name), deeper - 1);
  };
  for (const mount of mounts) look(mount, 2);
  return found;
}

export function isUf2Drive(folder: string): boolean {
  return existsSync(join(folder, INFO));
}

/** What the bootloader says that it is: its first line. @throws FlashFailed when this is no such drive */
export function describeDrive(drive: string): string {
  if (!existsSync(drive) || !statSync(drive).isDirectory()) {
    throw new FlashFailed(
      `${drive} is no folder: is the board in its bootloader (press reset twice), and mounted?`,
    );
  }
  if (!existsSync(join(drive, INFO))) {
    throw new FlashFailed(`${drive} is not the drive of a UF2 bootloader: it has no ${INFO}.`);
  }
  return readFileSync(join(drive, INFO), "utf8").split(/\r?\n/)[0]!.trim();
}

/**
 * Copies to a bootloader's drive, which disappears when it has all of it.
 * @throws FlashFailed when it disappears before, or is full
 */
export function putUf2(drive: string, name: string, bytes: Uint8Array, onDone: OnDone): void {
  let done = 0;
  try {
    const file = openSync(join(drive, name), "w");
    try {
      while (done < bytes.length) {
        done += writeSync(file, bytes, done, Math.min(PIECE, bytes.length - done));
        onDone(done, bytes.length);
      }
      // The chip restarts at the last block, and the drive is gone before the system has closed the file.
      ignoreGone(() => fsyncSync(file));
    } finally {
      ignoreGone(() => closeSync(file));
    }
  } catch (error) {
    throw new FlashFailed(`${drive}: ${(error as Error).message} after ${done} of ${bytes.length} bytes`);
  }
}

function ignoreGone(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!["EIO", "ENODEV", "ENOENT", "EBADF"].includes((error as NodeJS.ErrnoException).code ?? ""))
      throw error;
  }
}

/** A program that puts images on boards, with its arguments. */
export interface ToolCommand {
  readonly program: string;
  readonly arguments: readonly string[];
  /** Default: here, with what is in our own environment. */
  readonly folder?: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * What a probe is to be asked to do, in order: by nrfjprog, or else pyocd. The flash of the board's own data is left as
 * it is: only what an image takes is erased.
 * @param files Intel HEX; a SoftDevice before the application
 * @throws MissingTool when neither is there
 */
export function probeCommands(files: readonly string[], serial: string | undefined): ToolCommand[] {
  const nrfjprog = onPath("nrfjprog");
  if (nrfjprog !== undefined) {
    const which = ["--family", "NRF52", ...(serial === undefined ? [] : ["--snr", serial])];
    return [
      ...files.map((file) => ({
        program: nrfjprog,
        arguments: ["--program", file, "--sectorerase", "--verify", ...which],
      })),
      { program: nrfjprog, arguments: ["--reset", ...which] },
    ];
  }
  const pyocd = onPath("pyocd");
  if (pyocd !== undefined) {
    const which = ["--target", "nrf52840", ...(serial === undefined ? [] : ["--uid", serial])];
    return [
      ...files.map((file) => ({ program: pyocd, arguments: ["flash", "--erase", "sector", ...which, file] })),
      { program: pyocd, arguments: ["reset", ...which] },
    ];
  }
  throw new MissingTool(
    "A debug probe needs nrfjprog (Nordic's nRF Command Line Tools) or pyocd (pip install pyocd) on PATH, and neither is there. A board with a UF2 bootloader needs none: --uf2.",
  );
}

/** Runs a program to its end. @throws FlashFailed with what it said last */
export function runTool(
  { program, arguments: list, folder, environment }: ToolCommand,
  onLine: (line: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, list, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(folder !== undefined && { cwd: folder }),
      ...(environment !== undefined && { env: environment }),
    });
    const lines: string[] = [];
    const take = (text: string): void => {
      for (const line of text.split(/[\r\n]+/)) {
        if (line.trim() === "") continue;
        lines.push(line);
        onLine(line);
      }
    };
    child.stdout.setEncoding("utf8").on("data", take);
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", (error) => reject(new FlashFailed(`${program}: ${error.message}`)));
    child.on("close", (code) => {
      // xs-dev ends well whatever make has said.
      const failed = lines.some((line) => /^make(\[\d+\])?: \*\*\*/.test(line));
      if (code === 0 && !failed) resolve();
      else reject(new FlashFailed(`${program} ended with ${code}:\n${lines.slice(-8).join("\n")}`));
    });
  });
}

/** The images of host-tests/board/image, for the emulated nRF52840: compiled by Debian's compiler, without any SDK. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildOwnEmulator } from "../../scripts/board/find-emulator.js";
import { MissingTool, onPath } from "../../scripts/board/tools.js";

const SOURCES = fileURLToPath(new URL("image/", import.meta.url));
const COMPILER = "arm-none-eabi-gcc";
const FLAGS =
  "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -std=c17 -O2 -ffreestanding -nostdlib " +
  "-Wall -Wextra -Werror -Wno-override-init -Wl,--no-warn-rwx-segments -T image.ld";

/** What a run of an image said. */
export interface Run {
  readonly status: number | null;
  /** Lines of UARTE0, without their time. */
  readonly lines: readonly string[];
  /** What else the emulator said, without its time. */
  readonly said: readonly string[];
  /** The figures of the last lines. */
  readonly figures: string;
}

export class TinyImages {
  readonly folder: string;
  readonly emulator: string;

  /** @throws MissingTool */
  constructor() {
    if (onPath(COMPILER) === undefined) {
      throw new MissingTool(
        `skipped: ${COMPILER} is not there (Debian's gcc-arm-none-eabi compiles the image that exercises the emulator)`,
      );
    }
    this.emulator = buildOwnEmulator();
    this.folder = mkdtempSync(join(tmpdir(), "tiny-image-"));
  }

  /** @returns the path of the ELF */
  compile(name: string): string {
    const elf = join(this.folder, `${name}.elf`);
    const { status, stderr } = spawnSync(
      COMPILER,
      [...FLAGS.split(" "), "-o", elf, "start.c", `${name}.c`, "-lgcc"],
      { cwd: SOURCES, encoding: "utf8" },
    );
    if (status !== 0) throw new Error(stderr);
    return elf;
  }

  /** Runs an image for at most 30 virtual seconds, as fast as it goes. */
  run(elf: string, ...options: string[]): Run {
    const { status, stderr } = spawnSync(this.emulator, ["--fast", "--for", "30", ...options, elf], {
      encoding: "utf8",
    });
    return { status, ...takeApart(stderr) };
  }

  clean(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function takeApart(stderr: string): Omit<Run, "status"> {
  const lines: string[] = [];
  const said: string[] = [];
  let figures = "";
  for (const line of stderr.split("\n")) {
    const text = /^\[ *[\d.]+ ms\] (.*)$/.exec(line)?.[1];
    if (text === undefined) figures += `${line}\n`;
    else if (text.startsWith("uart0> ")) lines.push(text.slice(7));
    else said.push(text);
  }
  return { lines, said, figures };
}

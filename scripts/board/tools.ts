/** What the board's images are built and run with: found, or told in clear words what is missing. */

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** Something on this machine is missing or too old; the message says what to do. */
export class MissingTool extends Error {}

export interface BuildTools {
  readonly moddable: string;
  readonly mcconfig: string;
  readonly nrfSdk: string;
  /** The compiler's root: bin/, lib/gcc/arm-none-eabi/, arm-none-eabi/. */
  readonly gccRoot: string;
  readonly gccVersion: string;
  /** What makes a UF2 file from a hex file, `undefined` when there is nothing: the image is then built without one. */
  readonly uf2conv: string | undefined;
}

const GUIDE = "docs/BOARD.md says how to set the board's tools up.";

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a command, as a shell would find it. */
export function onPath(command: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, command);
    if (folder !== "" && isExecutable(path)) return path;
  }
  return undefined;
}

function contains(path: string, text: string): boolean {
  return existsSync(path) && readFileSync(path, "utf8").includes(text);
}

/** @throws MissingTool */
export function findBuildTools(environment: NodeJS.ProcessEnv = process.env): BuildTools {
  const { moddable, mcconfig } = findModdable(environment);
  return {
    moddable,
    mcconfig,
    nrfSdk: findNrfSdk(environment),
    ...findCompiler(environment),
    uf2conv: findUf2(environment),
  };
}

/** The Moddable SDK and its tools. @throws MissingTool */
export function findModdable(environment: NodeJS.ProcessEnv): { moddable: string; mcconfig: string } {
  const moddable = environment.MODDABLE;
  if (!moddable)
    throw new MissingTool(`MODDABLE is not set: it names the folder of the Moddable SDK. ${GUIDE}`);
  if (!existsSync(join(moddable, "xs", "includes", "xs.h"))) {
    throw new MissingTool(`MODDABLE=${moddable} is no Moddable SDK: xs/includes/xs.h is not there. ${GUIDE}`);
  }
  // `native()` in TypeScript came with version 8.
  if (!contains(join(moddable, "xs", "includes", "xs.d.ts"), "function native(")) {
    throw new MissingTool(
      `The Moddable SDK in ${moddable} is too old: version 8 or later is needed. ${GUIDE}`,
    );
  }
  const system = process.platform === "darwin" ? "mac" : "lin";
  for (const mode of ["release", "debug"]) {
    const mcconfig = join(moddable, "build", "bin", system, mode, "mcconfig");
    if (isExecutable(mcconfig)) return { moddable, mcconfig };
  }
  throw new MissingTool(
    `The tools of the Moddable SDK in ${moddable} are not built: build/bin/${system}/release/mcconfig is not there. ${GUIDE}`,
  );
}

function findNrfSdk(environment: NodeJS.ProcessEnv): string {
  const sdk = environment.NRF_SDK_DIR;
  if (!sdk)
    throw new MissingTool(
      `NRF_SDK_DIR is not set: it names the folder of Nordic's nRF5 SDK 17.0.2. ${GUIDE}`,
    );
  const needed: [path: string, text: string, otherwise: string][] = [
    ["components/softdevice/s140/headers/nrf_sdm.h", "sd_softdevice_enable", "it is no nRF5 SDK with S140"],
    ["integration/nrfx/legacy/apply_old_config.h", "SPIM3", "Moddable's changes to it are missing (SPIM3)"],
    [
      "components/boards/boards.h",
      "moddable_four.h",
      "Moddable's changes to it are missing (moddable_four.h)",
    ],
    [
      "external/freertos/source/portable/MemMang/heap_4.c",
      "pvPortCalloc",
      "Moddable's changes to it are missing (pvPortCalloc in heap_4.c)",
    ],
    [
      "external/nrf_oberon/include/ocrypto_aes_ccm.h",
      "ocrypto_aes_ccm_encrypt",
      "Nordic's Oberon library is missing",
    ],
  ];
  for (const [path, text, otherwise] of needed) {
    if (!contains(join(sdk, path), text)) throw new MissingTool(`NRF_SDK_DIR=${sdk}: ${otherwise}. ${GUIDE}`);
  }
  return sdk;
}

function findCompiler(environment: NodeJS.ProcessEnv): { gccRoot: string; gccVersion: string } {
  const { NRF52_GCC_ROOT, NRF_ROOT } = environment;
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  const host =
    process.platform === "darwin" ? `darwin-${process.arch === "arm64" ? "arm64" : "x86_64"}` : arch;
  const gccRoot =
    NRF52_GCC_ROOT ??
    join(NRF_ROOT ?? join(homedir(), "nrf5"), `arm-gnu-toolchain-12.2.rel1-${host}-arm-none-eabi`);
  const gcc = join(gccRoot, "bin", "arm-none-eabi-gcc");
  if (!isExecutable(gcc)) {
    throw new MissingTool(
      `The ARM compiler is not there: ${gcc}. NRF52_GCC_ROOT names the folder that holds bin/, lib/ and arm-none-eabi/. ${GUIDE}`,
    );
  }
  const gccVersion = spawnSync(gcc, ["-dumpfullversion"], { encoding: "utf8" }).stdout.trim();
  if (Number.parseInt(gccVersion, 10) < 12) {
    throw new MissingTool(
      `The ARM compiler ${gcc} is version ${gccVersion}: 12.2 or later is needed. ${GUIDE}`,
    );
  }
  return { gccRoot, gccVersion };
}

function findUf2(environment: NodeJS.ProcessEnv): string | undefined {
  const path = environment.UF2CONV ?? join(environment.NRF_ROOT ?? join(homedir(), "nrf5"), "uf2conv.py");
  return isExecutable(path) ? path : undefined;
}

/** Builds a board image: tsc once, then mcconfig, then what mcconfig does not check. */

import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cpus } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Elf } from "./elf.js";
import { figuresOf, type ImageFigures } from "./figures.js";
import { wrongConfig } from "./image-config.js";
import { modulesOf, unresolvedImports } from "./modules.js";
import { shrink, writeShrunk } from "./shrink.js";
import { type BuildTools, onPath } from "./tools.js";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const OUTPUT = join(REPOSITORY, "build", "board");

export const TARGETS = ["dk", "nina-b3"] as const;
export type Target = (typeof TARGETS)[number];

export interface BuiltImage {
  readonly name: string;
  readonly target: Target;
  readonly elf: string;
  /** For nrfjprog and pyocd. */
  readonly hex: string;
  /** For boards with a UF2 bootloader, when there was something to make it with. */
  readonly uf2: string | undefined;
  readonly figures: ImageFigures;
}

/** The image was not built; the message says why, compiler output included. */
export class BuildFailed extends Error {}

export interface BuildOptions {
  readonly target: Target;
  /** Entries of the manifest's `config`, in place of its own. */
  readonly config?: Readonly<Record<string, string>>;
  /** Called with each line that the tools print. */
  readonly onLine?: (line: string) => void;
}

/** The images: folders of manifests/ with a main.ts. */
export function imageNames(): string[] {
  return readdirSync(join(REPOSITORY, "manifests"), { withFileTypes: true })
    .filter(
      (entry) => entry.isDirectory() && existsSync(join(REPOSITORY, "manifests", entry.name, "main.ts")),
    )
    .map((entry) => entry.name);
}

/** @throws BuildFailed */
export async function buildImage(
  name: string,
  tools: BuildTools,
  options: BuildOptions,
): Promise<BuiltImage> {
  const { target } = options;
  const folder = join(REPOSITORY, "manifests", name);
  const modulesFolder = join(OUTPUT, "modules", name);
  const { config } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { config?: object };
  const wrong = wrongConfig({ ...config, ...options.config });
  if (wrong !== undefined) throw new BuildFailed(`manifests/${name}/manifest.json: ${wrong}`);
  const sources = moduleSources(join(folder, "manifest.json"));
  const codeBy = await compile(name, sources, modulesFolder, tools.moddable);
  // mcconfig refuses folders that do not exist; an image may use nothing of a folder that its manifest names.
  for (const source of sources) mkdirSync(join(modulesFolder, dirname(source)), { recursive: true });
  const intermediate = join(OUTPUT, "tmp", "nrf52", target, "release", name);
  // Names of modules that are no longer part of it would stay in the image.
  rmSync(intermediate, { recursive: true, force: true });
  await mcconfig(folder, tools, modulesFolder, options);

  const binaries = join(OUTPUT, "bin", "nrf52", target, "release", name);
  const makefile = readFileSync(join(intermediate, "makefile"), "utf8");
  const modules = modulesOf(makefile);
  const main = `manifests/${name}/main`;
  const unresolved = unresolvedImports(modules, main);
  if (unresolved.length > 0) {
    const lines = unresolved.map(({ module, specifier }) => `  ${module} imports ${specifier}`);
    throw new BuildFailed(`Imports that no module of the manifest answers:\n${lines.join("\n")}`);
  }
  const elf = join(intermediate, "xs_nrf52.out");
  const image = new Elf(readFileSync(elf));
  checkVectors(image);
  const uf2 = join(binaries, "xs_nrf52.uf2");
  return {
    name,
    target,
    elf,
    hex: join(binaries, "xs_nrf52.hex"),
    uf2: existsSync(uf2) ? uf2 : undefined,
    figures: figuresOf(image, join(binaries, "xs_lib.map"), makefile, codeBy),
  };
}

/**
 * Compiles what the image's main.ts imports, and no more, into a tree like the repository's; also what the manifest
 * names without a star, which stands in for something else.
 * @returns bytes of JavaScript by folder
 */
async function compile(
  name: string,
  sources: readonly string[],
  modulesFolder: string,
  moddable: string,
): Promise<ReadonlyMap<string, number>> {
  mkdirSync(OUTPUT, { recursive: true });
  const fresh = mkdtempSync(join(OUTPUT, "tsc-"));
  const out = join(fresh, "out");
  try {
    const configuration = join(fresh, "tsconfig.json");
    const compilerOptions = {
      noEmit: false,
      rootDir: REPOSITORY,
      outDir: out,
      removeComments: true,
      // The linter's affair: they keep no image from running.
      noUnusedLocals: false,
      noUnusedParameters: false,
    };
    const named = sources.filter((source) => !source.endsWith("*")).map((source) => `${source}.ts`);
    const files = [`manifests/${name}/main.ts`, "hal/nrf52/xs.d.ts", ...named].map((file) =>
      join(REPOSITORY, file),
    );
    writeFileSync(
      configuration,
      JSON.stringify({ extends: join(REPOSITORY, "tsconfig.json"), compilerOptions, files, include: [] }),
    );
    const tsc = spawnSync(join(REPOSITORY, "node_modules", ".bin", "tsc"), ["-p", configuration], {
      cwd: REPOSITORY,
      encoding: "utf8",
    });
    if (tsc.error !== undefined) throw new BuildFailed(`tsc cannot be run: ${tsc.error.message}`);
    if (tsc.status !== 0) throw new BuildFailed(`TypeScript:\n${tsc.stdout}${tsc.stderr}`);
    if (!existsSync(join(out, "manifests", name, "app.js"))) {
      mirror(out, modulesFolder);
      return new Map();
    }
    const bundled = join(fresh, "bundled");
    const codeBy = await shrinkApp(out, join("manifests", name, "app.js"), bundled, moddable);
    copyFileSync(join(out, "manifests", name, "main.js"), join(bundled, "manifests", name, "main.js"));
    mirror(bundled, modulesFolder);
    return codeBy;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Makes one module of an image's app and all of ours that it imports. */
async function shrinkApp(
  from: string,
  entry: string,
  to: string,
  moddable: string,
): Promise<ReadonlyMap<string, number>> {
  const builtIn = builtInNames(readFileSync(join(moddable, "xs", "sources", "xsCommon.c"), "utf8"));
  const shrunk = await shrink({ from, entry, builtIn, reserved: namesOfOthers() }).catch((error: Error) => {
    throw new BuildFailed(`Shrinking ${entry}: ${error.message}`);
  });
  writeShrunk(to, entry, shrunk);
  return shrunk.codeBy;
}

/** Names that XS has in every image (`gxIDStrings`). */
function builtInNames(xsCommon: string): Set<string> {
  const from = xsCommon.indexOf("gxIDStrings[XS_ID_COUNT] = {");
  const list = xsCommon.slice(from, xsCommon.indexOf("};", from));
  const names = Array.from(list.matchAll(/"([^"]+)"/g), ([, name]) => name!);
  if (names.length < 500) throw new BuildFailed("xs/sources/xsCommon.c has no list of XS's own names.");
  return new Set(names);
}

/**
 * Names that our code shares with what is not renamed: Moddable's modules as hal/nrf52/xs.d.ts declares them, what the
 * manifests configure, what our C code asks for.
 */
function namesOfOthers(): Set<string> {
  const names = new Set<string>();
  const take = (path: string, pattern: RegExp) => {
    for (const [, name] of readFileSync(path, "utf8").matchAll(pattern)) names.add(name!);
  };
  const files = (folder: string) =>
    readdirSync(join(REPOSITORY, folder), { recursive: true, encoding: "utf8" }).map((file) =>
      join(REPOSITORY, folder, file),
    );
  take(join(REPOSITORY, "hal", "nrf52", "xs.d.ts"), /([A-Za-z_$][\w$]*)/g);
  for (const file of files("manifests")) if (file.endsWith(".json")) take(file, /"([A-Za-z_$][\w$]*)"/g);
  for (const file of files("hal/nrf52/native")) take(file, /xsID_(\w+)/g);
  // What is asked of `mc/config` may be set at the build alone.
  for (const file of [...files("manifests"), ...files("hal/nrf52")]) {
    if (file.endsWith(".ts")) take(file, /\bconfig\.(\w+)/g);
  }
  return names;
}

/** Makes `to` like `from`, touching only what differs: make looks at times. */
function mirror(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const wanted = new Set(readdirSync(from));
  for (const entry of readdirSync(to)) if (!wanted.has(entry)) rmSync(join(to, entry), { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) mirror(source, target);
    else if (!existsSync(target) || !readFileSync(source).equals(readFileSync(target)))
      copyFileSync(source, target);
  }
}

/** Where our modules come from by the manifests, relative to the repository; some end in a star. */
function moduleSources(manifest: string, seen = new Set<string>()): string[] {
  if (seen.has(manifest)) return [];
  seen.add(manifest);
  const text = readFileSync(manifest, "utf8");
  const sources = Array.from(text.matchAll(/"\$\(OSCORE_MESH_MODULES\)\/([^"]+)"/g), ([, path]) => path!);
  const { include = [] } = JSON.parse(text) as { include?: string[] };
  for (const path of include) {
    if (path.startsWith(".")) sources.push(...moduleSources(join(dirname(manifest), path), seen));
  }
  return sources;
}

/** Ways of Moddable's own makefile for nRF52 from an image onto a board. */
export const MODDABLE_WAYS = ["deploy", "flash", "installDFU"] as const;
export type ModdableWay = (typeof MODDABLE_WAYS)[number];

/** A program with its arguments, where it runs and with what in its environment. */
export interface Invocation {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Moddable's own tools, to put an image on a board that {@link buildImage} has built: its makefile's `deploy` copies
 * to the drive of Moddable's bootloader, `flash` asks nrfjprog, `installDFU` asks adafruit-nrfutil on a serial port;
 * `xs-dev` is its command line, which builds once more and deploys.
 * @throws BuildFailed when a UF2 is needed and nothing makes one
 */
export function moddableTool(
  name: string,
  tools: BuildTools,
  target: Target,
  way: ModdableWay | "xs-dev",
  port: string | undefined,
): Invocation {
  if (tools.uf2conv === undefined && (way === "deploy" || way === "xs-dev")) {
    throw new BuildFailed(`${way} copies a UF2, and UF2CONV names nothing that makes one; --uf2 needs none.`);
  }
  const folder = join(REPOSITORY, "manifests", name);
  const nrfjprog = process.env.NRFJPROG ?? onPath("nrfjprog");
  const environment = {
    ...environmentOf(tools, join(OUTPUT, "modules", name)),
    ...(nrfjprog !== undefined && { NRFJPROG: nrfjprog }),
    ...(port !== undefined && { UPLOAD_PORT: port }),
  };
  if (way !== "xs-dev") {
    return {
      program: tools.mcconfig,
      arguments: mcconfigArguments(folder, target, way),
      folder,
      environment,
    };
  }
  const device = platformOf(folder, target);
  const upload = port === undefined ? [] : ["--port", port];
  return {
    program: join(REPOSITORY, "node_modules", ".bin", "xs-dev"),
    arguments: ["run", folder, "--device", device, "--mode", "release", "--output", OUTPUT, ...upload],
    folder,
    environment,
  };
}

/** A target outside of the SDK by its relative path: mcconfig makes the option's letters small. */
function platformOf(folder: string, target: Target): string {
  if (target === "dk") return "nrf52/dk";
  return `nrf52:${relative(folder, join(REPOSITORY, "manifests", "targets", target))}`;
}

function mcconfigArguments(folder: string, target: Target, makeTarget: string): string[] {
  return ["-m", "-p", platformOf(folder, target), "-t", makeTarget, "-o", OUTPUT];
}

function environmentOf(tools: BuildTools, modulesFolder: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    PATH: [dirname(tools.mcconfig), join(REPOSITORY, "node_modules", ".bin"), process.env.PATH].join(
      delimiter,
    ),
    MODDABLE: tools.moddable,
    NRF_SDK_DIR: tools.nrfSdk,
    NRF52_GCC_ROOT: tools.gccRoot,
    NRF52_GNU_VERSION: tools.gccVersion,
    // Without one the build would fail in its very last step.
    UF2CONV: tools.uf2conv ?? "true",
    OSCORE_MESH: REPOSITORY,
    OSCORE_MESH_MODULES: modulesFolder,
    MAKEFLAGS_JOBS: `--jobs ${cpus().length}`,
  };
}

async function mcconfig(
  folder: string,
  tools: BuildTools,
  modulesFolder: string,
  { target, config = {}, onLine }: BuildOptions,
): Promise<void> {
  const entries = Object.entries(config).map(([name, value]) => `${name}=${value}`);
  const child = spawn(tools.mcconfig, [...mcconfigArguments(folder, target, "build"), ...entries], {
    cwd: folder,
    env: environmentOf(tools, modulesFolder),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const take = (chunk: string): void => {
    for (const line of chunk.split("\n")) {
      if (line === "") continue;
      lines.push(line);
      onLine?.(line);
    }
  };
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", take);
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
  if (status !== 0) {
    const telling = lines.filter((line) => !/^# (cc|xsc|library|asm|application|xsid)\b/.test(line));
    throw new BuildFailed(`mcconfig failed:\n${telling.slice(-40).join("\n")}`);
  }
}

/** hal/nrf52's serial driver answers the UARTEs' interrupts in place of nrfx's (boardUarte.c). */
function checkVectors(image: Elf): void {
  const table = image.symbol("__isr_vector");
  if (table === undefined) throw new BuildFailed("The image has no vector table.");
  for (const [interrupt, handler] of [
    [2, "boardUarte0Interrupt"],
    [40, "boardUarte1Interrupt"],
  ] as const) {
    const ours = image.symbol(handler);
    if (ours === undefined || image.word(table + 4 * (16 + interrupt)) !== ours) {
      throw new BuildFailed(
        `The image's vector ${interrupt} does not lead to ${handler}: the linker took another one.`,
      );
    }
  }
}

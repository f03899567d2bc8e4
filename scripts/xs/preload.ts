/**
 * With the Moddable SDK: a program for this machine (-p x-cli-lin) in which modules are preloaded as in an image, by
 * mcconfig and XS's linker. Whatever writes to a preloaded object then fails, here and not first on the chip.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { build } from "esbuild";
import { FOR_XS } from "../../sim/xs/bundle.js";
import { BuildFailed } from "../board/build.js";
import { findModdable } from "../board/tools.js";
import { REPOSITORY } from "./bundle.js";

const OUTPUT = join(REPOSITORY, "build", "xs");

/**
 * Builds the program of manifests/host around a module that exports `makeHandler`.
 * @param app a TypeScript file, relative to the repository
 * @returns the program's path
 * @throws MissingTool without the SDK, BuildFailed
 */
export async function buildPreloaded(name: string, app: string): Promise<string> {
  const { moddable, mcconfig } = findModdable(process.env);
  const modules = join(OUTPUT, "modules", name);
  const folder = join(modules, "sim", "xs", "device");
  mkdirSync(folder, { recursive: true });
  // Names of the modules of another program would stay.
  rmSync(join(OUTPUT, "tmp", "lin", "release", "host"), { recursive: true, force: true });
  await bundle(app, join(folder, "app.js"));
  await bundle("sim/xs/device/main.ts", join(folder, "main.js"), ["./app.js"]);
  const { status, stdout, stderr, error } = spawnSync(
    mcconfig,
    ["-m", "-p", "x-cli-lin", "-t", "build", "-o", OUTPUT],
    {
      cwd: join(REPOSITORY, "manifests", "host"),
      encoding: "utf8",
      env: {
        ...process.env,
        PATH: [dirname(mcconfig), process.env.PATH].join(delimiter),
        MODDABLE: moddable,
        OSCORE_MESH_MODULES: modules,
        MAKEFLAGS_JOBS: `--jobs ${cpus().length}`,
      },
    },
  );
  if (status !== 0) {
    throw new BuildFailed(
      `mcconfig failed for x-cli-lin:\n${error?.message ?? `${stdout}${stderr}`.slice(-2000)}`,
    );
  }
  const program = join(OUTPUT, name);
  renameSync(join(OUTPUT, "bin", "lin", "release", "host"), program);
  return program;
}

async function bundle(entry: string, outfile: string, external: string[] = []): Promise<void> {
  const { outputFiles } = await build({
    ...FOR_XS,
    format: "esm",
    entryPoints: [join(REPOSITORY, entry)],
    outfile,
    external,
  });
  for (const { path, contents } of outputFiles) writeFileSync(path, contents);
}

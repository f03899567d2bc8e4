/** Makes a module of the fuzz targets in which every branch of our code is counted. */

import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin, transform } from "esbuild";
import { COUNTERS, instrument } from "./instrument.js";
import type { GuidedTarget } from "./target.js";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const TARGETS = join(REPOSITORY, "scripts", "fuzz", "guided", "targets");
const OUTPUT = join(REPOSITORY, "build", "fuzz");
/** Rooms whose branches guide; what simulates or scaffolds does not. */
const GUIDING = ["firmware", "hal", "cloud", "sim/modem", "scripts"];

export interface Bundle {
  readonly targets: readonly GuidedTarget[];
  readonly counters: Uint8Array;
  readonly words: readonly Uint8Array[];
}

function guides(path: string): boolean {
  const inside = relative(REPOSITORY, path).split(sep).join("/");
  if (inside.startsWith("scripts/fuzz/")) return false;
  return GUIDING.some((room) => inside.startsWith(`${room}/`));
}

/** @param file of guided/targets/, without its ending */
export async function loadTargets(file: string): Promise<Bundle> {
  let branches = 0;
  const words = new Map<string, Uint8Array>();
  const counting: Plugin = {
    name: "count branches",
    setup(plugin) {
      plugin.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (!guides(path)) return undefined;
        const plain = await transform(readFileSync(path, "utf8"), { loader: "ts", target: "es2022" });
        const { code, next, words: found } = instrument(plain.code, branches);
        branches = next;
        for (const word of found) words.set(word.join(), word);
        return { contents: code, loader: "js" };
      });
    },
  };
  const { outputFiles } = await build({
    entryPoints: [join(TARGETS, `${file}.ts`)],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    absWorkingDir: REPOSITORY,
    plugins: [counting],
    banner: { js: `const ${COUNTERS} = globalThis.${COUNTERS};` },
    logLevel: "warning",
  });
  // A multiple of four: the engine looks at four counters at a time.
  const counters = new Uint8Array((branches + 3) & ~3);
  (globalThis as Record<string, unknown>)[COUNTERS] = counters;
  // Inside the repository, so that packages are found.
  await mkdir(OUTPUT, { recursive: true });
  const folder = await mkdtemp(join(OUTPUT, "targets-"));
  try {
    const path = join(folder, `${file}.mjs`);
    await writeFile(path, outputFiles[0].contents);
    const module = (await import(pathToFileURL(path).href)) as { default: readonly GuidedTarget[] };
    return { targets: module.default, counters, words: [...words.values()] };
  } finally {
    await rm(folder, { recursive: true });
  }
}

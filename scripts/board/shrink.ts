/**
 * Makes one small module of an image's app and all of ours that it imports.
 *
 * What costs flash in XS is not the text: preloaded, every function, every variable that a function uses from outside,
 * every property and every distinct name is a slot of 16 bytes. docs/BOARD.md has what each step gives.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build, type Plugin } from "esbuild";
import { minify } from "terser";
import { flattenModule } from "./flatten.js";
import { askedOf, identifiersOf, MEANT, NamePool } from "./names.js";
import { openPrivateNames } from "./open-private.js";

export interface Shrunk {
  readonly code: string;
  /** Bytes of JavaScript by folder, before names are shortened. */
  readonly codeBy: ReadonlyMap<string, number>;
  /** Names that the code used before it was renamed: what it may ask of the built-in objects. */
  readonly names: ReadonlySet<string>;
}

export interface ShrinkOptions {
  /** The folder of compiled modules, and the entry in it. */
  readonly from: string;
  readonly entry: string;
  /** Names that others know: those of Moddable's modules, of our C code and of the manifests. */
  readonly reserved: ReadonlySet<string>;
  /** Names that XS has anyway. */
  readonly builtIn: ReadonlySet<string>;
}

const openNames: Plugin = {
  name: "open private names",
  setup(builder) {
    builder.onLoad({ filter: /\.js$/ }, ({ path }) => ({
      contents: openPrivateNames(readFileSync(path, "utf8")),
      // So that esbuild moves the initializers of fields into the constructor (`useDefineForClassFields`): in XS they
      // are a function of their own in each class.
      loader: "ts",
    }));
  },
};

/** @throws Error with what the bundler says */
export async function shrink({ from, entry, reserved, builtIn }: ShrinkOptions): Promise<Shrunk> {
  const { metafile, outputFiles } = await build({
    entryPoints: [join(from, entry)],
    absWorkingDir: from,
    outdir: from,
    bundle: true,
    format: "esm",
    target: "es2022",
    // Moddable's modules are the manifest's.
    external: ["embedded:*", "mc/*", "timer"],
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, verbatimModuleSyntax: true } },
    plugins: [openNames],
    metafile: true,
    write: false,
    logLevel: "silent",
  });
  const bundled = outputFiles[0]!.text;
  const names = identifiersOf(bundled, builtIn);
  const kept = [
    ...reserved,
    ...stringsOf(bundled),
    ...[...builtIn].filter((name) => names.has(name) || names.has(`.${name}`)),
    ...MEANT,
  ];
  const pool = new NamePool(builtIn, new Set([...names, ...kept]));
  const { code } = await minify(bundled, {
    module: true,
    ecma: 2020,
    compress: {
      module: true,
      toplevel: true,
      passes: 4,
      pure_getters: true,
      keep_infinity: true,
      // It would put functions that are used once into others, where they are made anew at each call.
      reduce_funcs: false,
      // XS takes `super(); native("…").call(this)` for a host constructor only as two statements.
      sequences: false,
      join_vars: false,
    },
    mangle: {
      module: true,
      toplevel: true,
      nth_identifier: pool,
      properties: { builtins: true, reserved: kept, nth_identifier: pool },
    } as never,
    format: { beautify: true, indent_level: 1 },
  });
  // XS knows a host class by this form alone.
  const formed = flattenModule(code!).replaceAll(/extends\s*\((Native\("\w+"\))\)/g, "extends $1");
  return { code: formed, codeBy: byFolder(metafile.outputs), names: askedOf(bundled, builtIn) };
}

/** String literals that could be names of properties: what stands in quotes may be asked for by a variable. */
function stringsOf(source: string): string[] {
  return Array.from(source.matchAll(/["'`]([A-Za-z_$][\w$]*)["'`]/g), ([, text]) => text!);
}

function byFolder(outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>) {
  const folders = new Map<string, number>();
  for (const { inputs } of Object.values(outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = input.split("/").slice(0, 2).join("/");
      folders.set(folder, (folders.get(folder) ?? 0) + bytesInOutput);
    }
  }
  return new Map([...folders].sort((a, b) => b[1] - a[1]));
}

export function writeShrunk(to: string, entry: string, { code, names }: Shrunk): void {
  mkdirSync(dirname(join(to, entry)), { recursive: true });
  writeFileSync(join(to, entry), code);
  writeFileSync(join(to, `${entry}.names`), `${[...names].sort().join("\n")}\n`);
}

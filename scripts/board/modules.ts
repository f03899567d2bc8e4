/** The modules of an image, and whether every import of them leads somewhere: mcconfig does not ask. */

import { readFileSync } from "node:fs";
import { posix } from "node:path";

/** Modules by their key, as XS knows them: `firmware/coap/codec`, `embedded:io/i2c`. */
export type Modules = ReadonlyMap<string, string>;

/** `embedded:io/i2c` is kept as `~.embedded/io/i2c` in the makefile. */
function unescapeKey(key: string): string {
  const plain = key.replaceAll("\\#", "#");
  return plain.startsWith("~.") ? plain.slice(2).replace("/", ":") : plain;
}

/** The modules that mcconfig put into a makefile, with their JavaScript sources. */
export function modulesOf(makefile: string): Modules {
  const modules = new Map<string, string>();
  for (const [, key, source] of makefile.matchAll(/^\$\(MODULES_DIR\)\/(.+)\.xsb: (\S+\.m?js)\s*$/gm)) {
    modules.set(unescapeKey(key!), source!.replaceAll("\\#", "#"));
  }
  // Written in TypeScript by others; compiled beside the makefile, and their imports are their own affair.
  for (const [, key] of makefile.matchAll(/^\$\(MODULES_DIR\)\/(.+)\.xsb: \$\(TMP_DIR\)\S+$/gm)) {
    modules.set(unescapeKey(key!), "");
  }
  return modules;
}

/** What a module imports, static and dynamic, by literal specifiers. Expects the plain output of tsc. */
export function specifiersOf(source: string): string[] {
  const found: string[] = [];
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const forms = [
    /^\s*(?:import|export)\s[^;"']*?\sfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']\s*\)/g,
  ];
  for (const form of forms) for (const [, specifier] of code.matchAll(form)) found.push(specifier!);
  return found;
}

/** The key that XS looks for: extension off, relative to the key of the importing module. */
export function resolveKey(specifier: string, from: string): string {
  const plain = specifier.replace(/\.m?js$/, "");
  return plain.startsWith("./") || plain.startsWith("../") ? posix.join(posix.dirname(from), plain) : plain;
}

export interface Unresolved {
  readonly module: string;
  readonly specifier: string;
}

/** Imports that lead nowhere, from `main` on. */
export function unresolvedImports(modules: Modules, main: string): Unresolved[] {
  const unresolved: Unresolved[] = [];
  const seen = new Set([main]);
  for (const key of seen) {
    const source = modules.get(key);
    if (source === undefined) {
      unresolved.push({ module: "manifest", specifier: key });
      continue;
    }
    if (source === "") continue;
    for (const specifier of specifiersOf(readFileSync(source, "utf8"))) {
      const target = resolveKey(specifier, key);
      if (!modules.has(target)) unresolved.push({ module: key, specifier });
      else seen.add(target);
    }
  }
  return unresolved;
}

/** What esbuild is told for XS: one script, no modules, nothing but the language. */

import type { BuildOptions } from "esbuild";

export const FOR_XS = {
  bundle: true,
  format: "iife",
  target: "es2022",
  // In XS 13 a class is not yet there for its own static fields.
  supported: { "class-static-field": false, "class-static-blocks": false },
  write: false,
  logLevel: "silent",
} as const satisfies BuildOptions;

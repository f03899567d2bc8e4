/** Makes one script of a test file and all that it imports, for an engine that has nothing but the language. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export interface TestBundle {
  readonly script: string;
}

/** What a test needs that only Node has. */
export class NeedsNode extends Error {}

const STAND_INS = new Map([
  ["node:assert/strict", join(REPOSITORY, "host-tests/stand-ins/assert.ts")],
  ["node:assert", join(REPOSITORY, "host-tests/stand-ins/assert.ts")],
]);

const standIns: Plugin = {
  name: "stand-ins",
  setup(plugin) {
    plugin.onResolve({ filter: /^node:/ }, ({ path, importer }) => {
      const stand = STAND_INS.get(path);
      if (stand !== undefined) return { path: stand };
      return { errors: [{ text: `needs ${path}`, detail: { needs: path, importer } }] };
    });
    plugin.onResolve({ filter: /^#hal\// }, ({ path }) => ({
      path: join(REPOSITORY, "hal/host", path.slice("#hal/".length).replace(/\.js$/, ".ts")),
    }));
  },
};

/** @throws NeedsNode when something that it imports is Node's own */
export async function bundleTest(file: string): Promise<string> {
  try {
    const { outputFiles } = await build({
      stdin: {
        contents: `import "./host-tests/xs/runner.ts"; import ${JSON.stringify(`./${file}`)}; import { run } from "./host-tests/xs/runner.ts"; run();`,
        resolveDir: REPOSITORY,
        loader: "ts",
      },
      bundle: true,
      format: "iife",
      target: "es2022",
      // In XS 13 a class is not yet there for its own static fields.
      supported: { "class-static-field": false, "class-static-blocks": false },
      plugins: [standIns],
      write: false,
      logLevel: "silent",
    });
    return outputFiles[0]!.text;
  } catch (error) {
    const { errors = [] } = error as { errors?: { text: string }[] };
    const node = errors.find(({ text }) => text.startsWith("needs node:"));
    if (node !== undefined) throw new NeedsNode(node.text);
    throw error;
  }
}

/** Makes one script of a test file and all that it imports, for an engine that has nothing but the language. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { FOR_XS } from "../../sim/xs/bundle.js";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** What a test needs that only Node has. */
export class NeedsNode extends Error {}

const STAND_INS = new Map([
  ["node:assert/strict", join(REPOSITORY, "host-tests/stand-ins/assert.ts")],
  ["node:assert", join(REPOSITORY, "host-tests/stand-ins/assert.ts")],
]);

const standIns: Plugin = {
  name: "stand-ins",
  setup(plugin) {
    plugin.onResolve({ filter: /^node:/ }, ({ path }) => {
      const stand = STAND_INS.get(path);
      // Only needed if somebody calls it: what nobody calls is left out with its imports.
      return stand !== undefined ? { path: stand } : { path, external: true, sideEffects: false };
    });
    plugin.onResolve({ filter: /^#hal\// }, ({ path }) => ({
      path: join(REPOSITORY, "hal/host", path.slice("#hal/".length).replace(/\.js$/, ".ts")),
    }));
  },
};

/** @throws NeedsNode when something that it calls is Node's own */
export async function bundleTest(file: string): Promise<string> {
  const { outputFiles, metafile } = await build({
    ...FOR_XS,
    stdin: {
      contents: `import "./host-tests/xs/runner.ts"; import ${JSON.stringify(`./${file}`)}; import { run } from "./host-tests/xs/runner.ts"; run();`,
      resolveDir: REPOSITORY,
      loader: "ts",
    },
    outfile: "test.js",
    plugins: [standIns],
    metafile: true,
  });
  const [output] = Object.values(metafile.outputs);
  const node = output!.imports.find(({ external }) => external);
  if (node !== undefined) throw new NeedsNode(`needs ${node.path}`);
  return outputFiles[0]!.text;
}

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { pageFiles } from "../../cloud/http/page-files.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly engines?: Readonly<Record<string, string>>;
}

/** Compiled for the machine, or looked for only where it is installed. */
const NATIVE = "better-sqlite3";
const OPTIONAL = ["pg-native"];
/** Compiled too; without it the server takes more processor time. */
const FASTER = "koffi";

/** What runs in a thread beside the server. */
const THREAD = "cloud/store/sqlite-thread.ts";
/** What runs in processes beside the server. */
const WORKER = "cloud/udp-worker.ts";

/** What CommonJS packages want in an ES module. */
const BANNER = [
  "#!/usr/bin/env node",
  'import { createRequire as __createRequire } from "node:module";',
  'import { fileURLToPath as __fileURLToPath } from "node:url";',
  "const require = __createRequire(import.meta.url);",
  "const __filename = __fileURLToPath(import.meta.url);",
  'const __dirname = __fileURLToPath(new URL(".", import.meta.url));',
].join("\n");

/**
 * Packs the server. Nothing of the machine or the day gets in: the lock file says which versions, esbuild and
 * `npm pack` give the same bytes for the same input.
 * @param out directory, made when it is not there
 * @returns the package's path
 */
export async function packServer(out: string): Promise<string> {
  const { version, engines } = manifestOf(ROOT);
  const { code, packages } = await bundle();
  const staging = mkdtempSync(join(tmpdir(), "oscore-mesh-package-"));
  try {
    const put = (name: string, content: string | Uint8Array, mode = 0o644) =>
      writeFileSync(join(staging, name), content, { mode });
    const manifest = {
      name: "oscore-mesh-server",
      version,
      description:
        "The cloud server of oscore-mesh: takes OSCORE-protected readings over CoAP, keeps and shows them",
      license: "MIT",
      type: "module",
      engines,
      bin: { "oscore-mesh-server": "server.js" },
      files: [...code.map(({ name }) => name), "THIRD-PARTY.txt"],
      dependencies: { [NATIVE]: manifestOf(directoryOf(NATIVE)).version },
      optionalDependencies: { [FASTER]: lockedVersion(FASTER) },
    };
    put("package.json", `${JSON.stringify(manifest, undefined, 2)}\n`);
    for (const { name, bytes } of code) put(name, bytes, name === "server.js" ? 0o755 : 0o644);
    put("LICENSE", readFileSync(join(ROOT, "LICENSE")));
    put("README.md", README);
    put("THIRD-PARTY.txt", thirdParty(packages));
    mkdirSync(out, { recursive: true });
    const destination = resolve(out);
    execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", destination], {
      cwd: staging,
      stdio: ["ignore", "ignore", "inherit"],
    });
    return join(destination, `oscore-mesh-server-${version}.tgz`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function bundle(): Promise<{ code: { name: string; bytes: Uint8Array }[]; packages: string[] }> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["scripts/server.ts", THREAD, WORKER],
    entryNames: "[name]",
    outdir: ROOT,
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node20",
    format: "esm",
    external: [NATIVE, FASTER, ...OPTIONAL],
    banner: { js: BANNER },
    legalComments: "none",
    logLevel: "error",
    plugins: [await readyPage(), readyThread],
  });
  // "node_modules/a/…", "node_modules/@scope/a/…", and what is nested in another one.
  const packages = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found !== null) packages.add(found[1]);
  }
  const code = outputFiles.map(({ path, contents }) => ({ name: basename(path), bytes: contents }));
  return { code, packages: [...packages].sort() };
}

/** The page as it is when it is packed, in the place of what bundles it at every start. */
async function readyPage(): Promise<Plugin> {
  const files = (await pageFiles()).map(({ path, type, body }) => ({
    path,
    type,
    body: body.toString("base64"),
  }));
  const contents = `const files = ${JSON.stringify(files)};
    export const pageFiles = async () => files.map((file) => ({ ...file, body: Buffer.from(file.body, "base64") }));`;
  return {
    name: "the page, ready made",
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]cloud[\\/]http[\\/]page-files\.ts$/ }, () => ({ contents, loader: "js" }));
    },
  };
}

/** The thread is a bundle of its own here, and needs no compiler. */
const readyThread: Plugin = {
  name: "the thread, ready made",
  setup({ onLoad }) {
    const contents = `import { Worker } from "node:worker_threads";
      export const startThread = (module, data) =>
        new Worker(new URL("${basename(THREAD, ".ts")}.js", import.meta.url), { workerData: { ...data, module } });`;
    onLoad({ filter: /[\\/]cloud[\\/]thread\.ts$/ }, () => ({ contents, loader: "js" }));
  },
};

/** The licences of what is inside, as most of them ask for. */
function thirdParty(packages: readonly string[]): string {
  const parts = packages.map((path) => {
    const directory = join(ROOT, path);
    const { name, version, license } = manifestOf(directory);
    const file = readdirSync(directory)
      .filter((one) => /^(licen[cs]e|copying)/i.test(one))
      .sort()[0];
    const text =
      file === undefined ? "(The package brings no text.)" : readFileSync(join(directory, file), "utf8");
    return `${name} ${version} (${license ?? "unknown"})\n\n${text.trim()}\n`;
  });
  return `oscore-mesh-server contains these packages.\n\n${parts.join(`\n${"-".repeat(80)}\n\n`)}`;
}

/** Of a package that need not be installed here. */
function lockedVersion(name: string): string {
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Readonly<Record<string, Manifest>>;
  };
  return packages[`node_modules/${name}`].version;
}

function directoryOf(name: string): string {
  const directory = join(ROOT, "node_modules", name);
  if (!existsSync(directory)) throw new Error(`${name} is not installed: npm ci`);
  return directory;
}

function manifestOf(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
}

const README = `# oscore-mesh-server

The cloud server of oscore-mesh.

    npm install --omit=dev oscore-mesh-server-VERSION.tgz
    npx oscore-mesh-server --help

Node 20.19 or newer. Keys and readings are kept in \`./data\`; --data chooses another place.
`;

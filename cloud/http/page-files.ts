import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** A file of the page, as it is. */
export interface PageFile {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

const PAGE = fileURLToPath(new URL("../page/", import.meta.url));

/** The page, bundled from cloud/page. Everything it needs is in it: it works without the internet. */
export async function pageFiles(): Promise<PageFile[]> {
  const { outputFiles } = await build({
    entryPoints: { page: `${PAGE}main.ts` },
    outdir: "/",
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
  });
  return [
    { path: "/", type: "text/html; charset=utf-8", body: await readFile(`${PAGE}index.html`) },
    { path: "/icon.svg", type: "image/svg+xml", body: await readFile(`${PAGE}icon.svg`) },
    ...outputFiles.map(({ path, contents }): PageFile => {
      const body = Buffer.from(contents);
      return path.endsWith(".js")
        ? { path: "/page.js", type: "text/javascript; charset=utf-8", body }
        : { path: "/page.css", type: "text/css; charset=utf-8", body };
    }),
  ];
}

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** A file of the page, ready to be sent. */
export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly gzip: Buffer;
  readonly etag: string;
}

const PAGE = fileURLToPath(new URL("../page/", import.meta.url));

/** The page's files by their paths, bundled from cloud/page. Everything it needs is in them: it works without the internet. */
export async function loadAssets(): Promise<Map<string, Asset>> {
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
  const assets = new Map<string, Asset>();
  assets.set("/", asset("text/html; charset=utf-8", await readFile(`${PAGE}index.html`)));
  assets.set("/icon.svg", asset("image/svg+xml", await readFile(`${PAGE}icon.svg`)));
  for (const { path, contents } of outputFiles) {
    if (path.endsWith(".js"))
      assets.set("/page.js", asset("text/javascript; charset=utf-8", Buffer.from(contents)));
    else assets.set("/page.css", asset("text/css; charset=utf-8", Buffer.from(contents)));
  }
  return assets;
}

function asset(type: string, body: Buffer): Asset {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { type, body, gzip: gzipSync(body), etag };
}

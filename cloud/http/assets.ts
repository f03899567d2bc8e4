import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type PageFile, pageFiles } from "./page-files.js";

/** A file of the page, ready to be sent. */
export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly gzip: Buffer;
  readonly etag: string;
}

/** The page's files by their paths. */
export async function loadAssets(): Promise<Map<string, Asset>> {
  return new Map((await pageFiles()).map((file) => [file.path, asset(file)]));
}

function asset({ type, body }: PageFile): Asset {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { type, body, gzip: gzipSync(body), etag };
}

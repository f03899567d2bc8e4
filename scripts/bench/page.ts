/** How fast the page is there: a real browser without a cache in front of a server with many nodes that have spoken. */

import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { startServer } from "../../cloud/server.js";
import { findChromium } from "../start/chromium.js";
import { type BenchRow, type Measured, repeat, rowOf, summarise } from "./measure.js";
import { type LoadOptions, nodeSpec } from "./server-load.js";

const LOAD = fileURLToPath(new URL("server-load.ts", import.meta.url));

/** Every node sends some readings. */
function speak(port: number, nodes: number): Promise<void> {
  const options: LoadOptions = {
    port,
    nodes,
    requests: 5 * nodes,
    inFlight: 64,
    confirmable: true,
    echo: false,
  };
  return new Promise((resolve, reject) => {
    const child = fork(LOAD, [JSON.stringify(options)], { execArgv: ["--import", "tsx"] });
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`the load ended with ${code}`))));
  });
}

/** A page as it is opened for the first time. */
interface Opened {
  /** ms from the navigation until something is painted, and until what was waited for is there. */
  readonly painted: number;
  readonly complete: number;
  /** KiB over the wire, headers included. */
  readonly transferred: number;
}

async function open(browser: Browser, url: string, ready: string): Promise<Opened> {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    let bytes = 0;
    page.on("requestfinished", async (request) => {
      const sizes = await request.sizes().catch(() => undefined);
      if (sizes !== undefined) bytes += sizes.responseBodySize + sizes.responseHeadersSize;
    });
    const start = performance.now();
    await page.goto(url, { waitUntil: "commit" });
    await page.getByTestId(ready).first().waitFor();
    const complete = performance.now() - start;
    const painted = await page.evaluate(
      () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
    );
    return { painted, complete, transferred: bytes / 1024 };
  } finally {
    await context.close();
  }
}

async function pageRows(browser: Browser, name: string, url: string, ready: string, times: number) {
  const all: Opened[] = [];
  const complete = await repeat(times, async (repetition) => {
    const opened = await open(browser, url, ready);
    if (repetition >= 0) all.push(opened);
    return opened.complete;
  });
  const of = (key: keyof Opened): Measured => summarise(all.map((opened) => opened[key]));
  return [
    rowOf(`${name}: first paint`, "ms", of("painted"), "without a cache, over loopback"),
    rowOf(`${name}: its content is there`, "ms", complete),
    rowOf(`${name}: transferred`, "KiB", of("transferred")),
  ];
}

/** The suite. */
export async function runPageBench(scale = 1): Promise<BenchRow[]> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    console.log("  skipped: no Chromium here (Debian: apt-get install chromium; or name one in CHROMIUM)");
    return [];
  }
  const dataDir = mkdtempSync(join(tmpdir(), "oscore-mesh-bench-"));
  const server = await startServer({ dataDir, http: { port: 0 }, coap: { host: "127.0.0.1", port: 0 } });
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const nodes = scale === 1 ? 1000 : 100;
  const times = scale === 1 ? 11 : 2;
  try {
    for (let i = 0; i < nodes; i++) await server.registry.upsert(nodeSpec(i));
    await speak(server.coapAddress.port, nodes);
    const many = `${nodes} nodes`;
    const at = (hash: string) => `${server.httpUrl}/${hash}`;
    return [
      ...(await pageRows(browser, `overview, ${many}`, at("#/"), "node-card", times)),
      ...(await pageRows(browser, `list, ${many}`, at("#/nodes"), "node-row", times)),
    ];
  } finally {
    await browser.close();
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

export default runPageBench;

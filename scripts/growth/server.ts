/** The server with more and more devices that it knows: how long it takes to start, what it holds, what it still does. */

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { summarise } from "../bench/measure.js";
import type { LoadOptions, LoadResult } from "../bench/server-load.js";
import type { ServerStarted, ServerTask } from "./server-process.js";

/** The server with so many known devices. */
export interface ServerPoint {
  readonly nodes: number;
  /** ms, median of the starts */
  readonly start: number;
  /** MiB */
  readonly resident: number;
  readonly heap: number;
  /** requests/s, confirmable, behind the commit, from as many of the nodes as {@link SPEAKERS} */
  readonly rate: number;
  readonly answered: number;
  readonly wrong: number;
  /** ms by query: the median, and nine of ten are faster than the second */
  readonly queries: { readonly [name: string]: readonly [median: number, slow: number] };
}

const PROCESS = fileURLToPath(new URL("server-process.ts", import.meta.url));
const LOAD = fileURLToPath(new URL("../bench/server-load.ts", import.meta.url));
const NODE = ["--import", "tsx", "--expose-gc", "--max-old-space-size=12000"];
/** Most nodes that take turns to speak: each is a security context that the server keeps from then on. */
const SPEAKERS = 10_000;
const REQUESTS = 60_000;
const STARTS = 3;
/** From so many devices on one start has to do: it takes a while. */
const LARGE = 1_000_000;
const ASKED = 21;

/** What the page asks for, and an import. */
const QUERIES: readonly (readonly [name: string, path: (nodes: number) => string])[] = [
  ["summary", () => "/api/summary"],
  ["map", () => "/api/mesh"],
  ["alarms", () => "/api/alarms"],
  ["first page of nodes", () => "/api/nodes?limit=50&sort=name"],
  ["page in the middle", (nodes) => `/api/nodes?limit=50&sort=seen&offset=${nodes >> 1}`],
  ["search", (nodes) => `/api/nodes?limit=50&search=node-${nodes - 1}`],
];

/** @param directory with a data directory for this many nodes, or empty: then it is made there, which takes a while */
export async function measureServer(nodes: number, directory?: string): Promise<ServerPoint> {
  const dataDir = directory ?? mkdtempSync(join(tmpdir(), "oscore-mesh-growth-"));
  try {
    await ended(start({ task: "fill", dataDir, nodes }));
    const starts: number[] = [];
    for (let i = nodes < LARGE ? 1 : STARTS; i < STARTS; i++) {
      const child = start({ task: "serve", dataDir, nodes });
      starts.push((await started(child)).start);
      child.disconnect();
      await ended(child);
    }
    const child = start({ task: "serve", dataDir, nodes });
    const server = await started(child);
    starts.push(server.start);
    const speakers = Math.min(nodes, SPEAKERS);
    const load = await speak({
      port: server.coapPort,
      nodes: speakers,
      requests: REQUESTS,
      inFlight: 64,
      confirmable: true,
      echo: false,
    });
    const queries: { [name: string]: [number, number] } = {};
    for (const [name, path] of QUERIES) queries[name] = await ask(server.httpUrl + path(nodes));
    child.disconnect();
    await ended(child);
    const { resident, heap } = server;
    const { answered, wrong, seconds } = load;
    return {
      nodes,
      start: summarise(starts).median,
      resident,
      heap,
      rate: answered / seconds,
      answered: answered / REQUESTS,
      wrong,
      queries,
    };
  } finally {
    if (directory === undefined) rmSync(dataDir, { recursive: true, force: true });
  }
}

async function ask(url: string): Promise<[number, number]> {
  const times: number[] = [];
  for (let i = 0; i <= ASKED; i++) {
    const before = performance.now();
    const answer = await fetch(url);
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    if (i > 0) times.push(performance.now() - before);
  }
  const { median, high } = summarise(times);
  return [median, high];
}

function start(task: ServerTask): ChildProcess {
  return fork(PROCESS, { execArgv: NODE, env: { ...process.env, GROWTH_TASK: JSON.stringify(task) } });
}

function started(child: ChildProcess): Promise<ServerStarted> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as ServerStarted));
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
}

function speak(options: LoadOptions): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(LOAD, [JSON.stringify(options)], { execArgv: ["--import", "tsx"] });
    child.once("message", (message) => resolve(message as LoadResult));
    child.once("exit", (code) => reject(new Error(`the load generator ended with ${code}`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  const code = child.exitCode ?? (await new Promise<number | null>((resolve) => child.once("exit", resolve)));
  if (code !== 0) throw new Error(`a process of the study ended with ${code}`);
}

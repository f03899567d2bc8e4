/**
 * How fast the cloud server is: OSCORE requests over loopback UDP, answered and verified. The load generator is another
 * process (server-load.ts); it protects before the clock starts and verifies every answer after it stops.
 */

import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { hostCrypto } from "#hal/crypto.js";
import { createCloud } from "../../cloud/cloud.js";
import { Metrics } from "../../cloud/metrics.js";
import { openPostgres } from "../../cloud/store/postgres.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { UdpDriver } from "../../cloud/udp.js";
import { findPostgres, PostgresCluster } from "../postgres-cluster.js";
import { type BenchRow, rowOf, summarise } from "./measure.js";
import { MemoryStore } from "./memory-store.js";
import { type LoadOptions, type LoadResult, nodeSpec } from "./server-load.js";

const LOAD = fileURLToPath(new URL("server-load.ts", import.meta.url));
const NODES = 500;
const IN_FLIGHT = 64;
const MANY = `${8 * IN_FLIGHT} in flight`;
/** Of each row, each with a server, a store and a load generator of its own. */
const REPETITIONS = 5;

/** Runs the load generator against a port. */
function load(options: LoadOptions): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(LOAD, [JSON.stringify(options)], { execArgv: ["--import", "tsx"] });
    let result: LoadResult | undefined;
    child.on("message", (message) => {
      result = message as LoadResult;
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (result !== undefined) resolve(result);
      else reject(new Error(`the load generator ended with ${code}`));
    });
  });
}

async function withServer<T>(store: Store, nodes: number, use: (port: number) => Promise<T>): Promise<T> {
  let driver: UdpDriver | undefined;
  const cloud = await createCloud({
    store,
    crypto: hostCrypto,
    send: (datagram, destination) => driver?.send(datagram, destination),
  });
  for (let i = 0; i < nodes; i++) await cloud.registry.upsert(nodeSpec(i));
  driver = await UdpDriver.open({ host: "127.0.0.1", port: 0 }, new Metrics(), Number.POSITIVE_INFINITY);
  driver.start(cloud.endpoint);
  try {
    return await use(driver.address.port);
  } finally {
    await driver.close();
    await cloud.stop();
  }
}

/** Nothing but the sockets: what this machine allows at best, with the generator's own share of it. */
async function echo(requests: number): Promise<Loaded> {
  const driver = await UdpDriver.open(
    { host: "127.0.0.1", port: 0 },
    new Metrics(),
    Number.POSITIVE_INFINITY,
  );
  driver.start({
    deadline: Number.POSITIVE_INFINITY,
    onWake() {},
    tick() {},
    handle: (datagram, source) => driver.send(datagram, source),
  });
  const { port } = driver.address;
  try {
    return await loaded({ port, nodes: 1, requests, inFlight: IN_FLIGHT, confirmable: false, echo: true });
  } finally {
    await driver.close();
  }
}

interface Loaded extends LoadResult {
  /** µs of our processor for a request. */
  readonly here: number;
}

/** Runs the load generator, and sees what a request cost on our side. */
async function loaded(options: LoadOptions): Promise<Loaded> {
  const before = process.cpuUsage();
  const result = await load(options);
  const { user, system } = process.cpuUsage(before);
  return { ...result, here: (user + system) / options.requests };
}

/** A value beside its goal. */
function percent(value: number, goal: number): string {
  return `${Math.round((100 * value) / goal)} %`;
}

/** @param goal requests/s: the ratio to it says little where the echo is far from the 112,000/s of an idle machine */
async function repeated(
  name: string,
  run: () => Promise<Loaded>,
  repetitions: number,
  note: string,
  goal?: number,
): Promise<BenchRow> {
  const results: Loaded[] = [];
  for (let i = 0; i < repetitions; i++) results.push(await run());
  const rate = summarise(results.map(({ answered, seconds }) => answered / seconds));
  const middle = (value: (result: Loaded) => number) => summarise(results.map(value)).median;
  const sum = (value: (result: Loaded) => number) => results.reduce((all, one) => all + value(one), 0);
  const lost = sum(({ requests, answered }) => requests - answered);
  return rowOf(
    name,
    "requests/s",
    rate,
    (goal === undefined ? "" : `${percent(rate.median, goal)} of the goal ${goal}; `) +
      `${note}; CPU ${middle(({ here }) => here).toFixed(1)} µs here, ${middle(({ cpu }) => cpu).toFixed(1)} in the generator; ` +
      `median ${middle(({ median }) => median).toFixed(2)} ms, p99 ${middle(({ p99 }) => p99).toFixed(2)} ms; ` +
      `${sum(({ answered }) => answered)} answers verified, ${sum(({ wrong }) => wrong)} wrong, ${lost} lost`,
  );
}

/** @param open a store in which nothing is: the generator's numbers begin anew each time */
function measure(
  name: string,
  open: () => Store | Promise<Store>,
  confirmable: boolean,
  inFlight: number,
  requests: number,
  repetitions: number,
  goal?: number,
): Promise<BenchRow> {
  const run = async () =>
    withServer(await open(), NODES, (port) =>
      loaded({ port, nodes: NODES, requests, inFlight, confirmable, echo: false }),
    );
  return repeated(name, run, repetitions, `${inFlight} in flight, ${NODES} nodes`, goal);
}

/** A cluster of the bench's own, with PostgreSQL's settings as they come: what it acknowledges is on the disk. */
async function postgres(requests: number, repetitions: number): Promise<BenchRow[]> {
  const programs = findPostgres();
  if (programs === undefined) {
    console.error("no PostgreSQL here: nothing is measured with it (Debian: apt-get install postgresql)");
    return [];
  }
  const cluster = new PostgresCluster(programs);
  await cluster.start();
  try {
    const rows: BenchRow[] = [];
    for (const inFlight of [IN_FLIGHT, 8 * IN_FLIGHT]) {
      const open = async () => {
        await cluster.query("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public");
        return openPostgres({ url: cluster.url });
      };
      const committed = "readings behind a PostgreSQL commit, CON";
      const name = inFlight === IN_FLIGHT ? committed : `${committed}, ${MANY}`;
      rows.push(await measure(name, open, true, inFlight, requests, repetitions, 10_000));
    }
    return rows;
  } finally {
    await cluster.destroy();
  }
}

/** Heap and buffers that known nodes take, before and after each has spoken, which is when its keys are derived. */
async function memory(nodes: number, repetitions: number): Promise<BenchRow[]> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 2 ** 20;
  };
  const known: number[] = [];
  const spoken: number[] = [];
  for (let i = 0; i < repetitions; i++) {
    const before = used();
    const store = new MemoryStore();
    const cloud = await createCloud({ store, crypto: hostCrypto, send: () => {} });
    for (let node = 0; node < nodes; node++) await cloud.registry.upsert(nodeSpec(node));
    known.push(used() - before - store.bytes / 2 ** 20);
    for (const { context } of cloud.registry.devices()) context?.security;
    spoken.push(used() - before - store.bytes / 2 ** 20);
    await cloud.stop();
  }
  const most = summarise(known);
  return [
    rowOf(
      `memory of ${nodes} known nodes`,
      "MB",
      most,
      `${percent(most.median, 30)} of what they may take, 30 MB`,
    ),
    rowOf(
      `memory of ${nodes} nodes that have spoken`,
      "MB",
      summarise(spoken),
      "with the keys of all of them derived",
    ),
  ];
}

/** The suite. @param scale 1 for figures to be quoted, less for a quick look */
export async function runServerBench(scale = 1): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-bench-"));
  const many = Math.round(200_000 * scale);
  const repetitions = scale < 1 ? 1 : REPETITIONS;
  const memoryStore = () => new MemoryStore();
  let files = 0;
  const sqlite = () => openSqlite({ file: join(directory, `${files++}.db`), thread: true });
  try {
    // The server of an operator has been running for a while: its code is compiled.
    await measure("warm-up", memoryStore, false, IN_FLIGHT, Math.round(many / 4), 1);
    const ceiling = "UDP echo, no protocol: the ceiling";
    const committed = "readings behind a SQLite commit, CON";
    return [
      await repeated(ceiling, () => echo(many), repetitions, `${IN_FLIGHT} in flight`),
      await measure("OSCORE NON, store in memory", memoryStore, false, IN_FLIGHT, many, repetitions, 65_000),
      await measure("OSCORE CON, store in memory", memoryStore, true, IN_FLIGHT, many, repetitions, 30_000),
      await measure(committed, sqlite, true, IN_FLIGHT, many, repetitions, 30_000),
      await measure(`${committed}, ${MANY}`, sqlite, true, 8 * IN_FLIGHT, many, repetitions, 30_000),
      ...(await postgres(many, repetitions)),
      ...(await memory(10_000, repetitions)),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export default runServerBench;

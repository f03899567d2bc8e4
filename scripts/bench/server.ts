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
import { MemoryStore } from "./memory-store.js";
import { type LoadOptions, type LoadResult, nodeSpec } from "./server-load.js";
import type { BenchRow } from "./sim.js";

const LOAD = fileURLToPath(new URL("server-load.ts", import.meta.url));
const NODES = 500;
const IN_FLIGHT = 64;

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
async function echo(requests: number): Promise<BenchRow> {
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
  const options = { port, nodes: 1, requests, inFlight: IN_FLIGHT, confirmable: false, echo: true };
  const { result, cpu } = await loaded(options);
  await driver.close();
  return row("UDP echo, no protocol: the ceiling", result, `${IN_FLIGHT} in flight; ${cpu}`);
}

/** Runs the load generator, and says what a request cost on both sides. */
async function loaded(options: LoadOptions): Promise<{ result: LoadResult; cpu: string }> {
  const before = process.cpuUsage();
  const result = await load(options);
  const { user, system } = process.cpuUsage(before);
  const ours = (user + system) / options.requests;
  return { result, cpu: `CPU ${ours.toFixed(1)} µs here, ${result.cpu.toFixed(1)} in the generator` };
}

/** A value beside its goal. */
function percent(value: number, goal: number): string {
  return `${Math.round((100 * value) / goal)} %`;
}

/** @param goal requests/s: the ratio to it says little where the echo is far from the 112,000/s of an idle machine */
function row(name: string, result: LoadResult, note: string, goal?: number): BenchRow {
  const { answered, requests, seconds, median, p99, wrong } = result;
  const lost = requests - answered;
  return {
    name,
    value: Math.round(answered / seconds),
    unit: "requests/s",
    note:
      (goal === undefined ? "" : `${percent(answered / seconds, goal)} of the goal ${goal}; `) +
      `${note}; median ${median.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms; ` +
      `${answered} answers verified, ${wrong} wrong, ${lost} lost`,
  };
}

async function measure(
  name: string,
  store: Store,
  confirmable: boolean,
  inFlight: number,
  requests: number,
  goal?: number,
) {
  const { result, cpu } = await withServer(store, NODES, (port) =>
    loaded({ port, nodes: NODES, requests, inFlight, confirmable, echo: false }),
  );
  return row(name, result, `${inFlight} in flight, ${NODES} nodes; ${cpu}`, goal);
}

/** A cluster of the bench's own, with PostgreSQL's settings as they come: what it acknowledges is on the disk. */
async function postgres(requests: number): Promise<BenchRow[]> {
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
      await cluster.query("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public");
      const store = await openPostgres({ url: cluster.url });
      rows.push(
        await measure("readings behind a PostgreSQL commit, CON", store, true, inFlight, requests, 10_000),
      );
    }
    return rows;
  } finally {
    await cluster.destroy();
  }
}

/** Heap and buffers that known nodes take, before and after each has spoken, which is when its keys are derived. */
async function memory(nodes: number): Promise<BenchRow[]> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = () => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 2 ** 20;
  };
  const before = used();
  const store = new MemoryStore();
  const cloud = await createCloud({ store, crypto: hostCrypto, send: () => {} });
  for (let i = 0; i < nodes; i++) await cloud.registry.upsert(nodeSpec(i));
  const known = used() - before - store.bytes / 2 ** 20;
  for (const { context } of cloud.registry.devices()) context?.security;
  const spoken = used() - before - store.bytes / 2 ** 20;
  await cloud.stop();
  const row = (name: string, value: number, note: string): BenchRow => ({
    name: `memory of ${nodes} ${name}`,
    value: Number(value.toFixed(1)),
    unit: "MB",
    note,
  });
  return [
    row("known nodes", known, `${percent(known, 30)} of what they may take, 30 MB`),
    row("nodes that have spoken", spoken, "with the keys of all of them derived"),
  ];
}

/** The suite. @param scale 1 for figures to be quoted, less for a quick look */
export async function runServerBench(scale = 1): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-bench-"));
  const many = Math.round(400_000 * scale);
  try {
    // The server of an operator has been running for a while: its code is compiled.
    await measure("warm-up", new MemoryStore(), false, IN_FLIGHT, Math.round(many / 8));
    return [
      await echo(many),
      await measure("OSCORE NON, store in memory", new MemoryStore(), false, IN_FLIGHT, many, 65_000),
      await measure("OSCORE CON, store in memory", new MemoryStore(), true, IN_FLIGHT, many, 30_000),
      await measure(
        "readings behind a SQLite commit, CON",
        openSqlite({ file: join(directory, "a.db"), thread: true }),
        true,
        IN_FLIGHT,
        many / 2,
        30_000,
      ),
      await measure(
        "readings behind a SQLite commit, CON",
        openSqlite({ file: join(directory, "b.db"), thread: true }),
        true,
        8 * IN_FLIGHT,
        many / 2,
        30_000,
      ),
      ...(await postgres(many / 2)),
      ...(await memory(10_000)),
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export default runServerBench;

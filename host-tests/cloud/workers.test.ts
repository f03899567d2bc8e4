import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StartupError } from "../../cloud/errors.js";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { UdpBatch } from "../../cloud/udp-batch.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { decode, renumbered, TestNode } from "./helpers.js";

const WORKERS = 3;
const SOCKETS = 12;
const RETRY_MS = 200;

/** Sockets as of so many gateways: the system spreads them over the workers. */
class Gateways {
  readonly #sockets: Socket[] = [];
  readonly #port: number;
  onAnswer: (datagram: Uint8Array) => void = () => {};
  #messageId = 0;

  constructor(port: number) {
    this.#port = port;
    for (let i = 0; i < SOCKETS; i++) {
      const socket = createSocket("udp4");
      socket.on("message", (datagram) => this.onAnswer(datagram));
      this.#sockets.push(socket);
    }
  }

  /** Through one of them, or all. */
  send(datagram: Uint8Array, through?: number): void {
    const copy = renumbered(datagram, this.#messageId++ & 0xffff);
    for (const [i, socket] of this.#sockets.entries()) {
      if (through === undefined || through === i) socket.send(copy, this.#port, "127.0.0.1");
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(setImmediate);
}

describe("several processes on one CoAP port", function () {
  this.timeout(60_000);
  const nodes = Array.from({ length: 6 }, (_, i) => new TestNode(`node-${i}`, i));
  let directory: string;
  let server: RunningServer;
  let gateways: Gateways;

  before(async function () {
    const probe = await UdpBatch.open({ host: "127.0.0.1", port: 0 });
    if (probe === undefined) {
      console.log("      skipped: no 64-bit Linux, or koffi is not installed (npm install)");
      return this.skip();
    }
    probe.close();
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-workers-"));
    server = await startServer({
      dataDir: directory,
      http: false,
      coap: { host: "127.0.0.1", port: 0 },
      workers: WORKERS,
    });
    for (const { spec } of nodes) await server.registry.upsert(spec);
    gateways = new Gateways(server.coapAddress.port);
  });

  after(async () => {
    gateways?.close();
    await server?.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** Temperatures of what is stored of a node. */
  async function stored(index: number): Promise<number[]> {
    const node = server.registry.numberOf(`node-${index}`);
    assert.ok(node !== undefined);
    return (await server.cloud.store.readings({ node, limit: 10_000 })).map(
      ({ temperature = Number.NaN }) => temperature,
    );
  }

  it("accept a Partial IV once, whichever of them it reaches", async () => {
    const node = nodes[0];
    let answered = 0;
    for (let i = 0; i < 20; i++) {
      const sent = node.reading(i);
      const all = new Promise<void>((resolve) => {
        let copies = 0;
        let first: string | undefined;
        gateways.onAnswer = (datagram) => {
          // The newest request's copies are answered alike, and all of them.
          const { payload } = decode(datagram);
          if (copies++ === 0) node.open(sent, datagram);
          first ??= toHex(payload);
          assert.equal(toHex(payload), first);
          answered++;
          if (copies === SOCKETS) resolve();
        };
      });
      gateways.send(sent.datagram);
      await all;
    }
    assert.equal(answered, 20 * SOCKETS);
    assert.deepEqual(
      (await stored(0)).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i),
    );
    // What is older than the newest is a replay, through all of them.
    gateways.onAnswer = () => {};
    const { metrics } = server.cloud;
    const old = node.reading(50, 4000, { partialIv: 3 });
    gateways.send(old.datagram);
    await until(
      () =>
        metrics.dropped("replay", "oscore-replay") + metrics.dropped("replay", "oscore-reordered") ===
        SOCKETS,
    );
    assert.equal((await stored(0)).length, 20);
  });

  it("lose nothing that was acknowledged when one is killed, and get another in its place", async () => {
    const before = server.workerPids();
    assert.equal(before.length, WORKERS);
    const total = 60;
    const acknowledged = new Map<TestNode, number[]>(nodes.slice(1).map((node) => [node, []]));
    let waiting = 0;
    await new Promise<void>((resolve) => {
      const handlers = new Map<TestNode, (datagram: Uint8Array) => boolean>();
      gateways.onAnswer = (datagram) => {
        for (const handler of handlers.values()) if (handler(datagram)) return;
      };
      for (const [node, list] of acknowledged) {
        waiting++;
        let attempt = 0;
        const next = () => {
          if (list.length === total) {
            handlers.delete(node);
            if (--waiting === 0) resolve();
            return;
          }
          const sent = node.reading(list.length);
          // Until it is answered it goes out again, each time through another gateway.
          const send = () => gateways.send(sent.datagram, attempt++ % SOCKETS);
          const timer = setInterval(send, RETRY_MS);
          handlers.set(node, (datagram) => {
            try {
              if (decode(datagram).options.length === 0) return false;
              node.open(sent, datagram);
            } catch {
              return false;
            }
            clearInterval(timer);
            list.push(list.length);
            if (node === nodes[1] && list.length === 20) process.kill(before[0], "SIGKILL");
            next();
            return true;
          });
          send();
        };
        next();
      }
    });
    for (const index of nodes.keys()) {
      if (index === 0) continue;
      assert.deepEqual(
        (await stored(index)).sort((a, b) => a - b),
        Array.from({ length: total }, (_, i) => i),
      );
    }
    await until(() => server.workerPids().length === WORKERS);
    assert.ok(!server.workerPids().includes(before[0]));
    await until(async () => {
      const events = await server.cloud.store.events({ limit: 50 });
      return events.some(({ reason }) => reason === "worker-ended");
    });
  });

  it("do not share the port with another server", async () => {
    const { port } = server.coapAddress;
    const other = mkdtempSync(join(tmpdir(), "oscore-mesh-workers-"));
    await assert.rejects(
      startServer({ dataDir: other, http: false, coap: { host: "127.0.0.1", port }, workers: 2 }),
      (error) => error instanceof StartupError && /in use already/.test(error.message),
    );
    rmSync(other, { recursive: true, force: true });
  });

  it("end with the server, behind the last answer", async () => {
    const pids = server.workerPids();
    const sent = nodes[0].reading(99);
    const answer = new Promise<Uint8Array>((resolve) => {
      gateways.onAnswer = resolve;
    });
    gateways.send(sent.datagram, 0);
    nodes[0].open(sent, await answer);
    await server.stop();
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });
});

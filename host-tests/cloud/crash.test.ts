import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Type } from "../../firmware/coap/message.js";
import { Code } from "../../firmware/coap/numbers.js";
import { Random } from "../../sim/random.js";
import { crashNode, NODES, openStore } from "./crash-child.js";
import { decode, renumbered, type Sent, type TestNode } from "./helpers.js";
import { postgresUrl } from "./postgres-server.js";

/** The robustness lane asks for 200. */
const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 2);
const CHILD = fileURLToPath(new URL("crash-child.ts", import.meta.url));

const REPLAYED = 0x8000;

/** A node as the firmware behaves: one request under way, and what was not acknowledged travels again, named. */
class Reporter {
  readonly node: TestNode;
  readonly acknowledged: number[] = [];
  /** Answered requests: what an attacker may have recorded. */
  readonly #recorded: Uint8Array[] = [];
  refused = 0;
  taken = 0;
  readonly #socket: Socket;
  readonly #port: () => number | undefined;
  #value = 0;
  #first: number | undefined;
  #under: Sent | undefined;
  #messageId = 0;

  constructor(index: number, socket: Socket, port: () => number | undefined) {
    this.node = crashNode(index);
    this.#socket = socket;
    this.#port = port;
    socket.on("message", (datagram) => this.#answered(datagram));
  }

  send(): void {
    const firstCarriage = this.#first === undefined ? undefined : { partialIv: this.#first, index: 0 };
    const sent = this.node.readings([
      { age: 0, temperature: this.#value, ...(firstCarriage && { firstCarriage }) },
    ]);
    this.#first ??= sent.partialIv;
    this.#under = sent;
    this.#pass(sent.datagram);
  }

  /** Recorded requests come once more, told apart from true ones by their message IDs. */
  replay(): void {
    for (const datagram of this.#recorded.slice(-20, -1)) this.#pass(datagram, REPLAYED);
  }

  #pass(datagram: Uint8Array, mark = 0): void {
    const port = this.#port();
    const messageId = mark | (this.#messageId++ & (REPLAYED - 1));
    if (port !== undefined) this.#socket.send(renumbered(datagram, messageId), port, "127.0.0.1");
  }

  #answered(datagram: Uint8Array): void {
    const sent = this.#under;
    const message = decode(datagram);
    // A response of its own (RFC 7252 §5.2.2), behind a commit that took long, has a number of the server's.
    if (message.type !== Type.CON && (message.messageId & REPLAYED) !== 0) {
      // A reset, where one address got many errors already.
      if (message.code === Code.UNAUTHORIZED || message.code === Code.EMPTY) this.refused++;
      else this.taken++;
      return;
    }
    if (sent === undefined || message.code !== Code.CHANGED) return;
    let inner: ReturnType<TestNode["open"]>;
    try {
      inner = this.node.open(sent, datagram);
    } catch {
      return; // the answer to an earlier one
    }
    assert.equal(inner.code, Code.CHANGED);
    this.acknowledged.push(this.#value++);
    this.#recorded.push(sent.datagram);
    this.#first = undefined;
    this.send();
  }
}

describe("cloud killed under load", function () {
  this.timeout(30_000 + ROUNDS * 20_000);
  let directory: string;
  let child: ChildProcess | undefined;
  const sockets: Socket[] = [];

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  });
  after(() => {
    child?.kill("SIGKILL");
    for (const socket of sockets) socket.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it(`has every acknowledged reading once and takes no replay, ${ROUNDS} times (SQLite)`, () =>
    rounds(join(directory, "store.db")));

  it(`has every acknowledged reading once and takes no replay, ${ROUNDS} times (PostgreSQL)`, async function () {
    await rounds(await postgresUrl(this));
  });

  async function rounds(place: string): Promise<void> {
    const random = new Random(Number(process.env.CRASH_SEED ?? 1));
    let port: number | undefined;
    const reporters: Reporter[] = [];
    for (let i = 0; i < NODES; i++) {
      const socket = createSocket("udp4");
      sockets.push(socket);
      reporters.push(new Reporter(i, socket, () => port));
    }
    const count = () => reporters.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);

    for (let round = 0; round < ROUNDS; round++) {
      child = fork(CHILD, [place], { execArgv: ["--import", "tsx"] });
      [port] = (await once(child, "message")) as [number];
      // Everything that was accepted before comes once more, mixed with what is new.
      for (const reporter of reporters) reporter.replay();
      for (const reporter of reporters) reporter.send();
      const goal = count() + 50 + random.below(500);
      while (count() < goal) await new Promise((resolve) => setImmediate(resolve));
      child.kill("SIGKILL");
      await once(child, "exit");
      port = undefined;
    }

    const sum = (count: (reporter: Reporter) => number) =>
      reporters.reduce((total, one) => total + count(one), 0);
    assert.equal(
      sum(({ taken }) => taken),
      0,
      "no replay was answered as a request",
    );
    assert.ok(sum(({ refused }) => refused) > ROUNDS * NODES, "they were tried");

    const store = await openStore(place);
    const { nodes } = await store.load();
    for (const reporter of reporters) {
      const { id } = nodes.find(({ name }) => name === reporter.node.spec.name)!;
      const stored = (await store.readings({ node: id, limit: 1_000_000 })).map(
        ({ temperature }) => temperature,
      );
      const once = new Set(stored);
      assert.equal(once.size, stored.length, "none twice");
      for (const value of reporter.acknowledged)
        assert.ok(once.has(value), `${reporter.node.spec.name} ${value}`);
      // What was stored and not acknowledged is at most the one under way.
      assert.ok(stored.length <= reporter.acknowledged.length + 1);
    }
    await store.close();
  }
});

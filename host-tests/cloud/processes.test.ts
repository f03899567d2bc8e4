import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { toHex } from "../../firmware/bytes/hex.js";
import { Code } from "../../firmware/coap/numbers.js";
import { crashNode, openStore } from "./crash-child.js";
import { decode, renumbered, type Sent, type TestNode } from "./helpers.js";
import { postgresUrl } from "./postgres-server.js";

const CHILD = fileURLToPath(new URL("crash-child.ts", import.meta.url));
const SERVERS = 4;
const NODES = 12;
const REQUESTS = 25;

/** A node whose every request reaches all servers at once, as if gateways spread copies of it. */
class Sender {
  readonly node: TestNode;
  readonly sent: Sent[] = [];
  /** The protected answers to each request, without what a hop rewrites. */
  readonly answers = new Map<number, Set<string>>();
  readonly #socket: Socket;
  readonly #ports: readonly number[];
  #messageId = 0;
  onFinished: () => void = () => {};

  constructor(index: number, socket: Socket, ports: readonly number[]) {
    this.node = crashNode(index);
    this.#socket = socket;
    this.#ports = ports;
    socket.on("message", (datagram) => this.#answered(datagram));
  }

  next(): void {
    if (this.sent.length === REQUESTS) {
      this.onFinished();
      return;
    }
    const sent = this.node.reading(this.sent.length);
    this.sent.push(sent);
    this.spread(sent);
  }

  spread({ datagram }: Sent): void {
    const copy = renumbered(datagram, this.#messageId++);
    for (const port of this.#ports) this.#socket.send(copy, port, "127.0.0.1");
  }

  #answered(datagram: Uint8Array): void {
    if (decode(datagram).code !== Code.CHANGED) return;
    // Which request it answers, its keys tell; late answers to earlier ones come too.
    for (let i = this.sent.length - 1; i >= 0; i--) {
      try {
        this.node.open(this.sent[i], datagram);
      } catch {
        continue;
      }
      const answers = this.answers.get(i) ?? new Set();
      this.answers.set(i, answers.add(toHex(datagram.subarray(4))));
      if (i === this.sent.length - 1 && answers.size === 1 && !this.#over.has(i)) {
        this.#over.add(i);
        this.next();
      }
      return;
    }
  }

  readonly #over = new Set<number>();
}

describe(`${SERVERS} processes on one PostgreSQL`, function () {
  this.timeout(60_000);
  const children: ChildProcess[] = [];
  const sockets: Socket[] = [];
  after(() => {
    for (const child of children) child.kill("SIGKILL");
    for (const socket of sockets) socket.close();
  });

  it("accept each Partial IV once, and answer it in one way", async function () {
    const url = await postgresUrl(this);
    for (let i = 0; i < SERVERS; i++) children.push(fork(CHILD, [url], { execArgv: ["--import", "tsx"] }));
    const ports = await Promise.all(
      children.map(async (child) => (await once(child, "message"))[0] as number),
    );
    const senders = Array.from({ length: NODES }, (_, i) => {
      const socket = createSocket("udp4");
      sockets.push(socket);
      return new Sender(i, socket, ports);
    });
    const stored = async () => {
      const counts = children.map(async (child) => {
        const answer = once(child, "message");
        child.send("stored");
        return (await answer)[0] as number;
      });
      return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
    };
    const finished = senders.map((sender) => new Promise<void>((resolve) => (sender.onFinished = resolve)));
    for (const sender of senders) sender.next();
    await Promise.all(finished);

    // Everything once more, to all of them: what has fallen behind meanwhile must not take it either.
    let answered = 0;
    const expected = NODES * REQUESTS * SERVERS;
    for (const socket of sockets) socket.on("message", () => answered++);
    for (const sender of senders) for (const sent of sender.sent) sender.spread(sent);
    while (answered < expected) await new Promise((resolve) => setImmediate(resolve));

    assert.equal(await stored(), NODES * REQUESTS);
    for (const { answers } of senders) {
      assert.equal(answers.size, REQUESTS);
      // Two different ones would be encrypted with one nonce.
      for (const different of answers.values()) assert.equal(different.size, 1);
    }
    const store = await openStore(url);
    assert.equal((await store.readings({ limit: 100_000 })).length, NODES * REQUESTS);
    await store.close();
  });
});

import assert from "node:assert/strict";
import type { DeviceContext } from "../../cloud/context.js";
import { openPostgres } from "../../cloud/store/postgres.js";
import { Code } from "../../firmware/coap/numbers.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { queryOnce } from "../../scripts/postgres-cluster.js";
import { CloudContexts } from "./context-store.js";
import { Bench, decode, renumbered, TestNode } from "./helpers.js";
import { postgresUrl } from "./postgres-server.js";

const KEY = new Uint8Array(32).fill(7);

/** Turns of the event loop until something has come true. */
async function until(condition: () => unknown): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe("cloud servers on one store", () => {
  let url: string;
  let one: Bench;
  let two: Bench;
  let node: TestNode;

  const open = async (nodes: TestNode[] = []) =>
    Bench.create({ store: await openPostgres({ url }), storeKey: KEY, nodes });
  beforeEach(async function () {
    url = await postgresUrl(this);
    node = new TestNode("node-1", 1, { replayWindow: 32 });
    one = await open([node]);
    two = await open();
    for (const bench of [one, two]) await bench.cloud.endpoint.settle();
  });
  afterEach(async () => {
    await one?.cloud.stop();
    await two?.cloud.stop();
  });

  /** @returns the answers, when the commit is over */
  const deliver = async (bench: Bench, datagram: Uint8Array) => {
    const before = bench.answers.length;
    bench.cloud.endpoint.handle(datagram, "192.0.2.1:40000", bench.now);
    // What another server has decided already is decided once more, and then committed.
    while (bench.answers.length === before) await bench.cloud.endpoint.settle();
    return bench.answers.slice(before).map((answer) => answer.datagram);
  };
  const count = (outcome: string) =>
    one.cloud.metrics.requests.get(outcome) + two.cloud.metrics.requests.get(outcome);
  const temperatures = async () =>
    (await one.cloud.store.readings({ limit: 999 })).map(({ temperature }) => temperature);

  it("know what another has accepted: the same request gets its answer, an older one none", async () => {
    const [old, sent] = [node.reading(1), node.reading(2)];
    await deliver(one, old.datagram);
    const [answer] = await deliver(one, sent.datagram);
    const [again] = await deliver(two, sent.datagram);
    assert.deepEqual(again, answer);
    assert.equal(count("duplicate"), 1);
    const [refusal] = await deliver(two, renumbered(old.datagram, 99));
    assert.equal(decode(refusal).code, Code.UNAUTHORIZED);
    assert.equal(two.cloud.metrics.dropped("replay", "oscore-replay"), 1);
    assert.equal(two.live.reading.length, 0);
    assert.deepEqual((await temperatures()).sort(), [1, 2]);
  });

  it("take a node's requests wherever they come, and no replay anywhere", async () => {
    const all: Uint8Array[] = [];
    for (let i = 0; i < 24; i++) {
      const sent = node.reading(i);
      all.push(sent.datagram);
      const bench = [one, one, two][i % 3];
      const [answer] = await deliver(bench, sent.datagram);
      assert.equal(node.open(sent, answer).code, Code.CHANGED);
    }
    for (const bench of [one, two]) {
      for (const [i, datagram] of all.entries()) await deliver(bench, renumbered(datagram, 1000 + i));
    }
    assert.equal(count("stored"), 24);
    assert.equal((await temperatures()).length, 24);
  });

  it("accept a number once when it comes to all at the same time", async () => {
    const sent = Array.from({ length: 60 }, (_, i) => node.reading(i));
    for (let i = 0; i < sent.length; i += 3) {
      for (const bench of [one, two]) {
        for (const { datagram } of sent.slice(i, i + 3)) {
          bench.cloud.endpoint.handle(datagram, "192.0.2.1:40000", bench.now);
        }
      }
      await Promise.all([one.cloud.endpoint.settle(), two.cloud.endpoint.settle()]);
    }
    await until(() => one.answers.length === 60 && two.answers.length === 60);
    assert.equal(count("stored"), 60);
    assert.equal((await temperatures()).length, 60);
    assert.equal(one.live.reading.length + two.live.reading.length, 60);
  });

  it("learn of devices that another adds, changes and removes", async () => {
    const { registry } = one.cloud;
    const other = new TestNode("node-2", 2, { place: "Hall" });
    await registry.upsert(other.spec);
    await until(() => two.cloud.registry.get("node-2"));
    assert.equal(two.cloud.registry.get("node-2")?.place, "Hall");
    await deliver(two, other.reading(1).datagram);
    assert.equal(two.live.reading.length, 1);

    const renewed = new TestNode("node-2", 3, { replayWindow: 5 });
    await registry.upsert(renewed.spec);
    await until(() => two.cloud.registry.get("node-2")?.replayWindow === 5);
    const [refusal] = await deliver(two, other.reading(2).datagram);
    assert.equal(decode(refusal).code, Code.UNAUTHORIZED);
    await deliver(two, renewed.reading(3).datagram);
    assert.equal(two.live.reading.length, 2);

    await registry.remove("node-2");
    await until(() => two.cloud.registry.get("node-2") === undefined);
    assert.deepEqual(two.live.removed, ["node-2"]);
    assert.equal(two.cloud.registry.numberOf("node-2"), registry.numberOf("node-2"));
  });

  it("learn what they missed while their connection was lost", async () => {
    const [{ pid }] = await queryOnce(
      url,
      "SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN oscore_mesh_nodes' ORDER BY backend_start DESC LIMIT 1",
    );
    await queryOnce(url, `SELECT pg_terminate_backend(${pid})`);
    await one.cloud.registry.upsert(new TestNode("node-2", 2).spec);
    await until(() => two.cloud.registry.get("node-2"));
  });

  it("do not take a request for new that a third one has committed without their hearing of it", async () => {
    const sent = node.reading(1);
    const { store } = one.cloud;
    const { commit } = store;
    store.commit = (batch, done) => commit.call(store, batch, () => done(new Error("connection lost")));
    const [failure] = await deliver(one, sent.datagram);
    assert.equal(decode(failure).code, Code.SERVICE_UNAVAILABLE);
    store.commit = commit;
    const [answer] = await deliver(one, renumbered(sent.datagram, 99));
    assert.equal(node.open(sent, answer).code, Code.CHANGED, "the answer that the store has kept");
    assert.deepEqual(await temperatures(), [1]);
    assert.equal(count("stored"), 0);
    await deliver(one, node.reading(2).datagram);
    assert.equal(count("stored"), 1);
  });
});

describe("contexts of several servers on one store", () => {
  let url: string;
  const opened: CloudContexts[] = [];
  beforeEach(async function () {
    url = await postgresUrl(this);
  });
  afterEach(async () => {
    for (const { store } of opened.splice(0)) await store.close();
  });
  const contexts = async (number: number) => {
    while (opened.length < number) opened.push(await CloudContexts.open(await openPostgres({ url })));
    return opened;
  };
  const parameters = (id: number) => ({
    masterSecret: new Uint8Array(16).fill(id),
    senderId: Uint8Array.of(1),
    recipientId: Uint8Array.of(id),
  });
  const contextOf = (server: CloudContexts, id: number) => server.find(Uint8Array.of(id), undefined)[0];
  const renew = (context: DeviceContext, idContext: Uint8Array) => ({
    kind: "replace" as const,
    context,
    partialIv: 0,
    idContext,
    security: deriveContext(hostCrypto, { ...context.parameters, idContext }),
    now: 0,
  });

  it("renew keys once (RFC 8613 App. B.2), and take nothing more under the former ones", async () => {
    const servers = await contexts(3);
    await servers[0].add(parameters(9));
    await until(() => servers.every((server) => contextOf(server, 9)));
    const former = servers.map((server) => contextOf(server, 9));
    const results = await Promise.all(
      servers.map((server, i) => server.commit(renew(former[i], Uint8Array.of(i)))),
    );
    assert.equal(results.filter((renewed) => renewed).length, 1);
    const winner = Uint8Array.of(results.indexOf(true));
    await until(() =>
      servers.every((server) => contextOf(server, 9).parameters.idContext?.[0] === winner[0]),
    );
    for (const [i, server] of servers.entries()) {
      assert.equal(await server.commit({ kind: "accept", context: former[i], partialIv: 50 + i }), false);
      const context = contextOf(server, 9);
      assert.equal(await server.commit({ kind: "accept", context, partialIv: 0 }), false, "request #2");
      assert.equal(await server.commit({ kind: "accept", context, partialIv: 1 + i }), true);
    }
  });

  it("resume a lost window once (RFC 8613 App. B.1.2)", async () => {
    const servers = await contexts(2);
    const before = await servers[0].add(parameters(9));
    await servers[0].commit({ kind: "accept", context: before, partialIv: 3 });
    await queryOnce(url, "UPDATE contexts SET replay_seen = NULL");
    for (const { store } of opened.splice(0)) await store.close();
    const [one, two] = await contexts(2);
    const [first, second] = [contextOf(one, 9), contextOf(two, 9)];
    assert.equal(first.window, undefined);
    assert.equal(await one.commit({ kind: "resume", context: first, partialIv: 60 }), true);
    assert.equal(await two.commit({ kind: "resume", context: second, partialIv: 40 }), false);
    assert.equal(await two.commit({ kind: "accept", context: second, partialIv: 60 }), false);
    assert.equal(await two.commit({ kind: "accept", context: second, partialIv: 61 }), true);
  });

  it("give numbers that no other gives", async () => {
    const servers = await contexts(3);
    await servers[0].add(parameters(9));
    await until(() => servers.every((server) => contextOf(server, 9)));
    const given: number[] = [];
    while (given.length < 600) {
      for (const server of servers) {
        const number = contextOf(server, 9).next();
        if (typeof number === "number") given.push(number);
        else assert.equal(number.reason, "sequence-busy");
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(new Set(given).size, given.length);
  });

  it("register the same device as one, when several do it at once", async () => {
    const servers = await contexts(4);
    const results = await Promise.allSettled(
      servers.map(({ registry }, i) =>
        registry.upsert({
          name: i < 2 ? "same" : `other-${i}`,
          oscore: {
            masterSecret: new Uint8Array(16),
            nodeId: Uint8Array.of(8),
            serverId: Uint8Array.of(1),
          },
        }),
      ),
    );
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [`${result.reason.message}`] : [],
    );
    assert.ok(failures.length === 2 || failures.length === 3, `${failures}`);
    for (const failure of failures) assert.match(failure, /has this OSCORE ID already/);
    const active = await queryOnce(url, "SELECT 1 FROM contexts WHERE active AND node_id = '\\x08'");
    assert.equal(active.length, 1);
  });
});

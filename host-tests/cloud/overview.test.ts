import assert from "node:assert/strict";
import type { FastifyInstance } from "fastify";
import { buildApp } from "../../cloud/http/app.js";
import type { AlarmJson, MeshJson, SummaryJson } from "../../cloud/overview-json.js";
import { Bench, EPOCH, TestNode } from "./helpers.js";

const MINUTE = 60_000;

describe("cloud overview", () => {
  const nodes = Array.from(
    { length: 12 },
    (_, i) =>
      new TestNode(`node-${i + 1}`, i + 1, { meshAddress: 0x100 + i, place: i < 6 ? "Upstairs" : "Hall" }),
  );
  const east = new TestNode("east", 50, { kind: "gateway", meshAddress: 1 });
  const west = new TestNode("west", 51, { kind: "gateway", meshAddress: 2 });
  const relay: TestNode["spec"] = { name: "relay-1", kind: "relay", meshAddress: 0x50 };
  let bench: Bench;
  let app: FastifyInstance;

  before(async () => {
    bench = await Bench.create({ nodes: [...nodes, east, west] });
    await bench.cloud.registry.upsert(relay);
    const { registry, store, live, metrics, endpoint } = bench.cloud;
    app = buildApp({
      registry,
      store,
      live,
      metrics,
      endpoint,
      apiToken: "none",
      wallTime: () => EPOCH + bench.now,
      trouble: () => undefined,
      onError: (error) => assert.fail(error),
      assets: new Map(),
    });
    const hops = (from: number, to: number, distance: number) =>
      Array.from({ length: to - from }, (_, i) => [0x100 + from + i, distance] as const);
    bench.receive(
      east.health({ rsrp: -90, modem: "ready", heard: new Map([...hops(0, 4, 1), ...hops(4, 8, 3)]) })
        .datagram,
      "192.0.2.1:1",
    );
    bench.receive(
      west.health({ modem: "registering", heard: new Map(hops(6, 10, 2)) }).datagram,
      "192.0.2.2:1",
    );
    // The last two are never heard.
    for (let minute = 0; minute < 5; minute++) {
      nodes.slice(0, 10).forEach((node, i) => {
        if (minute > 0 && i === 9) return;
        const battery = i === 2 ? 2300 : 3000;
        const readings = [{ age: 0, temperature: 2000 + 10 * i, humidity: 4000, battery }];
        bench.receive(node.readings(readings).datagram, i < 7 ? "192.0.2.1:1" : "192.0.2.2:1");
      });
      bench.pass(MINUTE);
    }
    const forged = nodes[0].reading(1).datagram;
    forged[forged.length - 1] ^= 1;
    bench.receive(forged);
    [70, 71, 71, 71].forEach((stranger, messageId) => {
      const { datagram } = new TestNode("stranger", stranger).reading(1, 1, { messageId: 900 + messageId });
      bench.receive(datagram, "192.0.2.1:1");
    });
  });
  after(() => app.close());

  const get = async <T>(url: string): Promise<{ body: T; total: string | undefined }> => {
    const response = await app.inject({ method: "GET", url });
    assert.equal(response.statusCode, 200, response.body);
    return { body: response.json() as T, total: response.headers["x-total-count"] as string | undefined };
  };
  const names = async (query: string) => {
    const { body, total } = await get<{ name: string }[]>(`/api/nodes?${query}`);
    return [body.map(({ name }) => name).join(" "), Number(total)];
  };

  it("lists devices by pages, with search, filters and order", async () => {
    assert.deepEqual((await names(""))[1], 15);
    assert.deepEqual(await names("kind=node&sort=name&limit=3&offset=8"), ["node-9 node-10 node-11", 12]);
    assert.deepEqual(await names("search=upst&sort=name&order=desc&limit=2"), ["node-6 node-5", 6]);
    assert.deepEqual(await names("search=010b"), ["node-12", 1]);
    assert.deepEqual(await names("kind=node&sort=temperature&order=desc&limit=2"), ["node-10 node-9", 12]);
    // Without a value: last, either way.
    assert.deepEqual(await names("kind=node&sort=temperature&offset=9"), ["node-10 node-11 node-12", 12]);
    assert.deepEqual(await names("kind=node&sort=temperature&order=desc&offset=10"), ["node-11 node-12", 12]);
    assert.deepEqual(await names("sort=battery&limit=1"), ["node-3", 15]);
    assert.deepEqual(await names("state=waiting&kind=node"), ["node-11 node-12", 2]);
    assert.deepEqual(await names("gateway=west&hops=2&sort=name"), ["node-8 node-9 node-10", 3]);
    assert.deepEqual(await names("gateway=nobody"), ["", 0]);
    assert.deepEqual(await names("sort=refused&order=desc&limit=1"), ["node-1", 15]);
  });

  it("sums up", async () => {
    const { body } = await get<SummaryJson>("/api/summary");
    assert.deepEqual(body.nodes, { total: 12, fresh: 10, silent: 0, waiting: 2 });
    assert.deepEqual(body.gateways, { total: 2, connected: 1 });
    assert.deepEqual(body.temperature, [20, 20.9]);
    assert.equal(body.refused, 5);
    assert.equal(body.alarms, 2);
    const { unknown } = body;
    assert.deepEqual(
      [unknown?.messages, unknown?.senders, unknown?.kids, unknown?.gateway],
      [4, 2, ["0047", "0046"], "east"],
    );
  });

  it("shows strangers as one event, not as an alarm", async () => {
    bench.pass(2000);
    const { body } = await get<{ count: number; severity: string }[]>(
      "/api/events?text=unknown%20sender&limit=9",
    );
    assert.deepEqual(body, []);
    const { body: found } = await get<typeof body>("/api/events?text=oscore-context&limit=9");
    assert.deepEqual(
      found.map(({ count, severity }) => [count, severity]),
      [[4, "info"]],
    );
  });

  it("maps who is heard through which gateway over how many hops", async () => {
    const { body } = await get<MeshJson>("/api/mesh");
    const drawn = body.gateways.map(({ name, connected, rings }) => [
      name,
      connected,
      rings.map(({ hops, count, nodes: shown }) => [hops, count, shown.map((node) => node.name).join(" ")]),
    ]);
    assert.deepEqual(drawn, [
      [
        "east",
        true,
        [
          [1, 4, "node-1 node-2 node-3 node-4"],
          [3, 3, "node-5 node-6 node-7"],
        ],
      ],
      ["west", false, [[2, 3, "node-8 node-9 node-10"]]],
    ]);
    const twice = body.gateways[1].rings[0].nodes[0];
    assert.deepEqual([twice.name, twice.also], ["node-8", { east: 3 }]);
    assert.deepEqual([body.unheard.count, body.relays], [2, 1]);
    // Where there are too many to be named, all are still counted.
    const { body: few } = await get<MeshJson>("/api/mesh?limit=4&gateway=east");
    assert.deepEqual(
      few.gateways.map(({ rings }) => rings.map(({ count, nodes: shown }) => [count, shown.length])),
      [
        [
          [4, 1],
          [3, 1],
        ],
      ],
    );
  });

  it("gives alarms that keep their name while they last", async () => {
    const alarms = async () =>
      (await get<AlarmJson[]>("/api/alarms")).body.map(({ kind, node }) => `${kind} ${node}`);
    assert.deepEqual(await alarms(), ["refused node-1", "battery node-3"]);
    const [{ id }] = (await get<AlarmJson[]>("/api/alarms")).body;
    bench.pass(3 * MINUTE);
    for (const node of nodes.slice(0, 9)) bench.receive(node.reading(2000).datagram, "192.0.2.1:1");
    assert.deepEqual(await alarms(), ["refused node-1"], "a new battery");
    // Those that have told how often they speak are silent after four times that.
    bench.pass(5 * MINUTE);
    assert.equal((await alarms()).filter((alarm) => alarm.startsWith("silent")).length, 9);
    const { body, total } = await get<AlarmJson[]>("/api/alarms?limit=2&offset=8");
    assert.deepEqual([total, body.length], ["10", 2]);
    assert.ok(
      body.some((alarm) => alarm.id === id),
      "the same as before",
    );
    bench.pass(60 * MINUTE);
    assert.ok(!(await alarms()).includes("refused node-1"), "an hour after the last refusal");
  });
});

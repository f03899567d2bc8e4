import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { buildApp } from "../../cloud/http/app.js";
import { loadAssets } from "../../cloud/http/assets.js";
import { startServer } from "../../cloud/server.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { Bench, EPOCH, TestNode } from "./helpers.js";

const TOKEN = "a-token-for-this-test";

describe("cloud HTTP", () => {
  let bench: Bench;
  let app: FastifyInstance;
  let node: TestNode;

  before(async () => {
    node = new TestNode("node-1", 1, { meshAddress: 0x12, place: "<script>alert(1)</script>" });
    bench = await Bench.create({ nodes: [node] });
    for (let i = 0; i < 5; i++) {
      bench.receive(node.reading(2000 + i).datagram);
      bench.pass(60_000);
    }
    const { registry, store, live, metrics } = bench.cloud;
    app = buildApp({
      registry,
      store,
      live,
      metrics,
      apiToken: TOKEN,
      endpoint: bench.cloud.endpoint,
      wallTime: () => EPOCH + bench.now,
      trouble: () => undefined,
      onError: (error) => assert.fail(error),
      assets: await loadAssets(),
    });
  });
  after(() => app.close());

  const get = (url: string) => app.inject({ method: "GET", url });
  const authorization = `Bearer ${TOKEN}`;
  const at = (minute: number) => new Date(EPOCH + 1000 + minute * 60_000).toISOString();

  it("gives nodes, without anything of their keys", async () => {
    const response = await get("/api/nodes");
    assert.equal(response.statusCode, 200);
    const [info] = response.json();
    assert.equal(info.name, "node-1");
    assert.equal(info.meshAddress, "0012");
    assert.equal(info.last.temperature, 20.04);
    const { masterSecret, masterSalt } = node.spec.oscore!;
    for (const secret of [toHex(masterSecret), toHex(masterSalt!), "masterSecret", "sealed"]) {
      assert.equal(response.body.includes(secret), false);
    }
    assert.deepEqual((await get("/api/nodes/node-1")).json(), info);
    assert.equal((await get("/api/nodes/nobody")).statusCode, 404);
  });

  it("gives readings by node, time and number", async () => {
    const all = (await get("/api/readings")).json();
    assert.deepEqual(all[0], {
      node: "node-1",
      time: at(0),
      temperature: 20,
      humidity: 40,
      battery: 3,
      received: at(0),
    });
    assert.equal(all.length, 5);
    const some = (await get(`/api/readings?node=node-1&from=${at(1)}&to=${at(3)}&limit=2`)).json();
    assert.deepEqual(
      some.map(({ time }: { time: string }) => time),
      [at(2), at(3)],
    );
    const series = (await get(`/api/series?node=node-1&from=${at(0)}&to=${at(5)}&points=1`)).json();
    assert.deepEqual([series.length, series[0].count, series[0].temperature], [1, 5, 20.02]);
  });

  it("gives events, the newest first", async () => {
    const { datagram } = node.reading(1);
    datagram[datagram.length - 1] ^= 1;
    bench.receive(datagram);
    const events = (await get("/api/events?kind=security&node=node-1&limit=5")).json();
    assert.equal(events[0].reason, "oscore-decrypt");
    assert.equal(events[0].node, "node-1");
    assert.equal((await get("/api/events?kind=system")).json()[0].reason, "device-added");
  });

  it("says what is wrong with a query", async () => {
    const cases: [string, RegExp][] = [
      ["/api/readings?limit=0", /query\.limit must be >= 1/],
      ["/api/readings?limit=100000", /query\.limit/],
      ["/api/readings?limit=x", /query\.limit must be integer/],
      ["/api/readings?limit=1&limit=2", /query\.limit/],
      ["/api/readings?from=yesterday", /from: "yesterday" is no ISO 8601 time/],
      ["/api/readings?to=2026-13-45T00:00:00Z", /to:/],
      [`/api/readings?from=${at(3)}&to=${at(1)}`, /from is later than to/],
      ["/api/readings?nod=a", /"nod" is not known here/],
      ["/api/events?kind=other", /query\.kind/],
      ["/api/series?node=node-1", /from/],
      ["/api/readings?node=", /query\.node/],
    ];
    for (const [url, message] of cases) {
      const response = await get(url);
      assert.equal(response.statusCode, 400, url);
      assert.equal(response.json().error, "bad-request");
      assert.match(response.json().message, message);
    }
    assert.equal((await get("/api/readings?node=nobody")).statusCode, 404);
    assert.deepEqual((await get("/nowhere?x=1")).json(), { error: "not-found", message: "no GET /nowhere" });
    assert.equal((await app.inject({ method: "PUT", url: "/api/nodes" })).statusCode, 404);
    assert.equal((await get("/%")).statusCode, 400);
  });

  describe("writing", () => {
    const body = {
      name: "new",
      kind: "gateway",
      meshAddress: "00ab",
      oscore: { masterSecret: "00".repeat(16), nodeId: "07", serverId: "" },
    };
    const post = (payload: unknown, headers: Record<string, string> = { authorization }) =>
      app.inject({ method: "POST", url: "/api/nodes", headers, payload: payload as object });

    it("needs the token", async () => {
      for (const headers of [
        {},
        { authorization: "Bearer wrong" },
        { authorization: "Basic eDp5" },
        { authorization: TOKEN },
      ]) {
        const response = await post(body, headers as Record<string, string>);
        assert.equal(response.statusCode, 401);
        assert.equal(response.json().error, "unauthorized");
        assert.equal(
          (
            await app.inject({
              method: "DELETE",
              url: "/api/nodes/node-1",
              headers: headers as Record<string, string>,
            })
          ).statusCode,
          401,
        );
      }
      assert.equal((await get("/api/nodes")).json().length, 1);
    });

    it("adds, changes and removes nodes", async () => {
      const created = await post(body);
      assert.equal(created.statusCode, 201);
      assert.equal(created.json().meshAddress, "00ab");
      const changed = await post({ name: "new", place: "Roof" });
      assert.equal(changed.statusCode, 200);
      assert.deepEqual(
        [changed.json().place, changed.json().kind, changed.json().protected],
        ["Roof", "gateway", true],
      );
      const remove = () =>
        app.inject({ method: "DELETE", url: "/api/nodes/new", headers: { authorization } });
      assert.equal((await remove()).statusCode, 204);
      assert.equal((await remove()).statusCode, 404);
    });

    it("says what is wrong", async () => {
      const { oscore } = body;
      const cases: [unknown, number, RegExp][] = [
        [{}, 400, /name/],
        [{ name: "" }, 400, /name: 1 to 64 characters/],
        [{ name: "a\u0007b" }, 400, /name: control characters/],
        [{ name: " a" }, 400, /blanks/],
        [{ name: "a", kind: "thing" }, 400, /body\.kind/],
        [{ name: "a", keys: 1 }, 400, /"keys" is not known here/],
        [{ name: "a", meshAddress: 40_000 }, 400, /meshAddress 40000/],
        [{ name: "a", meshAddress: 0x12 }, 409, /mesh address 18 belongs to "node-1"/],
        [{ name: "a", replayWindow: 33 }, 400, /replayWindow 33: 1 to 32/],
        [{ name: "a", oscore: { ...oscore, masterSecret: "zz" } }, 400, /masterSecret/],
        [
          { name: "a", oscore: { ...oscore, masterSecret: "00" } },
          400,
          /oscore\.masterSecret: 16 to 64 bytes/,
        ],
        [{ name: "a", oscore: { ...oscore, nodeId: "" } }, 400, /oscore\.nodeId: equal to the Sender ID/],
        [{ name: "a", oscore: { ...oscore, serverId: "00".repeat(8) } }, 400, /oscore\.serverId: 8 bytes/],
        [{ name: "a", oscore: { ...oscore, algorithm: 99 } }, 400, /oscore\.algorithm: 99/],
        [{ name: "a", oscore: { ...oscore, nodeId: "0001" } }, 409, /node "node-1" has this OSCORE ID/],
      ];
      for (const [payload, status, message] of cases) {
        const response = await post(payload);
        assert.equal(response.statusCode, status, response.body);
        assert.match(response.json().message, message);
        assert.equal(response.body.includes("000000000000"), false, "no keys in errors");
      }
      assert.equal((await get("/api/nodes")).json().length, 1);
      const raw = (payload: string, type: string) =>
        app.inject({
          method: "POST",
          url: "/api/nodes",
          headers: { authorization, "content-type": type },
          payload,
        });
      assert.equal((await raw("{", "application/json")).statusCode, 400);
      assert.equal((await raw("x", "text/csv")).statusCode, 415);
      assert.equal((await raw(`{"name":"${"x".repeat(20_000)}"}`, "application/json")).statusCode, 413);
      assert.equal((await raw('{"__proto__":{"x":1},"name":"a"}', "application/json")).statusCode, 400);
    });
  });

  it("shows what was dropped in the metrics, and the page under a strict policy", async () => {
    const metrics = await get("/metrics");
    assert.match(metrics.headers["content-type"] as string, /^text\/plain/);
    for (const line of [
      'oscore_mesh_drops_total{layer="oscore",reason="oscore-decrypt"} 1',
      'oscore_mesh_readings_total{outcome="stored"} 5',
      'oscore_mesh_requests_total{outcome="stored"} 5',
      'oscore_mesh_devices{kind="node"} 1',
      'oscore_mesh_datagrams_total{direction="in"} 6',
    ]) {
      assert.ok(metrics.body.split("\n").includes(line), line);
    }
    assert.match(metrics.body, /oscore_mesh_drops_total\{layer="http",reason="400"\} \d/);
    const page = await get("/");
    assert.match(page.headers["content-security-policy"] as string, /default-src 'none'; script-src 'self'/);
    assert.equal(page.headers["x-content-type-options"], "nosniff");
    assert.equal((await get("/healthz")).json().status, "ok");
    assert.equal((await get("/readyz")).json().status, "ready");
  });

  it("sends the page's files small, and not twice", async () => {
    let total = 0;
    for (const url of ["/", "/page.js", "/page.css", "/icon.svg"]) {
      const packed = await app.inject({ method: "GET", url, headers: { "accept-encoding": "gzip" } });
      assert.equal(packed.headers["content-encoding"], "gzip");
      total += packed.rawPayload.length;
      const etag = packed.headers.etag as string;
      assert.equal(
        (await app.inject({ method: "GET", url, headers: { "if-none-match": etag } })).statusCode,
        304,
      );
    }
    assert.ok(total < 200_000, `${total} bytes`);
  });
});

describe("cloud server", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const start = (options: Partial<Parameters<typeof startServer>[0]> = {}) =>
    startServer({
      dataDir: join(directory, "a"),
      http: { port: 0 },
      coap: { host: "127.0.0.1", port: 0 },
      ...options,
    });

  it("streams what happens, and ends the stream when it stops", async () => {
    const server = await start();
    const response = await fetch(`${server.httpUrl}/api/stream`);
    assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
    await server.registry.upsert({ name: "relay-1", kind: "relay" });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("device-added")) text += (await reader.read()).value;
    assert.match(text, /event: node\ndata: \{"name":"relay-1"/);
    await server.stop();
    await server.stop();
    while (!(await reader.read()).done);
  });

  it("answers what is no HTTP, and counts it", async () => {
    const server = await start();
    const { port } = new URL(server.httpUrl!);
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), "127.0.0.1", () =>
        socket.end("\x16\x03\x01 this is not HTTP\r\n\r\n"),
      );
      socket.on("data", (data) => resolve(`${data}`));
    });
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request/);
    assert.equal(server.cloud.metrics.dropped("http", "malformed"), 1);
    await server.stop();
  });

  it("drops unread what exceeds the limit of one address", async () => {
    const server = await start({ sourceLimit: 10 });
    const socket = createSocket("udp4");
    const ping = Uint8Array.of(0x40, 0, 0, 1);
    let answers = 0;
    socket.on("message", () => answers++);
    for (let i = 0; i < 100; i++) socket.send(ping, server.coapAddress.port, "127.0.0.1");
    while (answers + server.cloud.metrics.dropped("udp", "source-limit") < 100) await setImmediate();
    assert.ok(answers >= 20 && answers < 100, `${answers} answers`);
    socket.close();
    await server.stop();
  });

  it("names a taken port and the way to another, and leaves nothing running", async () => {
    const first = await start();
    const httpPort = Number(new URL(first.httpUrl!).port);
    const dataDir = join(directory, "b");
    await assert.rejects(start({ dataDir, http: { port: httpPort } }), {
      name: "StartupError",
      message: `the HTTP port ${httpPort} (TCP, 127.0.0.1) is in use already; choose another with --http HOST:PORT or HTTP_PORT`,
    });
    await assert.rejects(start({ dataDir, coap: first.coapAddress }), {
      name: "StartupError",
      message: `the CoAP port ${first.coapAddress.port} (UDP, 127.0.0.1) is in use already; choose another with --coap HOST:PORT or COAP_PORT`,
    });
    await first.stop();
    await (await start({ dataDir })).stop();
  });
});

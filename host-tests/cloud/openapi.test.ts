import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { FastifyInstance } from "fastify";
import { buildApp } from "../../cloud/http/app.js";
import { Bench, EPOCH, TestNode } from "./helpers.js";

const TOKEN = "a-token-for-this-test";

interface Operation {
  readonly summary?: string;
  readonly responses: Record<string, { content?: Record<string, { schema: object }> }>;
}

interface Description {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

/** Requests to every operation, by what it is called in the description. */
const at = (minutes: number) => new Date(EPOCH + minutes * 60_000).toISOString();
const span = `from=${at(-1)}&to=${at(60)}`;
const CALLS: Record<string, readonly { url: string; payload?: object; headers?: object; status: number }[]> =
  {
    "GET /healthz": [{ url: "/healthz", status: 200 }],
    "GET /readyz": [{ url: "/readyz", status: 200 }],
    "GET /metrics": [{ url: "/metrics", status: 200 }],
    "GET /api/session": [{ url: "/api/session", status: 200 }],
    "GET /api/summary": [{ url: "/api/summary", status: 200 }],
    "GET /api/alarms": [{ url: "/api/alarms", status: 200 }],
    "GET /api/mesh": [{ url: "/api/mesh", status: 200 }],
    "GET /api/nodes": [
      { url: "/api/nodes", status: 200 },
      { url: "/api/nodes?limit=0", status: 400 },
    ],
    "GET /api/nodes/{name}": [
      { url: "/api/nodes/node-1", status: 200 },
      { url: "/api/nodes/gateway-1", status: 200 },
      { url: "/api/nodes/nobody", status: 404 },
    ],
    "POST /api/nodes": [
      { url: "/api/nodes", payload: { name: "relay-1", kind: "relay" }, status: 201 },
      { url: "/api/nodes", payload: { name: "relay-1", place: "Roof" }, status: 200 },
      { url: "/api/nodes", payload: { nome: "x" }, status: 400 },
    ],
    "DELETE /api/nodes/{name}": [{ url: "/api/nodes/relay-1", status: 204 }],
    "GET /api/nodes/{name}/requests": [{ url: "/api/nodes/node-1/requests", status: 200 }],
    "GET /api/nodes/{name}/settings": [
      { url: "/api/nodes/node-1/settings", headers: { prefer: "respond-async" }, status: 202 },
    ],
    "PUT /api/nodes/{name}/settings": [
      {
        url: "/api/nodes/node-1/settings",
        payload: { interval: 60 },
        headers: { prefer: "respond-async" },
        status: 202,
      },
    ],
    "GET /api/nodes/{name}/stats": [
      { url: "/api/nodes/node-1/stats", headers: { prefer: "respond-async" }, status: 202 },
    ],
    "GET /api/requests/{id}": [
      { url: "/api/requests/REQUEST", status: 200 },
      { url: "/api/requests/none", status: 404 },
    ],
    "DELETE /api/requests/{id}": [{ url: "/api/requests/none", status: 404 }],
    "GET /api/readings": [{ url: `/api/readings?node=node-1&${span}`, status: 200 }],
    "GET /api/series": [{ url: `/api/series?node=node-1&${span}&points=3`, status: 200 }],
    "GET /api/health": [{ url: `/api/health?node=node-1&${span}&points=3`, status: 200 }],
    "GET /api/export": [
      { url: "/api/export?format=csv", status: 200 },
      { url: "/api/export?format=senml", status: 200 },
      { url: "/api/export?format=json", status: 200 },
    ],
    "GET /api/events": [{ url: "/api/events", status: 200 }],
    // An endless answer: http.test.ts reads it.
    "GET /api/stream": [],
    ...Object.fromEntries(
      ["GET", "POST", "PUT", "PATCH", "DELETE"].map((method) => [
        `${method} /hc/{*}`,
        [
          { url: "/hc/coap://node-1/t", headers: { prefer: "respond-async" }, status: 202 },
          { url: "/hc/coap://nobody/t", status: 404 },
        ],
      ]),
    ),
  };

describe("cloud OpenAPI", () => {
  let bench: Bench;
  let app: FastifyInstance;
  let description: Description;

  before(async () => {
    const node = new TestNode("node-1", 1, { meshAddress: 0x12 });
    const gateway = new TestNode("gateway-1", 2, { kind: "gateway" });
    bench = await Bench.create({ nodes: [node, gateway] });
    const health = { uptime: 60, battery: 3000, rsrp: -90, queue: 0, modem: "ready", rat: "lte-m" };
    bench.receive(
      gateway.health({ ...health, drops: new Map([["x", 1]]), heard: new Map([[0x12, 2]]) }).datagram,
    );
    for (let i = 0; i < 3; i++) {
      bench.receive(node.reading(2000 + i).datagram);
      bench.pass(60_000);
    }
    const forged = node.reading(1).datagram;
    forged[forged.length - 1] ^= 1;
    bench.receive(forged);
    // Beyond the time that the node listens.
    bench.pass(60_000);
    const { registry, store, live, metrics, endpoint } = bench.cloud;
    app = buildApp({
      registry,
      store,
      live,
      metrics,
      endpoint,
      apiToken: TOKEN,
      wallTime: () => EPOCH + bench.now,
      trouble: () => undefined,
      onError: (error) => assert.fail(error),
      assets: new Map(),
    });
    description = (await app.inject("/api/openapi.json")).json();
  });
  after(() => app.close());

  it("names every operation once, and this test calls each", () => {
    assert.equal(description.openapi, "3.1.0");
    const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.deepEqual(operations.toSorted(), Object.keys(CALLS).toSorted());
  });

  it("tells nothing of keys", () => {
    const { schemas } = description.components;
    assert.equal(JSON.stringify(schemas).includes("masterSecret"), false);
  });

  it("says what the running server answers", async () => {
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    ajv.addSchema({ $id: "openapi", ...description });
    let requestId = "";
    for (const [name, calls] of Object.entries(CALLS)) {
      const [method, path] = name.split(" ");
      const { responses } = description.paths[path][method.toLowerCase()];
      for (const { url, payload, headers, status } of calls) {
        const response = await app.inject({
          method: method as "GET",
          url: url.replace("REQUEST", requestId),
          headers: { authorization: `Bearer ${TOKEN}`, ...headers },
          ...(payload !== undefined && { payload }),
        });
        assert.equal(response.statusCode, status, `${method} ${url}: ${response.body}`);
        const described = responses[`${status}`] ?? responses[`${`${status}`[0]}XX`];
        assert.ok(described, `${name} ${status} is described`);
        if (status === 204) continue;
        const type = `${response.headers["content-type"]}`.split(";")[0];
        const form = Object.entries(described.content ?? {}).find(([known]) => known.split(";")[0] === type);
        assert.ok(form, `${name} ${status}: ${type} is described`);
        if (type !== "application/json") continue;
        const place = `openapi#/paths/${path.replaceAll("~", "~0").replaceAll("/", "~1")}/${method.toLowerCase()}`;
        const key = responses[`${status}`] === undefined ? `${`${status}`[0]}XX` : `${status}`;
        const schema = { $ref: encodeURI(`${place}/responses/${key}/content/application~1json/schema`) };
        assert.ok(ajv.validate(schema, response.json()), `${name}: ${ajv.errorsText()}\n${response.body}`);
        if (status === 202) requestId = response.json().id;
      }
    }
  });
});

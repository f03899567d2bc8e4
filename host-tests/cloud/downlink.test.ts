import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { FastifyInstance, InjectOptions } from "fastify";
import { hostCrypto } from "#hal/crypto.js";
import { buildApp } from "../../cloud/http/app.js";
import { contentFormatOf, oscoreHeader, oscoreOption } from "../../cloud/http/coap-mapping.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeUtf8 } from "../../firmware/bytes/utf8.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { CoapHop } from "../../firmware/coap/hop.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import { Code, ContentFormat, OptionNumber } from "../../firmware/coap/numbers.js";
import {
  getOption,
  getUint,
  hasOption,
  opaqueOption,
  uintOption,
  uriPath,
} from "../../firmware/coap/options.js";
import { deriveContext, type SecurityContext } from "../../firmware/oscore/context.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import { unprotectRequest, unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { encodeHealth } from "../../firmware/reading/codec.js";
import { changeSettings, encodeSettings, type Settings } from "../../firmware/reading/settings.js";
import { Bench, decode, EPOCH, TestNode } from "./helpers.js";

const TOKEN = "a-token-for-this-test";
const ADDRESS = 0x12;
const NO_BYTES = new Uint8Array(0);

/** A node's resources behind a gateway's real hop. */
class NodeServer {
  readonly node = new TestNode("node 1", 1, { meshAddress: ADDRESS });
  readonly requests: CoapMessage[] = [];
  /** Whether the node wants to see an Echo first. */
  suspicious = false;
  deaf = false;
  settings: Settings = { interval: 60, confirmable: true, batch: 8 };
  context: SecurityContext;
  #interval = 60;
  readonly #hop = new CoapHop({ random: (length) => hostCrypto.random(length) });
  readonly #bench: Bench;
  readonly #source = "198.51.100.1:5000";

  constructor(bench: Bench) {
    this.#bench = bench;
    const { masterSecret, masterSalt, nodeId, serverId } = this.node.spec.oscore!;
    this.context = deriveContext(hostCrypto, {
      masterSecret,
      masterSalt,
      senderId: nodeId,
      recipientId: serverId,
    });
  }

  /** The node reports; what the server then has for it is delivered, and answered. */
  report(): void {
    this.#up(this.node.reading(2150).datagram);
  }

  #up(message: Uint8Array): void {
    const datagram = this.#hop.fromMesh(ADDRESS, message, this.#bench.now);
    assert.ok(!(datagram instanceof Refusal), `${datagram}`);
    for (const answer of this.#bench.receive(datagram, this.#source)) this.down(answer);
  }

  /** A datagram from the server arrives at the gateway. */
  down(datagram: Uint8Array): void {
    const passed = this.#hop.fromUpstream(datagram, this.#bench.now);
    assert.ok(!(passed instanceof Refusal), `${passed}`);
    assert.equal(passed.destination, ADDRESS);
    const message = decode(passed.bytes);
    if (message.code >= 0x20 || message.code === Code.EMPTY || this.deaf) return;
    assert.equal(hasOption(message, OptionNumber.URI_HOST), false);
    const opened = unprotectRequest(this.context, message);
    const { type, messageId, token } = message;
    const back = { type: Type.ACK, messageId, token };
    assert.equal(type, Type.CON);
    if (opened instanceof Refusal) {
      this.#up(encodeMessage({ ...back, code: Code.UNAUTHORIZED, options: [], payload: NO_BYTES }));
      return;
    }
    this.requests.push(opened.message);
    this.#up(encodeMessage(protectResponse(opened.exchange, { ...back, ...this.#answer(opened.message) })));
  }

  #answer(request: CoapMessage): Pick<CoapMessage, "code" | "options" | "payload"> {
    if (this.suspicious && getOption(request, OptionNumber.ECHO) === undefined) {
      return {
        code: Code.UNAUTHORIZED,
        options: [opaqueOption(OptionNumber.ECHO, Uint8Array.of(7))],
        payload: NO_BYTES,
      };
    }
    const text = (value: string) => ({
      code: Code.CONTENT,
      options: [
        uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.TEXT),
        uintOption(OptionNumber.MAX_AGE, 30),
      ],
      payload: encodeUtf8(value),
    });
    const path = uriPath(request).join("/");
    if (path === "t" && request.code === Code.GET) return text("21.50");
    const cbor = (code: number, payload: Uint8Array) => ({
      code,
      options: [uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.CBOR)],
      payload,
    });
    if (path === "stats" && request.code === Code.GET) {
      return cbor(Code.CONTENT, encodeHealth({ uptime: 77, battery: 2900, drops: new Map([["x", 3]]) }));
    }
    if (path === "settings") {
      if (request.code === Code.PUT) {
        const changed = changeSettings(this.settings, request.payload);
        if (changed instanceof Refusal || changed.batch === 7) {
          return { code: Code.UNPROCESSABLE_ENTITY, options: [], payload: NO_BYTES };
        }
        this.settings = changed;
      }
      return cbor(request.code === Code.PUT ? Code.CHANGED : Code.CONTENT, encodeSettings(this.settings));
    }
    if (path === "interval" && request.code === Code.GET) return text(`${this.#interval}`);
    if (path === "interval" && request.code === Code.PUT) {
      if (getUint(request, OptionNumber.CONTENT_FORMAT) !== ContentFormat.TEXT) {
        return { code: Code.UNSUPPORTED_CONTENT_FORMAT, options: [], payload: NO_BYTES };
      }
      this.#interval = Number(Buffer.from(request.payload));
      return { code: Code.CHANGED, options: [], payload: NO_BYTES };
    }
    return { code: Code.NOT_FOUND, options: [], payload: encodeUtf8("no such resource") };
  }
}

describe("cloud to node", () => {
  let bench: Bench;
  let server: NodeServer;
  let app: FastifyInstance;

  beforeEach(async () => {
    bench = await Bench.create();
    server = new NodeServer(bench);
    await bench.cloud.registry.upsert(server.node.spec);
    bench.settle();
    const { registry, store, live, metrics, endpoint } = bench.cloud;
    app = buildApp({
      registry,
      store,
      live,
      metrics,
      apiToken: TOKEN,
      endpoint,
      wallTime: () => EPOCH + bench.now,
      trouble: () => undefined,
      onError: (error) => assert.fail(error),
      assets: new Map(),
    });
    await app.ready();
  });
  afterEach(() => app.close());

  const ask = (url: string, options: InjectOptions = {}) =>
    app.inject({
      url,
      method: "GET",
      ...options,
      headers: { authorization: `Bearer ${TOKEN}`, ...options.headers },
    } as InjectOptions);
  /** The requests under way have got as far as they can without the node. */
  const submitted = async () => {
    for (let i = 0; i < 20; i++) await setImmediate();
  };
  const NODE = "/hc/coap://node%201";
  const async = { prefer: "respond-async" };

  it("waits until the node is heard, and brings its answer", async () => {
    const pending = ask(`${NODE}/t`);
    await submitted();
    assert.equal(server.requests.length, 0, "the node does not listen yet");
    server.report();
    const response = await pending;
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers["content-type"], "text/plain;charset=utf-8");
    assert.equal(response.headers["cache-control"], "private, max-age=30");
    assert.equal(response.body, "21.50");
    assert.equal(bench.live.reading.length, 1);
  });

  it("says where to look when the answer takes longer", async () => {
    const accepted = await ask("/hc/coap://0012.mesh/t", { headers: async });
    assert.equal(accepted.statusCode, 202);
    const location = accepted.headers.location as string;
    assert.deepEqual(
      (({ state, request, node }) => ({ state, request, node }))((await ask(location)).json()),
      { state: "waiting", request: "GET /t", node: "node 1" },
    );
    const later = ask(`${location}?wait=20`);
    await submitted();
    server.report();
    const { state, answer } = (await later).json();
    assert.equal(state, "answered");
    assert.deepEqual(answer, {
      code: "2.05",
      mediaType: "text/plain;charset=utf-8",
      payload: Buffer.from("21.50").toString("base64url"),
    });
    bench.pass(700_000);
    assert.equal((await ask(location)).statusCode, 404, "forgotten");
  });

  it("changes a resource, one request after the other", async () => {
    const put = ask(`${NODE}/interval`, {
      method: "PUT",
      payload: "30",
      headers: { "content-type": "text/plain" },
    });
    await submitted();
    const get = ask(`${NODE}/interval`);
    await submitted();
    const gone = ask(`${NODE}/nothing`, { method: "DELETE" });
    await submitted();
    server.report();
    assert.equal((await put).statusCode, 204);
    assert.equal((await get).body, "30");
    const { statusCode, body } = await gone;
    assert.deepEqual([statusCode, body], [404, "no such resource"]);
  });

  it("tells and changes a node's settings, and tells its statistics", async () => {
    const url = "/api/nodes/node%201/settings";
    const pending = [ask(url)];
    await submitted();
    pending.push(ask(url, { method: "PUT", payload: { interval: 30, confirmable: false } }));
    await submitted();
    pending.push(ask(url, { method: "PUT", payload: { batch: 7 } }));
    await submitted();
    pending.push(ask("/api/nodes/node%201/stats"));
    await submitted();
    assert.deepEqual(
      (await ask("/api/nodes/node%201/requests"))
        .json()
        .map(({ request, state }: { request: string; state: string }) => [request, state]),
      [
        ["GET /settings", "waiting"],
        ["PUT /settings", "waiting"],
        ["PUT /settings", "waiting"],
        ["GET /stats", "waiting"],
      ],
    );
    bench.live.request.length = 0;
    server.report();
    const [told, changed, refused, stats] = await Promise.all(pending);
    assert.deepEqual(told.json(), { interval: 60, confirmable: true, batch: 8 });
    assert.deepEqual(changed.json(), { interval: 30, confirmable: false, batch: 8 });
    assert.deepEqual([refused.statusCode, refused.json().error], [422, "refused-by-node"]);
    const { uptime, battery, drops } = stats.json();
    assert.deepEqual({ uptime, battery, drops }, { uptime: 77, battery: 2.9, drops: { x: 3 } });
    const { settings, interval } = (await ask("/api/nodes/node%201")).json();
    assert.deepEqual([settings.interval, settings.confirmable, settings.batch], [30, false, 8]);
    assert.equal(interval, 30, "it is not silent before it has missed some of those");
    assert.deepEqual(
      bench.live.request.map(({ state }) => state),
      ["sent", "answered", "sent", "answered", "sent", "answered", "sent", "answered"],
    );
    assert.deepEqual(
      bench.live.event
        .map(({ reason, node }) => [reason, node])
        .filter(([reason]) => reason === "settings-changed"),
      [["settings-changed", "node 1"]],
    );
    assert.deepEqual(bench.live.request[3].result, {
      settings: { interval: 30, confirmable: false, batch: 8 },
    });
  });

  it("says what is wrong with settings before it bothers the node", async () => {
    const url = "/api/nodes/node%201/settings";
    for (const payload of [{}, { interval: 0 }, { interval: 90_000 }, { batch: 11 }, { colour: 1 }]) {
      const { statusCode } = await ask(url, { method: "PUT", payload });
      assert.equal(statusCode, 400, JSON.stringify(payload));
    }
    assert.equal((await ask(url, { headers: { authorization: "" } })).statusCode, 401);
    assert.equal((await ask("/api/nodes/nobody/settings")).statusCode, 404);
    assert.equal((await ask("/api/nodes/nobody/requests")).statusCode, 404);
    assert.deepEqual((await ask("/api/nodes/node%201/requests")).json(), []);
  });

  it("takes a request back as long as it has not left", async () => {
    const { headers } = await ask(`${NODE}/t`, { headers: async });
    const url = headers.location as string;
    assert.equal((await ask(url, { method: "DELETE", headers: { authorization: "" } })).statusCode, 401);
    assert.equal((await ask(url, { method: "DELETE" })).statusCode, 204);
    const { state, failure } = (await ask(url)).json();
    assert.deepEqual([state, failure], ["failed", "taken back"]);
    assert.equal((await ask(url, { method: "DELETE" })).statusCode, 409);
    server.report();
    assert.equal(server.requests.length, 0);
  });

  it("proves its freshness when the node asks for that", async () => {
    server.suspicious = true;
    const pending = ask(`${NODE}/t`);
    await submitted();
    server.report();
    assert.equal((await pending).body, "21.50");
    assert.equal(server.requests.length, 2);
  });

  it("believes no answer that is not the node's, and tries again when it is heard again", async () => {
    const { context } = server;
    const { masterSalt, nodeId, serverId } = server.node.spec.oscore!;
    server.context = deriveContext(hostCrypto, {
      masterSecret: new Uint8Array(16).fill(66),
      masterSalt,
      senderId: nodeId,
      recipientId: serverId,
    });
    const { headers } = await ask(`${NODE}/t`, { headers: async });
    server.report();
    const state = async () => (await ask(headers.location as string)).json();
    assert.equal((await state()).state, "sent");
    for (let i = 0; i < 300; i++) bench.pass(1000);
    assert.deepEqual([(await state()).state, (await state()).attempts], ["waiting", 1]);
    server.context = context;
    server.report();
    assert.deepEqual([(await state()).state, (await state()).attempts], ["answered", 2]);
  });

  it("gives up when the node is never heard, or removed", async () => {
    const { headers } = await ask(`${NODE}/t`, { headers: async });
    bench.pass(25 * 3_600_000);
    assert.deepEqual(
      (await ask(headers.location as string)).json().failure,
      "the node was not heard in time",
    );
    const pending = ask(`${NODE}/t`);
    await submitted();
    await bench.cloud.registry.remove("node 1");
    assert.equal((await pending).statusCode, 504);
  });

  it("passes a message on that it cannot read, and its answer too (RFC 8613 §11)", async () => {
    // A context that the node shares with somebody else.
    const own = { masterSecret: new Uint8Array(16).fill(42), masterSalt: NO_BYTES };
    const [nodeId, clientId] = [Uint8Array.of(1), Uint8Array.of(9)];
    server.context = deriveContext(hostCrypto, { ...own, senderId: nodeId, recipientId: clientId });
    const client = deriveContext(hostCrypto, { ...own, senderId: clientId, recipientId: nodeId });
    const { message, exchange } = protectRequest(
      client,
      {
        type: Type.CON,
        code: Code.GET,
        messageId: 0,
        token: NO_BYTES,
        options: [{ number: OptionNumber.URI_PATH, value: encodeUtf8("t") }],
        payload: NO_BYTES,
      },
      0,
    );
    const pending = ask(`${NODE}/`, {
      method: "POST",
      headers: {
        oscore: oscoreHeader(getOption(message, OptionNumber.OSCORE)!),
        "content-type": "application/oscore",
      },
      payload: Buffer.from(message.payload),
    });
    await submitted();
    server.report();
    const response = await pending;
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers["content-type"], "application/oscore");
    const answer = unprotectResponse(exchange, {
      ...message,
      code: Code.CHANGED,
      options: [opaqueOption(OptionNumber.OSCORE, oscoreOption(response.headers.oscore as string)!)],
      payload: new Uint8Array(response.rawPayload),
    });
    assert.ok(!(answer instanceof Refusal), `${answer}`);
    assert.equal(Buffer.from(answer.message.payload).toString(), "21.50");
  });

  it("says what is wrong", async () => {
    const post = (headers: Record<string, string>, payload = "x") => ({
      method: "POST" as const,
      headers,
      payload,
    });
    const cases: [string, InjectOptions, number, string][] = [
      [`${NODE}/t`, { headers: { authorization: "" } }, 401, "unauthorized"],
      ["/hc/coap://nobody/t", {}, 404, "not-found"],
      ["/hc/http://node/t", {}, 400, "bad-request"],
      ["/hc/coap://%zz/t", {}, 400, "bad-request"],
      [
        `${NODE}/t`,
        { method: "PUT", payload: "x", headers: { "content-type": "image/png" } },
        415,
        "not-in-coap",
      ],
      [`${NODE}/t`, { headers: { accept: "image/png" } }, 406, "not-in-coap"],
      [`${NODE}/${"x".repeat(256)}`, {}, 414, "not-in-coap"],
      [`${NODE}/`, post({ oscore: "**" }), 400, "bad-request"],
      [`${NODE}/`, post({ oscore: "AA" }), 415, "unsupported-media-type"],
      [`${NODE}/t`, post({ "content-type": "application/coap-payload;cf=65536" }), 415, "not-in-coap"],
      [`${NODE}/`, { method: "PUT", headers: { oscore: "AA" }, payload: "x" }, 400, "bad-request"],
      ["/api/requests/none", {}, 404, "not-found"],
    ];
    for (const [url, options, status, error] of cases) {
      const response = await ask(url, options);
      assert.deepEqual(
        [response.statusCode, response.json().error],
        [status, error],
        `${url} ${response.body}`,
      );
    }
    await bench.cloud.registry.upsert({ name: "relay", kind: "relay", meshAddress: 5 });
    await bench.cloud.registry.upsert({ ...new TestNode("far", 3).spec });
    assert.equal((await ask("/hc/coap://relay/t")).json().error, "no-keys");
    assert.equal((await ask("/hc/coap://far/t")).json().error, "no-mesh-address");
    for (let i = 0; i < 16; i++) await ask(`${NODE}/t`, { headers: async });
    assert.equal((await ask(`${NODE}/t`, { headers: async })).statusCode, 503);
  });

  it("knows formats without a media type by their numbers (RFC 8075 §6.2)", () => {
    assert.equal(contentFormatOf("application/coap-payload;cf=11542"), 11542);
    assert.equal(contentFormatOf("Application/CBOR; x=y"), ContentFormat.CBOR);
    assert.equal(contentFormatOf("image/png"), undefined);
  });

  it("reads and writes the OSCORE header as RFC 8613 §11.2 has it", () => {
    assert.equal(oscoreHeader(NO_BYTES), "AA");
    assert.deepEqual(oscoreOption("AA"), NO_BYTES);
    assert.deepEqual(oscoreOption("CSU"), Uint8Array.of(0x09, 0x25));
    assert.equal(oscoreHeader(Uint8Array.of(0x09, 0x25)), "CSU");
    assert.equal(oscoreOption("a b"), undefined);
    assert.equal(oscoreOption(""), undefined);
  });
});

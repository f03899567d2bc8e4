import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InjectOptions } from "fastify";
import { Code, ContentFormat, OptionNumber } from "../../firmware/coap/numbers.js";
import { pathOptions, uintOption } from "../../firmware/coap/options.js";
import { MemoryReserve } from "../../firmware/oscore/memory-store.js";
import { encodeSettings, type Settings } from "../../firmware/reading/settings.js";
import type { OscoreIdentity } from "../../firmware/roles/identity.js";
import { ContextsFileError } from "../../scripts/oscore/contexts.js";
import { ClientFile } from "../../scripts/oscore-http/client-file.js";
import { exchangeOverHttp, type HttpExchangeOptions, NoAnswer } from "../../scripts/oscore-http/exchange.js";
import { assertOnlyTruth, TestSystem } from "./harness.js";
import { HttpClient, TOKEN } from "./http-client.js";

const SECRET = new Uint8Array(16).fill(0xc1);
const NODE_SIDE: OscoreIdentity = {
  masterSecret: SECRET,
  masterSalt: new Uint8Array(8).fill(0xc2),
  senderId: new Uint8Array(0),
  recipientId: Uint8Array.of(0x63),
};
const CLIENT_SIDE = { ...NODE_SIDE, senderId: NODE_SIDE.recipientId, recipientId: NODE_SIDE.senderId };

/** An HTTP request as the proxy sees it. */
interface Seen {
  readonly url: string;
  readonly options: InjectOptions;
}

/** A client behind an HTTP proxy that tells what it sees, and may do with it what it likes. */
class Bench {
  readonly seen: Seen[] = [];
  readonly http: HttpClient;
  readonly system: TestSystem;
  readonly #numbers = new MemoryReserve();
  change: (body: Buffer) => Buffer = (body) => body;

  private constructor(system: TestSystem) {
    this.system = system;
    this.http = new HttpClient(system);
  }

  static async start(): Promise<Bench> {
    const system = await new TestSystem({ nodes: 2, relays: 1, client: () => NODE_SIDE }).start();
    system.run(30);
    return new Bench(system);
  }

  async #fetch(url: string, { method = "GET", headers, body }: RequestInit): Promise<Response> {
    const options = {
      method,
      headers,
      payload: body === undefined ? undefined : Buffer.from(body as Uint8Array),
    };
    const one = { url: url.replace("http://proxy", ""), options: options as InjectOptions };
    this.seen.push(one);
    return this.forward(one);
  }

  /** Nobody waits on the wall's clock: virtual time goes on instead. */
  async forward({ url, options }: Seen): Promise<Response> {
    if (url.startsWith("/api/requests/")) this.system.run(10);
    const answer = await this.http.inject(url.replace(/\?wait=\d+/, ""), {
      ...options,
      headers: { ...options.headers, prefer: "respond-async" },
    });
    const body = answer.rawPayload;
    return new Response(this.change(body), {
      status: answer.statusCode,
      headers: answer.headers as Record<string, string>,
    });
  }

  ask(code: number, path: string, settings?: Partial<Settings>, options: Partial<HttpExchangeOptions> = {}) {
    const format =
      settings === undefined ? [] : [uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.CBOR)];
    return exchangeOverHttp(
      {
        code,
        options: [...pathOptions(path), ...format],
        payload: settings === undefined ? new Uint8Array(0) : encodeSettings(settings),
      },
      {
        parameters: CLIENT_SIDE,
        numbers: this.#numbers,
        fetch: (url, init) => this.#fetch(url, init),
        server: "http://proxy",
        node: "node-1",
        token: TOKEN,
        wait: 600,
        ...options,
      },
    );
  }

  get interval(): number {
    const role = this.system.world.devices.get("node-1")!.role;
    return (role as unknown as { settings: Settings }).settings.interval;
  }
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe("OSCORE in HTTP (RFC 8613 §11)", () => {
  it("reaches a node end to end: two proxies pass on what they cannot read", async () => {
    const bench = await Bench.start();
    const answer = await bench.ask(Code.GET, "/t");
    assert.equal(answer.code, Code.CONTENT);
    assert.match(text(answer.payload), /^-?\d+\.\d\d$/);
    const changed = await bench.ask(Code.PUT, "/settings", { interval: 20 });
    assert.equal(changed.code, Code.CHANGED);
    assert.equal(bench.interval, 20);
    assert.equal((await bench.ask(Code.GET, "/nothing")).code, Code.NOT_FOUND);
    for (const { request, answer: seen } of (await bench.http.inject("/api/nodes/node-1/requests")).json()) {
      assert.equal(request, "OSCORE message");
      assert.notEqual(seen.oscore, undefined);
      assert.doesNotMatch(text(Buffer.from(seen.payload, "base64url")), /\d\d\.\d\d/);
    }
    assertOnlyTruth(bench.system);
  });

  it("is carried out once, whatever the proxy keeps and says again", async () => {
    const bench = await Bench.start();
    await bench.ask(Code.PUT, "/settings", { interval: 20 });
    const kept = bench.seen.filter(({ url }) => url.startsWith("/hc/"));
    await bench.ask(Code.PUT, "/settings", { interval: 15 });
    for (const restart of [false, true]) {
      if (restart) bench.system.powerCycle(2);
      for (const one of kept) {
        await bench.forward(one);
        bench.system.run(30);
      }
      assert.equal(bench.interval, 15);
    }
    assert.equal((await bench.ask(Code.PUT, "/settings", { interval: 12 })).code, Code.CHANGED);
    assert.equal(bench.interval, 12);
  });

  it("takes no answer that a proxy has changed, and no error for one", async () => {
    const bench = await Bench.start();
    await bench.ask(Code.GET, "/t");
    bench.change = (body) => Buffer.from(body.toString().replace(/"payload":"../, '"payload":"xx'));
    await assert.rejects(bench.ask(Code.GET, "/t"), (error: Error) => {
      assert.ok(error instanceof NoAnswer);
      return /does not verify/.test(error.message);
    });
    bench.change = (body) => body;
    const stranger = { ...CLIENT_SIDE, masterSecret: new Uint8Array(16).fill(1) };
    await assert.rejects(
      bench.ask(Code.GET, "/t", undefined, { parameters: stranger }),
      /unprotected.*4\.00/,
    );
    const unknown = { ...CLIENT_SIDE, senderId: Uint8Array.of(0x64) };
    await assert.rejects(bench.ask(Code.GET, "/t", undefined, { parameters: unknown }), /unprotected.*4\.01/);
    await assert.rejects(bench.ask(Code.GET, "/t", undefined, { node: "nobody" }), /HTTP 404/);
    await assert.rejects(bench.ask(Code.GET, "/t", undefined, { token: "wrong" }), /HTTP 401/);
  });

  it("does not get into the way of the server's own requests", async () => {
    const bench = await Bench.start();
    const own = bench.http.ask("/api/nodes/node-1/settings", { method: "PUT", payload: { interval: 11 } });
    assert.equal((await own).result.settings.interval, 11);
    await bench.ask(Code.PUT, "/settings", { batch: 2 });
    const { result } = await bench.http.ask("/api/nodes/node-1/settings");
    assert.deepEqual(result.settings, { interval: 11, confirmable: true, batch: 2 });
  });
});

describe("a client's contexts", () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
    path = join(directory, "client.json");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("come back with their numbers, which are taken before they are used", () => {
    new ClientFile(path).put("node-1", CLIENT_SIDE);
    new ClientFile(path).put("node-2", CLIENT_SIDE);
    const taken = [1, 2, 3].map(() => new ClientFile(path).reserve("node-1").reserve(1));
    assert.deepEqual(taken, [0, 1, 2]);
    assert.equal(new ClientFile(path).reserve("node-2").reserve(1), 0);
    const [first] = new ClientFile(path).contexts();
    assert.equal(first.name, "node-1");
    assert.deepEqual(first.parameters.masterSecret, SECRET);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("are refused without their numbers, and while another client writes", () => {
    const file = new ClientFile(path);
    file.put("node-1", CLIENT_SIDE);
    writeFileSync(`${path}.lock`, "");
    assert.throws(() => file.reserve("node-1").reserve(1), ContextsFileError);
    rmSync(`${path}.lock`);
    writeFileSync(path, readFileSync(path, "utf8").replace('"next": 0', '"first": 0'));
    assert.throws(() => file.reserve("node-1").reserve(1), /has no sequence number/);
    assert.throws(() => file.reserve("node-9").reserve(1), ContextsFileError);
  });
});

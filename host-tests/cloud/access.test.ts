import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { get as getHttps } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import type { FastifyInstance, InjectOptions } from "fastify";
import { TokenFile } from "../../cloud/access.js";
import { buildApp, type HttpContext } from "../../cloud/http/app.js";
import { type LogEntry, startServer } from "../../cloud/server.js";
import { Bench } from "./helpers.js";

const API_TOKEN = "the-token-of-the-data-directory";
const REMOTE = "192.0.2.7";

describe("cloud access", () => {
  let directory: string;
  let tokens: TokenFile;
  let app: FastifyInstance;
  const made: FastifyInstance[] = [];

  const build = async (
    options: Partial<Pick<HttpContext, "openOnLoopback" | "rateLimit" | "onWrite">> = {},
  ) => {
    const { registry, store, live, metrics, endpoint } = (await Bench.create()).cloud;
    const built = buildApp({
      ...options,
      registry,
      store,
      live,
      metrics,
      endpoint,
      apiToken: API_TOKEN,
      tokens: () => tokens.current(),
      wallTime: Date.now,
      trouble: () => undefined,
      onError: (error) => assert.fail(error),
      assets: new Map([
        ["/", { type: "text/html", body: Buffer.from("page"), gzip: Buffer.from(""), etag: "x" }],
      ]),
    });
    made.push(built);
    return built;
  };
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
    tokens = new TokenFile(join(directory, "tokens.json"));
    app = await build();
  });
  afterEach(async () => {
    for (const one of made.splice(0)) await one.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const status = async (options: InjectOptions) => (await app.inject(options)).statusCode;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const relay = { name: "relay-1", kind: "relay" };

  it("lets whoever is on this machine look, and nobody else", async () => {
    assert.equal(await status({ url: "/api/nodes" }), 200);
    assert.equal(await status({ url: "/api/nodes", remoteAddress: "::1" }), 200);
    assert.equal(await status({ url: "/api/nodes", remoteAddress: REMOTE }), 401);
    assert.equal(await status({ url: "/metrics", remoteAddress: REMOTE }), 401);
    for (const url of ["/", "/healthz", "/readyz"])
      assert.equal(await status({ url, remoteAddress: REMOTE }), 200, url);
    app = await build({ openOnLoopback: false });
    assert.equal(await status({ url: "/api/nodes" }), 401);
    assert.equal(await status({ url: "/api/nodes", headers: bearer(API_TOKEN) }), 200);
  });

  it("takes a client behind a proxy on this machine for what it is", async () => {
    assert.equal(await status({ url: "/api/nodes", headers: { "x-forwarded-for": REMOTE } }), 401);
    assert.equal(
      await status({ url: "/api/nodes", headers: { "x-forwarded-for": `127.0.0.1, ${REMOTE}` } }),
      401,
    );
    const remote = { remoteAddress: REMOTE, headers: { "x-forwarded-for": "127.0.0.1" } };
    assert.equal(await status({ url: "/api/nodes", ...remote }), 401);
  });

  it("does not answer a page whose name was made to lead here", async () => {
    assert.equal(await status({ url: "/api/nodes", headers: { host: "evil.example:8080" } }), 401);
    assert.equal(await status({ url: "/api/nodes", headers: { host: "127.0.0.1:8080" } }), 200);
  });

  it("gives each role what is its own", async () => {
    const [viewer, operator, admin] = (["viewer", "operator", "admin"] as const).map((role) =>
      tokens.add(role, role, new Date(0)),
    );
    const post = (token: string) =>
      status({
        method: "POST",
        url: "/api/nodes",
        remoteAddress: REMOTE,
        headers: bearer(token),
        payload: relay,
      });
    const ask = (token: string) =>
      status({ url: "/hc/coap://nobody/t", remoteAddress: REMOTE, headers: bearer(token) });
    const look = (token: string) =>
      status({ url: "/api/nodes", remoteAddress: REMOTE, headers: bearer(token) });
    assert.deepEqual(
      await Promise.all([viewer, operator, admin, API_TOKEN, "wrong"].map(look)),
      [200, 200, 200, 200, 401],
    );
    // Not found, but allowed to ask.
    assert.deepEqual(await Promise.all([viewer, operator, admin].map(ask)), [403, 404, 404]);
    assert.deepEqual([await post(viewer), await post(operator), await post(admin)], [403, 403, 201]);
    assert.equal(await status({ method: "POST", url: "/api/nodes", payload: relay }), 401);
    tokens.remove("admin");
    assert.equal(await post(admin), 401);
  });

  it("logs who changed what, and no token", async () => {
    const written: unknown[] = [];
    app = await build({ onWrite: (...what) => written.push(what) });
    const token = tokens.add("ann", "admin", new Date(0));
    await status({ method: "POST", url: "/api/nodes", headers: bearer(token), payload: relay });
    await status({ method: "DELETE", url: "/api/nodes/relay-1?x=1", headers: bearer(token) });
    await status({ url: "/api/nodes", headers: bearer(token) });
    assert.deepEqual(written, [
      ["ann", "POST /api/nodes", 201],
      ["ann", "DELETE /api/nodes/relay-1", 204],
    ]);
  });

  it("limits wrong tokens, and requests, of one address", async () => {
    const wrong = () => status({ url: "/api/nodes", remoteAddress: REMOTE, headers: bearer("wrong") });
    const answers: number[] = [];
    for (let i = 0; i < 12; i++) answers.push(await wrong());
    assert.deepEqual([answers[0], answers[11]], [401, 429]);
    assert.equal(await status({ url: "/api/nodes", remoteAddress: REMOTE, headers: bearer(API_TOKEN) }), 200);
    app = await build({ rateLimit: 3 });
    const fourth: number[] = [];
    for (let i = 0; i < 4; i++) fourth.push(await status({ url: "/healthz", remoteAddress: REMOTE }));
    assert.deepEqual(fourth, [200, 200, 200, 429]);
    assert.equal(await status({ url: "/healthz" }), 200);
    const refused = await app.inject({ url: "/healthz", remoteAddress: REMOTE });
    assert.equal(refused.json().error, "too-many-requests");
  });

  it("tells a page whom it is taken for", async () => {
    const who = async (options: InjectOptions) =>
      (await app.inject({ url: "/api/session", ...options })).json();
    assert.deepEqual(await who({}), { name: "this machine", role: "viewer" });
    assert.deepEqual(await who({ headers: bearer(API_TOKEN) }), { name: "api-token", role: "admin" });
    assert.equal((await who({ remoteAddress: REMOTE })).error, "unauthorized");
  });

  it("keeps hashes of tokens, in a file of its owner's", () => {
    const token = tokens.add("a", "viewer", new Date(0));
    const file = join(directory, "tokens.json");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(readFileSync(file, "utf8").includes(token), false);
    assert.throws(() => tokens.add("a", "admin", new Date(0)), /already/);
    assert.throws(() => tokens.add("a b", "admin", new Date(0)), /no name of a token/);
    assert.throws(() => tokens.remove("b"), /there is no token/);
    writeFileSync(file, "{}");
    assert.throws(() => new TokenFile(file), /cannot be read/);
    assert.equal(tokens.current().length, 1, "a damaged file changes nothing");
  });

  it("is told of tokens by a command", () => {
    const run = (...words: string[]) =>
      spawnSync(process.execPath, ["--import", "tsx", "scripts/token.ts", ...words, "--data", directory], {
        encoding: "utf8",
      });
    const added = run("add", "grafana", "--role", "viewer");
    assert.equal(added.status, 0, added.stderr);
    assert.match(added.stdout, /^[\w-]{32}\n$/);
    assert.match(run("list").stdout, /^grafana\tviewer\t/);
    assert.equal(run("remove", "nobody").status, 1);
    assert.equal(run("add", "x", "--role", "king").status, 2);
    assert.deepEqual(
      tokens.current().map(({ name }) => name),
      ["grafana"],
    );
  });

  it("speaks TLS, and takes a new certificate while it runs", async function () {
    try {
      execFileSync("openssl", ["version"], { stdio: "pipe" });
    } catch {
      this.skip();
    }
    const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
    const certificate = (name: string) =>
      execFileSync(
        "openssl",
        [
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:P-256",
          "-nodes",
          "-days",
          "1",
        ].concat(["-subj", `/CN=${name}`, "-keyout", files.key, "-out", files.cert]),
        { stdio: "pipe" },
      );
    certificate("first");
    const logged: LogEntry[] = [];
    const options = { dataDir: directory, http: { port: 0 }, coap: { host: "127.0.0.1", port: 0 } };
    await assert.rejects(startServer({ ...options, tls: { ...files, key: "none" } }), /cannot be read/);
    const server = await startServer({ ...options, tls: files, log: (entry) => logged.push(entry) });
    const { port, protocol } = new URL(server.httpUrl!);
    assert.equal(protocol, "https:");
    const name = () =>
      new Promise<unknown>((resolve, reject) => {
        const socket = connect({ port: Number(port), host: "127.0.0.1", rejectUnauthorized: false }, () => {
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        });
        socket.on("error", reject);
      });
    assert.equal(await name(), "first");
    const answer = await new Promise<Record<string, unknown>>((resolve) =>
      getHttps(`${server.httpUrl}/healthz`, { rejectUnauthorized: false }, (response) => {
        response.resume();
        resolve({ ...response.headers, status: response.statusCode });
      }),
    );
    assert.equal(answer.status, 200);
    assert.ok(answer["strict-transport-security"]);
    certificate("second");
    server.reloadTls();
    assert.equal(await name(), "second");
    writeFileSync(files.key, "damaged");
    server.reloadTls();
    assert.equal(await name(), "second");
    assert.equal(logged.at(-1)?.event, "tls-unusable");
    await server.stop();
  });
});

import rateLimit from "@fastify/rate-limit";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import type { CloudEndpoint } from "../endpoint.js";
import { RegistryError } from "../errors.js";
import type { Live } from "../live.js";
import type { Metrics } from "../metrics.js";
import type { NetworkBackups } from "../network-backups.js";
import type { Registry } from "../registry.js";
import type { Store } from "../store/store.js";
import { type AccessOptions, guard, isLoopback, sessionRoutes } from "./access.js";
import type { Asset } from "./assets.js";
import { backupRoutes } from "./backups.js";
import { deliveryRoutes } from "./deliveries.js";
import { content, described } from "./descriptions.js";
import { nodeRoutes } from "./nodes.js";
import { demandDescriptions, describe } from "./openapi.js";
import { overviewRoutes } from "./overview.js";
import { queryRoutes } from "./queries.js";
import { requestRoutes } from "./requests.js";
import { settingsRoutes } from "./settings.js";
import { streamRoute } from "./stream.js";

/** What the HTTP side sees of the server. */
export interface HttpContext extends AccessOptions {
  readonly registry: Registry;
  readonly store: Store;
  readonly live: Live;
  readonly metrics: Metrics;
  readonly endpoint: CloudEndpoint;
  /** Absent: none are kept. */
  readonly backups?: NetworkBackups;
  /** ms since 1970 */
  readonly wallTime: () => number;
  /** Why the server should get no traffic now; `undefined` when it is fine. */
  readonly trouble: () => string | undefined;
  readonly onError: (error: Error) => void;
  /** Somebody has changed something, or talked to a node. */
  readonly onWrite?: (who: string, what: string, status: number) => void;
  readonly assets: ReadonlyMap<string, Asset>;
  /** Requests of one address a minute, those of this machine aside. Default 1200. */
  readonly rateLimit?: number | undefined;
  /** TLS: certificate chain and key, both PEM. Default: none. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

/** An answer that a handler gives by throwing. */
export class HttpError extends Error {
  readonly statusCode: number;
  readonly error: string;
  constructor(statusCode: number, error: string, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.error = error;
  }
}

const BODY_LIMIT = 16 * 1024;
const RATE_LIMIT = 1200;

const HEADERS = {
  // Everything comes from the server's own files. Styles are set by script through the CSSOM, which needs no allowance.
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), microphone=(), geolocation=()",
} as const;

/** The HTTP side, not yet listening. Errors are JSON: `{"error": "a-stable-name", "message": "a sentence"}`. */
export function buildApp(context: HttpContext): FastifyInstance {
  const { metrics, tls } = context;
  const app = Fastify({
    https: tls ?? null,
    // Behind a proxy on this machine, the client is whom the proxy names.
    trustProxy: "loopback",
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 300 },
    // A parameter that nobody knows, or that stands twice, is a mistake that the client should hear of.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, allErrors: false } },
    schemaErrorFormatter(errors, part) {
      const { instancePath, message, params } = errors[0];
      const place = part === "querystring" ? "query" : part;
      const field = `${place}${instancePath.replaceAll("/", ".")}`;
      if (typeof params.additionalProperty === "string") {
        return new Error(`${field}: "${params.additionalProperty}" is not known here`);
      }
      return new Error(`${field} ${message}`);
    },
    frameworkErrors(error, _request, reply) {
      (reply as unknown as FastifyReply).code(400).send({ error: "bad-request", message: error.message });
    },
    clientErrorHandler(error, socket) {
      metrics.drop("http", "malformed");
      if (error.code === "ECONNRESET" || !socket.writable) return;
      const body = JSON.stringify({ error: "bad-request", message: "this is not HTTP/1.1" });
      socket.end(
        `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
          `Connection: close\r\n\r\n${body}`,
      );
    },
  });

  app.addHook("onSend", async (request, reply) => {
    reply.headers(HEADERS);
    if (request.protocol === "https") reply.header("strict-transport-security", "max-age=31536000");
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "none";
    metrics.httpSeconds.observe(
      { method: request.method, route, status: reply.statusCode },
      reply.elapsedTime / 1000,
    );
    const { identity, method } = request;
    if (identity !== undefined && method !== "GET" && method !== "HEAD") {
      context.onWrite?.(identity.name, `${method} ${request.url.split("?")[0]}`, reply.statusCode);
    }
    if (reply.statusCode >= 400) metrics.drop("http", `${reply.statusCode}`);
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send({ error: "not-found", message: `no ${request.method} ${request.url.split("?")[0]}` }),
  );
  app.setErrorHandler((error: FastifyError | HttpError | RegistryError, _request, reply) => {
    if (error instanceof RegistryError) {
      const name = { 400: "bad-request", 404: "not-found", 409: "conflict" } as const;
      return reply.code(error.status).send({ error: name[error.status], message: error.message });
    }
    if (error instanceof HttpError) {
      return reply.code(error.statusCode).send({ error: error.error, message: error.message });
    }
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send({ error: clientError(status), message: error.message });
    context.onError(error);
    return reply.code(500).send({ error: "internal", message: "the server could not do that" });
  });

  app.register(rateLimit, {
    max: context.rateLimit ?? RATE_LIMIT,
    allowList: (request) => isLoopback(request.ip),
    errorResponseBuilder: (_request, { after }) =>
      new HttpError(429, "too-many-requests", `too many requests from this address; again in ${after}`),
  });
  describe(app);
  // Behind the plug-ins, which have to see every route.
  app.register(async (scope) => {
    demandDescriptions(scope);
    guard(scope, context);
    sessionRoutes(scope);
    operationRoutes(scope, context);
    pageRoutes(scope, context);
    overviewRoutes(scope, context);
    queryRoutes(scope, context);
    nodeRoutes(scope, context);
    requestRoutes(scope, context);
    deliveryRoutes(scope, context);
    settingsRoutes(scope, context);
    streamRoute(scope, context);
    const { backups, wallTime } = context;
    if (backups !== undefined) backupRoutes(scope, { backups, wallTime });
  });
  return app;
}

/** The page's own files hold nothing of anybody: a browser needs them before it can ask for a token. */
function pageRoutes(app: FastifyInstance, { assets }: HttpContext): void {
  for (const [path, asset] of assets) {
    app.get(path, { config: { role: "anybody" }, schema: { hide: true } }, async (request, reply) => {
      // Asked again each time, answered with 304 while the server has not changed.
      reply.header("cache-control", "no-cache").header("etag", asset.etag).header("vary", "accept-encoding");
      if (request.headers["if-none-match"] === asset.etag) return reply.code(304).send();
      reply.type(asset.type);
      if (!/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) return reply.send(asset.body);
      return reply.header("content-encoding", "gzip").send(asset.gzip);
    });
  }
}

/** What those who run the server look at. */
function operationRoutes(app: FastifyInstance, { metrics, trouble }: HttpContext): void {
  const status = { type: "object", required: ["status"], properties: { status: { type: "string" } } };
  app.get(
    "/healthz",
    {
      config: { role: "anybody" },
      schema: described("Whether the process lives", "operation", { 200: status }),
    },
    async () => ({ status: "ok" }),
  );
  app.get(
    "/readyz",
    {
      config: { role: "anybody" },
      schema: described("Whether it takes readings", "operation", { 200: status }),
    },
    async (_request, reply) => {
      const why = trouble();
      if (why === undefined) return { status: "ready" };
      return reply.code(503).send({ error: "not-ready", message: why });
    },
  );
  app.get(
    "/metrics",
    { schema: described("Metrics of Prometheus", "operation", { 200: content("text/plain") }) },
    async (_request, reply) => {
      reply.type(metrics.contentType);
      return metrics.text();
    },
  );
}

function clientError(status: number): string {
  if (status === 429) return "too-many-requests";
  if (status === 413) return "too-large";
  if (status === 415) return "unsupported-media-type";
  return "bad-request";
}

import { createHash, timingSafeEqual } from "node:crypto";
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from "fastify";
import type { CloudEndpoint } from "../endpoint.js";
import { RegistryError } from "../errors.js";
import type { Live } from "../live.js";
import type { Metrics } from "../metrics.js";
import type { Registry } from "../registry.js";
import type { Store } from "../store/store.js";
import type { Asset } from "./assets.js";
import { deliveryRoutes } from "./deliveries.js";
import { nodeRoutes } from "./nodes.js";
import { overviewRoutes } from "./overview.js";
import { queryRoutes } from "./queries.js";
import { requestRoutes } from "./requests.js";
import { settingsRoutes } from "./settings.js";
import { streamRoute } from "./stream.js";

/** What the HTTP side sees of the server. */
export interface HttpContext {
  readonly registry: Registry;
  readonly store: Store;
  readonly live: Live;
  readonly metrics: Metrics;
  readonly apiToken: string;
  readonly endpoint: CloudEndpoint;
  /** ms since 1970 */
  readonly wallTime: () => number;
  /** Why the server should get no traffic now; `undefined` when it is fine. */
  readonly trouble: () => string | undefined;
  readonly onError: (error: Error) => void;
  readonly assets: ReadonlyMap<string, Asset>;
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
  const { metrics } = context;
  const app = Fastify({
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

  app.addHook("onSend", async (_request, reply) => {
    reply.headers(HEADERS);
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
  });
  app.addHook("onResponse", async (request, reply) => {
    const route = request.routeOptions.url ?? "none";
    metrics.httpSeconds.observe(
      { method: request.method, route, status: reply.statusCode },
      reply.elapsedTime / 1000,
    );
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

  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const trouble = context.trouble();
    if (trouble === undefined) return { status: "ready" };
    return reply.code(503).send({ error: "not-ready", message: trouble });
  });
  app.get("/metrics", async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.text();
  });
  for (const [path, asset] of context.assets) {
    app.get(path, async (request, reply) => {
      // Asked again each time, answered with 304 while the server has not changed.
      reply.header("cache-control", "no-cache").header("etag", asset.etag).header("vary", "accept-encoding");
      if (request.headers["if-none-match"] === asset.etag) return reply.code(304).send();
      reply.type(asset.type);
      if (!/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) return reply.send(asset.body);
      return reply.header("content-encoding", "gzip").send(asset.gzip);
    });
  }

  overviewRoutes(app, context);
  queryRoutes(app, context);
  const authorize = bearer(context.apiToken);
  nodeRoutes(app, context, authorize);
  requestRoutes(app, context, authorize);
  deliveryRoutes(app, context, authorize);
  settingsRoutes(app, context, authorize);
  streamRoute(app, context);
  return app;
}

function clientError(status: number): string {
  if (status === 413) return "too-large";
  if (status === 415) return "unsupported-media-type";
  return "bad-request";
}

/** Lets a request with the right token pass. The time it takes tells nothing about the token. */
function bearer(token: string): (header: string | undefined) => void {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const right = digest(token);
  return (header) => {
    const given = /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
    if (given !== undefined && timingSafeEqual(digest(given), right)) return;
    throw new HttpError(
      401,
      "unauthorized",
      given === undefined ? "writing needs the bearer token" : "wrong token",
    );
  };
}

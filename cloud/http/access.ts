import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Identity, identify, mayAct, type Role, type TokenRecord } from "../access.js";
import { Allowances } from "../allowance.js";
import { HttpError } from "./app.js";
import { described } from "./descriptions.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What it takes to use a route, "anybody" for what holds nothing. Default: a viewer to look, an administrator else. */
    role?: Role | "anybody";
  }
  interface FastifyRequest {
    /** Who asks; `undefined` for anybody. */
    identity: Identity | undefined;
  }
}

export interface AccessOptions {
  /** Of the data directory: an administrator's. */
  readonly apiToken: string;
  /** Those of other clients, as they are now. */
  readonly tokens?: (() => readonly TokenRecord[]) | undefined;
  /** Whether whoever is on this machine may look without a token. Default true. */
  readonly openOnLoopback?: boolean | undefined;
}

/** Wrong tokens of one address: so many at once, and a minute. */
const WRONG = { burst: 10, perMinute: 10 };
const THIS_MACHINE: Identity = { name: "this machine", role: "viewer" };
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
/** What a browser on this machine calls it. Any other name may have been made to lead here by whoever owns it. */
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address);
}

/**
 * Decides who may do what. A token comes as `Authorization: Bearer` and never in a cookie, which other sites could make
 * a browser send along. Without one, whoever is on this machine may look.
 */
export function guard(app: FastifyInstance, options: AccessOptions): void {
  const { apiToken, tokens = () => [], openOnLoopback = true } = options;
  const wrong = new Allowances(WRONG.burst, WRONG.perMinute / 60);

  const identityOf = (request: FastifyRequest): Identity | undefined => {
    const token = bearerOf(request);
    if (token !== undefined) {
      const identity = identify(token, apiToken, tokens());
      if (identity !== undefined) return identity;
      if (!wrong.take(request.ip, performance.now())) {
        throw new HttpError(429, "too-many-requests", "too many wrong tokens from this address");
      }
      throw new HttpError(401, "unauthorized", "wrong token");
    }
    const local = openOnLoopback && isLoopback(request.ip) && LOOPBACK_HOST.test(request.host);
    return local ? THIS_MACHINE : undefined;
  };

  app.decorateRequest("identity", undefined);
  app.addHook("onRequest", async (request) => {
    const { method } = request;
    const looks = method === "GET" || method === "HEAD";
    const needed = request.routeOptions.config.role ?? (looks ? "viewer" : "admin");
    if (needed === "anybody") return;
    request.identity = identityOf(request);
    if (request.identity === undefined) {
      throw new HttpError(
        401,
        "unauthorized",
        `${looks ? "reading from here" : "writing"} needs a bearer token`,
      );
    }
    if (mayAct(request.identity.role, needed)) return;
    if (request.identity === THIS_MACHINE) {
      throw new HttpError(401, "unauthorized", "writing needs a bearer token");
    }
    throw new HttpError(
      403,
      "forbidden",
      `the token "${request.identity.name}" is a ${request.identity.role}'s`,
    );
  });
}

function bearerOf({ headers }: FastifyRequest): string | undefined {
  const { authorization } = headers;
  if (authorization === undefined) return undefined;
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) throw new HttpError(401, "unauthorized", "expected Authorization: Bearer TOKEN");
  return token;
}

const SESSION = {
  type: "object",
  required: ["name", "role"],
  properties: { name: { type: "string" }, role: { type: "string" } },
} as const;

/** Whom the server takes a client for: what a page needs to know, to offer what will be allowed. */
export function sessionRoutes(app: FastifyInstance): void {
  app.get(
    "/api/session",
    { schema: described("Who the client is", "access", { 200: SESSION }) },
    async ({ identity }) => identity,
  );
}

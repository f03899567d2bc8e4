import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Identity, identify, mayAct, type Role, type TokenRecord } from "../access.js";
import { Allowances } from "../allowance.js";
import { HttpError } from "./app.js";
import { described, NOTHING } from "./descriptions.js";

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
/** 30 days, as far as the token is valid for so long. */
const SESSION_SECONDS = 30 * 86_400;
const COOKIE = "oscore-mesh-token";
const THIS_MACHINE: Identity = { name: "this machine", role: "viewer" };
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
/** What a browser on this machine calls it. Any other name may have been made to lead here by whoever owns it. */
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address);
}

/**
 * Decides who may do what. A token comes as `Authorization: Bearer`, or in the cookie of a session that a page has begun
 * with it, because an EventSource cannot send headers. Without one, whoever is on this machine may look.
 */
export function guard(app: FastifyInstance, options: AccessOptions): void {
  const { apiToken, tokens = () => [], openOnLoopback = true } = options;
  const wrong = new Allowances(WRONG.burst, WRONG.perMinute / 60);

  const identityOf = (request: FastifyRequest): Identity | undefined => {
    const bearer = bearerOf(request);
    const token = bearer ?? sessionOf(request);
    if (token !== undefined) {
      const identity = identify(token, apiToken, tokens());
      if (identity !== undefined) return identity;
      if (!wrong.take(request.ip, performance.now())) {
        throw new HttpError(429, "too-many-requests", "too many wrong tokens from this address");
      }
      // A session whose token was removed is none.
      if (bearer !== undefined) throw new HttpError(401, "unauthorized", "wrong token");
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
    if (mayAct(request.identity.role, needed)) {
      // A cookie comes along with what another site makes a browser send.
      if (looks || bearerOf(request) !== undefined || isSameOrigin(request)) return;
      throw new HttpError(403, "forbidden", "writing by a session takes a request of the page itself");
    }
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

function sessionOf({ headers }: FastifyRequest): string | undefined {
  return new RegExp(`(?:^|; *)${COOKIE}=([\\w-]+)`).exec(headers.cookie ?? "")?.[1];
}

function isSameOrigin({ headers, host }: FastifyRequest): boolean {
  const { origin } = headers;
  return origin !== undefined && URL.canParse(origin) && new URL(origin).host === host;
}

const SESSION = {
  type: "object",
  required: ["name", "role"],
  properties: { name: { type: "string" }, role: { type: "string" } },
} as const;

/** Sessions of pages: who I am, begin, end. */
export function sessionRoutes(app: FastifyInstance): void {
  const cookie = (request: FastifyRequest, value: string, seconds: number) =>
    `${COOKIE}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict` +
    (request.protocol === "https" ? "; Secure" : "");

  app.get(
    "/api/session",
    { schema: described("Who the client is", "access", { 200: SESSION }) },
    async ({ identity }) => identity,
  );
  app.post(
    "/api/session",
    {
      config: { role: "viewer" },
      schema: described("Puts the bearer token into a cookie, for a page", "access", { 200: SESSION }),
    },
    async (request, reply) => {
      const token = bearerOf(request);
      if (token === undefined)
        throw new HttpError(401, "unauthorized", "a session begins with a bearer token");
      reply.header("set-cookie", cookie(request, token, SESSION_SECONDS));
      return request.identity;
    },
  );
  app.delete(
    "/api/session",
    { config: { role: "anybody" }, schema: described("Ends it", "access", { 204: NOTHING }) },
    async (request, reply) =>
      reply
        .header("set-cookie", cookie(request, "", 0))
        .code(204)
        .send(),
  );
}

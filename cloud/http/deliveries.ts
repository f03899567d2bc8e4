import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Device } from "../device.js";
import type { Delivery } from "../downlink.js";
import { requestJson } from "../request-json.js";
import { type HttpContext, HttpError } from "./app.js";
import { answers, described, list, NOTHING } from "./descriptions.js";
import { query } from "./schemas.js";

/** Seconds that a request waits for the node unless it says otherwise (Prefer: wait, RFC 7240 §4.3). */
const DEFAULT_WAIT = 10;
const LONGEST_WAIT = 60;

/** Why a request to a node was not taken. */
export type DeliveryReason = "no-mesh-address" | "too-many-requests" | "no-keys";

/** The requests to nodes, wherever they came from: what became of them. */
export function deliveryRoutes(
  app: FastifyInstance,
  { registry, endpoint: { downlinks } }: HttpContext,
): void {
  const found = (id: string): Delivery => {
    const delivery = downlinks.find(id);
    if (delivery === undefined) throw new HttpError(404, "not-found", "no such request, or not any more");
    return delivery;
  };

  app.get<{ Params: { name: string } }>(
    "/api/nodes/:name/requests",
    { schema: described("Requests to a node", "requests", { 200: list("Request") }) },
    async ({ params }) => {
      const device = registry.named(params.name);
      if (device === undefined) throw new HttpError(404, "not-found", `no node "${params.name}"`);
      return downlinks.of(device).map(requestJson);
    },
  );

  app.get<{ Params: { id: string }; Querystring: { wait: number } }>(
    "/api/requests/:id",
    query(described("What became of a request to a node", "requests", { 200: answers("Request") }), {
      wait: { type: "integer", minimum: 0, maximum: LONGEST_WAIT, default: 0 },
    }),
    async (request) => {
      const delivery = found(request.params.id);
      await within(delivery.settled, request.query.wait, request);
      return requestJson(delivery);
    },
  );

  app.delete<{ Params: { id: string } }>(
    "/api/requests/:id",
    {
      config: { role: "operator" },
      schema: described("Takes back a request that has not left yet", "requests", { 204: NOTHING }),
    },
    async ({ params }, reply) => {
      found(params.id);
      if (downlinks.cancel(params.id)) return reply.code(204).send();
      throw new HttpError(409, "conflict", "the request has left already");
    },
  );
}

/** Why there is no request, as an answer. */
export function refused(reason: DeliveryReason, device: Device): HttpError {
  const { name } = device.record;
  if (reason === "no-keys")
    return new HttpError(409, "no-keys", `${name} has no keys to protect a request with`);
  if (reason === "no-mesh-address")
    return new HttpError(409, "no-mesh-address", `${name} has no mesh address`);
  return new HttpError(503, "too-many-requests", `too many requests to ${name} wait already`);
}

/** Waits for the end of a request, as long as the client wants to: the Prefer header (RFC 7240), else ten seconds. */
export function settledOrLate(delivery: Delivery, request: FastifyRequest): Promise<void> {
  return within(delivery.settled, waitOf(request.headers.prefer), request);
}

/** What to say of a request without an answer: 202 with a place to look for it, or 504. */
export function unanswered(reply: FastifyReply, delivery: Delivery): FastifyReply {
  if (delivery.state === "failed")
    throw new HttpError(504, "no-answer", `no answer from the node: ${delivery.failure}`);
  return reply.code(202).header("location", `/api/requests/${delivery.id}`).send(requestJson(delivery));
}

/** RFC 7240: respond-async, or so many seconds. */
function waitOf(prefer: string | string[] | undefined): number {
  const text = `${prefer ?? ""}`;
  if (/\brespond-async\b/i.test(text)) return 0;
  const seconds = /\bwait\s*=\s*(\d{1,4})\b/i.exec(text)?.[1];
  return seconds === undefined ? DEFAULT_WAIT : Math.min(LONGEST_WAIT, Number(seconds));
}

async function within(settled: Promise<void>, seconds: number, request: FastifyRequest): Promise<void> {
  if (seconds === 0) return;
  let timer: NodeJS.Timeout | undefined;
  const gone = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, seconds * 1000);
    request.raw.once("close", () => {
      if (request.raw.destroyed && !request.raw.complete) resolve();
    });
  });
  await Promise.race([settled, gone]);
  clearTimeout(timer);
}

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { contentFormatName, formatCode, OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption, getUint } from "../../firmware/coap/options.js";
import type { Device } from "../device.js";
import type { Delivery } from "../downlink.js";
import { iso } from "../model.js";
import { blindAttempt, protectedAttempt } from "../node-client.js";
import type { Registry } from "../registry.js";
import { type HttpContext, HttpError } from "./app.js";
import {
  coapRequest,
  HTTP_METHODS,
  httpAnswer,
  MappingError,
  oscoreHeader,
  oscoreOption,
} from "./coap-mapping.js";

/** Seconds that a request waits for the node unless it says otherwise (Prefer: wait, RFC 7240 §4.3). */
const DEFAULT_WAIT = 10;
const LONGEST_WAIT = 60;

/**
 * HTTP to nodes (RFC 8075): `/hc/coap://NODE/path`, the node by its name or as 0012.mesh. The server protects the
 * request with the keys it shares with the node; a message with an OSCORE header (RFC 8613 §11) was protected by the
 * client, and is passed on unread. Nodes sleep: an answer that takes too long is a 202 with a place to look for it.
 */
export function requestRoutes(
  app: FastifyInstance,
  context: HttpContext,
  authorize: (header: string | undefined) => void,
): void {
  const { registry } = context;
  const { downlinks } = context.endpoint;

  app.register(async (scope) => {
    // Any media type: what CoAP has a number for is decided when it is mapped.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    scope.route({
      method: [...HTTP_METHODS],
      url: "/hc/*",
      onRequest: async (request: FastifyRequest) => authorize(request.headers.authorization),
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        const { device, path, query } = targetOf(registry, request.raw.url ?? "");
        const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
        const blind = request.headers.oscore;
        const delivery =
          blind === undefined
            ? submitPlain(context, device, request, path, query, body)
            : submitBlind(context, device, `${blind}`, request, body);
        if (delivery instanceof Refusal) throw refused(delivery.reason, device);
        const wait = waitOf(request.headers.prefer);
        await within(delivery.settled, wait, request);
        return respond(reply, delivery, blind !== undefined);
      },
    });
  });

  app.get<{ Params: { id: string }; Querystring: { wait: number } }>(
    "/api/requests/:id",
    {
      schema: {
        querystring: {
          type: "object",
          additionalProperties: false,
          properties: { wait: { type: "integer", minimum: 0, maximum: LONGEST_WAIT, default: 0 } },
        },
      },
    },
    async (request) => {
      const delivery = downlinks.find(request.params.id);
      if (delivery === undefined) throw new HttpError(404, "not-found", "no such request, or not any more");
      await within(delivery.settled, request.query.wait, request);
      return deliveryJson(delivery);
    },
  );
}

function targetOf(registry: Registry, url: string): { device: Device; path: string[]; query: string[] } {
  const match = /^\/hc\/coap(?::|%3a)(?:\/|%2f){2}([^/?]+)(\/[^?]*)?(?:\?(.*))?$/i.exec(url);
  if (match === null) throw new HttpError(400, "bad-request", "expected /hc/coap://NODE/path");
  try {
    const [host, ...rest] = match.slice(1).map((part) => part ?? "");
    const name = decodeURIComponent(host.replace(/:\d+$/, ""));
    const address = /^([0-9a-f]{4})\.mesh$/i.exec(name)?.[1];
    const device =
      address === undefined ? registry.named(name) : registry.atMeshAddress(Number.parseInt(address, 16));
    if (device === undefined) throw new HttpError(404, "not-found", `no node "${name}"`);
    const [path, query] = rest;
    return {
      device,
      path: path === "" || path === "/" ? [] : path.slice(1).split("/").map(decodeURIComponent),
      query:
        query === "" ? [] : query.split("&").map((part) => decodeURIComponent(part.replaceAll("+", " "))),
    };
  } catch (error) {
    if (error instanceof URIError)
      throw new HttpError(400, "bad-request", "a percent sign without its digits");
    throw error;
  }
}

function submitPlain(
  { endpoint: { downlinks } }: HttpContext,
  device: Device,
  request: FastifyRequest,
  path: string[],
  query: string[],
  body: Uint8Array,
): Delivery | Refusal<"no-mesh-address" | "too-many-requests" | "no-keys"> {
  if (device.context === undefined) return new Refusal("no-keys");
  const { method } = request;
  const { accept } = request.headers;
  try {
    const mapped = coapRequest({
      method,
      path,
      query,
      contentType: request.headers["content-type"],
      accept,
      body,
    });
    return downlinks.submit(
      device,
      `${method} /${path.join("/")}`,
      () => protectedAttempt(device, mapped),
      // RFC 7252 §5.8: all but POST are idempotent.
      method !== "POST",
    );
  } catch (error) {
    if (!(error instanceof MappingError)) throw error;
    throw new HttpError(error.status, "not-in-coap", error.message);
  }
}

function submitBlind(
  { endpoint: { downlinks } }: HttpContext,
  device: Device,
  header: string,
  request: FastifyRequest,
  body: Uint8Array,
): ReturnType<HttpContext["endpoint"]["downlinks"]["submit"]> {
  const option = oscoreOption(header);
  if (option === undefined) throw new HttpError(400, "bad-request", "the OSCORE header is no base64url");
  if (request.method !== "POST" || body.length === 0) {
    throw new HttpError(400, "bad-request", "an OSCORE message is a POST with a body");
  }
  // Sent once: a copy is a replay to the node, and only the client can make another one.
  return downlinks.submit(device, "OSCORE message", () => blindAttempt(option, body), false);
}

function refused(reason: "no-mesh-address" | "too-many-requests" | "no-keys", device: Device): HttpError {
  const { name } = device.record;
  if (reason === "no-keys")
    return new HttpError(409, "no-keys", `${name} has no keys to protect a request with`);
  if (reason === "no-mesh-address")
    return new HttpError(409, "no-mesh-address", `${name} has no mesh address`);
  return new HttpError(503, "too-many-requests", `too many requests to ${name} wait already`);
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

function respond(reply: FastifyReply, delivery: Delivery, blind: boolean): FastifyReply {
  const { answer, state } = delivery;
  if (answer !== undefined) {
    if (blind) {
      return reply
        .code(200)
        .header("oscore", oscoreHeader(getOption(answer, OptionNumber.OSCORE) ?? new Uint8Array(0)))
        .type("application/oscore")
        .send(Buffer.from(answer.payload));
    }
    const { status, headers, body } = httpAnswer(answer);
    return reply
      .code(status)
      .headers(headers)
      .send(body.length === 0 ? undefined : Buffer.from(body));
  }
  if (state === "failed")
    throw new HttpError(504, "no-answer", `no answer from the node: ${delivery.failure}`);
  return reply.code(202).header("location", `/api/requests/${delivery.id}`).send(deliveryJson(delivery));
}

function deliveryJson(delivery: Delivery): object {
  const { id, device, label, created, state, attempts, failure, answer } = delivery;
  return {
    id,
    node: device.record.name,
    request: label,
    created: iso(created),
    state,
    attempts,
    ...(failure !== undefined && { failure }),
    ...(answer !== undefined && { answer: answerJson(answer) }),
  };
}

function answerJson(answer: CoapMessage): object {
  const format = getUint(answer, OptionNumber.CONTENT_FORMAT);
  const oscore = getOption(answer, OptionNumber.OSCORE);
  return {
    code: formatCode(answer.code),
    ...(format !== undefined && { mediaType: contentFormatName(format) }),
    ...(oscore !== undefined && { oscore: oscoreHeader(oscore) }),
    /** base64url */
    payload: Buffer.from(answer.payload).toString("base64url"),
  };
}

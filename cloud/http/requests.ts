import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { ContentFormat, OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption } from "../../firmware/coap/options.js";
import type { Device } from "../device.js";
import type { Delivery } from "../downlink.js";
import { blindAttempt, protectedAttempt } from "../node-client.js";
import type { Registry } from "../registry.js";
import { type HttpContext, HttpError } from "./app.js";
import {
  coapRequest,
  contentFormatOf,
  HTTP_METHODS,
  httpAnswer,
  MappingError,
  oscoreHeader,
  oscoreOption,
} from "./coap-mapping.js";
import { type DeliveryReason, refused, settledOrLate, unanswered } from "./deliveries.js";
import { answers, content, described } from "./descriptions.js";

/**
 * HTTP to nodes (RFC 8075): `/hc/coap://NODE/path`, the node by its name or as 0012.mesh. The server protects the
 * request with the keys it shares with the node; a message with an OSCORE header (RFC 8613 §11) was protected by the
 * client, and is passed on unread. Nodes sleep: an answer that takes too long is a 202 with a place to look for it.
 */
export function requestRoutes(app: FastifyInstance, context: HttpContext): void {
  const { registry } = context;

  app.register(async (scope) => {
    // Any media type: what CoAP has a number for is decided when it is mapped.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    scope.route({
      method: [...HTTP_METHODS],
      url: "/hc/*",
      config: { role: "operator" },
      schema: described("A request to a node: /hc/coap://NODE/PATH (RFC 8075)", "nodes", {
        202: answers("Request"),
        "2xx": content("*/*"),
      }),
      handler: async (request: FastifyRequest, reply: FastifyReply) => {
        const { device, path, query } = targetOf(registry, request.raw.url ?? "");
        const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
        const blind = request.headers.oscore;
        const delivery =
          blind === undefined
            ? submitPlain(context, device, request, path, query, body)
            : submitBlind(context, device, `${blind}`, request, body);
        if (delivery instanceof Refusal) throw refused(delivery.reason, device);
        await settledOrLate(delivery, request);
        return respond(reply, delivery);
      },
    });
  });
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
): Delivery | Refusal<DeliveryReason> {
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
    return downlinks.submit(device, {
      label: `${method} /${path.join("/")}`,
      make: () => protectedAttempt(device, mapped),
      // RFC 7252 §5.8: all but POST and PATCH are idempotent.
      repeatable: method !== "POST" && method !== "PATCH",
    });
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
): Delivery | Refusal<DeliveryReason> {
  const option = oscoreOption(header);
  if (option === undefined) throw new HttpError(400, "bad-request", "the OSCORE header is no base64url");
  if (request.method !== "POST" || body.length === 0) {
    throw new HttpError(400, "bad-request", "an OSCORE message is a POST with a body");
  }
  if (contentFormatOf(request.headers["content-type"] ?? "") !== ContentFormat.OSCORE) {
    throw new HttpError(415, "unsupported-media-type", "an OSCORE message is application/oscore");
  }
  return downlinks.submit(device, {
    label: "OSCORE message",
    make: () => blindAttempt(option, body),
    // Sent once: a copy is a replay to the node, and only the client can make another one.
    repeatable: false,
  });
}

function respond(reply: FastifyReply, delivery: Delivery): FastifyReply {
  const { answer } = delivery;
  if (answer === undefined) return unanswered(reply, delivery);
  const oscore = getOption(answer, OptionNumber.OSCORE);
  if (oscore !== undefined) {
    return reply
      .code(200)
      .header("oscore", oscoreHeader(oscore))
      .type("application/oscore")
      .send(Buffer.from(answer.payload));
  }
  const { status, headers, body } = httpAnswer(answer);
  return reply
    .code(status)
    .headers(headers)
    .send(body.length === 0 ? undefined : Buffer.from(body));
}

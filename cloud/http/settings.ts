import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { codeName, formatCode } from "../../firmware/coap/numbers.js";
import {
  LARGEST_BATCH,
  LONGEST_INTERVAL,
  type Settings,
  SHORTEST_INTERVAL,
} from "../../firmware/reading/settings.js";
import type { Device } from "../device.js";
import type { NodeRequest } from "../downlink.js";
import { settingsRequest, statsRequest } from "../node-resources.js";
import { type HttpContext, HttpError } from "./app.js";
import { httpAnswer } from "./coap-mapping.js";
import { refused, settledOrLate, unanswered } from "./deliveries.js";
import { answers, described } from "./descriptions.js";

const SETTINGS_BODY = {
  type: "object",
  additionalProperties: false,
  minProperties: 1,
  properties: {
    interval: { type: "number", minimum: SHORTEST_INTERVAL, maximum: LONGEST_INTERVAL },
    confirmable: { type: "boolean" },
    batch: { type: "integer", minimum: 1, maximum: LARGEST_BATCH },
  },
} as const;

type Params = { Params: { name: string } };

/**
 * A node's settings and statistics as JSON. Each asks the node itself, so they wait for it like everything under /hc:
 * 202 with a place to look when that takes longer than the client wants to wait.
 */
export function settingsRoutes(
  app: FastifyInstance,
  { registry, wallTime, endpoint: { downlinks } }: HttpContext,
): void {
  const config = { role: "operator" } as const;
  const ask = async (
    request: FastifyRequest<Params>,
    reply: FastifyReply,
    about: (device: Device) => NodeRequest,
  ) => {
    const { name } = request.params;
    const device = registry.named(name);
    if (device === undefined) throw new HttpError(404, "not-found", `no node "${name}"`);
    const delivery =
      device.context === undefined ? new Refusal("no-keys") : downlinks.submit(device, about(device));
    if (delivery instanceof Refusal) throw refused(delivery.reason, device);
    await settledOrLate(delivery, request);
    const { answer, result } = delivery;
    if (answer === undefined) return unanswered(reply, delivery);
    if (result !== undefined) return reply.send("settings" in result ? result.settings : result.stats);
    const { status } = httpAnswer(answer);
    const said = `${name} answered ${formatCode(answer.code)} ${codeName(answer.code)}`;
    if (status < 400) throw new HttpError(502, "bad-answer", `${said}, which says nothing that we know`);
    throw new HttpError(status, "refused-by-node", said);
  };

  const settings = { 200: answers("Settings"), 202: answers("Request") };
  app.get<Params>(
    "/api/nodes/:name/settings",
    { config, schema: described("A node's settings, asked of the node", "requests", settings) },
    (request, reply) => ask(request, reply, (device) => settingsRequest(device)),
  );
  app.put<Params & { Body: Partial<Settings> }>(
    "/api/nodes/:name/settings",
    {
      config,
      schema: { ...described("Changes a node's settings", "requests", settings), body: SETTINGS_BODY },
    },
    (request, reply) => ask(request, reply, (device) => settingsRequest(device, request.body)),
  );
  const stats = { 200: answers("Health"), 202: answers("Request") };
  app.get<Params>(
    "/api/nodes/:name/stats",
    { config, schema: described("A node's statistics, asked of the node", "requests", stats) },
    (request, reply) => ask(request, reply, (device) => statsRequest(device, wallTime)),
  );
}

import type { FastifyInstance } from "fastify";
import { listAlarms, meshOf, summarize } from "../overview.js";
import type { HttpContext } from "./app.js";
import { answers, described, list } from "./descriptions.js";
import { NAME, query } from "./schemas.js";

/** Nodes that the map names one by one. */
const MAP_LIMIT = 400;

/** What an operator sees first: counts, alarms, the map of the mesh. Their size does not grow with the number of nodes. */
export function overviewRoutes(app: FastifyInstance, { registry, endpoint, wallTime }: HttpContext): void {
  app.get(
    "/api/summary",
    query(described("Counts of everything", "overview", { 200: answers("Summary") }), {}),
    async () => summarize(registry, endpoint, wallTime()),
  );

  app.get<{ Querystring: { limit: number; offset: number } }>(
    "/api/alarms",
    query(described("What an operator should look after", "overview", { 200: list("Alarm") }), {
      limit: { type: "integer", minimum: 1, maximum: 1000, default: 200 },
      offset: { type: "integer", minimum: 0, default: 0 },
    }),
    async (request, reply) => {
      const { limit, offset } = request.query;
      const alarms = listAlarms(registry, wallTime());
      reply.header("x-total-count", alarms.length);
      return alarms.slice(offset, offset + limit);
    },
  );

  app.get<{ Querystring: { gateway?: string; limit: number } }>(
    "/api/mesh",
    query(described("The map of the mesh", "overview", { 200: answers("Mesh") }), {
      gateway: NAME,
      limit: { type: "integer", minimum: 1, maximum: 2000, default: MAP_LIMIT },
    }),
    async (request) => meshOf(registry, wallTime(), request.query.limit, request.query.gateway),
  );
}

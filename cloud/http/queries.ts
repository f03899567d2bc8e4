import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { allReadings, EXPORT_FORMATS, EXPORT_NAMES, type ExportName, exported } from "../export.js";
import {
  EVENT_KINDS,
  type EventKind,
  eventJson,
  iso,
  readingJson,
  SEVERITIES,
  type Severity,
} from "../model.js";
import type { Registry } from "../registry.js";
import type { ReadingQuery } from "../store/store.js";
import { type HttpContext, HttpError } from "./app.js";
import { content, described, list } from "./descriptions.js";
import { NAME, query } from "./schemas.js";

const EXPORT_TYPES = Object.values(EXPORT_FORMATS).map(({ type }) => type);
const TIME = { type: "string", maxLength: 40 } as const;

interface EventParameters {
  kind?: EventKind;
  severity?: Severity;
  node?: string;
  text?: string;
  before?: string;
  beforeId?: string;
  limit: number;
}

/** History: readings, means of them, events. */
export function queryRoutes(app: FastifyInstance, { registry, store }: HttpContext): void {
  app.get<{ Querystring: { node?: string; from?: string; to?: string; limit: number } }>(
    "/api/readings",
    query(described("Readings, the newest, ascending by time", "history", { 200: list("Reading") }), {
      node: NAME,
      from: TIME,
      to: TIME,
      limit: { type: "integer", minimum: 1, maximum: 10_000, default: 1000 },
    }),
    async (request) => {
      const { node, from, to, limit } = request.query;
      const wanted: ReadingQuery = {
        limit,
        ...(node !== undefined && { node: numberOf(registry, node) }),
        ...range(from, to),
      };
      return (await store.readings(wanted)).map((reading) => readingJson(reading, registry.nameOf));
    },
  );

  /** What was over equal spans of time. */
  const seriesRoute = <Point extends { readonly time: number }>(
    path: string,
    summary: string,
    schema: string,
    read: (node: number, from: number, to: number, points: number) => Promise<Point[]>,
  ) =>
    app.get<{ Querystring: { node: string; from: string; to: string; points: number } }>(
      path,
      query(
        described(summary, "history", { 200: list(schema) }),
        {
          node: NAME,
          from: TIME,
          to: TIME,
          points: { type: "integer", minimum: 1, maximum: 2000, default: 300 },
        },
        ["node", "from", "to"],
      ),
      async (request) => {
        const { node, from, to, points } = request.query;
        const span = range(from, to);
        const series = await read(numberOf(registry, node), span.from!, span.to!, points);
        return series.map((point) => ({ ...point, time: iso(point.time) }));
      },
    );
  seriesRoute("/api/series", "Means of a node's readings over equal spans of time", "Point", (...wanted) =>
    store.series(...wanted),
  );
  seriesRoute("/api/health", "A gateway's reports over equal spans of time", "Reported", (...wanted) =>
    store.healthSeries(...wanted),
  );

  app.get<{ Querystring: { node?: string; from?: string; to?: string; format: ExportName } }>(
    "/api/export",
    query(described("All readings as a file", "history", { 200: content(...EXPORT_TYPES) }), {
      node: NAME,
      from: TIME,
      to: TIME,
      format: { type: "string", enum: EXPORT_NAMES, default: "csv" },
    }),
    async (request, reply) => {
      const { node, from, to } = request.query;
      const format = EXPORT_FORMATS[request.query.format];
      const wanted = { ...(node !== undefined && { node: numberOf(registry, node) }), ...range(from, to) };
      const pages = mapped(allReadings(store, wanted), (reading) => readingJson(reading, registry.nameOf));
      reply
        .type(format.type)
        .header("content-disposition", `attachment; filename="readings.${request.query.format}"`);
      return reply.send(Readable.from(exported(format, pages)));
    },
  );

  app.get<{ Querystring: EventParameters }>(
    "/api/events",
    query(described("Security and system events, the newest first", "history", { 200: list("Event") }), {
      kind: { type: "string", enum: EVENT_KINDS },
      severity: { type: "string", enum: SEVERITIES },
      node: NAME,
      text: { type: "string", minLength: 1, maxLength: 128 },
      before: TIME,
      beforeId: { type: "string", minLength: 1, maxLength: 64 },
      limit: { type: "integer", minimum: 1, maximum: 1000, default: 100 },
    }),
    async (request) => {
      const { before, ...filters } = request.query;
      const events = await store.events({
        ...filters,
        ...(before !== undefined && { before: time("before", before) }),
      });
      return events.map(eventJson);
    },
  );
}

async function* mapped<From, To>(
  pages: AsyncIterable<readonly From[]>,
  map: (one: From) => To,
): AsyncGenerator<To[]> {
  for await (const page of pages) yield page.map(map);
}

function numberOf(registry: Registry, name: string): number {
  const id = registry.numberOf(name);
  if (id === undefined) throw new HttpError(404, "not-found", `no node "${name}"`);
  return id;
}

function range(from: string | undefined, to: string | undefined): { from?: number; to?: number } {
  const span = {
    ...(from !== undefined && { from: time("from", from) }),
    ...(to !== undefined && { to: time("to", to) }),
  };
  if (span.from !== undefined && span.to !== undefined && span.from > span.to) {
    throw new HttpError(400, "bad-request", "from is later than to");
  }
  return span;
}

/** Date.parse takes more than ISO 8601, and each engine something else. */
const ISO_TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

function time(name: string, text: string): number {
  const value = ISO_TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(value)) {
    throw new HttpError(
      400,
      "bad-request",
      `${name}: "${text}" is no ISO 8601 time with a zone, such as 2026-01-31T12:00:00Z`,
    );
  }
  return value;
}

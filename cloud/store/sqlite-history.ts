import type Database from "better-sqlite3";
import type { EventRecord, ReadingRecord } from "../model.js";
import { EVENT_TEXT, fromRow, likePattern, READING_COLUMNS, type Row } from "./rows.js";
import type {
  EventQuery,
  HealthPoint,
  ReadingQuery,
  SealedMessage,
  SealedQuery,
  SeriesPoint,
} from "./store.js";

const HOUR = 3_600_000;

/** Looking back: readings, means of them, events, sealed messages. */
export class History {
  readonly #database: Database.Database;
  readonly #series: Database.Statement<
    [{ node: number; from: number; to: number; span: number }],
    SeriesPoint
  >;

  constructor(database: Database.Database) {
    this.#database = database;
    // Raw readings and the means that older ones have become, weighted alike. The casts: a number that is no 32-bit
    // integer is bound as a double, and would divide as one.
    this.#series = database.prepare(`
      SELECT CAST(sum(time * count) / sum(count) AS INTEGER) AS time, sum(count) AS count,
        sum(temperature * count) / sum(count) FILTER (WHERE temperature IS NOT NULL) / 100 AS temperature,
        min(temperature_min) / 100.0 AS temperatureMin, max(temperature_max) / 100.0 AS temperatureMax,
        sum(humidity * count) / sum(count) FILTER (WHERE humidity IS NOT NULL) / 100 AS humidity,
        min(humidity_min) / 100.0 AS humidityMin, max(humidity_max) / 100.0 AS humidityMax,
        sum(battery * count) / sum(count) FILTER (WHERE battery IS NOT NULL) / 1000 AS battery
      FROM (
        SELECT time, 1.0 AS count, temperature, temperature AS temperature_min, temperature AS temperature_max,
          humidity, humidity AS humidity_min, humidity AS humidity_max, battery
        FROM readings WHERE node = @node AND time BETWEEN @from AND @to
        UNION ALL
        SELECT time + span / 2, count, temperature, temperature_min, temperature_max,
          humidity, humidity_min, humidity_max, battery
        FROM means WHERE node = @node AND time BETWEEN @from AND @to
      )
      GROUP BY (time - CAST(@from AS INTEGER)) / CAST(@span AS INTEGER) ORDER BY 1`);
  }

  healthSeries(node: number, from: number, to: number, points: number): HealthPoint[] {
    const span = Math.max(1, Math.ceil((to - from + 1) / points));
    const mean = (column: string) =>
      `sum(${column} * count) / sum(count) FILTER (WHERE ${column} IS NOT NULL)`;
    return this.#database
      .prepare<[{ node: number; from: number; to: number; span: number }], HealthPoint>(
        `SELECT CAST(sum(time * count) / sum(count) AS INTEGER) AS time, sum(count) AS count,
           ${mean("rsrp")} AS rsrp, min(rsrp_min) AS rsrpMin, max(rsrp_max) AS rsrpMax,
           ${mean("queue")} AS queue, max(queue_max) AS queueMax, ${mean("battery")} / 1000 AS battery,
           max(dropped) AS dropped, ${mean("heard")} AS heard
         FROM (
           SELECT time, 1.0 AS count, rsrp, rsrp AS rsrp_min, rsrp AS rsrp_max, queue, queue AS queue_max, battery,
             dropped, heard
           FROM health_history WHERE node = @node AND time BETWEEN @from AND @to
           UNION ALL
           SELECT time + ${HOUR / 2}, count, rsrp, rsrp_min, rsrp_max, queue, queue_max, battery, dropped, heard
           FROM health_hourly WHERE node = @node AND time BETWEEN @from AND @to
         )
         GROUP BY (time - CAST(@from AS INTEGER)) / CAST(@span AS INTEGER) ORDER BY 1`,
      )
      .all({ node, from, to, span });
  }

  readings(query: ReadingQuery): ReadingRecord[] {
    const from = query.from ?? 0;
    const to = query.to ?? Number.MAX_SAFE_INTEGER;
    const [filter, parameters] =
      query.node === undefined
        ? ["time BETWEEN ? AND ?", [from, to, query.limit]]
        : ["node = ? AND time BETWEEN ? AND ?", [query.node, from, to, query.limit]];
    const rows = this.#database
      .prepare<number[], Row<ReadingRecord>>(
        `SELECT ${READING_COLUMNS} FROM readings WHERE ${filter} ORDER BY time DESC LIMIT ?`,
      )
      .all(...parameters);
    return rows.reverse().map((row) => fromRow<ReadingRecord>(row));
  }

  series(node: number, from: number, to: number, points: number): SeriesPoint[] {
    const span = Math.max(1, Math.ceil((to - from + 1) / points));
    return this.#series.all({ node, from, to, span });
  }

  events(query: EventQuery): EventRecord[] {
    const filters: string[] = [];
    const parameters: (string | number)[] = [];
    if (query.kind !== undefined) {
      filters.push("kind = ?");
      parameters.push(query.kind);
    }
    if (query.node !== undefined) {
      filters.push("(node = ? OR gateway = ?)");
      parameters.push(query.node, query.node);
    }
    if (query.severity !== undefined) {
      filters.push("severity = ?");
      parameters.push(query.severity);
    }
    if (query.before !== undefined) {
      filters.push("(last, id) < (?, ?)");
      parameters.push(query.before, query.beforeId ?? "");
    }
    if (query.text !== undefined) {
      filters.push(`${EVENT_TEXT} LIKE ? ESCAPE '\\'`);
      parameters.push(likePattern(query.text));
    }
    const where = filters.length === 0 ? "" : `WHERE ${filters.join(" AND ")}`;
    const rows = this.#database
      .prepare<(string | number)[], Row<EventRecord>>(
        `SELECT id, time, last, count, kind, severity, node, gateway, reason, detail FROM events ${where}
         ORDER BY last DESC, id DESC LIMIT ?`,
      )
      .all(...parameters, query.limit);
    return rows.map((row) => fromRow<EventRecord>(row));
  }

  /** A page of the export: ascending by time, then by row. */
  page(
    query: ReadingQuery & { readonly after: { readonly time: number; readonly id: number } },
  ): ReadingRecord[] {
    const { node, after, to = Number.MAX_SAFE_INTEGER, limit } = query;
    const filter = node === undefined ? "" : "node = ? AND";
    const rows = this.#database
      .prepare<number[], Row<ReadingRecord>>(
        `SELECT ${READING_COLUMNS} FROM readings WHERE ${filter} (time, id) > (?, ?) AND time <= ?
         ORDER BY time, id LIMIT ?`,
      )
      .all(...(node === undefined ? [] : [node]), after.time, after.id, to, limit);
    return rows.map((row) => fromRow<ReadingRecord>(row));
  }

  sealed({ node, after, limit }: SealedQuery): SealedMessage[] {
    const filter = node === undefined ? "" : "c.node = ? AND";
    return this.#database
      .prepare<number[], SealedMessage>(
        `SELECT c.node, s.context, s.partial_iv AS partialIv, s.received, s.message, c.keys
         FROM sealed s JOIN contexts c ON c.id = s.context
         WHERE ${filter} (s.context, s.partial_iv) > (?, ?) ORDER BY s.context, s.partial_iv LIMIT ?`,
      )
      .all(...(node === undefined ? [] : [node]), after.context, after.partialIv, limit);
  }
}

import type { Pool } from "pg";
import type { EventRecord, ReadingRecord } from "../model.js";
import { EVENT_TEXT, fromRow, likePattern, READING_COLUMNS, type Row } from "./rows.js";
import type {
  EventQuery,
  HealthPoint,
  ReadingPage,
  ReadingQuery,
  SealedMessage,
  SealedQuery,
  SeriesPoint,
} from "./store.js";

const HOUR = 3_600_000;

/** Raw readings and the means that older ones have become, weighted alike. */
const SERIES = `
  SELECT trunc(sum(time * count) / sum(count))::bigint AS time, sum(count) AS count,
    sum(temperature * count) / sum(count) FILTER (WHERE temperature IS NOT NULL) / 100 AS temperature,
    min(temperature_min) / 100::double precision AS "temperatureMin",
    max(temperature_max) / 100::double precision AS "temperatureMax",
    sum(humidity * count) / sum(count) FILTER (WHERE humidity IS NOT NULL) / 100 AS humidity,
    min(humidity_min) / 100::double precision AS "humidityMin",
    max(humidity_max) / 100::double precision AS "humidityMax",
    sum(battery * count) / sum(count) FILTER (WHERE battery IS NOT NULL) / 1000 AS battery
  FROM (
    SELECT time, 1::double precision AS count, temperature::double precision, temperature AS temperature_min,
      temperature AS temperature_max, humidity::double precision, humidity AS humidity_min, humidity AS humidity_max,
      battery::double precision
    FROM readings WHERE node = $1 AND time BETWEEN $2 AND $3
    UNION ALL
    SELECT time + span / 2, count, temperature, temperature_min, temperature_max,
      humidity, humidity_min, humidity_max, battery
    FROM means WHERE node = $1 AND time BETWEEN $2 AND $3
  ) AS spans
  GROUP BY (spans.time - $2) / $4::bigint ORDER BY 1`;

/** A condition of a query, with its parameters as they come. */
class Filter {
  readonly parameters: (string | number)[] = [];
  readonly #conditions: string[] = [];

  /** @param condition "?" stands for the value */
  and(condition: string, value: string | number | undefined): this {
    if (value === undefined) return this;
    this.#conditions.push(condition.replaceAll("?", `$${this.parameters.push(value)}`));
    return this;
  }

  /** Behind this place in a descending order. */
  before(columns: readonly [string, string], time: number | undefined, id: string): this {
    if (time === undefined) return this;
    const place = this.parameters.push(time, id);
    this.#conditions.push(`(${columns.join(", ")}) < ($${place - 1}, $${place})`);
    return this;
  }

  toString(): string {
    return this.#conditions.length === 0 ? "" : `WHERE ${this.#conditions.join(" AND ")}`;
  }
}

/** Looking back: readings, means of them, events, sealed messages. */
export class PostgresHistory {
  readonly #queries: Pool;

  constructor(queries: Pool) {
    this.#queries = queries;
  }

  async readings({ node, from, to, limit }: ReadingQuery): Promise<ReadingRecord[]> {
    const filter = new Filter().and("node = ?", node).and("time >= ?", from).and("time <= ?", to);
    const { rows } = await this.#queries.query<Row<ReadingRecord>>(
      `SELECT ${READING_COLUMNS} FROM readings ${filter} ORDER BY time DESC LIMIT ${limit}`,
      filter.parameters,
    );
    return rows.reverse().map((row) => fromRow<ReadingRecord>(row));
  }

  async page({ node, after, to, limit }: ReadingPage): Promise<ReadingRecord[]> {
    const filter = new Filter().and("node = ?", node).and("time <= ?", to);
    const place = filter.parameters.push(after.time, after.id);
    const where = `${filter}` === "" ? "WHERE" : `${filter} AND`;
    const { rows } = await this.#queries.query<Row<ReadingRecord>>(
      `SELECT ${READING_COLUMNS} FROM readings ${where} (time, id) > ($${place - 1}, $${place})
       ORDER BY time, id LIMIT ${limit}`,
      filter.parameters,
    );
    return rows.map((row) => fromRow<ReadingRecord>(row));
  }

  async series(node: number, from: number, to: number, points: number): Promise<SeriesPoint[]> {
    const span = Math.max(1, Math.ceil((to - from + 1) / points));
    const { rows } = await this.#queries.query<SeriesPoint>(SERIES, [node, from, to, span]);
    return rows;
  }

  async healthSeries(node: number, from: number, to: number, points: number): Promise<HealthPoint[]> {
    const span = Math.max(1, Math.ceil((to - from + 1) / points));
    const mean = (column: string) =>
      `(sum(${column} * count) / sum(count) FILTER (WHERE ${column} IS NOT NULL))::double precision`;
    const { rows } = await this.#queries.query<HealthPoint>(
      `SELECT trunc(sum(time * count) / sum(count))::bigint AS time, sum(count)::bigint AS count,
         ${mean("rsrp")} AS rsrp, min(rsrp_min) AS "rsrpMin", max(rsrp_max) AS "rsrpMax",
         ${mean("queue")} AS queue, max(queue_max) AS "queueMax", ${mean("battery")} / 1000 AS battery,
         max(dropped) AS dropped, ${mean("heard")} AS heard
       FROM (
         SELECT time, 1::numeric AS count, rsrp, rsrp AS rsrp_min, rsrp AS rsrp_max, queue, queue AS queue_max, battery,
           dropped, heard
         FROM health_history WHERE node = $1 AND time BETWEEN $2 AND $3
         UNION ALL
         SELECT time + ${HOUR / 2}, count, rsrp, rsrp_min, rsrp_max, queue, queue_max, battery, dropped, heard
         FROM health_hourly WHERE node = $1 AND time BETWEEN $2 AND $3
       ) h
       GROUP BY (time - $2) / $4::bigint ORDER BY 1`,
      [node, from, to, span],
    );
    return rows;
  }

  async events({
    kind,
    severity,
    node,
    before,
    beforeId = "",
    text,
    limit,
  }: EventQuery): Promise<EventRecord[]> {
    const filter = new Filter()
      .and("kind = ?", kind)
      .and("(node = ? OR gateway = ?)", node)
      .and("severity = ?", severity)
      .and(`${EVENT_TEXT} ILIKE ?`, text === undefined ? undefined : likePattern(text))
      .before(["last", "id"], before, beforeId);
    const { rows } = await this.#queries.query<Row<EventRecord>>(
      `SELECT id, time, last, count, kind, severity, node, gateway, reason, detail FROM events ${filter}
       ORDER BY last DESC, id DESC LIMIT ${limit}`,
      filter.parameters,
    );
    return rows.map((row) => fromRow<EventRecord>(row));
  }

  async sealed({ node, after, limit }: SealedQuery): Promise<SealedMessage[]> {
    const filter = new Filter().and("c.node = ?", node);
    const place = filter.parameters.push(after.context, after.partialIv);
    const where = `${filter}` === "" ? "WHERE" : `${filter} AND`;
    const { rows } = await this.#queries.query<SealedMessage>(
      `SELECT c.node, s.context, s.partial_iv AS "partialIv", s.received, s.message, c.keys
       FROM sealed s JOIN contexts c ON c.id = s.context
       ${where} (s.context, s.partial_iv) > ($${place - 1}, $${place}) ORDER BY s.context, s.partial_iv LIMIT ${limit}`,
      filter.parameters,
    );
    return rows;
  }
}

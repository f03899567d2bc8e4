import type { ClientBase } from "pg";
import type { PostgresDatabase } from "./postgres-connection.js";
import type { Keep } from "./store.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Of the advisory lock that one server holds while it thins: a piece done twice would count twice ("OSMt"). */
const THINNING_LOCK = 0x4f534d74;

/** Means of what both have, weighted; of what one of them lacks, the other's (least and greatest pass NULLs over). */
const MERGE = `
  ON CONFLICT (node, time, span) DO UPDATE SET
    count = means.count + excluded.count,
    ${["temperature", "humidity", "battery"]
      .map(
        (field) => `${field} = coalesce(
      (means.${field} * means.count + excluded.${field} * excluded.count) / (means.count + excluded.count),
      means.${field}, excluded.${field})`,
      )
      .join(",\n    ")},
    ${["temperature", "humidity"]
      .map(
        (field) => `${field}_min = least(means.${field}_min, excluded.${field}_min),
    ${field}_max = greatest(means.${field}_max, excluded.${field}_max)`,
      )
      .join(",\n    ")}`;

const INTO_MEANS = `INSERT INTO means (node, span, time, count, temperature, temperature_min, temperature_max,
    humidity, humidity_min, humidity_max, battery)`;

function weighted(field: string): string {
  return `sum(${field} * count) / sum(count) FILTER (WHERE ${field} IS NOT NULL)`;
}

const HOURLY = `${INTO_MEANS}
  SELECT node, ${HOUR}, $1::bigint, count(*), avg(temperature), min(temperature), max(temperature),
    avg(humidity), min(humidity), max(humidity), avg(battery)
  FROM readings WHERE time >= $1 AND time < $2 GROUP BY node ${MERGE}`;

const DAILY = `${INTO_MEANS}
  SELECT node, ${DAY}, $1::bigint, sum(count), ${weighted("temperature")}, min(temperature_min),
    max(temperature_max), ${weighted("humidity")}, min(humidity_min), max(humidity_max), ${weighted("battery")}
  FROM means WHERE span = ${HOUR} AND time >= $1 AND time < $2 GROUP BY node ${MERGE}`;

/** An hour that is thinned twice, because a report came late, keeps what it had. */
const HEALTH = `
  INSERT INTO health_hourly (node, time, count, rsrp, rsrp_min, rsrp_max, queue, queue_max, battery, dropped, heard)
  SELECT node, $1::bigint, count(*), avg(rsrp), min(rsrp), max(rsrp), avg(queue), max(queue), avg(battery),
    max(dropped), avg(heard)
  FROM health_history WHERE time >= $1 AND time < $2 GROUP BY node ON CONFLICT DO NOTHING`;

/**
 * As `thin` for SQLite: readings become hourly means, these daily ones; gateways' reports hourly ones; at most one hour and one day at a time. Of
 * several servers one does it.
 * @returns whether there is more to do
 */
export function thinPostgres(database: PostgresDatabase, keep: Keep, now: number): Promise<boolean> {
  return database.transaction(async (client) => {
    const { rows } = await client.query<{ mine: boolean }>("SELECT pg_try_advisory_xact_lock($1) AS mine", [
      THINNING_LOCK,
    ]);
    if (!rows[0].mine) return false;
    const means = (span: number) => `SELECT min(time) AS time FROM means WHERE span = ${span}`;
    const forget = (span: number) => `DELETE FROM means WHERE span = ${span} AND time >= $1 AND time < $2`;
    const more = [
      await piece(client, now, keep.raw, HOUR, "SELECT min(time) AS time FROM readings", [
        HOURLY,
        "DELETE FROM readings WHERE time >= $1 AND time < $2",
      ]),
      await piece(client, now, keep.hourly, DAY, means(HOUR), [DAILY, forget(HOUR)]),
      await piece(client, now, keep.daily, DAY, means(DAY), [forget(DAY)]),
      await piece(client, now, keep.raw, HOUR, "SELECT min(time) AS time FROM health_history", [
        HEALTH,
        "DELETE FROM health_history WHERE time >= $1 AND time < $2",
      ]),
      await piece(client, now, keep.hourly, DAY, "SELECT min(time) AS time FROM health_hourly", [
        "DELETE FROM health_hourly WHERE time >= $1 AND time < $2",
      ]),
    ];
    if (keep.sealed !== undefined) {
      await client.query("DELETE FROM sealed WHERE received < $1", [now - keep.sealed]);
    }
    if (keep.events !== undefined) {
      await client.query(
        "DELETE FROM events WHERE last < (SELECT last FROM events ORDER BY last DESC LIMIT 1 OFFSET $1)",
        [keep.events - 1],
      );
    }
    return more.includes(true);
  });
}

async function piece(
  client: ClientBase,
  now: number,
  age: number | undefined,
  span: number,
  oldest: string,
  statements: readonly string[],
): Promise<boolean> {
  if (age === undefined) return false;
  const { rows } = await client.query<{ time: number | null }>(oldest);
  const first = rows[0].time;
  const limit = floor(now - age, span);
  if (first === null || first >= limit) return false;
  const from = floor(first, span);
  const to = from + span;
  for (const statement of statements) await client.query(statement, [from, to]);
  return to < limit;
}

function floor(time: number, span: number): number {
  return Math.floor(time / span) * span;
}

import type Database from "better-sqlite3";
import type { Keep } from "./store.js";

export type { Keep };

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Means of what both have, weighted; of what one of them lacks, the other's. */
const MERGE = `
  ON CONFLICT (node, time, span) DO UPDATE SET
    count = means.count + excluded.count,
    ${["temperature", "humidity", "battery"]
      .map(
        (field) => `${field} = CASE
          WHEN means.${field} IS NULL THEN excluded.${field}
          WHEN excluded.${field} IS NULL THEN means.${field}
          ELSE (means.${field} * means.count + excluded.${field} * excluded.count) / (means.count + excluded.count)
        END`,
      )
      .join(",\n    ")},
    ${["temperature", "humidity"]
      .map(
        (field) => `
    ${field}_min = coalesce(min(means.${field}_min, excluded.${field}_min), means.${field}_min, excluded.${field}_min),
    ${field}_max = coalesce(max(means.${field}_max, excluded.${field}_max), means.${field}_max, excluded.${field}_max)`,
      )
      .join(",")}`;

function weighted(field: string): string {
  return `sum(${field} * count) / sum(count) FILTER (WHERE ${field} IS NOT NULL)`;
}

const HOURLY = `
  INSERT INTO means (node, span, time, count, temperature, temperature_min, temperature_max,
    humidity, humidity_min, humidity_max, battery)
  SELECT node, ${HOUR}, CAST(@from AS INTEGER), count(*), avg(temperature), min(temperature), max(temperature),
    avg(humidity), min(humidity), max(humidity), avg(battery)
  FROM readings WHERE time >= @from AND time < @to GROUP BY node ${MERGE}`;

const DAILY = `
  INSERT INTO means (node, span, time, count, temperature, temperature_min, temperature_max,
    humidity, humidity_min, humidity_max, battery)
  SELECT node, ${DAY}, CAST(@from AS INTEGER), sum(count), ${weighted("temperature")}, min(temperature_min),
    max(temperature_max), ${weighted("humidity")}, min(humidity_min), max(humidity_max), ${weighted("battery")}
  FROM means WHERE span = ${HOUR} AND time >= @from AND time < @to GROUP BY node ${MERGE}`;

/** An hour that is thinned twice, because a report came late, keeps what it had. */
const HEALTH = `
  INSERT OR IGNORE INTO health_hourly (node, time, count, rsrp, rsrp_min, rsrp_max, queue, queue_max, battery, dropped, heard)
  SELECT node, CAST(@from AS INTEGER), count(*), avg(rsrp), min(rsrp), max(rsrp), avg(queue), max(queue), avg(battery),
    max(dropped), avg(heard)
  FROM health_history WHERE time >= @from AND time < @to GROUP BY node`;

/**
 * Lets go of what is older than it is to be kept: readings become hourly means, these daily ones; gateways' reports hourly ones. Does at most one hour
 * of readings and one day of means at a time, because nobody else can write meanwhile.
 * @returns whether there is more to do
 */
export function thin(database: Database.Database, keep: Keep, now: number): boolean {
  let more = false;
  const piece = (
    oldest: string,
    span: number,
    age: number | undefined,
    make: string,
    forget: string,
  ): void => {
    if (age === undefined) return;
    const first = database.prepare<[], { time: number | null }>(oldest).get()?.time ?? null;
    const limit = floor(now - age, span);
    if (first === null || first >= limit) return;
    const from = floor(first, span);
    const to = from + span;
    database
      .transaction(() => {
        if (make !== "") database.prepare(make).run({ from, to });
        database.prepare(forget).run({ from, to });
      })
      .immediate();
    more ||= to < limit;
  };
  piece(
    "SELECT min(time) AS time FROM readings",
    HOUR,
    keep.raw,
    HOURLY,
    "DELETE FROM readings WHERE time >= @from AND time < @to",
  );
  const means = (span: number) => `SELECT min(time) AS time FROM means WHERE span = ${span}`;
  const forget = (span: number) => `DELETE FROM means WHERE span = ${span} AND time >= @from AND time < @to`;
  piece(means(HOUR), DAY, keep.hourly, DAILY, forget(HOUR));
  piece(means(DAY), DAY, keep.daily, "", forget(DAY));
  piece(
    "SELECT min(time) AS time FROM health_history",
    HOUR,
    keep.raw,
    HEALTH,
    "DELETE FROM health_history WHERE time >= @from AND time < @to",
  );
  piece(
    "SELECT min(time) AS time FROM health_hourly",
    DAY,
    keep.hourly,
    "",
    "DELETE FROM health_hourly WHERE time >= @from AND time < @to",
  );
  if (keep.sealed !== undefined) {
    database.prepare("DELETE FROM sealed WHERE received < ?").run(now - keep.sealed);
  }
  if (keep.events !== undefined) {
    database
      .prepare(
        "DELETE FROM events WHERE last < (SELECT last FROM events ORDER BY last DESC LIMIT 1 OFFSET ?)",
      )
      .run(keep.events - 1);
  }
  return more;
}

function floor(time: number, span: number): number {
  return Math.floor(time / span) * span;
}

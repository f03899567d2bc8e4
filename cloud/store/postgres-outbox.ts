import type { ReadingRecord } from "../model.js";
import type { PostgresDatabase } from "./postgres-connection.js";
import { fromRow, READING_COLUMNS, type Row } from "./rows.js";
import type { Outbox } from "./store.js";

/** What a server took and did not pass on for so long, another one takes. */
const LEASE = "1 minute";

/** Readings to be passed on. Each is taken by one server at a time. */
export class PostgresOutbox implements Outbox {
  enabled = false;
  readonly #database: PostgresDatabase;

  constructor(database: PostgresDatabase) {
    this.#database = database;
  }

  async take(limit: number): Promise<ReadingRecord[]> {
    const { rows } = await this.#database.queries.query<Row<ReadingRecord>>(
      `WITH mine AS (
         UPDATE outbox SET taken = now() WHERE reading IN (
           SELECT reading FROM outbox WHERE taken IS NULL OR taken < now() - interval '${LEASE}'
           ORDER BY reading LIMIT $1 FOR UPDATE SKIP LOCKED)
         RETURNING reading
       )
       SELECT ${READING_COLUMNS} FROM readings WHERE id IN (SELECT reading FROM mine) ORDER BY id`,
      [limit],
    );
    return rows.map((row) => fromRow<ReadingRecord>(row));
  }

  async passed(readings: readonly ReadingRecord[]): Promise<void> {
    // What was corrected meanwhile leaves once more.
    await this.#database.queries.query(
      `DELETE FROM outbox USING unnest($1::bigint[], $2::bigint[]) AS p (id, time)
       WHERE reading = p.id AND NOT EXISTS (SELECT 1 FROM readings r WHERE r.id = p.id AND r.time <> p.time)`,
      [readings.map(({ id }) => id), readings.map(({ time }) => time)],
    );
  }

  async giveBack(readings: readonly ReadingRecord[]): Promise<void> {
    await this.#database.queries.query("UPDATE outbox SET taken = NULL WHERE reading = ANY ($1)", [
      readings.map(({ id }) => id),
    ]);
  }

  async trim(most: number): Promise<number> {
    const { rowCount } = await this.#database.queries.query(
      `DELETE FROM outbox WHERE reading <= (SELECT reading FROM outbox ORDER BY reading DESC LIMIT 1 OFFSET $1)
         OR NOT EXISTS (SELECT 1 FROM readings WHERE id = reading)`,
      [most],
    );
    return rowCount ?? 0;
  }
}

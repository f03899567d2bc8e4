import type Database from "better-sqlite3";
import type { ReadingRecord } from "../model.js";
import { fromRow, READING_COLUMNS, type Row } from "./rows.js";
import type { Outbox } from "./store.js";

/** Readings to be passed on. One server has the store, so what it took is marked nowhere: another start takes it again. */
export class SqliteOutbox implements Outbox {
  enabled = false;
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    this.#database = database;
  }

  async take(limit: number): Promise<ReadingRecord[]> {
    return this.#database
      .prepare<[number], Row<ReadingRecord>>(
        `SELECT ${READING_COLUMNS} FROM readings WHERE id IN (SELECT reading FROM outbox ORDER BY reading LIMIT ?)
         ORDER BY id`,
      )
      .all(limit)
      .map((row) => fromRow<ReadingRecord>(row));
  }

  async passed(readings: readonly ReadingRecord[]): Promise<void> {
    // What was corrected meanwhile leaves once more.
    const remove = this.#database.prepare(
      "DELETE FROM outbox WHERE reading = ? AND NOT EXISTS (SELECT 1 FROM readings WHERE id = reading AND time <> ?)",
    );
    this.#database
      .transaction(() => {
        for (const { id, time } of readings) remove.run(id, time);
      })
      .immediate();
  }

  async giveBack(): Promise<void> {}

  async trim(most: number): Promise<number> {
    return this.#database
      .prepare(
        "DELETE FROM outbox WHERE reading <= (SELECT reading FROM outbox ORDER BY reading DESC LIMIT 1 OFFSET ?)",
      )
      .run(most).changes;
  }
}

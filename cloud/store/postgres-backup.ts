import Database from "better-sqlite3";
import type { PostgresDatabase } from "./postgres-connection.js";
import { openSqlite } from "./sqlite.js";

/** Each of SQLite's tables with what fills its columns, in an order that its foreign keys allow. */
const TABLES: Readonly<Record<string, string>> = {
  nodes: "SELECT id, name, kind, mesh_address, place, created, removed FROM nodes ORDER BY id",
  contexts: `SELECT c.id, c.node, c.generation, c.fingerprint, c.provisioned, c.node_id, c.id_context, c.keys,
      c.active::integer AS active, c.replay_window, c.replay_highest, c.replay_seen, c.last_request, c.last_answer,
      s.next AS sender_sequence
    FROM contexts c JOIN sequences s ON s.context = c.id ORDER BY c.id`,
  readings: `SELECT id, node, time, temperature, humidity, battery, received, gateway, hops, context, partial_iv, position
    FROM readings ORDER BY id`,
  means: `SELECT node, span, time, count, temperature, temperature_min, temperature_max, humidity, humidity_min,
      humidity_max, battery FROM means`,
  sealed: "SELECT context, partial_iv, received, message FROM sealed",
  events: "SELECT id, time, last, count, kind, severity, node, gateway, reason, detail FROM events",
  health: "SELECT node, time, source, body FROM health",
};

const PAGE = 5_000;

/**
 * Copies a store, whole and consistent, while servers may be writing, into a file as the store in SQLite has it: a
 * backup that opens everywhere.
 */
export async function copyToSqlite(database: PostgresDatabase, file: string): Promise<void> {
  await openSqlite({ file }).close();
  const copy = new Database(file);
  try {
    copy.pragma("synchronous = OFF");
    copy.exec("BEGIN");
    await database.transaction(
      async (client) => {
        for (const [table, select] of Object.entries(TABLES)) {
          await client.query(`DECLARE page NO SCROLL CURSOR FOR ${select}`);
          let insert: Database.Statement<unknown[]> | undefined;
          for (;;) {
            const { rows, fields } = await client.query<unknown[]>({
              text: `FETCH ${PAGE} FROM page`,
              rowMode: "array",
            });
            const columns = fields.map(({ name }) => name);
            insert ??= copy.prepare(
              `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
            );
            for (const row of rows) insert.run(...row);
            if (rows.length < PAGE) break;
          }
          await client.query("CLOSE page");
        }
      },
      { begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" },
    );
    copy.exec("COMMIT");
    // One file, and on the disk, before anybody is told that it is there.
    copy.pragma("synchronous = FULL");
    copy.pragma("wal_checkpoint(TRUNCATE)");
  } finally {
    copy.close();
  }
}

import { randomInt } from "node:crypto";
import { copyFileSync, existsSync, rmSync } from "node:fs";
import Database from "better-sqlite3";
import type { ClientBase } from "pg";
import { StartupError } from "../errors.js";
import { formerName, JUMP } from "./backup.js";
import { explainDatabaseError, PostgresDatabase } from "./postgres-connection.js";
import { migrate, VERSION_TABLE } from "./postgres-schema.js";
import { SERVING } from "./postgres-watch.js";
import { inspectStore, openSqlite } from "./sqlite.js";

/** A backup is a file as the store in SQLite has it: it opens everywhere, and brings a store from one to the other. */
interface Table {
  /** Of SQLite, in an order that its foreign keys allow. */
  readonly name: string;
  /** PostgreSQL's rows in SQLite's columns. */
  readonly copy: string;
  /** SQLite's rows in PostgreSQL's columns. */
  readonly restore: string;
  /** Numbers its rows by itself. */
  readonly numbered: boolean;
}

function table(name: string, columns: string, numbered = false): Table {
  return {
    name,
    copy: `SELECT ${columns} FROM ${name}`,
    restore: `SELECT ${columns} FROM ${name}`,
    numbered,
  };
}

const CONTEXT_COLUMNS = `id, node, generation, fingerprint, provisioned, node_id, id_context, keys, replay_window`;

const TABLES: readonly Table[] = [
  table("nodes", "id, name, kind, mesh_address, place, created, removed", true),
  {
    name: "contexts",
    copy: `SELECT ${CONTEXT_COLUMNS}, replay_highest, replay_seen, last_request, last_answer, active::integer AS active,
      s.next AS sender_sequence FROM contexts c JOIN sequences s ON s.context = c.id`,
    // What has been accepted since the backup was made nobody knows: each node has to prove that it is fresh.
    restore: `SELECT ${CONTEXT_COLUMNS}, CASE active WHEN 1 THEN 'true' ELSE 'false' END AS active FROM contexts`,
    numbered: true,
  },
  table(
    "readings",
    "id, node, time, temperature, humidity, battery, received, gateway, hops, context, partial_iv, position",
    true,
  ),
  table(
    "means",
    `node, span, time, count, temperature, temperature_min, temperature_max, humidity, humidity_min, humidity_max,
     battery`,
  ),
  table("sealed", "context, partial_iv, received, message"),
  table("events", "id, time, last, count, kind, severity, node, gateway, reason, detail"),
  table("health", "node, time, source, body"),
  table("health_history", "node, time, rsrp, queue, battery, dropped, heard"),
  table(
    "health_hourly",
    "node, time, count, rsrp, rsrp_min, rsrp_max, queue, queue_max, battery, dropped, heard",
  ),
];

/** Rows that are in hand at a time. */
const PAGE = 2_000;

/** Copies a store, whole and consistent, while servers may be writing, into a new file. */
export async function copyToSqlite(database: PostgresDatabase, file: string): Promise<void> {
  await openSqlite({ file }).close();
  const copy = new Database(file);
  try {
    copy.pragma("synchronous = OFF");
    copy.exec("BEGIN");
    await database.transaction(
      async (client) => {
        const { rows } = await client.query<{ claim: Buffer | null }>(`SELECT claim FROM ${VERSION_TABLE}`);
        if (rows[0].claim !== null) copy.prepare("INSERT INTO claim VALUES (?)").run(rows[0].claim);
        for (const { name, copy: select } of TABLES) await copyTable(client, copy, name, select);
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

async function copyTable(
  client: ClientBase,
  copy: Database.Database,
  name: string,
  select: string,
): Promise<void> {
  await client.query(`DECLARE page NO SCROLL CURSOR FOR ${select}`);
  let insert: Database.Statement<unknown[]> | undefined;
  for (;;) {
    const { rows, fields } = await client.query<unknown[]>({
      text: `FETCH ${PAGE} FROM page`,
      rowMode: "array",
    });
    const columns = fields.map((field) => field.name);
    insert ??= copy.prepare(
      `INSERT INTO ${name} (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
    );
    for (const row of rows) insert.run(...row);
    if (rows.length < PAGE) break;
  }
  await client.query("CLOSE page");
}

/**
 * Puts a backup into the place of the store in a database, all or nothing, as `restoreStore` does for a file: what had
 * been accepted and sent since is unknown. No server may have the store open.
 *
 * @param backup a file that `npm run store -- backup` made, of either store
 * @param storeFile what the file of the store would be called: the former store is copied to one beside it
 * @returns where the former store is now, if there was one
 */
export async function restoreToPostgres(
  url: string,
  backup: string,
  storeFile: string,
): Promise<string | undefined> {
  if (!existsSync(backup)) throw new StartupError(`there is no ${backup}`);
  inspectStore(backup);
  const database = new PostgresDatabase(url);
  const { where } = database;
  // Opened once as a store, a copy is of this version.
  const fresh = `${storeFile}.restoring`;
  const former = formerName(storeFile);
  copyFileSync(backup, fresh);
  await openSqlite({ file: fresh }).close();
  const source = new Database(fresh);
  try {
    const wrong = source.pragma("integrity_check", { simple: true });
    if (wrong !== "ok") throw new StartupError(`${backup} is damaged: ${wrong}`);
    const client = await database.queries.connect();
    try {
      await migrate(client, where);
    } finally {
      client.release();
    }
    return await database.transaction(async (client) => {
      const { rows } = await client.query<{ alone: boolean; used: boolean }>(
        `SELECT pg_try_advisory_xact_lock(${SERVING}) AS alone,
           EXISTS (SELECT 1 FROM nodes) OR EXISTS (SELECT 1 FROM events) AS used`,
      );
      const { alone, used } = rows[0];
      if (!alone) throw new StartupError(`${where} is in use by a server: stop it first`);
      if (used) await copyToSqlite(database, former);
      await restoreTables(client, source);
      return used ? former : undefined;
    });
  } catch (error) {
    throw new StartupError(explainDatabaseError(error, where));
  } finally {
    source.close();
    rmSync(fresh, { force: true });
    await database.close();
  }
}

async function restoreTables(client: ClientBase, source: Database.Database): Promise<void> {
  const names = TABLES.map(({ name }) => name).join(", ");
  await client.query(`TRUNCATE ${names}, sequences, outbox RESTART IDENTITY`);
  for (const { name, restore, numbered } of TABLES) {
    const select = source.prepare<[], Record<string, unknown>>(restore);
    const columns = select.columns().map((column) => column.name);
    let rows: unknown[][] = [];
    const put = async (): Promise<void> => {
      if (rows.length === 0) return;
      const values = rows.map(
        (_, row) => `(${columns.map((__, i) => `$${row * columns.length + i + 1}`).join(", ")})`,
      );
      await client.query(
        `INSERT INTO ${name} (${columns.join(", ")}) ${numbered ? "OVERRIDING SYSTEM VALUE" : ""} VALUES ${values.join(", ")}`,
        rows.flat(),
      );
      rows = [];
    };
    for (const row of select.raw().iterate() as IterableIterator<unknown[]>) {
      rows.push(row.map((value) => (typeof value === "string" ? value.replaceAll("\0", "\ufffd") : value)));
      if (rows.length === PAGE) await put();
    }
    await put();
    if (numbered) {
      await client.query(
        `SELECT setval(pg_get_serial_sequence('${name}', 'id'), coalesce(max(id), 0) + 1, false) FROM ${name}`,
      );
    }
  }
  const sequences = source
    .prepare<[], { id: number; sender_sequence: number | null }>("SELECT id, sender_sequence FROM contexts")
    .all();
  for (const { id, sender_sequence: used } of sequences) {
    await client.query("INSERT INTO sequences (context, next) VALUES ($1, $2)", [
      id,
      used === null ? null : used + randomInt(JUMP.least, JUMP.most),
    ]);
  }
  const claim = source.prepare<[], { mark: Buffer }>("SELECT mark FROM claim").get();
  await client.query(`UPDATE ${VERSION_TABLE} SET claim = $1`, [claim?.mark ?? null]);
}

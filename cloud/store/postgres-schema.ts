import type { ClientBase } from "pg";
import { StartupError } from "../errors.js";

/** Says that the tables beside it are a store of ours, and of which version. */
export const VERSION_TABLE = "oscore_mesh_store";
/** Of the advisory lock that servers starting at once take in turn ("OSMc"). */
const MIGRATION_LOCK = 0x4f534d63;

/**
 * One step per version, as in schema.ts. What differs from SQLite's tables:
 *
 * - `contexts.version` counts what was written of a context's replay state: a server whose knowledge is older than the
 *   row may not write it.
 * - Numbers of ours have a table of their own, so that taking some does not write a context's whole row again, nor wait
 *   for a commit that holds it.
 * - Readings have no foreign keys: a commit holds the row of the context that it writes under, and no node is ever
 *   deleted. The check would lock a node's row for each reading.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE ${VERSION_TABLE} (version integer NOT NULL, claim bytea);
  INSERT INTO ${VERSION_TABLE} VALUES (0);

  CREATE TABLE nodes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    kind text NOT NULL,
    mesh_address integer,
    place text,
    created bigint NOT NULL,
    removed bigint
  );

  -- Room in each page for the next version of its rows, without touching an index.
  CREATE TABLE contexts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node integer NOT NULL REFERENCES nodes (id),
    generation integer NOT NULL,
    fingerprint bytea NOT NULL UNIQUE,
    provisioned bytea NOT NULL,
    node_id bytea NOT NULL,
    id_context bytea,
    keys bytea,
    active boolean NOT NULL,
    replay_window integer NOT NULL,
    version bigint NOT NULL DEFAULT 0,
    replay_highest bigint NOT NULL DEFAULT -1,
    replay_seen bytea,
    last_request bytea,
    last_answer bytea,
    UNIQUE (node, generation)
  ) WITH (fillfactor = 50);
  CREATE UNIQUE INDEX contexts_in_use ON contexts (node_id, coalesce(encode(id_context, 'hex'), 'none')) WHERE active;

  CREATE TABLE sequences (
    context integer PRIMARY KEY REFERENCES contexts (id),
    -- The first number that was never reserved (RFC 8613 App. B.1.1). NULL: not known any more.
    next bigint
  ) WITH (fillfactor = 50);

  CREATE TABLE readings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node integer NOT NULL,
    time bigint NOT NULL,
    temperature integer,
    humidity integer,
    battery integer,
    received bigint NOT NULL,
    gateway integer,
    hops integer,
    context integer NOT NULL,
    partial_iv bigint NOT NULL,
    position integer NOT NULL,
    UNIQUE (context, partial_iv, position)
  );
  CREATE INDEX readings_of_node ON readings (node, time);
  CREATE INDEX readings_by_time ON readings (time);

  CREATE TABLE means (
    node integer NOT NULL,
    span bigint NOT NULL,
    time bigint NOT NULL,
    count bigint NOT NULL,
    temperature double precision,
    temperature_min integer,
    temperature_max integer,
    humidity double precision,
    humidity_min integer,
    humidity_max integer,
    battery double precision,
    PRIMARY KEY (node, time, span)
  );
  CREATE INDEX means_by_age ON means (span, time);

  CREATE TABLE sealed (
    context integer NOT NULL,
    partial_iv bigint NOT NULL,
    received bigint NOT NULL,
    message bytea NOT NULL,
    PRIMARY KEY (context, partial_iv)
  );

  CREATE TABLE events (
    id text COLLATE "C" PRIMARY KEY,
    time bigint NOT NULL,
    last bigint NOT NULL,
    count bigint NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    node text,
    gateway text,
    reason text NOT NULL,
    detail text NOT NULL
  );
  CREATE INDEX events_by_time ON events (last);

  CREATE TABLE health (
    node integer PRIMARY KEY REFERENCES nodes (id),
    time bigint NOT NULL,
    source text NOT NULL,
    body text NOT NULL
  );
  `,
  `
  -- Readings to be passed on, and since when a server is at it.
  CREATE TABLE outbox (reading bigint PRIMARY KEY, taken timestamptz);
  `,
  `
  CREATE TABLE health_history (
    node integer NOT NULL,
    time bigint NOT NULL,
    rsrp integer,
    queue integer,
    battery integer,
    dropped bigint,
    heard integer,
    PRIMARY KEY (node, time)
  );
  CREATE INDEX health_by_time ON health_history (time);
  `,
  `
  CREATE TABLE health_hourly (
    node integer NOT NULL,
    time bigint NOT NULL,
    count integer NOT NULL,
    rsrp double precision,
    rsrp_min integer,
    rsrp_max integer,
    queue double precision,
    queue_max integer,
    battery double precision,
    dropped bigint,
    heard double precision,
    PRIMARY KEY (node, time)
  );
  CREATE INDEX health_hourly_by_time ON health_hourly (time);
  `,
];

export const POSTGRES_VERSION = STEPS.length;

const TABLES = [
  "nodes",
  "contexts",
  "sequences",
  "readings",
  "means",
  "sealed",
  "events",
  "health",
  "outbox",
  "health_history",
  "health_hourly",
];

/**
 * Brings the tables to {@link POSTGRES_VERSION}, all or nothing; of several servers that start at once, one does it.
 * @param where the database, for messages
 * @throws StartupError when a newer version wrote them, or another program has tables of these names
 */
export async function migrate(client: ClientBase, where: string): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query("SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK]);
    const version = await storeVersion(client, where);
    if (version === undefined) await refuseForeignTables(client, where);
    for (const step of STEPS.slice(version)) await client.query(step);
    if (version !== POSTGRES_VERSION)
      await client.query(`UPDATE ${VERSION_TABLE} SET version = $1`, [POSTGRES_VERSION]);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

/**
 * Version of the store in a database; `undefined` when there is none.
 * @throws StartupError when a newer version wrote it
 */
export async function storeVersion(client: ClientBase, where: string): Promise<number | undefined> {
  const { rows: found } = await client.query<{ there: string | null }>("SELECT to_regclass($1) AS there", [
    VERSION_TABLE,
  ]);
  if (found[0].there === null) return undefined;
  const { rows } = await client.query<{ version: number }>(`SELECT version FROM ${VERSION_TABLE}`);
  const version = rows[0]?.version ?? 0;
  if (version <= POSTGRES_VERSION) return version;
  throw new StartupError(
    `the store in ${where} was written by a newer version of this server (store version ${version}, this server knows ` +
      `up to ${POSTGRES_VERSION}); nothing was changed: start the newer server, or choose another database in DATABASE_URL`,
  );
}

async function refuseForeignTables(client: ClientBase, where: string): Promise<void> {
  const { rows } = await client.query<{ relname: string }>(
    `SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ANY ($1)`,
    [TABLES],
  );
  if (rows.length === 0) return;
  throw new StartupError(
    `${where} holds another program's tables (${rows.map(({ relname }) => relname).join(", ")}); nothing was changed: ` +
      "choose another database in DATABASE_URL",
  );
}

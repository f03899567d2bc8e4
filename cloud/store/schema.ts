import type Database from "better-sqlite3";

/** In the header of every store of ours, so that another program's database is not taken for one ("OSMc"). */
export const APPLICATION_ID = 0x4f534d63;

/**
 * One step per version: step 0 makes version 1 out of nothing. Steps that were released are never edited; a change of
 * the schema is a new step.
 */
const STEPS: readonly string[] = [
  `
  CREATE TABLE claim (mark BLOB NOT NULL) STRICT;

  CREATE TABLE nodes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    mesh_address INTEGER,
    place TEXT,
    created INTEGER NOT NULL,
    removed INTEGER
  ) STRICT;

  -- A row outlives its node: it holds what was accepted under these keys, and they may come back.
  CREATE TABLE contexts (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES nodes (id),
    generation INTEGER NOT NULL,
    fingerprint BLOB NOT NULL UNIQUE,
    -- Of the keys that a person gave; another one where node and server have made new keys out of them.
    provisioned BLOB NOT NULL,
    -- As provisioned.
    node_id BLOB NOT NULL,
    id_context BLOB,
    keys BLOB,
    active INTEGER NOT NULL,
    replay_window INTEGER NOT NULL,
    replay_highest INTEGER NOT NULL DEFAULT -1,
    -- NULL: not known any more.
    replay_seen BLOB,
    last_request BLOB,
    last_answer BLOB,
    -- The first of our numbers that was never reserved (RFC 8613 App. B.1.1). NULL: not known any more.
    sender_sequence INTEGER DEFAULT 0,
    UNIQUE (node, generation)
  ) STRICT;
  CREATE UNIQUE INDEX contexts_in_use ON contexts (node_id, quote(id_context)) WHERE active = 1;

  CREATE TABLE readings (
    id INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES nodes (id),
    time INTEGER NOT NULL,
    temperature INTEGER,
    humidity INTEGER,
    battery INTEGER,
    received INTEGER NOT NULL,
    gateway INTEGER,
    hops INTEGER,
    context INTEGER NOT NULL REFERENCES contexts (id),
    partial_iv INTEGER NOT NULL,
    position INTEGER NOT NULL,
    UNIQUE (context, partial_iv, position)
  ) STRICT;
  CREATE INDEX readings_of_node ON readings (node, time);
  CREATE INDEX readings_by_time ON readings (time);

  -- What readings have become that were too old to be kept one by one. In the units of the readings.
  CREATE TABLE means (
    node INTEGER NOT NULL REFERENCES nodes (id),
    span INTEGER NOT NULL,
    time INTEGER NOT NULL,
    count INTEGER NOT NULL,
    temperature REAL,
    temperature_min INTEGER,
    temperature_max INTEGER,
    humidity REAL,
    humidity_min INTEGER,
    humidity_max INTEGER,
    battery REAL,
    PRIMARY KEY (node, time, span)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX means_by_age ON means (span, time);

  CREATE TABLE sealed (
    context INTEGER NOT NULL REFERENCES contexts (id),
    partial_iv INTEGER NOT NULL,
    received INTEGER NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (context, partial_iv)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE events (
    id TEXT PRIMARY KEY,
    time INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    kind TEXT NOT NULL,
    severity TEXT NOT NULL,
    node TEXT,
    gateway TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX events_by_time ON events (last);

  CREATE TABLE health (
    node INTEGER PRIMARY KEY REFERENCES nodes (id),
    time INTEGER NOT NULL,
    source TEXT NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  `,
  `
  -- Readings to be passed on; where they are not kept for so long, they are not passed on either.
  CREATE TABLE outbox (
    reading INTEGER PRIMARY KEY REFERENCES readings (id) ON DELETE CASCADE
  ) STRICT;
  `,
  `
  -- What gateways have reported in numbers, one row a report.
  CREATE TABLE health_history (
    node INTEGER NOT NULL REFERENCES nodes (id),
    time INTEGER NOT NULL,
    rsrp INTEGER,
    queue INTEGER,
    battery INTEGER,
    dropped INTEGER,
    heard INTEGER,
    PRIMARY KEY (node, time)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX health_by_time ON health_history (time);
  `,
  `
  -- What older ones of them have become, one row an hour.
  CREATE TABLE health_hourly (
    node INTEGER NOT NULL REFERENCES nodes (id),
    time INTEGER NOT NULL,
    count INTEGER NOT NULL,
    rsrp REAL,
    rsrp_min INTEGER,
    rsrp_max INTEGER,
    queue REAL,
    queue_max INTEGER,
    battery REAL,
    dropped INTEGER,
    heard REAL,
    PRIMARY KEY (node, time)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX health_hourly_by_time ON health_hourly (time);
  `,
];

export const SCHEMA_VERSION = STEPS.length;

/** Brings a database of version `version` to {@link SCHEMA_VERSION}, all or nothing. */
export function migrate(database: Database.Database, version: number): void {
  if (version === SCHEMA_VERSION) return;
  database.transaction(() => {
    for (const step of STEPS.slice(version)) database.exec(step);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${SCHEMA_VERSION}`);
  })();
  // Into the file's header, where the next start looks before it opens anything.
  database.pragma("wal_checkpoint(TRUNCATE)");
}

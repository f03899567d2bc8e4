import { closeSync, openSync, readSync } from "node:fs";
import Database from "better-sqlite3";
import { equal } from "../../firmware/bytes/compare.js";
import { StartupError } from "../errors.js";
import type { EventRecord, ReadingRecord } from "../model.js";
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from "./schema.js";
import {
  type Batch,
  type CommitResult,
  type ContextDraft,
  type ContextRecord,
  type ContextRef,
  ContextTaken,
  type EventQuery,
  type HealthRecord,
  type NodeDraft,
  type NodeRecord,
  type Outcome,
  type ReadingQuery,
  type ReplayRecord,
  type SavedNode,
  type SeriesPoint,
  type Snapshot,
  type Store,
} from "./store.js";

/** Offsets in the first 100 bytes of a database file (SQLite file format §1.3). */
const Header = { length: 100, magic: "SQLite format 3\0", userVersion: 60, applicationId: 68 } as const;

const READING_COLUMNS = `id, node, time, temperature, humidity, battery, received, gateway, hops,
  partial_iv AS partialIv, position`;
const CONTEXT_COLUMNS = `id, node, keys, replay_window AS replayWindow, replay_highest AS highest, replay_seen AS seen,
  last_request AS lastRequest, last_answer AS lastAnswer`;
const NODE_COLUMNS = "id, name, kind, mesh_address AS meshAddress, place, created";

/**
 * Opens or makes a store.
 *
 * A file that is not ours, or that a newer version wrote, is left as it is: its header is read before SQLite opens
 * it, because opening alone may already write (journal recovery, shared memory).
 *
 * @param file path, or ":memory:"; made readable by its owner alone
 * @throws StartupError with a sentence for a person
 */
export function openSqlite(options: { readonly file: string }): Store {
  const { file } = options;
  if (file !== ":memory:") {
    createPrivately(file);
    inspectStore(file);
  }
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { timeout: 2000 });
    checkVersion(file, database.pragma("user_version", { simple: true }) as number);
    database.pragma("journal_mode = WAL");
    // FULL: a commit is on the disk before it returns, not only in the system's cache.
    database.pragma("synchronous = FULL");
    database.pragma("foreign_keys = ON");
    database.pragma("cache_size = -65536");
    migrate(database, database.pragma("user_version", { simple: true }) as number);
    return new SqliteStore(database);
  } catch (error) {
    database?.close();
    if (error instanceof StartupError) throw error;
    throw new StartupError(`the store ${file} cannot be opened: ${(error as Error).message}`);
  }
}

/** Made here and not by SQLite, so that it is its owner's alone from the first byte; the log takes over its mode. */
function createPrivately(file: string): void {
  try {
    closeSync(openSync(file, "a", 0o600));
  } catch (error) {
    throw new StartupError(`the store ${file} cannot be opened: ${(error as Error).message}`);
  }
}

/**
 * Whether we may open this file, from its header alone.
 * @throws StartupError when it is no database of ours, or a newer version's
 */
export function inspectStore(file: string): void {
  const header = Buffer.alloc(Header.length);
  let length: number;
  try {
    const descriptor = openSync(file, "r");
    length = readSync(descriptor, header, 0, Header.length, 0);
    closeSync(descriptor);
  } catch (error) {
    throw new StartupError(`the store ${file} cannot be read: ${(error as Error).message}`);
  }
  if (length === 0) return;
  if (length < Header.length || header.toString("latin1", 0, 16) !== Header.magic) {
    throw new StartupError(`${file} is not a database; nothing was changed`);
  }
  const applicationId = header.readUInt32BE(Header.applicationId);
  const version = header.readUInt32BE(Header.userVersion);
  if (applicationId !== APPLICATION_ID && (applicationId !== 0 || version !== 0)) {
    throw new StartupError(`${file} is another program's database; nothing was changed`);
  }
  checkVersion(file, version);
}

function checkVersion(file: string, version: number): void {
  if (version <= SCHEMA_VERSION) return;
  throw new StartupError(
    `${file} was written by a newer version of this server (store version ${version}, this server knows up to ` +
      `${SCHEMA_VERSION}); nothing was changed: start the newer server, or choose another directory with --data`,
  );
}

/** NULL in the database is `undefined` here. */
type Row<T> = { [Key in keyof T]: undefined extends T[Key] ? Exclude<T[Key], undefined> | null : T[Key] };

function fromRow<T>(row: Row<T>): T {
  const record: Record<string, unknown> = { ...row };
  for (const key in record) if (record[key] === null) record[key] = undefined;
  return record as T;
}

function nullable<T>(value: T | undefined): T | null {
  return value === undefined ? null : value;
}

class SqliteStore implements Store {
  readonly #database: Database.Database;
  readonly #commit: (batch: Batch, outcomes: Outcome[]) => void;
  readonly #saveNode: (draft: NodeDraft) => SavedNode;
  readonly #reserve: Database.Statement<[{ count: number; id: number }], { first: number | null }>;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#commit = this.#prepareCommit();
    this.#reserve = database.prepare(
      "UPDATE contexts SET sender_sequence = sender_sequence + @count WHERE id = @id RETURNING sender_sequence - @count AS first",
    );
    this.#saveNode = database.transaction((draft: NodeDraft) => this.#save(draft));
  }

  #prepareCommit(): (batch: Batch, outcomes: Outcome[]) => void {
    const database = this.#database;
    const insertReading = database.prepare(`
      INSERT INTO readings (node, time, temperature, humidity, battery, received, gateway, hops, context, partial_iv, position)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (context, partial_iv, position) DO NOTHING`);
    const updateReplay = database.prepare(`
      UPDATE contexts SET replay_highest = ?, replay_seen = ?, last_request = ?, last_answer = ? WHERE id = ?`);
    const takeOver = database.prepare(`
      INSERT INTO contexts (node, generation, fingerprint, provisioned, node_id, id_context, keys, active, replay_window)
      SELECT node, (SELECT max(generation) + 1 FROM contexts g WHERE g.node = c.node), ?, provisioned, node_id, id_context,
        ?, 1, replay_window FROM contexts c WHERE id = ?`);
    const retire = database.prepare("UPDATE contexts SET active = 0, keys = NULL WHERE id = ?");
    const insertSealed = database.prepare(
      "INSERT OR IGNORE INTO sealed (context, partial_iv, received, message) VALUES (?, ?, ?, ?)",
    );
    const upsertEvent = database.prepare(`
      INSERT INTO events (id, time, last, count, kind, severity, node, gateway, reason, detail)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET last = excluded.last, count = excluded.count, detail = excluded.detail`);
    const upsertHealth = database.prepare(`
      INSERT INTO health (node, time, source, body) VALUES (?, ?, ?, ?)
      ON CONFLICT (node) DO UPDATE SET time = excluded.time, source = excluded.source, body = excluded.body`);

    return database.transaction((batch: Batch, outcomes: Outcome[]) => {
      // One context may have several requests in a batch: only its last state is written.
      const states = new Map<number, ReplayRecord>();
      for (const request of batch.requests) {
        const { context, takeover } = request;
        if (takeover !== undefined) {
          retire.run(takeover.from.id);
          const { lastInsertRowid } = takeOver.run(takeover.fingerprint, takeover.keys, takeover.from.id);
          context.id = Number(lastInsertRowid);
        }
        for (const reading of request.readings) {
          const { changes, lastInsertRowid } = insertReading.run(
            reading.node,
            reading.time,
            nullable(reading.temperature),
            nullable(reading.humidity),
            nullable(reading.battery),
            reading.received,
            nullable(reading.gateway),
            nullable(reading.hops),
            context.id,
            reading.partialIv,
            reading.position,
          );
          reading.id = changes === 0 ? 0 : Number(lastInsertRowid);
        }
        if (request.sealed !== undefined) {
          insertSealed.run(context.id, request.partialIv, request.received, request.sealed);
        }
        states.set(context.id, request.replay);
        outcomes.push("stored");
      }
      for (const [context, state] of states) {
        updateReplay.run(
          state.highest,
          nullable(state.seen),
          nullable(state.lastRequest),
          nullable(state.lastAnswer),
          context,
        );
      }
      for (const event of batch.events) {
        upsertEvent.run(
          event.id,
          event.time,
          event.last,
          event.count,
          event.kind,
          event.severity,
          nullable(event.node),
          nullable(event.gateway),
          event.reason,
          event.detail,
        );
      }
      for (const { node, time, source, body } of batch.health) upsertHealth.run(node, time, source, body);
    });
  }

  commit(batch: Batch, done: (result: CommitResult) => void): void {
    const outcomes: Outcome[] = [];
    let result: CommitResult = outcomes;
    try {
      this.#commit(batch, outcomes);
    } catch (error) {
      for (const { context, takeover, readings } of batch.requests) {
        for (const reading of readings) reading.id = 0;
        if (takeover !== undefined) context.id = 0;
      }
      result = error as Error;
    }
    done(result);
  }

  async load(): Promise<Snapshot> {
    const database = this.#database;
    const nodes = database
      .prepare<[], Row<NodeRecord>>(`SELECT ${NODE_COLUMNS} FROM nodes WHERE removed IS NULL ORDER BY id`)
      .all();
    const former = database
      .prepare<[], { id: number; name: string }>("SELECT id, name FROM nodes WHERE removed IS NOT NULL")
      .all();
    const contexts = database
      .prepare<[], Row<ContextRecord>>(`SELECT ${CONTEXT_COLUMNS} FROM contexts WHERE active = 1 ORDER BY id`)
      .all();
    const health = database.prepare<[], HealthRecord>("SELECT node, time, source, body FROM health").all();
    // One look into the index per node, however many readings it has.
    const newest = database
      .prepare<[], Row<ReadingRecord>>(
        `SELECT ${READING_COLUMNS} FROM readings WHERE id IN (
           SELECT (SELECT r.id FROM readings r WHERE r.node = n.id ORDER BY r.time DESC LIMIT 1) FROM nodes n)`,
      )
      .all();
    const { readings } = database
      .prepare<[], { readings: number }>("SELECT ifnull(max(id), 0) AS readings FROM readings")
      .get()!;
    return {
      nodes: nodes.map((row) => fromRow<NodeRecord>(row)),
      former,
      contexts: contexts.map((row) => fromRow<ContextRecord>(row)),
      health,
      newest: newest.map((row) => fromRow<ReadingRecord>(row)),
      readings,
    };
  }

  async saveNode(draft: NodeDraft): Promise<SavedNode> {
    return this.#saveNode(draft);
  }

  #save(draft: NodeDraft): SavedNode {
    const database = this.#database;
    const known = database
      .prepare<[string], { id: number; removed: number | null }>(
        "SELECT id, removed FROM nodes WHERE name = ?",
      )
      .get(draft.name);
    // A removed name that comes back is the same node again: its readings are still there.
    database
      .prepare(
        `INSERT INTO nodes (name, kind, mesh_address, place, created) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, mesh_address = excluded.mesh_address,
           place = excluded.place, removed = NULL`,
      )
      .run(draft.name, draft.kind, nullable(draft.meshAddress), nullable(draft.place), draft.now);
    const node = fromRow<NodeRecord>(
      database
        .prepare<[string], Row<NodeRecord>>(`SELECT ${NODE_COLUMNS} FROM nodes WHERE name = ?`)
        .get(draft.name)!,
    );
    const { replayWindow } = draft;
    const context =
      draft.context === "keep"
        ? this.#keep(node.id, replayWindow)
        : this.#activate(node.id, draft.context, replayWindow);
    return { node, context, created: known === undefined || known.removed !== null };
  }

  #keep(node: number, replayWindow: number): ContextRecord | undefined {
    this.#database
      .prepare("UPDATE contexts SET replay_window = ? WHERE node = ? AND active = 1")
      .run(replayWindow, node);
    const row = this.#database
      .prepare<[number], Row<ContextRecord>>(
        `SELECT ${CONTEXT_COLUMNS} FROM contexts WHERE node = ? AND active = 1`,
      )
      .get(node);
    return row && fromRow<ContextRecord>(row);
  }

  #activate(node: number, draft: ContextDraft, replayWindow: number): ContextRecord {
    const database = this.#database;
    const holder = database
      .prepare<[Uint8Array, Uint8Array | null, number], { name: string }>(
        `SELECT n.name FROM contexts c JOIN nodes n ON n.id = c.node
         WHERE c.active = 1 AND c.node_id = ? AND c.id_context IS ? AND c.node <> ?`,
      )
      .get(draft.nodeId, nullable(draft.idContext), node);
    if (holder !== undefined) throw new ContextTaken(holder.name);
    const current = database
      .prepare<[number], { provisioned: Buffer }>(
        "SELECT provisioned FROM contexts WHERE node = ? AND active = 1",
      )
      .get(node);
    // The same keys once more: what was made out of them since stays.
    if (current !== undefined && equal(current.provisioned, draft.fingerprint)) {
      return this.#keep(node, replayWindow)!;
    }
    this.#dropContexts(node);
    database
      .prepare(
        `INSERT INTO contexts (node, generation, fingerprint, provisioned, node_id, id_context, keys, active,
           replay_window, replay_seen, sender_sequence)
         VALUES (@node, (SELECT ifnull(max(generation), 0) + 1 FROM contexts WHERE node = @node), @fingerprint,
           @fingerprint, @nodeId, @idContext, @keys, 1, @replayWindow, @seen, @senderSequence)
         ON CONFLICT (fingerprint) DO UPDATE SET node = excluded.node, active = 1, keys = excluded.keys,
           generation = CASE node WHEN excluded.node THEN generation ELSE excluded.generation END`,
      )
      .run({
        ...draft,
        node,
        replayWindow,
        idContext: nullable(draft.idContext),
        seen: nullable(draft.seen),
        senderSequence: nullable(draft.senderSequence),
      });
    return this.#keep(node, replayWindow)!;
  }

  #dropContexts(node: number): void {
    this.#database
      .prepare("UPDATE contexts SET active = 0, keys = NULL WHERE node = ? AND active = 1")
      .run(node);
  }

  reserve(context: ContextRef, count: number): number | undefined {
    return this.#reserve.get({ count, id: context.id })?.first ?? undefined;
  }

  async removeNode(id: number, now: number): Promise<void> {
    this.#database.transaction(() => {
      this.#dropContexts(id);
      this.#database.prepare("DELETE FROM health WHERE node = ?").run(id);
      this.#database.prepare("UPDATE nodes SET removed = ? WHERE id = ?").run(now, id);
    })();
  }

  async readings(query: ReadingQuery): Promise<ReadingRecord[]> {
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

  async series(node: number, from: number, to: number, points: number): Promise<SeriesPoint[]> {
    const span = Math.max(1, Math.ceil((to - from + 1) / points));
    // The casts: a number that is no 32-bit integer is bound as a double, and would divide as one.
    return this.#database
      .prepare<[number, number, number, number, number], SeriesPoint>(
        `SELECT CAST(avg(time) AS INTEGER) AS time, count(*) AS count,
           avg(temperature) / 100 AS temperature, min(temperature) / 100.0 AS temperatureMin,
           max(temperature) / 100.0 AS temperatureMax, avg(humidity) / 100 AS humidity,
           min(humidity) / 100.0 AS humidityMin, max(humidity) / 100.0 AS humidityMax, avg(battery) / 1000 AS battery
         FROM readings WHERE node = ? AND time BETWEEN ? AND ?
         GROUP BY (time - CAST(? AS INTEGER)) / CAST(? AS INTEGER) ORDER BY 1`,
      )
      .all(node, from, to, from, span);
  }

  async events(query: EventQuery): Promise<EventRecord[]> {
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
    if (query.before !== undefined) {
      filters.push("last < ?");
      parameters.push(query.before);
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

  async prune(keep: { events: number }): Promise<void> {
    this.#database
      .prepare(
        "DELETE FROM events WHERE last < (SELECT last FROM events ORDER BY last DESC LIMIT 1 OFFSET ?)",
      )
      .run(keep.events - 1);
  }

  async backup(file: string): Promise<void> {
    await this.#database.backup(file);
  }

  async close(): Promise<void> {
    if (this.#database.open) this.#database.close();
  }
}

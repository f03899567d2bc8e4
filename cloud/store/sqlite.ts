import { closeSync, openSync, readSync } from "node:fs";
import Database from "better-sqlite3";
import { StartupError } from "../errors.js";
import type { EventRecord, ReadingRecord } from "../model.js";
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from "./schema.js";
import { prepareCommit } from "./sqlite-commit.js";
import { History } from "./sqlite-history.js";
import { NodeTables } from "./sqlite-nodes.js";
import { SqliteOutbox } from "./sqlite-outbox.js";
import { type Keep, thin } from "./sqlite-retention.js";
import { CommitThread, prepareConnection } from "./sqlite-thread.js";
import type {
  Batch,
  CommitResult,
  ContextRef,
  EventQuery,
  HealthPoint,
  NodeDraft,
  Outcome,
  ReadingPage,
  ReadingQuery,
  Registered,
  ReplayRecord,
  SavedNode,
  SealedMessage,
  SealedQuery,
  SeriesPoint,
  Snapshot,
  Store,
} from "./store.js";

/** Pages in one step: a copy made in several would begin anew whenever the server has written between two of them. */
export const AT_ONCE: Database.BackupOptions = { progress: () => 0x7fffffff };

/** Offsets in the first 100 bytes of a database file (SQLite file format §1.3). */
const Header = { length: 100, magic: "SQLite format 3\0", userVersion: 60, applicationId: 68 } as const;

/**
 * Opens or makes a store.
 *
 * A file that is not ours, or that a newer version wrote, is left as it is: its header is read before SQLite opens
 * it, because opening alone may already write (journal recovery, shared memory).
 *
 * @param file path, or ":memory:"; made readable by its owner alone
 * @param readonly only look; a server may be writing
 * @param thread commits are done in a thread of their own
 * @throws StartupError with a sentence for a person
 */
export function openSqlite(options: {
  readonly file: string;
  readonly readonly?: boolean;
  readonly thread?: boolean;
}): Store {
  const { file, readonly = false } = options;
  if (file !== ":memory:") {
    if (!readonly) createPrivately(file);
    inspectStore(file);
  }
  let database: Database.Database | undefined;
  try {
    database = new Database(file, { timeout: 2000, readonly });
    const version = database.pragma("user_version", { simple: true }) as number;
    checkVersion(file, version);
    if (readonly) {
      if (version < SCHEMA_VERSION)
        throw new StartupError(`${file} is of an older version: start the server once`);
      return new SqliteStore(database);
    }
    prepareConnection(database);
    migrate(database, version);
    return new SqliteStore(database, options.thread === true ? new CommitThread(file) : undefined);
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

class SqliteStore implements Store {
  /** Never: one server has the directory for itself. */
  onChanged: (node: number | undefined) => void = () => {};
  readonly #database: Database.Database;
  readonly outbox: SqliteOutbox;
  readonly #thread: CommitThread | undefined;
  readonly #commit: (batch: Batch, outcomes: Outcome[]) => void;
  readonly #nodes: NodeTables;
  readonly #history: History;

  constructor(database: Database.Database, thread?: CommitThread) {
    this.#database = database;
    this.#thread = thread;
    this.outbox = new SqliteOutbox(database);
    this.#commit = prepareCommit(database, this.outbox);
    this.#nodes = new NodeTables(database);
    this.#history = new History(database);
  }

  commit(batch: Batch, done: (result: CommitResult) => void): void {
    if (this.#thread !== undefined) {
      this.#thread.commit(batch, this.outbox.enabled, done);
      return;
    }
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

  replay(context: ContextRef): ReplayRecord | undefined {
    return this.#nodes.replay(context);
  }

  reserve(context: ContextRef, count: number): number | "lost" {
    return this.#nodes.reserve(context, count);
  }

  async registered(node?: number): Promise<Registered[]> {
    return this.#nodes.registered(node);
  }

  async claim(mark: Uint8Array): Promise<boolean> {
    return this.#nodes.claim(mark);
  }

  async load(): Promise<Snapshot> {
    return this.#nodes.load();
  }

  async saveNode(draft: NodeDraft): Promise<SavedNode> {
    return this.#nodes.save(draft);
  }

  async removeNode(id: number, now: number): Promise<void> {
    this.#nodes.remove(id, now);
  }

  async readings(query: ReadingQuery): Promise<ReadingRecord[]> {
    return this.#history.readings(query);
  }

  async page(query: ReadingPage): Promise<ReadingRecord[]> {
    return this.#history.page(query);
  }

  async series(node: number, from: number, to: number, points: number): Promise<SeriesPoint[]> {
    return this.#history.series(node, from, to, points);
  }

  async healthSeries(node: number, from: number, to: number, points: number): Promise<HealthPoint[]> {
    return this.#history.healthSeries(node, from, to, points);
  }

  async events(query: EventQuery): Promise<EventRecord[]> {
    return this.#history.events(query);
  }

  async sealed(query: SealedQuery): Promise<SealedMessage[]> {
    return this.#history.sealed(query);
  }

  async thin(keep: Keep, now: number): Promise<boolean> {
    return thin(this.#database, keep, now);
  }

  async backup(file: string): Promise<void> {
    await this.#database.backup(file, AT_ONCE);
  }

  async close(): Promise<void> {
    await this.#thread?.close();
    if (this.#database.open) this.#database.close();
  }
}

import { randomUUID } from "node:crypto";
import { StartupError } from "../errors.js";
import type { EventRecord, ReadingRecord } from "../model.js";
import { copyToSqlite } from "./postgres-backup.js";
import { PostgresCommit } from "./postgres-commit.js";
import { explainDatabaseError, PostgresDatabase } from "./postgres-connection.js";
import { PostgresHistory } from "./postgres-history.js";
import { PostgresNodes } from "./postgres-nodes.js";
import { PostgresOutbox } from "./postgres-outbox.js";
import { thinPostgres } from "./postgres-retention.js";
import { migrate, POSTGRES_VERSION, storeVersion } from "./postgres-schema.js";
import { SequenceStock } from "./postgres-sequences.js";
import { PostgresWatch } from "./postgres-watch.js";
import type {
  Batch,
  CommitResult,
  ContextRef,
  EventQuery,
  HealthPoint,
  Keep,
  NodeDraft,
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

/** The first with all that the tables use. */
const OLDEST = { number: 120_000, name: "12" };

/**
 * Opens the store in a PostgreSQL database, making its tables when there are none. Several servers may have it open:
 * they share one replay state.
 *
 * @param url postgres://USER:PASSWORD@HOST:PORT/DATABASE; what is missing comes from libpq's environment (PGHOST …)
 * @param readonly only look; servers may be writing
 * @throws StartupError with a sentence for a person, without the password
 */
export async function openPostgres(options: {
  readonly url: string;
  readonly readonly?: boolean;
}): Promise<Store> {
  const { url, readonly = false } = options;
  const database = new PostgresDatabase(url, readonly);
  const store = new PostgresStore(database, readonly);
  try {
    await prepare(database, readonly);
    await store.start();
    return store;
  } catch (error) {
    await store.close();
    throw new StartupError(explainDatabaseError(error, database.where));
  }
}

async function prepare({ queries, where }: PostgresDatabase, readonly: boolean): Promise<void> {
  const client = await queries.connect();
  try {
    const { rows } = await client.query<{ number: string }>(
      "SELECT current_setting('server_version_num') AS number",
    );
    if (Number(rows[0].number) < OLDEST.number) {
      throw new StartupError(`${where} is older than PostgreSQL ${OLDEST.name}: it has to be upgraded`);
    }
    if (!readonly) {
      await migrate(client, where);
      return;
    }
    const version = await storeVersion(client, where);
    if (version === undefined) throw new StartupError(`there is no store in ${where}: start the server once`);
    if (version < POSTGRES_VERSION) {
      throw new StartupError(`the store in ${where} is of an older version: start the server once`);
    }
  } finally {
    client.release();
  }
}

class PostgresStore implements Store {
  onChanged: (node: number | undefined) => void = () => {};
  readonly outbox: PostgresOutbox;
  readonly #database: PostgresDatabase;
  readonly #readonly: boolean;
  readonly #sequences: SequenceStock;
  readonly #nodes: PostgresNodes;
  readonly #commit: PostgresCommit;
  readonly #history: PostgresHistory;
  readonly #watch: PostgresWatch;
  #closing: Promise<void> | undefined;

  constructor(database: PostgresDatabase, readonly_: boolean) {
    const server = randomUUID();
    this.#database = database;
    this.#readonly = readonly_;
    this.#sequences = new SequenceStock(database);
    this.#nodes = new PostgresNodes(database, this.#sequences, server);
    this.outbox = new PostgresOutbox(database);
    this.#commit = new PostgresCommit(database, this.#nodes, this.#sequences, server, this.outbox);
    this.#history = new PostgresHistory(database.queries);
    this.#watch = new PostgresWatch(database, server, (node) => this.onChanged(node));
  }

  async start(): Promise<void> {
    if (!this.#readonly) await this.#watch.start();
  }

  commit(batch: Batch, done: (result: CommitResult) => void): void {
    this.#commit
      .commit(batch)
      .then(done, (error: Error) =>
        done(new Error(explainDatabaseError(error, this.#database.where), { cause: error })),
      );
  }

  replay(context: ContextRef): ReplayRecord | undefined {
    return this.#nodes.known.get(context.id);
  }

  reserve(context: ContextRef, count: number): number | "lost" | "later" {
    return this.#sequences.take(context.id, count);
  }

  claim(mark: Uint8Array): Promise<boolean> {
    return this.#nodes.claim(mark);
  }

  async load(): Promise<Snapshot> {
    const snapshot = await this.#nodes.load();
    if (!this.#readonly) await this.#sequences.fill(snapshot.contexts.map(({ id }) => id));
    return snapshot;
  }

  registered(node?: number): Promise<Registered[]> {
    return this.#nodes.registered(node);
  }

  saveNode(draft: NodeDraft): Promise<SavedNode> {
    return this.#nodes.save(draft);
  }

  removeNode(id: number, now: number): Promise<void> {
    return this.#nodes.remove(id, now);
  }

  readings(query: ReadingQuery): Promise<ReadingRecord[]> {
    return this.#history.readings(query);
  }

  page(query: ReadingPage): Promise<ReadingRecord[]> {
    return this.#history.page(query);
  }

  series(node: number, from: number, to: number, points: number): Promise<SeriesPoint[]> {
    return this.#history.series(node, from, to, points);
  }

  healthSeries(node: number, from: number, to: number, points: number): Promise<HealthPoint[]> {
    return this.#history.healthSeries(node, from, to, points);
  }

  events(query: EventQuery): Promise<EventRecord[]> {
    return this.#history.events(query);
  }

  sealed(query: SealedQuery): Promise<SealedMessage[]> {
    return this.#history.sealed(query);
  }

  thin(keep: Keep, now: number): Promise<boolean> {
    return thinPostgres(this.#database, keep, now);
  }

  backup(file: string): Promise<void> {
    return copyToSqlite(this.#database, file);
  }

  close(): Promise<void> {
    this.#closing ??= this.#watch.close().then(() => this.#database.close());
    return this.#closing;
  }
}

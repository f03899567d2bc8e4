import pg from "pg";
import { StartupError } from "../errors.js";

/** A connection that is not there after so long is not waited for. */
const CONNECT_MS = 5_000;
/**
 * A commit that takes longer has failed for those who wait for it. What became of it is then not known, and does not
 * have to be: the row of each context says.
 */
const COMMIT_MS = 10_000;
/** For everything but commits. */
const QUERY_CONNECTIONS = 4;

const INT8 = 20;
const INT8_ARRAY = 1016;

/** What a query gives: integers as numbers, as none of ours exceeds 2^53. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: "text" | "binary") => {
    if (oid === INT8) return Number;
    if (oid === INT8_ARRAY) return parseNumbers;
    return pg.types.getTypeParser(oid, format as "text");
  }) as typeof pg.types.getTypeParser,
};

function parseNumbers(text: string): number[] {
  return text === "{}" ? [] : text.slice(1, -1).split(",").map(Number);
}

/** A PostgreSQL database by its address. Makes connections when they are needed, anew when they were lost. */
export class PostgresDatabase {
  /** For people: without the password. */
  readonly where: string;
  /** One connection, for commits alone: no query of a page stands in their way. */
  readonly commits: pg.Pool;
  readonly queries: pg.Pool;
  readonly #config: pg.ClientConfig;

  /** @throws StartupError when the address is none */
  constructor(url: string, readonly_ = false) {
    const config: pg.ClientConfig = {
      connectionString: url,
      application_name: "oscore-mesh",
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      types,
    };
    this.#config = config;
    this.where = describe(config);
    this.commits = new pg.Pool({
      ...config,
      max: 1,
      query_timeout: COMMIT_MS,
      // A database that is set to answer before the disk has it would make us acknowledge too early.
      onConnect: async (client) => {
        await client.query(
          "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        );
      },
    });
    this.queries = new pg.Pool({
      ...config,
      max: QUERY_CONNECTIONS,
      onConnect: async (client) => {
        if (readonly_) await client.query("SET default_transaction_read_only = on");
      },
    });
    for (const pool of [this.commits, this.queries]) {
      // A connection that breaks while nobody uses it: the pool makes another when one is wanted.
      pool.on("error", () => {});
    }
  }

  /** A connection beside the pools, not connected yet: for listening. */
  client(): pg.Client {
    return new pg.Client(this.#config);
  }

  /** Runs what belongs together; nothing of it happens when it throws. */
  async transaction<T>(
    use: (client: pg.ClientBase) => Promise<T>,
    { pool = this.queries, begin = "BEGIN" }: { pool?: pg.Pool; begin?: string } = {},
  ): Promise<T> {
    const client = await pool.connect();
    try {
      await client.query(begin);
      const result = await use(client);
      await client.query("COMMIT");
      client.release();
      return result;
    } catch (error) {
      // Closing a connection also rolls back, whatever state it is in.
      client.release(true);
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.commits.end(), this.queries.end()]);
  }
}

function describe(config: pg.ClientConfig): string {
  try {
    if (!/^postgres(ql)?:\/\//.test(config.connectionString ?? "")) throw new Error("another protocol");
    const { host, port, database } = new pg.Client(config);
    return `the database "${database}" at ${host.startsWith("/") ? host : `${host}:${port}`}`;
  } catch {
    // What was given may have a password in it.
    throw new StartupError(
      "DATABASE_URL is no address of a PostgreSQL database: postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    );
  }
}

/** Codes of the system and of PostgreSQL (its manual, Appendix A) that have a way out. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; is PostgreSQL running?",
  ENOENT: "nothing listens there; is PostgreSQL running?",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "the name of the host cannot be resolved",
  ETIMEDOUT: "no answer",
  EHOSTUNREACH: "there is no way to this host",
  ENETUNREACH: "there is no way to this host",
  "28P01": "the password is wrong, or there is no such user",
  "28000": "this user is not let in from here (pg_hba.conf)",
  "3D000": "there is no such database; make it with createdb",
  "42501": "this user may not make tables there",
  "53300": "it has no connection to spare (max_connections)",
  "57P03": "it is starting up or shutting down; try again in a moment",
  "25006": "it is read-only, perhaps a standby",
};

/** A clear sentence of an error of the database, without a password. */
export function explainDatabaseError(error: unknown, where: string): string {
  if (error instanceof StartupError) return error.message;
  // Where a name stands for several addresses, each has failed.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const { code, message } = first as Error & { code?: string };
  const reason = code === undefined ? undefined : REASONS[code];
  return `${where} cannot be used: ${reason ?? message ?? "unknown error"}`;
}

/** Whether it is worth trying again at once: another transaction was in the way. */
export function isConflict(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "40001" || code === "40P01";
}

/** A row that may be there once only is there. */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: string }).code === "23505";
}

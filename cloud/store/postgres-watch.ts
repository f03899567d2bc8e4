import type { Client } from "pg";
import type { PostgresDatabase } from "./postgres-connection.js";

/** Where servers tell each other, in the transaction that does it, which node they change: "SERVER NODE". */
export const CHANNEL = "oscore_mesh_nodes";

/** Of the advisory lock that every server shares while it serves this schema: whoever gets it alone knows that none does. */
export const SERVING = "1330859364, hashtext(current_schema())";

const AGAIN_MS = 500;

/** Listens to what other servers on the same database change; connects again when the connection is lost. */
export class PostgresWatch {
  readonly #database: PostgresDatabase;
  readonly #server: string;
  readonly #changed: (node: number | undefined) => void;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param server what our own notifications begin with
   * @param changed the node, or `undefined` when it may be any: nobody told us while we were away
   */
  constructor(database: PostgresDatabase, server: string, changed: (node: number | undefined) => void) {
    this.#database = database;
    this.#server = server;
    this.#changed = changed;
  }

  /** Resolves when it listens; rejects when the first attempt fails. */
  async start(): Promise<void> {
    const client = this.#database.client();
    client.on("notification", ({ payload = "" }) => {
      const [server, node] = payload.split(" ");
      if (server !== this.#server) this.#changed(Number(node));
    });
    let lost = false;
    client.on("error", () => {});
    client.on("end", () => {
      if (lost || this.#client !== client) return;
      lost = true;
      this.#again();
    });
    try {
      await client.connect();
      await client.query(`SELECT pg_advisory_lock_shared(${SERVING})`);
      await client.query(`LISTEN ${CHANNEL}`);
    } catch (error) {
      client.end().catch(() => {});
      throw error;
    }
    this.#client = client;
    if (this.#closed) await client.end();
  }

  #again(): void {
    this.#client = undefined;
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.start().then(
        () => this.#changed(undefined),
        () => this.#again(),
      );
    }, AGAIN_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client?.end();
  }
}

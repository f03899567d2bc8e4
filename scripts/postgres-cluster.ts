/** A private PostgreSQL in a temporary directory, for tests and measurements. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import pg from "pg";

/** Where Debian and its kin keep what is not in PATH. */
const VERSIONS = "/usr/lib/postgresql";
/** Users that a server of root's may run as: PostgreSQL refuses to run as root. */
const USERS = ["postgres", "nobody"];

/** Reached through its directory alone. */
const SETTINGS = { listen_addresses: "", max_connections: "60" };
/** Everybody is let in, but for those who are to test a password. */
const HBA = "local all locked scram-sha-256\nlocal all all trust\n";

/** Characters of its log that are kept, to say why it did not start. */
const LAST_WORDS = 4000;

/** PostgreSQL's programs. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/** In PATH, or where Debian has them. */
export function findPostgres(): PostgresPrograms | undefined {
  const directories = (process.env.PATH ?? "").split(delimiter);
  try {
    const newest = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a));
    directories.push(...newest.map((version) => join(VERSIONS, version, "bin")));
  } catch {
    // Not such a system.
  }
  for (const directory of directories) {
    const [initdb, postgres] = [join(directory, "initdb"), join(directory, "postgres")];
    try {
      accessSync(initdb, constants.X_OK);
      accessSync(postgres, constants.X_OK);
      return { initdb, postgres };
    } catch {
      // The next one.
    }
  }
  return undefined;
}

/** Whom to run as; nothing for a plain user. */
function identity(): { uid: number; gid: number } | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  for (const user of USERS) {
    try {
      const id = (option: string) =>
        Number(execFileSync("id", [option, user], { encoding: "utf8", stdio: "pipe" }));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // The next one.
    }
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user ${USERS.join(" or ")}`);
}

/** A cluster that may be stopped, killed and started again. */
export class PostgresCluster {
  readonly #programs: PostgresPrograms;
  readonly #identity = identity();
  readonly #directory: string;
  readonly #settings: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;

  /** Makes a cluster, not running yet. */
  constructor(programs: PostgresPrograms, settings: Readonly<Record<string, string>> = {}) {
    this.#programs = programs;
    this.#settings = { ...SETTINGS, ...settings };
    this.#directory = mkdtempSync(join(tmpdir(), "oscore-mesh-pg-"));
    const { uid, gid } = this.#identity;
    if (uid !== undefined && gid !== undefined) chownSync(this.#directory, uid, gid);
    execFileSync(
      programs.initdb,
      ["-D", this.#data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
      { ...this.#identity, stdio: "pipe" },
    );
    writeFileSync(join(this.#data, "pg_hba.conf"), HBA);
  }

  get #data(): string {
    return join(this.#directory, "data");
  }

  /** Of its database "postgres". */
  get url(): string {
    return `postgres://postgres@/postgres?host=${encodeURIComponent(this.#directory)}`;
  }

  async start(): Promise<void> {
    const settings = { ...this.#settings, unix_socket_directories: this.#directory };
    this.#process = spawn(
      this.#programs.postgres,
      ["-D", this.#data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      { ...this.#identity, stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, LC_ALL: "C" } },
    );
    const { stderr } = this.#process;
    await new Promise<void>((resolve, reject) => {
      let said = "";
      stderr?.on("data", (text) => {
        said = `${said}${text}`.slice(-LAST_WORDS);
        if (said.includes("ready to accept connections")) resolve();
      });
      this.#process?.once("exit", () => reject(new Error(`PostgreSQL does not start: ${said}`)));
    });
  }

  /** Statements from outside of what is tested. */
  async query(sql: string): Promise<Record<string, unknown>[]> {
    return queryOnce(this.url, sql);
  }

  /** @param signal SIGINT: at once but cleanly; SIGQUIT: as it is, to be recovered from its log */
  async stop(signal: "SIGINT" | "SIGQUIT" = "SIGINT"): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined || process.exitCode !== null) return;
    const exit = once(process, "exit");
    process.kill(signal);
    await exit;
  }

  async destroy(): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Statements over a connection of their own. @returns the rows of the only one */
export async function queryOnce(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

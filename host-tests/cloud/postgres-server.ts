/**
 * A PostgreSQL for tests: the one of TEST_DATABASE_URL, or a private cluster in a temporary directory, which is started
 * when the first test wants it and ends with the tests.
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { accessSync, chownSync, constants, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import pg from "pg";

/** Where Debian and its kin keep what is not in PATH. */
const VERSIONS = "/usr/lib/postgresql";
/** Users that a server of root's may run as: PostgreSQL refuses to run as root. */
const USERS = ["postgres", "nobody"];

/**
 * A kill of processes loses nothing that the system has taken over, whether or not it is on the disk: what fsync is
 * for, a power cut, is no part of these tests.
 */
const SETTINGS = { fsync: "off", full_page_writes: "off", listen_addresses: "", max_connections: "60" };
/** Everybody is let in, but for those who are to test a password. */
const HBA = "local all locked scram-sha-256\nlocal all all trust\n";

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

function find(): Binaries | undefined {
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

/** A cluster that a test may stop, kill and start again. */
export class PostgresServer {
  readonly #binaries: Binaries;
  readonly #identity = identity();
  readonly #directory: string;
  readonly #settings: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;

  /** Makes a cluster, not running yet. */
  constructor(binaries: Binaries, settings: Readonly<Record<string, string>> = {}) {
    this.#binaries = binaries;
    this.#settings = { ...SETTINGS, ...settings };
    this.#directory = mkdtempSync(join(tmpdir(), "oscore-mesh-pg-"));
    const { uid, gid } = this.#identity;
    if (uid !== undefined && gid !== undefined) chownSync(this.#directory, uid, gid);
    execFileSync(
      binaries.initdb,
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
      this.#binaries.postgres,
      ["-D", this.#data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
      { ...this.#identity, stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, LC_ALL: "C" } },
    );
    let said = "";
    for await (const text of this.#process.stderr!) {
      said += text;
      if (said.includes("ready to accept connections")) {
        this.#process.stderr?.resume();
        return;
      }
    }
    throw new Error(`PostgreSQL does not start: ${said}`);
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

let shared: Promise<{ url: string; end: () => Promise<void> }> | undefined;
const schemas: string[] = [];

async function sharedUrl(binaries: Binaries | undefined): Promise<string> {
  shared ??= (async () => {
    const given = process.env.TEST_DATABASE_URL;
    if (given !== undefined && given !== "") return { url: given, end: async () => {} };
    const server = new PostgresServer(binaries!);
    await server.start();
    return { url: server.url, end: () => server.destroy() };
  })();
  return (await shared).url;
}

/**
 * Skips the tests of a suite, or says in the CI that they cannot be skipped, where there is no PostgreSQL. To be called
 * in `before`.
 * @returns the programs
 */
export function requirePostgres(suite: Mocha.Context): Binaries | undefined {
  const binaries = find();
  if (binaries !== undefined || process.env.TEST_DATABASE_URL) return binaries;
  const message =
    "no PostgreSQL: install it (Debian: apt-get install postgresql), or name a database in TEST_DATABASE_URL";
  if (process.env.CI === "true") throw new Error(message);
  console.log(`      ${message}`);
  suite.skip();
}

/** A cluster of the test's own, to be stopped and started. Skips as {@link requirePostgres}. */
export async function privatePostgres(
  suite: Mocha.Context,
  settings?: Readonly<Record<string, string>>,
): Promise<PostgresServer> {
  const binaries = requirePostgres(suite);
  if (binaries === undefined) suite.skip();
  const server = new PostgresServer(binaries, settings);
  await server.start();
  return server;
}

/**
 * An empty place in the shared database: a schema that the returned address leads to. Skips as {@link requirePostgres}.
 */
export async function postgresUrl(suite: Mocha.Context): Promise<string> {
  const url = new URL((await sharedUrl(requirePostgres(suite))).replace("@/", "@localhost/"));
  const schema = `oscore_mesh_test_${randomBytes(6).toString("hex")}`;
  await query(`${url}`, `CREATE SCHEMA ${schema}`);
  schemas.push(schema);
  url.searchParams.set("options", `-c search_path=${schema}`);
  return `${url}`;
}

/** One statement, from outside of the store. */
export async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

after(async () => {
  if (shared === undefined) return;
  const { url, end } = await shared;
  for (const schema of schemas) await query(url, `DROP SCHEMA ${schema} CASCADE`);
  await end();
});

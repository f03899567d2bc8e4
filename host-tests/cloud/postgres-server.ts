/**
 * A PostgreSQL for tests: the one of TEST_DATABASE_URL, or a private cluster, which is started when the first test wants
 * it and ends with the tests.
 */

import { randomBytes } from "node:crypto";
import {
  findPostgres,
  PostgresCluster,
  type PostgresPrograms,
  queryOnce,
} from "../../scripts/postgres-cluster.js";

/**
 * A kill of processes loses nothing that the system has taken over, whether or not it is on the disk: what fsync is
 * for, a power cut, is no part of these tests.
 */
const SETTINGS = { fsync: "off", full_page_writes: "off" };

let shared: Promise<{ url: string; end: () => Promise<void> }> | undefined;
const schemas: string[] = [];

async function sharedUrl(programs: PostgresPrograms | undefined): Promise<string> {
  shared ??= (async () => {
    const given = process.env.TEST_DATABASE_URL;
    if (given !== undefined && given !== "") return { url: given, end: async () => {} };
    const server = new PostgresCluster(programs!, SETTINGS);
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
export function requirePostgres(suite: Mocha.Context): PostgresPrograms | undefined {
  const programs = findPostgres();
  if (programs !== undefined || process.env.TEST_DATABASE_URL) return programs;
  const message =
    "no PostgreSQL: install it (Debian: apt-get install postgresql), or name a database in TEST_DATABASE_URL";
  if (process.env.CI === "true") throw new Error(message);
  console.log(`      ${message}`);
  suite.skip();
}

/** A cluster of the test's own, to be stopped and started. Skips as {@link requirePostgres}. */
export async function privatePostgres(suite: Mocha.Context): Promise<PostgresCluster> {
  const programs = requirePostgres(suite);
  if (programs === undefined) suite.skip();
  const server = new PostgresCluster(programs, SETTINGS);
  await server.start();
  return server;
}

/**
 * An empty place in the shared database: a schema that the returned address leads to. Skips as {@link requirePostgres}.
 */
export async function postgresUrl(suite: Mocha.Context): Promise<string> {
  const url = new URL((await sharedUrl(requirePostgres(suite))).replace("@/", "@localhost/"));
  const schema = `oscore_mesh_test_${randomBytes(6).toString("hex")}`;
  await queryOnce(`${url}`, `CREATE SCHEMA ${schema}`);
  schemas.push(schema);
  url.searchParams.set("options", `-c search_path=${schema}`);
  return `${url}`;
}

after(async () => {
  if (shared === undefined) return;
  const { url, end } = await shared;
  // A database that goes on without us is left as it was.
  if (process.env.TEST_DATABASE_URL) {
    for (const schema of schemas) await queryOnce(url, `DROP SCHEMA ${schema} CASCADE`);
  }
  await end();
});

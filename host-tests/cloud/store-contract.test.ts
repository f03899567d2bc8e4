import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPostgres } from "../../cloud/store/postgres.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { postgresUrl } from "./postgres-server.js";
import { describeStore } from "./store-contract.js";

describeStore("SQLite", async () => {
  const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  return {
    open: async () => openSqlite({ file: join(directory, "store.db") }),
    close: async () => rmSync(directory, { recursive: true, force: true }),
  };
});

describeStore("SQLite, commits in a thread", async () => {
  const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  return {
    open: async () => openSqlite({ file: join(directory, "store.db"), thread: true }),
    close: async () => rmSync(directory, { recursive: true, force: true }),
  };
});

describeStore("PostgreSQL", async (suite) => {
  const url = await postgresUrl(suite);
  return {
    open: () => openPostgres({ url }),
    close: async () => {},
  };
});

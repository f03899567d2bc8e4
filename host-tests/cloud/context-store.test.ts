import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeviceContext } from "../../cloud/context.js";
import { openPostgres } from "../../cloud/store/postgres.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { describeContextStore, type StoreUnderTest } from "../oscore/store-contract.js";
import { CloudContexts } from "./context-store.js";
import { postgresUrl } from "./postgres-server.js";

/** A server's contexts on a place that outlives them. */
function underTest(open: () => Promise<Store>, remove: () => void = () => {}): StoreUnderTest<DeviceContext> {
  const opened: Store[] = [];
  return {
    endless: true,
    uniqueIds: true,
    async open() {
      const store = await open();
      opened.push(store);
      return CloudContexts.open(store);
    },
    add: (contexts, parameters, policy) => (contexts as CloudContexts).add(parameters, policy),
    remove: (contexts, context) => (contexts as CloudContexts).registry.remove(context.device.record.name),
    async close() {
      for (const store of opened) await store.close();
      remove();
    },
  };
}

describeContextStore("the server on SQLite", "numbers and windows", () => {
  const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  return underTest(
    async () => openSqlite({ file: join(directory, "store.db") }),
    () => rmSync(directory, { recursive: true, force: true }),
  );
});

describeContextStore("the server on PostgreSQL", "numbers and windows", async (suite) => {
  const url = await postgresUrl(suite);
  return underTest(() => openPostgres({ url }));
});

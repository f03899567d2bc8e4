/**
 * A server of the growth study, as a process of its own, told what to do by its environment (JSON): fill a data
 * directory with devices, or start a server on it and say what that took.
 */

import Database from "better-sqlite3";
import { FRESH } from "../../cloud/context.js";
import { startServer } from "../../cloud/server.js";
import { openDataDirectory } from "../../cloud/store/datadir.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { Vault } from "../../cloud/vault.js";
import { nodeSpec } from "../bench/server-load.js";

/** What the process is told. */
export interface ServerTask {
  readonly task: "fill" | "serve";
  readonly dataDir: string;
  readonly nodes: number;
}

/** What a server tells when it is there. */
export interface ServerStarted {
  readonly httpUrl: string;
  readonly coapPort: number;
  /** ms from the call to a server that answers. */
  readonly start: number;
  /** MiB of the whole process: resident, and of it heap and buffers. */
  readonly resident: number;
  readonly heap: number;
}

const { task, dataDir, nodes } = JSON.parse(process.env.GROWTH_TASK ?? "") as ServerTask;
await (task === "fill" ? fill() : serve());

/** Straight into the tables, in one transaction: registering a million one by one would take an hour. */
async function fill(): Promise<void> {
  const directory = openDataDirectory(dataDir);
  const store = openSqlite({ file: directory.storeFile });
  const vault = new Vault(directory.storeKey);
  await store.claim(vault.mark);
  await store.close();
  const database = new Database(directory.storeFile);
  const { known } = database.prepare<[], { known: number }>("SELECT count(*) AS known FROM nodes").get()!;
  const node = database.prepare("INSERT INTO nodes (name, kind, place, created) VALUES (?, 'node', ?, ?)");
  const context = database.prepare(
    `INSERT INTO contexts (node, generation, fingerprint, provisioned, node_id, keys, active, replay_window, replay_seen)
     VALUES (@node, 1, @fingerprint, @fingerprint, @nodeId, @keys, 1, @replayWindow, @seen)`,
  );
  const now = Date.now();
  database.transaction(() => {
    for (let i = known; i < nodes; i++) {
      const { name, replayWindow, oscore } = device(i);
      const { masterSecret, masterSalt = new Uint8Array(0), nodeId, serverId } = oscore;
      const keys = { masterSecret, masterSalt, nodeId, serverId, idContext: undefined, algorithm: 10 };
      const { lastInsertRowid } = node.run(name, `street ${i % 1000}`, now);
      context.run({
        node: lastInsertRowid,
        fingerprint: vault.fingerprint(keys),
        nodeId,
        keys: vault.seal(keys),
        replayWindow,
        seen: FRESH.seen,
      });
    }
  })();
  database.close();
  directory.release();
}

async function serve(): Promise<void> {
  const before = performance.now();
  const server = await startServer({
    dataDir,
    http: { port: 0 },
    coap: { host: "127.0.0.1", port: 0 },
    rateLimit: 1e9,
    sourceLimit: 1e9,
  });
  const start = performance.now() - before;
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const started: ServerStarted = {
    httpUrl: server.httpUrl!,
    coapPort: server.coapAddress.port,
    start,
    resident: rss / 2 ** 20,
    heap: (heapUsed + external) / 2 ** 20,
  };
  process.send!(started);
  process.once("disconnect", () => void server.stop().then(() => process.exit(0)));
}

/** The first 65,536 are those that the load generator knows; the others have Sender IDs of three bytes. */
function device(index: number): ReturnType<typeof nodeSpec> {
  if (index < 0x10000) return nodeSpec(index);
  const { oscore, ...rest } = nodeSpec(index & 0xffff);
  const nodeId = Uint8Array.of(index >> 16, index >> 8, index);
  const masterSecret = oscore.masterSecret.slice();
  masterSecret.set(nodeId, 4);
  return { ...rest, name: `node-${index}`, oscore: { ...oscore, masterSecret, nodeId } };
}

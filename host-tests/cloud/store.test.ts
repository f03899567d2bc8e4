import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { StartupError } from "../../cloud/errors.js";
import { openDataDirectory } from "../../cloud/store/datadir.js";
import { SCHEMA_VERSION } from "../../cloud/store/schema.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { Vault } from "../../cloud/vault.js";
import { Bench, renumbered, TestNode } from "./helpers.js";

const KEY = new Uint8Array(32).fill(7);

describe("store", () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
    file = join(directory, "store.db");
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  /** Bytes of everything there, to see that nothing was touched. */
  const contents = (path = directory) =>
    Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name), "hex")]));

  const start = (nodes: TestNode[] = [], now?: number) =>
    Bench.create({ store: openSqlite({ file }), storeKey: KEY, nodes, ...(now !== undefined && { now }) });

  describe("after a restart", () => {
    it("goes on: same nodes and keys, the numbers before refused, the next accepted", async () => {
      const node = new TestNode("node-1", 1, { place: "Kitchen", meshAddress: 0x12 });
      const first = await start([node]);
      const old = node.reading(2000);
      first.receive(old.datagram);
      const latest = node.reading(2100);
      const [answer] = first.receive(latest.datagram);
      await first.cloud.stop();

      const second = await start([], 60_000);
      const info = second.cloud.registry.get("node-1");
      assert.equal(info?.place, "Kitchen");
      assert.equal(info?.last?.temperature, 21);
      second.receive(renumbered(old.datagram, 9));
      assert.equal(second.cloud.metrics.dropped("replay", "oscore-replay"), 1);
      const [again] = second.receive(renumbered(latest.datagram, 10));
      assert.deepEqual(again.subarray(4), answer.subarray(4), "the newest gets its remembered answer");
      second.receive(node.reading(2200).datagram);
      assert.equal(second.live.reading.length, 1);
      await second.cloud.stop();
    });

    it("keeps a gateway's whereabouts and what it had counted", async () => {
      const gateway = new TestNode("gw", 9, { kind: "gateway" });
      const node = new TestNode("node-1", 1);
      const first = await start([gateway, node]);
      const report = (uptime: number) =>
        gateway.health({ uptime, drops: new Map([["mesh: mic", 5]]) }).datagram;
      first.receive(report(10), "192.0.2.5:1");
      await first.cloud.stop();
      const second = await start();
      second.receive(node.reading(2000).datagram, "192.0.2.5:1");
      assert.equal(second.live.reading[0].gateway, "gw");
      second.receive(report(20), "192.0.2.5:1");
      second.pass(2000);
      assert.equal(second.live.event.filter(({ reason }) => reason === "mesh-mic").length, 0, "told already");
      await second.cloud.stop();
    });
  });

  describe("keys", () => {
    it("that come again keep what was accepted under them; others begin anew", async () => {
      const node = new TestNode("node-1", 1);
      const bench = await start([node]);
      const { registry } = bench.cloud;
      const sent = node.reading(2000);
      bench.receive(sent.datagram);
      const next = node.reading(2100);
      bench.receive(next.datagram);
      const replayed = () => {
        bench.receive(renumbered(sent.datagram, bench.now & 0xffff), `192.0.2.1:${++bench.now}`);
        return bench.live.reading.length;
      };
      assert.equal((await registry.upsert({ ...node.spec, place: "Hall" })).created, false);
      assert.equal(replayed(), 2, "the same keys");
      const { masterSecret: _, ...rest } = node.spec.oscore!;
      await registry.upsert({
        name: "node-1",
        oscore: { ...rest, masterSecret: new Uint8Array(16).fill(99) },
      });
      assert.equal(replayed(), 2, "other keys");
      await registry.upsert(node.spec);
      assert.equal(replayed(), 2, "the old keys again");
      await registry.remove("node-1");
      assert.equal(replayed(), 2, "removed");
      await registry.upsert({ ...node.spec, name: "node-1b" });
      assert.equal(replayed(), 2, "under another name");
      await bench.cloud.stop();
    });

    it("lie in the store sealed, and are never told", async () => {
      const secret = Buffer.from("the secret of sixteen bytes ….").subarray(0, 16);
      const node = new TestNode("node-1", 1);
      const bench = await start();
      await bench.cloud.registry.upsert({
        ...node.spec,
        oscore: { ...node.spec.oscore!, masterSecret: new Uint8Array(secret) },
      });
      assert.equal(JSON.stringify(bench.cloud.registry.list()).includes(secret.toString("hex")), false);
      await bench.cloud.stop();
      for (const name of readdirSync(directory)) {
        assert.equal(readFileSync(join(directory, name)).includes(secret), false, name);
      }
    });

    it("of another store are not opened", async () => {
      await (await start([new TestNode("node-1", 1)])).cloud.stop();
      const store = openSqlite({ file });
      await assert.rejects(Bench.create({ store, storeKey: new Uint8Array(32).fill(8) }), StartupError);
      await store.close();
    });

    it("sealed by a vault open with it, and with nothing else", () => {
      const keys = {
        masterSecret: new Uint8Array(16).fill(1),
        masterSalt: new Uint8Array(0),
        nodeId: new Uint8Array([1]),
        serverId: new Uint8Array(0),
        idContext: new Uint8Array(0),
        algorithm: 10,
      };
      const vault = new Vault(KEY);
      const sealed = vault.seal(keys);
      assert.deepEqual(vault.open(sealed), keys);
      assert.equal(new Vault(new Uint8Array(32)).open(sealed), undefined);
      sealed[20] ^= 1;
      assert.equal(vault.open(sealed), undefined);
      assert.equal(vault.open(new Uint8Array(3)), undefined);
      assert.deepEqual(vault.fingerprint(keys), new Vault(KEY).fingerprint(keys));
      assert.notDeepEqual(vault.fingerprint(keys), vault.fingerprint({ ...keys, idContext: undefined }));
    });
  });

  describe("history", () => {
    it("stays when its node is removed, and is there when it comes back", async () => {
      const node = new TestNode("node-1", 1);
      const bench = await start([node]);
      bench.receive(node.reading(2000).datagram);
      await bench.cloud.registry.remove("node-1");
      assert.equal(bench.cloud.registry.get("node-1"), undefined);
      assert.equal(
        (await bench.cloud.store.readings({ node: bench.cloud.registry.numberOf("node-1")!, limit: 5 }))
          .length,
        1,
      );
      await bench.cloud.registry.upsert(node.spec);
      assert.equal(bench.cloud.registry.get("node-1")?.last?.temperature, 20);
      await bench.cloud.stop();
    });
  });

  describe("a data directory", () => {
    it("is made for its owner alone, and kept from a second server", () => {
      const path = join(directory, "new", "data");
      const opened = openDataDirectory(path);
      assert.equal(statSync(path).mode & 0o777, 0o700);
      for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).mode & 0o077, 0, name);
      assert.throws(() => openDataDirectory(path), /in use by another server/);
      opened.release();
      const again = openDataDirectory(path);
      assert.deepEqual(again.storeKey, opened.storeKey);
      assert.equal(again.apiToken, opened.apiToken);
      again.release();
    });

    it("that is a file says so", () => {
      writeFileSync(file, "");
      for (const path of [file, join(file, "below")]) {
        assert.throws(() => openDataDirectory(path), {
          name: "StartupError",
          message: `the data directory ${path} cannot be used: it is not a directory; choose another with --data DIR or DATA_DIR`,
        });
      }
    });

    it("with a newer version's store is not touched", async () => {
      await openSqlite({ file }).close();
      const database = new Database(file);
      database.pragma(`user_version = ${SCHEMA_VERSION + 1}`);
      database.close();
      const before = contents();
      assert.throws(() => openDataDirectory(directory), /written by a newer version.*nothing was changed/s);
      assert.throws(() => openSqlite({ file }), /newer version/);
      assert.deepEqual(contents(), before);
    });

    it("with another program's database, or no database, is not touched", () => {
      const database = new Database(file);
      database.exec("CREATE TABLE theirs (a)");
      database.pragma("user_version = 1");
      database.close();
      let before = contents();
      assert.throws(() => openDataDirectory(directory), /another program's database; nothing was changed/);
      assert.deepEqual(contents(), before);
      writeFileSync(file, "just a text");
      before = contents();
      assert.throws(() => openDataDirectory(directory), /not a database; nothing was changed/);
      assert.deepEqual(contents(), before);
    });

    it("whose store has lost its key says which file to bring back", async () => {
      openDataDirectory(directory).release();
      await openSqlite({ file }).close();
      rmSync(join(directory, "store.key"));
      assert.throws(() => openDataDirectory(directory), /store\.key.*bring it back.*STORE_KEY/s);
      assert.throws(
        () => openDataDirectory(directory, { storeKey: "12" }),
        /STORE_KEY does not hold 64 hex digits/,
      );
      openDataDirectory(directory, { storeKey: "ab".repeat(32) }).release();
    });

    it("holds files that only their owner reads, the journal too", async () => {
      const node = new TestNode("node-1", 1);
      mkdirSync(join(directory, "sub"));
      const bench = await Bench.create({
        store: openSqlite({ file: join(directory, "sub", "s.db") }),
        nodes: [node],
      });
      bench.receive(node.reading(1).datagram);
      const names = readdirSync(join(directory, "sub"));
      assert.ok(names.length >= 2, `${names}`);
      for (const name of names) assert.equal(statSync(join(directory, "sub", name)).mode & 0o077, 0, name);
      await bench.cloud.stop();
    });
  });
});

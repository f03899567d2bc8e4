import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StartupError } from "../../cloud/errors.js";
import { startServer } from "../../cloud/server.js";
import { openPostgres } from "../../cloud/store/postgres.js";
import { restoreToPostgres } from "../../cloud/store/postgres-backup.js";
import { POSTGRES_VERSION } from "../../cloud/store/postgres-schema.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { Code } from "../../firmware/coap/numbers.js";
import { type PostgresCluster, queryOnce } from "../../scripts/postgres-cluster.js";
import { Bench, decode, TestNode } from "./helpers.js";
import { postgresUrl, privatePostgres } from "./postgres-server.js";

const KEY = new Uint8Array(32).fill(7);
const SECRET = "pa55-of-nobody";

describe("PostgreSQL store", () => {
  describe("at the start", () => {
    let url: string;
    beforeEach(async function () {
      url = await postgresUrl(this);
    });

    /** Everything in the schema, to see that nothing was touched. */
    const contents = () =>
      queryOnce(
        url,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, 2",
      );
    const refused = async (options: { url: string; readonly?: boolean }, message: RegExp) => {
      const before = await contents();
      await assert.rejects(openPostgres(options), (error) => {
        assert.ok(error instanceof StartupError, `${error}`);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, new RegExp(SECRET));
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
      assert.deepEqual(await contents(), before);
    };

    it("makes its tables once, however many servers start at the same time", async () => {
      const stores = await Promise.all(Array.from({ length: 4 }, () => openPostgres({ url })));
      assert.deepEqual(await queryOnce(url, "SELECT version FROM oscore_mesh_store"), [
        { version: POSTGRES_VERSION },
      ]);
      for (const store of stores) await store.close();
    });

    it("leaves a newer version's store as it is", async () => {
      await (await openPostgres({ url })).close();
      await queryOnce(url, "UPDATE oscore_mesh_store SET version = version + 1");
      const newer = /newer version of this server.*nothing was changed.*DATABASE_URL/;
      await refused({ url }, newer);
      await refused({ url, readonly: true }, newer);
    });

    it("leaves another program's tables as they are", async () => {
      await queryOnce(url, "CREATE TABLE readings (theirs text)");
      await refused({ url }, /another program's tables \(readings\); nothing was changed/);
    });

    it("says what is missing where one only wants to look", async () => {
      await refused({ url, readonly: true }, /there is no store in the database/);
      await (await openPostgres({ url })).close();
      const store = await openPostgres({ url, readonly: true });
      assert.deepEqual((await store.load()).nodes, []);
      await assert.rejects(store.removeNode(1, 1), /read-only/);
      await store.close();
      await queryOnce(url, "UPDATE oscore_mesh_store SET version = 0");
      await refused({ url, readonly: true }, /older version: start the server once/);
    });

    it("says in one sentence why a database cannot be used, and never its password", async () => {
      const base = new URL(url);
      const to = (change: (url: URL) => void) => {
        const changed = new URL(base);
        changed.password = SECRET;
        change(changed);
        return { url: `${changed}` };
      };
      await refused(
        to((url) => {
          url.pathname = "/nowhere";
        }),
        /the database "nowhere" at .*: there is no such database; make it with createdb/,
      );
      await refused(
        { url: `postgres://u:${SECRET}@127.0.0.1:1/x` },
        /127\.0\.0\.1:1 cannot be used: nothing listens there/,
      );
      await refused(
        { url: `postgres://u:${SECRET}@localhost:1/x` },
        /localhost:1 cannot be used: nothing listens there/,
      );
      await refused(
        { url: `postgres://u:${SECRET}@no-such-host.invalid/x` },
        /no such host|cannot be resolved/,
      );
      for (const wrong of [`mysql://u:${SECRET}@h/x`, SECRET, "", `postgres://u:${SECRET}@h:port/x`]) {
        await refused(
          { url: wrong },
          /DATABASE_URL is no address of a PostgreSQL database: postgres:\/\/USER/,
        );
      }
    });

    it("is backed up and restored, also from and to SQLite, and takes no replay for new then", async () => {
      const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
      const [copy, file] = [join(directory, "copy.db"), join(directory, "store.db")];
      const deliver = async (bench: Bench, { datagram }: { datagram: Uint8Array }) => {
        bench.cloud.endpoint.handle(datagram, "192.0.2.1:40000", 1000);
        await bench.cloud.endpoint.settle();
      };
      const node = new TestNode("node-1", 1);
      const open = async () => Bench.create({ store: await openPostgres({ url }), storeKey: KEY });
      let bench = await Bench.create({ store: await openPostgres({ url }), storeKey: KEY, nodes: [node] });
      await deliver(bench, node.reading(2000));
      await bench.cloud.store.backup(copy);
      const since = node.reading(2100);
      await deliver(bench, since);
      await assert.rejects(restoreToPostgres(url, copy, file), /is in use by a server: stop it first/);
      await bench.cloud.stop();

      const former = await restoreToPostgres(url, copy, file);
      assert.ok(former !== undefined);
      bench = await open();
      await deliver(bench, since);
      assert.equal(bench.live.reading.length, 0, "accepted once, before the backup was restored");
      assert.equal(bench.cloud.metrics.requests.get("challenged"), 1);
      await bench.cloud.registry.upsert(new TestNode("node-2", 2).spec);
      await bench.cloud.stop();

      // What was there before was kept; and it is a backup itself.
      const kept = openSqlite({ file: former });
      assert.equal((await kept.readings({ limit: 9 })).length, 2);
      await kept.close();
      await restoreToPostgres(url, former, file);
      bench = await open();
      assert.deepEqual(
        (await bench.cloud.store.readings({ limit: 9 })).map(({ temperature }) => temperature),
        [2000, 2100],
      );
      assert.equal(bench.cloud.registry.get("node-2"), undefined);
      await bench.cloud.stop();
      assert.deepEqual(
        readdirSync(directory).filter((name) => name.includes("restoring")),
        [],
      );
      rmSync(directory, { recursive: true });
    });

    it("serves several servers that share a data directory, which then holds nothing but keys", async () => {
      const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
      const dataDir = join(directory, "data");
      const start = () =>
        startServer({ dataDir, databaseUrl: url, http: false, coap: { host: "127.0.0.1", port: 0 } });
      const servers = await Promise.all([start(), start()]);
      const node = new TestNode("node-1", 1);
      await servers[0].registry.upsert(node.spec);
      while (servers[1].registry.get("node-1") === undefined)
        await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(readdirSync(dataDir).sort(), ["api-token", "store.key"]);
      for (const server of servers) await server.stop();
      rmSync(join(dataDir, "store.key"));
      await assert.rejects(start(), /the key of the store is missing \(.*store\.key\): bring it back/);
      rmSync(directory, { recursive: true });
    });
  });

  describe("when the database goes away", function () {
    this.timeout(40_000);
    let database: PostgresCluster;
    let bench: Bench | undefined;
    before(async function () {
      database = await privatePostgres(this);
    });
    after(async () => {
      await bench?.cloud.stop();
      await database?.destroy();
    });

    it("acknowledges nothing until it is back, and then goes on by itself", async () => {
      const node = new TestNode("node-1", 1);
      const store = await openPostgres({ url: database.url });
      bench = await Bench.create({ store, storeKey: KEY, nodes: [node] });
      const { answers, live } = bench;
      const { endpoint } = bench.cloud;
      const acknowledged: number[] = [];
      const report = async (value: number) => {
        const sent = node.reading(value);
        const before = answers.length;
        endpoint.handle(sent.datagram, "192.0.2.1:40000", 1000);
        while (answers.length === before) await endpoint.settle();
        const { code } = decode(answers[before].datagram);
        if (code !== Code.CHANGED) return code;
        assert.equal(node.open(sent, answers[before].datagram).code, Code.CHANGED);
        acknowledged.push(value);
        return code;
      };
      for (const signal of ["SIGINT", "SIGQUIT"] as const) {
        assert.equal(await report(1), Code.CHANGED);
        await database.stop(signal);
        assert.equal(await report(2), Code.SERVICE_UNAVAILABLE);
        assert.equal(await report(3), Code.SERVICE_UNAVAILABLE);
        assert.match(
          endpoint.trouble ?? "",
          /^the store does not take anything: the database "postgres" at /,
        );
        await assert.rejects(store.readings({ limit: 1 }));
        await database.start();
        assert.equal(await report(4), Code.CHANGED);
        assert.equal(endpoint.trouble, undefined);
      }
      const stored = (await store.readings({ limit: 99 })).map(({ temperature }) => temperature);
      assert.deepEqual(stored, acknowledged);
      const failures = live.event.filter(({ reason }) => reason === "store-failed");
      assert.equal(new Set(failures.map(({ id }) => id)).size, 1);
    });

    it("does not let in who has the wrong password, nor tells it", async () => {
      await database.query(`CREATE ROLE locked LOGIN PASSWORD '${SECRET}'`);
      const locked = database.url.replace("//postgres@", `//locked:not-${SECRET}@`);
      await assert.rejects(openPostgres({ url: locked }), (error) => {
        assert.match(`${error}`, /the password is wrong, or there is no such user/);
        assert.doesNotMatch(`${error}`, new RegExp(SECRET));
        return true;
      });
      await assert.rejects(
        openPostgres({ url: database.url.replace("//postgres@", `//locked:${SECRET}@`) }),
        /this user may not make tables there/,
      );
    });
  });
});

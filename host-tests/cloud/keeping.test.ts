import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { hostCrypto } from "#hal/crypto.js";
import { allReadings, EXPORT_FORMATS, exported } from "../../cloud/export.js";
import { KeepError, parseKeep } from "../../cloud/keep.js";
import type { ReadingJson } from "../../cloud/model.js";
import { backupStore, restoreStore } from "../../cloud/store/backup.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { unseal } from "../../cloud/unseal.js";
import { Vault } from "../../cloud/vault.js";
import { Bench, EPOCH, renumbered, TestNode } from "./helpers.js";

const KEY = new Uint8Array(32).fill(7);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe("cloud keeping", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  describe("sealed storage", () => {
    const unsealed = async (store: Store, key = KEY) => {
      const all: string[] = [];
      for await (const { readings, refusal } of unseal(store, new Vault(key), hostCrypto, (id) => `#${id}`)) {
        all.push(refusal ?? readings.map(({ temperature, time }) => `${temperature} ${time}`).join(", "));
      }
      return all;
    };

    it("keeps nothing readable, shows it live, and opens with the key alone", async () => {
      const node = new TestNode("node-1", 1);
      const file = join(directory, "s.db");
      const bench = await Bench.create({
        store: openSqlite({ file }),
        storeKey: KEY,
        nodes: [node],
        storage: "sealed",
      });
      const datagrams = [
        node.reading(2137).datagram,
        node.readings([
          { age: 60, temperature: 2100 },
          { age: 0, temperature: 2110 },
        ]).datagram,
      ];
      for (const datagram of datagrams) bench.receive(datagram);
      assert.deepEqual(
        bench.live.reading.map(({ temperature }) => temperature),
        [21.37, 21, 21.1],
      );
      assert.deepEqual(await bench.cloud.store.readings({ limit: 9 }), []);
      const iso = (time: number) => new Date(EPOCH + 1000 + time).toISOString();
      const expected = [`21.37 ${iso(0)}`, `21 ${iso(-MINUTE)}, 21.1 ${iso(0)}`];
      assert.deepEqual(await unsealed(bench.cloud.store), expected);
      assert.deepEqual(await unsealed(bench.cloud.store, new Uint8Array(32)), [
        "keys are missing, or sealed under another key",
        "keys are missing, or sealed under another key",
      ]);
      const [first] = await bench.cloud.store.sealed({ after: { context: -1, partialIv: -1 }, limit: 1 });
      assert.deepEqual(new Uint8Array(first.message), datagrams[0], "as received");
      // Still refused as a replay, and still openable when the node is gone.
      bench.receive(renumbered(datagrams[0], 99));
      assert.equal(bench.live.reading.length, 3);
      await bench.cloud.registry.remove("node-1");
      assert.deepEqual(await unsealed(bench.cloud.store), expected);
      await bench.cloud.stop();
    });

    it("can stand beside the plaintext", async () => {
      const node = new TestNode("node-1", 1);
      const bench = await Bench.create({ storeKey: KEY, nodes: [node], storage: "both" });
      bench.receive(node.reading(2137).datagram);
      assert.equal((await bench.cloud.store.readings({ limit: 9 })).length, 1);
      assert.equal((await unsealed(bench.cloud.store)).length, 1);
      await bench.cloud.stop();
    });
  });

  describe("retention", () => {
    it("is set by a text that is checked", () => {
      assert.deepEqual(parseKeep("raw=30d, hourly=1y"), { raw: 30 * DAY, hourly: 366 * DAY });
      assert.deepEqual(parseKeep("sealed=2w,daily=12h"), { sealed: 14 * DAY, daily: 12 * HOUR });
      for (const text of ["", "raw", "raw=30", "raw=-1d", "week=3d", "raw=30d,"]) {
        assert.throws(() => parseKeep(text), KeepError, text);
      }
    });
  });

  describe("export", () => {
    const text = async (format: keyof typeof EXPORT_FORMATS, ...pages: ReadingJson[][]) => {
      let all = "";
      const source = (async function* () {
        yield* pages;
      })();
      for await (const piece of exported(EXPORT_FORMATS[format], source)) all += piece;
      return all;
    };
    const reading = (node: string, fields: Partial<ReadingJson> = {}): ReadingJson => ({
      node,
      time: "2026-01-02T03:04:05.000Z",
      received: "2026-01-02T03:04:06.000Z",
      ...fields,
    });

    it("writes CSV that neither breaks nor calculates", async () => {
      const csv = await text("csv", [
        reading('a "b", c', { temperature: -3.25, humidity: 40, battery: 3, hops: 2, gateway: "=SUM(A1)" }),
      ]);
      assert.equal(
        csv,
        "node,time,temperature,humidity,battery,received,gateway,hops\r\n" +
          `"a ""b"", c",2026-01-02T03:04:05.000Z,-3.25,40,3,2026-01-02T03:04:06.000Z,'=SUM(A1),2\r\n`,
      );
    });

    it("writes SenML that is JSON, across pages", async () => {
      const senml = JSON.parse(
        await text(
          "senml",
          [reading("a b", { temperature: 1 })],
          [reading("c"), reading("_d", { humidity: 2, battery: 3 })],
        ),
      );
      const base = (name: string) => ({ bn: name, bt: 1767323045 });
      assert.deepEqual(senml, [
        { ...base("a_b/"), n: "temperature", u: "Cel", v: 1 },
        { ...base("x_d/"), n: "humidity", u: "%RH", v: 2 },
        { n: "battery", u: "V", v: 3 },
      ]);
    });

    it("pages through everything once, also where times are the same", async () => {
      const node = new TestNode("node-1", 1, { replayWindow: 32 });
      const bench = await Bench.create({ nodes: [node] });
      for (let i = 0; i < 100; i++) {
        bench.receive(
          node.readings(Array.from({ length: 50 }, (_, k) => ({ age: k % 7, temperature: i }))).datagram,
        );
      }
      const ids = new Set<number>();
      let last = 0;
      for await (const page of allReadings(bench.cloud.store, {})) {
        for (const { id, time } of page) {
          assert.ok(time >= last);
          last = time;
          ids.add(id);
        }
      }
      assert.equal(ids.size, 5000);
      await bench.cloud.stop();
    });

    it("takes any name", () =>
      fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary" }), async (name) => {
          JSON.parse(await text("senml", [reading(name, { temperature: 1 })]));
          const csv = await text("csv", [reading(name)]);
          assert.equal((csv.match(/"/g)?.length ?? 0) % 2, 0);
        }),
      ));
  });

  describe("backup and restore", () => {
    it("brings back the data, and takes no replay for new", async () => {
      const node = new TestNode("node-1", 1);
      const file = join(directory, "store.db");
      const copy = join(directory, "copy.db");
      const open = () => Bench.create({ store: openSqlite({ file }), storeKey: KEY });
      let bench = await Bench.create({ store: openSqlite({ file }), storeKey: KEY, nodes: [node] });
      bench.receive(node.reading(2000).datagram);
      await backupStore(file, copy);
      assert.equal(statSync(copy).mode & 0o077, 0);
      await assert.rejects(backupStore(file, copy), /is there already/);
      const since = node.reading(2100);
      bench.receive(since.datagram);
      await bench.cloud.stop();

      const former = restoreStore(copy, file);
      assert.ok(former !== undefined && readFileSync(former).length > 0);
      bench = await open();
      assert.equal(bench.cloud.registry.get("node-1")?.last?.temperature, 20);
      bench.receive(renumbered(since.datagram, 500));
      assert.equal(bench.live.reading.length, 0, "accepted once, before the backup was restored");
      assert.equal(bench.cloud.metrics.requests.get("challenged"), 1);
      await bench.cloud.stop();
    });

    it("refuses what is no store", async () => {
      assert.throws(() => restoreStore(join(directory, "none"), join(directory, "store.db")), /there is no/);
      await assert.rejects(
        backupStore(join(directory, "none"), join(directory, "copy")),
        /there is no store/,
      );
    });
  });
});

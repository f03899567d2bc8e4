/** What every store of the server must do, as tests that each implementation runs. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FRESH } from "../../cloud/context.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import {
  all,
  commit,
  DAY,
  event,
  HOUR,
  type PlaceOfStore,
  readingOf,
  request,
  START,
  StoreCase,
} from "./store-contract/case.js";
import { describeCommit } from "./store-contract/commit.js";
import { describeDevices } from "./store-contract/devices.js";
import { describeHistory } from "./store-contract/history.js";
import { describeRetention } from "./store-contract/retention.js";

export function describeStore(name: string, place: (suite: Mocha.Context) => Promise<PlaceOfStore>): void {
  describe(`store contract: ${name}`, () => {
    const at = new StoreCase();

    before(async function () {
      // Whether it can run at all here.
      await (await place(this)).close();
    });
    beforeEach(async function () {
      await at.open(await place(this));
    });
    afterEach(() => at.close());

    describeDevices(at);
    describeCommit(at);
    describeHistory(at);
    describeRetention(at);

    it("gives a whole and consistent copy while it runs, which opens as a store of its own", async () => {
      const a = await at.register("a", 1, { place: "x" });
      const b = await at.register("b", 2);
      const reading = readingOf(a, 3, { battery: undefined });
      a.keys.record = { ...FRESH, highest: 3, lastRequest: Uint8Array.of(1), lastAnswer: Uint8Array.of(2) };
      await commit(at.store, {
        requests: [request(a.keys, 3, [reading], { sealed: Uint8Array.of(5) })],
        events: [event("e")],
        health: [{ node: b.node.id, time: START, source: "s", body: "b" }],
      });
      await at.store.removeNode(b.node.id, START);
      await at.store.thin({ raw: 1 }, START + HOUR);
      await commit(at.store, { requests: [request(a.keys, 4, [readingOf(a, 4)])] });
      const first = at.store.reserve(a.keys, 64);
      const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
      try {
        const file = join(directory, "copy.db");
        await at.store.backup(file);
        const copy = openSqlite({ file });
        const plain = (value: unknown) =>
          JSON.stringify(value, (key, part) =>
            key === "version" ? undefined : part?.type === "Buffer" ? part.data : part,
          );
        assert.equal(plain(await copy.load()), plain(await at.store.load()));
        assert.deepEqual(await copy.readings(all), await at.store.readings(all));
        assert.deepEqual(await copy.events(all), await at.store.events(all));
        const sealed = { after: { context: -1, partialIv: -1 }, limit: 9 };
        assert.equal(plain(await copy.sealed(sealed)), plain(await at.store.sealed(sealed)));
        const span = [a.node.id, START, START + DAY, 4] as const;
        assert.deepEqual(await copy.series(...span), await at.store.series(...span));
        const next = copy.reserve(a.keys, 64);
        assert.ok(typeof first === "number" && typeof next === "number" && next > first);
        await copy.close();
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });

    it("notes whose it is, once", async () => {
      const marks = [1, 2].map((fill) => new Uint8Array(32).fill(fill));
      assert.equal(await at.store.claim(marks[0]), true);
      assert.equal(await at.store.claim(marks[0]), true);
      assert.equal(await at.store.claim(marks[1]), false);
      await at.reopen();
      assert.deepEqual([await at.store.claim(marks[1]), await at.store.claim(marks[0])], [false, true]);
    });

    it("closes twice", async () => {
      await at.store.close();
    });
  });
}

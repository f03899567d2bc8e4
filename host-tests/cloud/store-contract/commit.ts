import assert from "node:assert/strict";
import fc from "fast-check";
import { FRESH } from "../../../cloud/context.js";
import type { ReadingRecord } from "../../../cloud/model.js";
import type { ContextState } from "../../../cloud/store/store.js";
import {
  all,
  commit,
  contextDraft,
  event,
  HIGHEST,
  readingOf,
  request,
  START,
  type StoreCase,
  TestKeys,
} from "./case.js";

export function describeCommit(at: StoreCase): void {
  describe("a commit", () => {
    it("is durable as a whole", async () => {
      const a = await at.register("a", 1, { replayWindow: 32 });
      const b = await at.register("b", 2);
      a.keys.record = { ...FRESH, highest: HIGHEST, seen: Uint8Array.of(9) };
      b.keys.record = { ...FRESH, highest: 0, lastRequest: Uint8Array.of(1) };
      const full = readingOf(a, HIGHEST, { gateway: b.node.id, hops: 3, temperature: -4000, position: 49 });
      const empty = readingOf(a, HIGHEST, {
        time: START + HIGHEST + 1,
        temperature: undefined,
        humidity: undefined,
        battery: undefined,
      });
      const health = { node: b.node.id, time: START, source: "192.0.2.1:5", body: '{"a":"\\u0000"}' };
      const happened = event("e1", {
        node: "a",
        gateway: "b",
        kind: "security",
        severity: "critical",
        count: 3,
      });
      const outcomes = await commit(at.store, {
        requests: [request(a.keys, HIGHEST - 1), request(a.keys, HIGHEST, [full, empty]), request(b.keys, 0)],
        events: [happened],
        health: [health],
      });
      assert.deepEqual(outcomes, ["stored", "stored", "stored"]);
      assert.ok(full.id > 0 && empty.id > full.id);
      const snapshot = await at.reopen();
      const [first, second] = snapshot.contexts;
      assert.deepEqual([first.highest, first.replayWindow, ...first.seen!], [HIGHEST, 32, 9]);
      assert.deepEqual([second.highest, [...second.lastRequest!]], [0, [1]]);
      assert.deepEqual(snapshot.health, [health]);
      assert.deepEqual(snapshot.newest.length, 1);
      assert.deepEqual(await at.store.readings(all), [full, empty]);
      assert.deepEqual(await at.store.events(all), [happened]);
      assert.deepEqual(at.store.replay(first)?.highest, HIGHEST);
    });

    it("takes a reading once, whatever message brings it", async () => {
      const a = await at.register("a", 1);
      const first = readingOf(a, 5);
      await commit(at.store, { requests: [request(a.keys, 5, [first])] });
      const again = readingOf(a, 5, { temperature: 1 });
      const next = readingOf(a, 6);
      const twice = readingOf(a, 6, { temperature: 2 });
      const outcomes = await commit(at.store, { requests: [request(a.keys, 7, [again, next, twice])] });
      assert.deepEqual(outcomes, ["stored"]);
      assert.deepEqual([again.id, twice.id], [0, 0]);
      assert.ok(next.id > first.id);
      assert.deepEqual(await at.store.readings(all), [first, next]);
    });

    it("keeps the earliest time that the copies of a reading give it", async () => {
      const a = await at.register("a", 1);
      const first = readingOf(a, 5, { time: START + 600_000 });
      await commit(at.store, { requests: [request(a.keys, 5, [first])] });
      const timed = (partialIv: number, time: number, fields: Partial<ReadingRecord> = {}) =>
        readingOf(a, partialIv, { time: START + time * 1000, ...fields });
      const [later, earlier, other] = [timed(5, 700), timed(5, 20), timed(5, 30, { position: 1 })];
      await commit(at.store, {
        requests: [request(a.keys, 7, [later]), request(a.keys, 8, [earlier, other])],
      });
      assert.deepEqual([later.id, earlier.id], [0, -first.id], "only what corrects is said to");
      const almost = timed(5, 19.5);
      await commit(at.store, { requests: [request(a.keys, 11, [almost])] });
      assert.equal(almost.id, 0, "ages are told in seconds");
      const times = async () =>
        (await at.store.readings(all)).map(({ partialIv, position, time }) => [
          partialIv,
          position,
          (time - START) / 1000,
        ]);
      assert.deepEqual(await times(), [
        [5, 0, 20],
        [5, 1, 30],
      ]);
      // The first carriage and a copy of it in one batch.
      const [fresh, copy] = [timed(12, 900), timed(12, 800)];
      await commit(at.store, { requests: [request(a.keys, 12, [fresh]), request(a.keys, 13, [copy])] });
      assert.ok(fresh.id > 0 && copy.id <= 0);
      assert.deepEqual((await times())[2], [12, 0, 800]);
    });

    it("puts what it corrects into the outbox again", async () => {
      const a = await at.register("a", 1);
      at.store.outbox.enabled = true;
      const copy = (carrier: number, time: number) =>
        commit(at.store, {
          requests: [request(a.keys, carrier, [readingOf(a, 5, { time: START + time * 1000 })])],
        });
      const times = async () => (await at.store.outbox.take(9)).map(({ time }) => (time - START) / 1000);
      await copy(5, 600);
      const taken = await at.store.outbox.take(9);
      assert.equal(taken.length, 1);
      // While it is on its way, which it then still is.
      await copy(7, 400);
      await at.store.outbox.passed(taken);
      assert.deepEqual(await times(), [400]);
      await at.store.outbox.passed(await at.store.readings({ limit: 9 }));
      await copy(8, 500);
      assert.deepEqual(await times(), []);
      await copy(9, 300);
      assert.deepEqual(await times(), [300]);
    });

    it("of nothing is one too", async () => {
      assert.deepEqual(await commit(at.store, {}), []);
    });

    it("changes an event and a report by their name", async () => {
      const { node } = await at.register("g", 1);
      const health = { node: node.id, time: START, source: "a:1", body: "1" };
      await commit(at.store, { events: [event("e")], health: [health] });
      const later = event("e", { count: 2, last: START + 5, detail: "again" });
      await commit(at.store, {
        events: [later, event("d")],
        health: [{ ...health, time: START + 1, body: "2" }],
      });
      assert.deepEqual(await at.store.events(all), [later, event("d")]);
      assert.equal((await at.reopen()).health[0].body, "2");
      await at.store.removeNode(node.id, START);
      assert.deepEqual((await at.reopen()).health, []);
    });

    it("keeps any text and any bytes", async () => {
      const { keys, node } = await at.register("a", 1);
      const detail = "NUL \0, quotes '\"`, \\x41, {a,b}, NULL, \u2028, 𝒳, é";
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      keys.record = { ...FRESH, lastRequest: bytes, lastAnswer: bytes };
      const result = await commit(at.store, {
        requests: [request(keys, 1, [], { sealed: bytes })],
        events: [event("e", { detail, node: "", gateway: "NULL" })],
        health: [{ node: node.id, time: START, source: detail, body: detail }],
      });
      assert.deepEqual(result, ["stored"]);
      const [kept] = await at.store.events(all);
      // A database may have no NUL.
      assert.ok([detail, detail.replace("\0", "\ufffd")].includes(kept.detail), kept.detail);
      assert.deepEqual([kept.node, kept.gateway], ["", "NULL"]);
      const { contexts } = await at.reopen();
      assert.deepEqual(new Uint8Array(contexts[0].lastAnswer!), bytes);
      const [sealed] = await at.store.sealed({ after: { context: -1, partialIv: -1 }, limit: 9 });
      assert.deepEqual(new Uint8Array(sealed.message), bytes);
    });

    it("puts new keys into the place of old ones, also twice in one", async () => {
      const { keys, node } = await at.register("a", 1, { replayWindow: 7 });
      assert.equal(at.store.reserve(keys, 64), 0);
      const takeover = (from: ContextState, seed: number) => {
        const to = new TestKeys({ ...FRESH, id: 0, highest: seed });
        const { fingerprint, keys: sealed } = contextDraft(seed);
        return { to, request: request(to, seed, [], { takeover: { from, fingerprint, keys: sealed } }) };
      };
      const second = takeover(keys, 2);
      const third = takeover(second.to, 3);
      const reading = readingOf({ node, context: undefined, created: false }, 9);
      const outcomes = await commit(at.store, {
        requests: [second.request, request(second.to, 9, [reading]), third.request],
      });
      // Of keys that are replaced in the same commit, a store may take the last word or none.
      assert.equal(outcomes instanceof Error ? undefined : outcomes[2], "stored");
      assert.equal(at.store.reserve(third.to, 64), 0, "numbers of ours begin anew");
      let [context, ...none] = (await at.reopen()).contexts;
      assert.deepEqual(none, []);
      assert.deepEqual(
        [context.id, context.node, context.highest, context.replayWindow],
        [third.to.id, node.id, 3, 7],
      );
      assert.deepEqual(new Uint8Array(context.keys), contextDraft(3).keys);
      // Registered once more as they were provisioned, the new ones stay.
      await at.register("a", 1);
      [context] = (await at.reopen()).contexts;
      assert.equal(context.id, third.to.id);
    });

    it("that fails leaves nothing, here or there", async () => {
      const a = await at.register("a", 1);
      const reading = readingOf(a, 1);
      await at.store.close();
      const to = new TestKeys({ ...FRESH, id: 0 });
      const result = await commit(at.store, {
        requests: [
          request(a.keys, 1, [reading]),
          request(to, 0, [], { takeover: { from: a.keys, ...contextDraft(2) } }),
        ],
        events: [event("e")],
      });
      assert.ok(result instanceof Error);
      assert.deepEqual([reading.id, to.id], [0, 0]);
      const snapshot = await at.reopen();
      assert.equal(snapshot.contexts[0].highest, -1);
      assert.deepEqual([await at.store.readings(all), await at.store.events(all)], [[], []]);
      a.keys.version = snapshot.contexts[0].version;
      assert.deepEqual(await commit(at.store, { requests: [request(a.keys, 1, [reading])] }), ["stored"]);
    });

    it("keeps what any commits say", () =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.array(
              fc.record({
                partialIv: fc.oneof(fc.nat(3), fc.nat(HIGHEST)),
                position: fc.nat(2),
                temperature: fc.option(fc.integer({ min: -27_315, max: 100_000 }), { nil: undefined }),
                humidity: fc.option(fc.nat(10_000), { nil: undefined }),
                battery: fc.option(fc.nat(65_535), { nil: undefined }),
                time: fc.nat(4_102_444_800_000),
              }),
              { maxLength: 4 },
            ),
            { maxLength: 4 },
          ),
          async (batches) => {
            const seed = Math.floor(Math.random() * 2 ** 30);
            const fingerprint = Uint8Array.from(`${seed}`, (digit) => digit.charCodeAt(0));
            const draft = contextDraft(1, {
              fingerprint,
              nodeId: fingerprint.slice(0, 7),
              idContext: fingerprint,
            });
            const saved = await at.register(`n${seed}`, 1, { context: draft });
            const expected = new Map<string, ReadingRecord>();
            for (const batch of batches) {
              const readings = batch.map((fields) => readingOf(saved, 0, fields));
              const known = new Set(expected.keys());
              for (const reading of readings) {
                const key = `${reading.partialIv} ${reading.position}`;
                if (!expected.has(key)) expected.set(key, reading);
              }
              await commit(at.store, {
                requests: readings.map((one) => request(saved.keys, one.partialIv, [one])),
              });
              for (const [key, reading] of expected) if (!known.has(key)) assert.ok(reading.id > 0);
            }
            const stored = await at.store.page({
              node: saved.node.id,
              after: { time: 0, id: -1 },
              limit: 100,
            });
            const inOrder = [...expected.values()].sort((x, y) => x.time - y.time || x.id - y.id);
            assert.deepEqual(stored, inOrder);
          },
        ),
        { numRuns: 25 },
      ));
  });

  describe("numbers of ours", () => {
    it("rise, and are never given again", async () => {
      const a = await at.register("a", 1);
      const b = await at.register("b", 2, { context: contextDraft(2, { senderSequence: 1000 }) });
      assert.equal(at.store.reserve(b.keys, 64), 1000);
      let next = 0;
      let keys: ContextState = a.keys;
      for (let restart = 0; restart < 3; restart++) {
        for (let i = 0; i < 4; i++) {
          let first = at.store.reserve(keys, 64);
          // A store across a network may have to fetch some first.
          for (let turn = 0; first === "later" && turn < 1_000_000; turn++) {
            await new Promise((resolve) => setImmediate(resolve));
            first = at.store.reserve(keys, 64);
          }
          assert.ok(typeof first === "number" && first >= next, `${first}`);
          next = first + 64;
        }
        const [context] = (await at.reopen()).contexts;
        keys = new TestKeys(context);
      }
    });

    it("of keys that the store does not have are none", () => {
      assert.equal(typeof at.store.reserve({ id: 999, version: 0 }, 1), "string");
    });
  });
}

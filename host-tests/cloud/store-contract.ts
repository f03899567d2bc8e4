/** What every store of the server must do, as tests that each implementation runs. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { FRESH } from "../../cloud/context.js";
import type { EventRecord, ReadingRecord } from "../../cloud/model.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import {
  type AcceptedRequest,
  type Batch,
  type CommitResult,
  type ContextDraft,
  type ContextState,
  ContextTaken,
  type NodeDraft,
  type ReplayRecord,
  type SavedNode,
  type Store,
} from "../../cloud/store/store.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** A midnight. */
const START = Date.UTC(2026, 0, 2);
const HIGHEST = 2 ** 40 - 1;

/** One implementation, with a place of its own for its data. */
export interface PlaceOfStore {
  /** Opens the store on what the place holds: the first time nothing, later what a killed process left. */
  open(): Promise<Store>;
  /** Closes what was opened, and removes the place. */
  close(): Promise<void>;
}

/** A set of keys as a store sees it. */
export class TestKeys implements ContextState {
  id: number;
  version: number;
  record: ReplayRecord;

  constructor(record: ReplayRecord & { readonly id: number }) {
    this.id = record.id;
    this.version = record.version;
    this.record = record;
  }

  state(): ReplayRecord {
    return this.record;
  }
}

export function contextDraft(seed: number, fields: Partial<ContextDraft> = {}): ContextDraft {
  const bytes = (length: number) => new Uint8Array(length).fill(seed);
  return {
    fingerprint: bytes(32),
    nodeId: Uint8Array.of(seed),
    idContext: undefined,
    keys: bytes(60),
    seen: FRESH.seen,
    senderSequence: 0,
    ...fields,
  };
}

export function nodeDraft(name: string, fields: Partial<NodeDraft> = {}): NodeDraft {
  return {
    name,
    kind: "node",
    meshAddress: undefined,
    place: undefined,
    now: START,
    context: "keep",
    replayWindow: 1,
    ...fields,
  };
}

export function commit(store: Store, batch: Partial<Batch>): Promise<CommitResult> {
  return new Promise((resolve) => store.commit({ requests: [], events: [], health: [], ...batch }, resolve));
}

export function describeStore(name: string, place: (suite: Mocha.Context) => Promise<PlaceOfStore>): void {
  describe(`store contract: ${name}`, () => {
    let here: PlaceOfStore;
    let store: Store;

    before(async function () {
      // Whether it can run at all here.
      await (await place(this)).close();
    });
    beforeEach(async function () {
      here = await place(this);
      store = await here.open();
    });
    afterEach(async () => {
      await store.close();
      await here.close();
    });

    const reopen = async () => {
      await store.close();
      store = await here.open();
      return store.load();
    };

    /** A registered node with keys. */
    const register = async (name: string, seed: number, fields: Partial<NodeDraft> = {}) => {
      const saved = await store.saveNode(nodeDraft(name, { context: contextDraft(seed), ...fields }));
      assert.ok(saved.context);
      return { ...saved, keys: new TestKeys(saved.context) };
    };

    const readingOf = (
      { node }: SavedNode,
      partialIv: number,
      fields: Partial<ReadingRecord> = {},
    ): ReadingRecord => ({
      id: 0,
      node: node.id,
      time: START + partialIv,
      temperature: 2000,
      humidity: 4000,
      battery: 3000,
      received: START + partialIv,
      gateway: undefined,
      hops: undefined,
      partialIv,
      position: 0,
      ...fields,
    });

    const request = (
      keys: ContextState,
      partialIv: number,
      readings: readonly ReadingRecord[] = [],
      fields: Partial<AcceptedRequest> = {},
    ): AcceptedRequest => ({
      context: keys,
      takeover: undefined,
      partialIv,
      received: START,
      readings,
      sealed: undefined,
      ...fields,
    });

    const event = (id: string, fields: Partial<EventRecord> = {}): EventRecord => ({
      id,
      time: START,
      last: START,
      count: 1,
      kind: "system",
      severity: "info",
      node: undefined,
      gateway: undefined,
      reason: "test",
      detail: "a test",
      ...fields,
    });

    const all = { limit: 100_000 };

    describe("devices", () => {
      it("are there after a restart, with all that was said about them", async () => {
        const { node, created } = await store.saveNode(
          nodeDraft("Ofen „Süd“ 🌡", { kind: "gateway", meshAddress: 0x7fff, place: "Küche; '\"\\" }),
        );
        assert.equal(created, true);
        assert.deepEqual((await reopen()).nodes, [node]);
        assert.deepEqual(node, {
          id: node.id,
          name: "Ofen „Süd“ 🌡",
          kind: "gateway",
          meshAddress: 0x7fff,
          place: "Küche; '\"\\",
          created: START,
        });
        assert.deepEqual(await store.registered(), [{ node, context: undefined }]);
        assert.deepEqual(await store.registered(node.id + 1), []);
      });

      it("change, leave and come back under their number", async () => {
        const { node } = await register("a", 1, { place: "here" });
        const changed = await store.saveNode(nodeDraft("a", { now: START + 1 }));
        assert.equal(changed.created, false);
        assert.deepEqual(changed.node, { ...node, place: undefined });
        await store.removeNode(node.id, START + 2);
        let snapshot = await reopen();
        assert.deepEqual(snapshot.nodes, []);
        assert.deepEqual(snapshot.contexts, []);
        assert.deepEqual(snapshot.former, [{ id: node.id, name: "a" }]);
        const again = await store.saveNode(nodeDraft("a"));
        assert.equal(again.created, true);
        assert.equal(again.node.id, node.id);
        snapshot = await reopen();
        assert.deepEqual(snapshot.former, []);
      });

      it("keep what was accepted under the same keys, and begin anew under others", async () => {
        const seen = Uint8Array.of(1, 2, 3);
        const lastRequest = Uint8Array.of(0, 255);
        const { keys, context } = await register("a", 1);
        keys.record = { ...FRESH, highest: 7, seen, lastRequest, lastAnswer: new Uint8Array(0) };
        assert.deepEqual(await commit(store, { requests: [request(keys, 7)] }), ["stored"]);
        const state = (saved: SavedNode) => {
          const { highest, seen: window, lastRequest: last, lastAnswer } = saved.context!;
          return [highest, window && [...window], last && [...last], lastAnswer && [...lastAnswer]];
        };
        const used = [7, [1, 2, 3], [0, 255], []];
        const fresh = [-1, [...FRESH.seen!], undefined, undefined];
        const [one, two] = [contextDraft(1), contextDraft(2)];
        const save = (name: string, draft: ContextDraft | "keep") =>
          store.saveNode(nodeDraft(name, { context: draft }));
        assert.deepEqual(state(await save("a", "keep")), used);
        assert.deepEqual(state(await save("a", one)), used, "the same keys");
        const other = await save("a", two);
        assert.deepEqual(state(other), fresh, "other keys");
        assert.notEqual(other.context?.id, context?.id);
        assert.deepEqual(state(await save("a", one)), used, "the old keys again");
        await store.removeNode(keys.id, START);
        await reopen();
        const moved = await save("b", one);
        assert.deepEqual(state(moved), used, "under another name");
        assert.deepEqual((await reopen()).contexts, [moved.context]);
      });

      it("have keys of their own for each ID", async () => {
        await register("a", 1);
        const taken = nodeDraft("b", { context: contextDraft(2, { nodeId: Uint8Array.of(1) }) });
        await assert.rejects(
          store.saveNode(taken),
          (error) => error instanceof ContextTaken && error.holder === "a",
        );
        assert.deepEqual((await store.load()).nodes.length, 1, "nothing of it was kept");
        for (const [seed, idContext] of [
          [3, new Uint8Array(0)],
          [4, Uint8Array.of(0)],
        ] as const) {
          await register(`n${seed}`, seed, {
            context: contextDraft(seed, { nodeId: Uint8Array.of(1), idContext }),
          });
        }
        assert.equal((await store.load()).contexts.length, 3);
      });

      it("may have keys of which nobody knows what was accepted and sent", async () => {
        const { context, keys } = await register("a", 1, {
          context: contextDraft(1, { seen: undefined, senderSequence: undefined }),
        });
        assert.equal(context?.seen, undefined);
        assert.equal(store.reserve(keys, 1), "lost");
        const [again] = (await reopen()).contexts;
        assert.equal(again.seen, undefined);
        assert.equal(store.reserve(again, 64), "lost");
      });
    });

    describe("a commit", () => {
      it("is durable as a whole", async () => {
        const a = await register("a", 1, { replayWindow: 32 });
        const b = await register("b", 2);
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
        const outcomes = await commit(store, {
          requests: [
            request(a.keys, HIGHEST - 1),
            request(a.keys, HIGHEST, [full, empty]),
            request(b.keys, 0),
          ],
          events: [happened],
          health: [health],
        });
        assert.deepEqual(outcomes, ["stored", "stored", "stored"]);
        assert.ok(full.id > 0 && empty.id > full.id);
        const snapshot = await reopen();
        const [first, second] = snapshot.contexts;
        assert.deepEqual([first.highest, first.replayWindow, ...first.seen!], [HIGHEST, 32, 9]);
        assert.deepEqual([second.highest, [...second.lastRequest!]], [0, [1]]);
        assert.deepEqual(snapshot.health, [health]);
        assert.deepEqual(snapshot.newest.length, 1);
        assert.deepEqual(await store.readings(all), [full, empty]);
        assert.deepEqual(await store.events(all), [happened]);
        assert.deepEqual(store.replay(first)?.highest, HIGHEST);
      });

      it("takes a reading once, whatever message brings it", async () => {
        const a = await register("a", 1);
        const first = readingOf(a, 5);
        await commit(store, { requests: [request(a.keys, 5, [first])] });
        const again = readingOf(a, 5, { temperature: 1 });
        const next = readingOf(a, 6);
        const twice = readingOf(a, 6, { temperature: 2 });
        const outcomes = await commit(store, { requests: [request(a.keys, 7, [again, next, twice])] });
        assert.deepEqual(outcomes, ["stored"]);
        assert.deepEqual([again.id, twice.id], [0, 0]);
        assert.ok(next.id > first.id);
        assert.deepEqual(await store.readings(all), [first, next]);
      });

      it("keeps the earliest time that the copies of a reading give it", async () => {
        const a = await register("a", 1);
        const first = readingOf(a, 5, { time: START + 600_000 });
        await commit(store, { requests: [request(a.keys, 5, [first])] });
        const timed = (partialIv: number, time: number, fields: Partial<ReadingRecord> = {}) =>
          readingOf(a, partialIv, { time: START + time * 1000, ...fields });
        const [later, earlier, other] = [timed(5, 700), timed(5, 20), timed(5, 30, { position: 1 })];
        await commit(store, {
          requests: [request(a.keys, 7, [later]), request(a.keys, 8, [earlier, other])],
        });
        assert.deepEqual([later.id, earlier.id], [0, -first.id], "only what corrects is said to");
        const almost = timed(5, 19.5);
        await commit(store, { requests: [request(a.keys, 11, [almost])] });
        assert.equal(almost.id, 0, "ages are told in seconds");
        const times = async () =>
          (await store.readings(all)).map(({ partialIv, position, time }) => [
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
        await commit(store, { requests: [request(a.keys, 12, [fresh]), request(a.keys, 13, [copy])] });
        assert.ok(fresh.id > 0 && copy.id <= 0);
        assert.deepEqual((await times())[2], [12, 0, 800]);
      });

      it("puts what it corrects into the outbox again", async () => {
        const a = await register("a", 1);
        store.outbox.enabled = true;
        const copy = (carrier: number, time: number) =>
          commit(store, {
            requests: [request(a.keys, carrier, [readingOf(a, 5, { time: START + time * 1000 })])],
          });
        const times = async () => (await store.outbox.take(9)).map(({ time }) => (time - START) / 1000);
        await copy(5, 600);
        const taken = await store.outbox.take(9);
        assert.equal(taken.length, 1);
        // While it is on its way, which it then still is.
        await copy(7, 400);
        await store.outbox.passed(taken);
        assert.deepEqual(await times(), [400]);
        await store.outbox.passed(await store.readings({ limit: 9 }));
        await copy(8, 500);
        assert.deepEqual(await times(), []);
        await copy(9, 300);
        assert.deepEqual(await times(), [300]);
      });

      it("of nothing is one too", async () => {
        assert.deepEqual(await commit(store, {}), []);
      });

      it("changes an event and a report by their name", async () => {
        const { node } = await register("g", 1);
        const health = { node: node.id, time: START, source: "a:1", body: "1" };
        await commit(store, { events: [event("e")], health: [health] });
        const later = event("e", { count: 2, last: START + 5, detail: "again" });
        await commit(store, {
          events: [later, event("d")],
          health: [{ ...health, time: START + 1, body: "2" }],
        });
        assert.deepEqual(await store.events(all), [later, event("d")]);
        assert.equal((await reopen()).health[0].body, "2");
        await store.removeNode(node.id, START);
        assert.deepEqual((await reopen()).health, []);
      });

      it("keeps any text and any bytes", async () => {
        const { keys, node } = await register("a", 1);
        const detail = "NUL \0, quotes '\"`, \\x41, {a,b}, NULL, \u2028, 𝒳, é";
        const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
        keys.record = { ...FRESH, lastRequest: bytes, lastAnswer: bytes };
        const result = await commit(store, {
          requests: [request(keys, 1, [], { sealed: bytes })],
          events: [event("e", { detail, node: "", gateway: "NULL" })],
          health: [{ node: node.id, time: START, source: detail, body: detail }],
        });
        assert.deepEqual(result, ["stored"]);
        const [kept] = await store.events(all);
        // A database may have no NUL.
        assert.ok([detail, detail.replace("\0", "\ufffd")].includes(kept.detail), kept.detail);
        assert.deepEqual([kept.node, kept.gateway], ["", "NULL"]);
        const { contexts } = await reopen();
        assert.deepEqual(new Uint8Array(contexts[0].lastAnswer!), bytes);
        const [sealed] = await store.sealed({ after: { context: -1, partialIv: -1 }, limit: 9 });
        assert.deepEqual(new Uint8Array(sealed.message), bytes);
      });

      it("puts new keys into the place of old ones, also twice in one", async () => {
        const { keys, node } = await register("a", 1, { replayWindow: 7 });
        assert.equal(store.reserve(keys, 64), 0);
        const takeover = (from: ContextState, seed: number) => {
          const to = new TestKeys({ ...FRESH, id: 0, highest: seed });
          const { fingerprint, keys: sealed } = contextDraft(seed);
          return { to, request: request(to, seed, [], { takeover: { from, fingerprint, keys: sealed } }) };
        };
        const second = takeover(keys, 2);
        const third = takeover(second.to, 3);
        const reading = readingOf({ node, context: undefined, created: false }, 9);
        const outcomes = await commit(store, {
          requests: [second.request, request(second.to, 9, [reading]), third.request],
        });
        // Of keys that are replaced in the same commit, a store may take the last word or none.
        assert.equal(outcomes instanceof Error ? undefined : outcomes[2], "stored");
        assert.equal(store.reserve(third.to, 64), 0, "numbers of ours begin anew");
        let [context, ...none] = (await reopen()).contexts;
        assert.deepEqual(none, []);
        assert.deepEqual(
          [context.id, context.node, context.highest, context.replayWindow],
          [third.to.id, node.id, 3, 7],
        );
        assert.deepEqual(new Uint8Array(context.keys), contextDraft(3).keys);
        // Registered once more as they were provisioned, the new ones stay.
        await register("a", 1);
        [context] = (await reopen()).contexts;
        assert.equal(context.id, third.to.id);
      });

      it("that fails leaves nothing, here or there", async () => {
        const a = await register("a", 1);
        const reading = readingOf(a, 1);
        await store.close();
        const to = new TestKeys({ ...FRESH, id: 0 });
        const result = await commit(store, {
          requests: [
            request(a.keys, 1, [reading]),
            request(to, 0, [], { takeover: { from: a.keys, ...contextDraft(2) } }),
          ],
          events: [event("e")],
        });
        assert.ok(result instanceof Error);
        assert.deepEqual([reading.id, to.id], [0, 0]);
        const snapshot = await reopen();
        assert.equal(snapshot.contexts[0].highest, -1);
        assert.deepEqual([await store.readings(all), await store.events(all)], [[], []]);
        a.keys.version = snapshot.contexts[0].version;
        assert.deepEqual(await commit(store, { requests: [request(a.keys, 1, [reading])] }), ["stored"]);
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
              const saved = await register(`n${seed}`, 1, { context: draft });
              const expected = new Map<string, ReadingRecord>();
              for (const batch of batches) {
                const readings = batch.map((fields) => readingOf(saved, 0, fields));
                const known = new Set(expected.keys());
                for (const reading of readings) {
                  const key = `${reading.partialIv} ${reading.position}`;
                  if (!expected.has(key)) expected.set(key, reading);
                }
                await commit(store, {
                  requests: readings.map((one) => request(saved.keys, one.partialIv, [one])),
                });
                for (const [key, reading] of expected) if (!known.has(key)) assert.ok(reading.id > 0);
              }
              const stored = await store.page({
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
        const a = await register("a", 1);
        const b = await register("b", 2, { context: contextDraft(2, { senderSequence: 1000 }) });
        assert.equal(store.reserve(b.keys, 64), 1000);
        let next = 0;
        let keys: ContextState = a.keys;
        for (let restart = 0; restart < 3; restart++) {
          for (let i = 0; i < 4; i++) {
            let first = store.reserve(keys, 64);
            // A store across a network may have to fetch some first.
            for (let turn = 0; first === "later" && turn < 1_000_000; turn++) {
              await new Promise((resolve) => setImmediate(resolve));
              first = store.reserve(keys, 64);
            }
            assert.ok(typeof first === "number" && first >= next, `${first}`);
            next = first + 64;
          }
          const [context] = (await reopen()).contexts;
          keys = new TestKeys(context);
        }
      });

      it("of keys that the store does not have are none", () => {
        assert.equal(typeof store.reserve({ id: 999, version: 0 }, 1), "string");
      });
    });

    describe("history", () => {
      it("gives the newest in ascending order, by node and time", async () => {
        const nodes = [await register("a", 1), await register("b", 2)];
        for (let i = 0; i < 60; i++) {
          const requests = nodes.map((one) =>
            request(one.keys, i, [readingOf(one, i, { time: START + i * MINUTE })]),
          );
          await commit(store, { requests });
        }
        const a = nodes[0].node.id;
        const ivs = async (query: Parameters<Store["readings"]>[0]) =>
          (await store.readings(query)).map(({ partialIv }) => partialIv);
        assert.deepEqual(await ivs({ node: a, limit: 3 }), [57, 58, 59]);
        assert.equal((await ivs(all)).length, 120);
        const [from, to] = [START + 2 * MINUTE, START + 4 * MINUTE];
        assert.deepEqual(await ivs({ from, to, limit: 99 }), [2, 2, 3, 3, 4, 4]);
        assert.deepEqual(await ivs({ node: a, from, to, limit: 2 }), [3, 4]);
        const { newest, readings } = await reopen();
        assert.deepEqual(newest.map(({ node, partialIv }) => [node, partialIv]).sort(), [
          [a, 59],
          [nodes[1].node.id, 59],
        ]);
        assert.ok(readings >= 120);
      });

      it("can be turned over page by page, also where times are the same", async () => {
        const a = await register("a", 1);
        const readings = Array.from({ length: 50 }, (_, i) => readingOf(a, i, { time: START + (i % 5) }));
        await commit(store, { requests: [request(a.keys, 0, readings)] });
        const seen: number[] = [];
        let after = { time: START, id: -1 };
        for (;;) {
          const page = await store.page({ node: a.node.id, after, to: START + 3, limit: 7 });
          for (const { id, time } of page) {
            assert.ok(time > after.time || (time === after.time && id > after.id));
            after = { time, id };
            seen.push(id);
          }
          if (page.length < 7) break;
        }
        assert.equal(new Set(seen).size, 40);
        assert.equal((await store.page({ after: { time: 0, id: 0 }, limit: 99 })).length, 50);
      });

      it("draws means of spans, of what there is", async () => {
        const a = await register("a", 1);
        const readings = Array.from({ length: 60 }, (_, i) =>
          readingOf(a, i, {
            time: START + i * MINUTE,
            temperature: 2000 + i,
            humidity: i < 10 ? undefined : 5000,
            battery: i % 2 === 0 ? undefined : 3001,
          }),
        );
        await commit(store, { requests: [request(a.keys, 0, readings)] });
        const series = await store.series(a.node.id, START, START + HOUR - 1, 6);
        assert.deepEqual(
          series.map(
            ({
              time,
              count,
              temperature,
              temperatureMin,
              temperatureMax,
              humidity,
              humidityMax,
              battery,
            }) => [time, count, temperature, temperatureMin, temperatureMax, humidity, humidityMax, battery],
          ),
          [0, 1, 2, 3, 4, 5].map((i) => [
            START + (10 * i + 4.5) * MINUTE,
            10,
            (2004.5 + 10 * i) / 100,
            20 + i / 10,
            (2009 + 10 * i) / 100,
            i === 0 ? null : 50,
            i === 0 ? null : 50,
            3.001,
          ]),
        );
        assert.deepEqual(await store.series(a.node.id, START + DAY, START + 2 * DAY, 6), []);
      });

      it("keeps what gateways report in numbers, and draws spans of it", async () => {
        const gateway = await register("g", 1);
        for (let i = 0; i < 6; i++) {
          const figures = { rsrp: -90 - i, queue: i, battery: undefined, dropped: 10 * i, heard: 4 };
          const health = {
            node: gateway.node.id,
            time: START + i * MINUTE,
            source: "a:1",
            body: "1",
            figures,
          };
          await commit(store, { health: [health] });
        }
        // Another server has it already; and one without numbers.
        await commit(store, { health: [{ node: gateway.node.id, time: START, source: "a:1", body: "1" }] });
        const halves = [
          { first: 0, rsrp: -91 },
          { first: 3, rsrp: -94 },
        ];
        const series = await store.healthSeries(gateway.node.id, START, START + 6 * MINUTE - 1, 2);
        assert.deepEqual(
          series,
          halves.map(({ first, rsrp }) => ({
            time: START + (first + 1) * MINUTE,
            count: 3,
            rsrp,
            rsrpMin: rsrp - 1,
            rsrpMax: rsrp + 1,
            queue: first + 1,
            queueMax: first + 2,
            battery: null,
            dropped: 10 * (first + 2),
            heard: 4,
          })),
        );
        await reopen();
        // Whole hours become means.
        const hour = Math.floor(START / HOUR) * HOUR;
        const [before] = await store.healthSeries(gateway.node.id, hour, hour + HOUR - 1, 1);
        await store.thin({ raw: HOUR, hourly: DAY }, hour + 2 * HOUR);
        assert.deepEqual(await store.healthSeries(gateway.node.id, hour, hour + HOUR - 1, 1), [
          { ...before, time: hour + HOUR / 2 },
        ]);
        await store.thin({ raw: HOUR, hourly: DAY }, hour + 3 * DAY);
        assert.deepEqual(await store.healthSeries(gateway.node.id, hour, hour + HOUR - 1, 1), []);
      });

      it("finds events by kind, name and time, the newest first", async () => {
        const events = Array.from({ length: 20 }, (_, i) =>
          event(`e${10 + i}`, {
            last: START + Math.floor(i / 2),
            kind: i % 2 === 0 ? "security" : "system",
            ...(i % 5 === 0 && { node: "a" }),
            ...(i % 7 === 0 && { gateway: "a" }),
          }),
        );
        await commit(store, { events });
        const ids = async (query: Parameters<Store["events"]>[0]) =>
          (await store.events(query)).map(({ id }) => id);
        assert.deepEqual(await ids({ limit: 3 }), ["e29", "e28", "e27"]);
        assert.deepEqual(await ids({ limit: 2, before: START + 9 }), ["e27", "e26"]);
        assert.deepEqual(await ids({ limit: 99, node: "a" }), ["e25", "e24", "e20", "e17", "e15", "e10"]);
        assert.deepEqual(await ids({ limit: 1, node: "a", kind: "security", before: START + 7 }), ["e20"]);
        assert.deepEqual(await ids({ limit: 2, before: START + 9, beforeId: "e29" }), ["e28", "e27"]);
      });

      it("finds events by severity and by a part of their text, which has no wildcards", async () => {
        await commit(store, {
          events: [
            event("e1", { detail: "100 % of node_1's air" }),
            event("e2", { detail: "Something else", reason: "mesh-replay", severity: "critical" }),
            event("e3", { node: "Nödé-7" }),
          ],
        });
        const ids = async (query: Omit<Parameters<Store["events"]>[0], "limit">) =>
          (await store.events({ ...query, limit: 9 })).map(({ id }) => id);
        assert.deepEqual(await ids({ severity: "critical" }), ["e2"]);
        for (const [text, found] of [
          ["MESH REPLAY", "e2"],
          ["mesh-replay", "e2"],
          ["100 %", "e1"],
          ["node_1", "e1"],
          ["dé-7", "e3"],
          ["%thing%", undefined],
          ["\\", undefined],
        ] as const) {
          assert.deepEqual(await ids({ text }), found === undefined ? [] : [found], text);
        }
      });

      it("knows how often a node speaks, whatever its messages carry", async () => {
        const a = await register("a", 1);
        await register("b", 2);
        for (let i = 0; i < 5; i++) {
          const received = START + i * 10 * MINUTE;
          const readings = [0, 1].map((j) =>
            readingOf(a, 2 * i + j, { time: received - j * MINUTE, received }),
          );
          await commit(store, { requests: [request(a.keys, i, readings)] });
        }
        const { intervals } = await reopen();
        assert.deepEqual(intervals, [{ node: a.node.id, interval: 10 * MINUTE }]);
      });

      it("keeps messages as received with their keys, also of nodes that left", async () => {
        const nodes = [await register("a", 1), await register("b", 2)];
        for (const { keys } of nodes) {
          const requests = [3, 1, 2].map((i) =>
            request(keys, i, [], { sealed: Uint8Array.of(i), received: START + i }),
          );
          await commit(store, { requests });
        }
        await store.removeNode(nodes[0].node.id, START);
        const pages = async (node?: number) => {
          const found: (number | undefined)[][] = [];
          let after = { context: -1, partialIv: -1 };
          for (;;) {
            const page = await store.sealed({ ...(node !== undefined && { node }), after, limit: 2 });
            for (const message of page) {
              found.push([
                message.node,
                message.partialIv,
                message.received - START,
                message.message[0],
                message.keys?.[0],
              ]);
              after = { context: message.context, partialIv: message.partialIv };
            }
            if (page.length < 2) return found;
          }
        };
        const [a, b] = nodes.map(({ node }) => node.id);
        const expected = (node: number, seed: number) => [1, 2, 3].map((i) => [node, i, i, i, seed]);
        assert.deepEqual(await pages(), [...expected(a, 1), ...expected(b, 2)]);
        assert.deepEqual(await pages(b), expected(b, 2));
        await store.thin({ sealed: HOUR }, START + HOUR + 3);
        assert.deepEqual(await pages(), [expected(a, 1)[2], expected(b, 2)[2]]);
      });
    });

    describe("retention", () => {
      const thin = async (keep: Parameters<Store["thin"]>[0], now: number) => {
        let pieces = 1;
        while (await store.thin(keep, now)) pieces++;
        return pieces;
      };

      it("makes hourly and daily means of what is old without changing what a chart shows", async () => {
        const a = await register("a", 1);
        const b = await register("b", 2);
        for (const one of [a, b]) {
          const readings = Array.from({ length: 3 * 24 * 6 }, (_, i) =>
            readingOf(one, i, {
              time: START + i * 10 * MINUTE,
              temperature: 2000 + (i % 100),
              humidity: i % 3 === 0 ? undefined : 4000 + i,
              battery: undefined,
            }),
          );
          await commit(store, { requests: [request(one.keys, 0, readings)] });
        }
        const day = async (node: number, first: number) =>
          (await store.series(node, START + first * DAY, START + (first + 1) * DAY - 1, 1)).map((point) =>
            [
              point.count,
              point.temperature,
              point.temperatureMin,
              point.temperatureMax,
              point.humidity,
              point.humidityMin,
              point.humidityMax,
              point.battery,
            ].map((value) => value?.toFixed(6)),
          );
        const before = [await day(a.node.id, 0), await day(b.node.id, 0)];
        assert.equal(before[0][0][0], "144.000000");
        const now = START + 3 * DAY;
        assert.equal(await thin({ raw: DAY }, now), 48);
        assert.deepEqual([await day(a.node.id, 0), await day(b.node.id, 0)], before, "hourly means");
        assert.equal((await store.readings(all)).length, 2 * 144);
        await thin({ raw: DAY, hourly: DAY }, now);
        assert.deepEqual([await day(a.node.id, 0), await day(b.node.id, 0)], before, "daily means");
        await thin({ raw: DAY, hourly: DAY, daily: DAY }, now);
        assert.deepEqual(await day(a.node.id, 0), []);
        assert.equal((await day(a.node.id, 2)).length, 1);
      });

      it("takes a late reading into the mean of its hour", async () => {
        const a = await register("a", 1);
        const put = (partialIv: number, fields: Partial<ReadingRecord>) =>
          commit(store, { requests: [request(a.keys, partialIv, [readingOf(a, partialIv, fields)])] });
        await put(1, { temperature: 2000, humidity: 4000, battery: undefined });
        await thin({ raw: HOUR }, START + 3 * HOUR);
        await put(2, { temperature: undefined, humidity: 5000, battery: 3000 });
        await thin({ raw: HOUR }, START + 3 * HOUR);
        await put(3, { temperature: 2300, humidity: undefined });
        await thin({ raw: HOUR }, START + 3 * HOUR);
        const [mean] = await store.series(a.node.id, START, START + DAY, 1);
        assert.deepEqual(
          [
            mean.count,
            mean.temperatureMin,
            mean.temperatureMax,
            mean.humidityMin,
            mean.humidityMax,
            mean.battery,
          ],
          [3, 20, 23, 40, 50, 3],
        );
      });

      it("bounds events", async () => {
        await commit(store, {
          events: Array.from({ length: 50 }, (_, i) => event(`e${i}`, { last: START + i })),
        });
        await store.thin({ events: 10 }, START);
        const events = await store.events(all);
        assert.equal(events.length, 10);
        assert.equal(events[0].id, "e49");
        assert.equal(await store.thin({}, START), false);
      });
    });

    it("gives a whole and consistent copy while it runs, which opens as a store of its own", async () => {
      const a = await register("a", 1, { place: "x" });
      const b = await register("b", 2);
      const reading = readingOf(a, 3, { battery: undefined });
      a.keys.record = { ...FRESH, highest: 3, lastRequest: Uint8Array.of(1), lastAnswer: Uint8Array.of(2) };
      await commit(store, {
        requests: [request(a.keys, 3, [reading], { sealed: Uint8Array.of(5) })],
        events: [event("e")],
        health: [{ node: b.node.id, time: START, source: "s", body: "b" }],
      });
      await store.removeNode(b.node.id, START);
      await store.thin({ raw: 1 }, START + HOUR);
      await commit(store, { requests: [request(a.keys, 4, [readingOf(a, 4)])] });
      const first = store.reserve(a.keys, 64);
      const directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
      try {
        const file = join(directory, "copy.db");
        await store.backup(file);
        const copy = openSqlite({ file });
        const plain = (value: unknown) =>
          JSON.stringify(value, (key, part) =>
            key === "version" ? undefined : part?.type === "Buffer" ? part.data : part,
          );
        assert.equal(plain(await copy.load()), plain(await store.load()));
        assert.deepEqual(await copy.readings(all), await store.readings(all));
        assert.deepEqual(await copy.events(all), await store.events(all));
        const sealed = { after: { context: -1, partialIv: -1 }, limit: 9 };
        assert.equal(plain(await copy.sealed(sealed)), plain(await store.sealed(sealed)));
        const span = [a.node.id, START, START + DAY, 4] as const;
        assert.deepEqual(await copy.series(...span), await store.series(...span));
        const next = copy.reserve(a.keys, 64);
        assert.ok(typeof first === "number" && typeof next === "number" && next > first);
        await copy.close();
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });

    it("notes whose it is, once", async () => {
      const marks = [1, 2].map((fill) => new Uint8Array(32).fill(fill));
      assert.equal(await store.claim(marks[0]), true);
      assert.equal(await store.claim(marks[0]), true);
      assert.equal(await store.claim(marks[1]), false);
      await reopen();
      assert.deepEqual([await store.claim(marks[1]), await store.claim(marks[0])], [false, true]);
    });

    it("closes twice", async () => {
      await store.close();
    });
  });
}

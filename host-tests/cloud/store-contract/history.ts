import assert from "node:assert/strict";
import type { Store } from "../../../cloud/store/store.js";
import { all, commit, DAY, event, HOUR, MINUTE, readingOf, request, START, type StoreCase } from "./case.js";

export function describeHistory(at: StoreCase): void {
  describe("history", () => {
    it("gives the newest in ascending order, by node and time", async () => {
      const nodes = [await at.register("a", 1), await at.register("b", 2)];
      for (let i = 0; i < 60; i++) {
        const requests = nodes.map((one) =>
          request(one.keys, i, [readingOf(one, i, { time: START + i * MINUTE })]),
        );
        await commit(at.store, { requests });
      }
      const a = nodes[0].node.id;
      const ivs = async (query: Parameters<Store["readings"]>[0]) =>
        (await at.store.readings(query)).map(({ partialIv }) => partialIv);
      assert.deepEqual(await ivs({ node: a, limit: 3 }), [57, 58, 59]);
      assert.equal((await ivs(all)).length, 120);
      const [from, to] = [START + 2 * MINUTE, START + 4 * MINUTE];
      assert.deepEqual(await ivs({ from, to, limit: 99 }), [2, 2, 3, 3, 4, 4]);
      assert.deepEqual(await ivs({ node: a, from, to, limit: 2 }), [3, 4]);
      const { newest, readings } = await at.reopen();
      assert.deepEqual(newest.map(({ node, partialIv }) => [node, partialIv]).sort(), [
        [a, 59],
        [nodes[1].node.id, 59],
      ]);
      assert.ok(readings >= 120);
    });

    it("can be turned over page by page, also where times are the same", async () => {
      const a = await at.register("a", 1);
      const readings = Array.from({ length: 50 }, (_, i) => readingOf(a, i, { time: START + (i % 5) }));
      await commit(at.store, { requests: [request(a.keys, 0, readings)] });
      const seen: number[] = [];
      let after = { time: START, id: -1 };
      for (;;) {
        const page = await at.store.page({ node: a.node.id, after, to: START + 3, limit: 7 });
        for (const { id, time } of page) {
          assert.ok(time > after.time || (time === after.time && id > after.id));
          after = { time, id };
          seen.push(id);
        }
        if (page.length < 7) break;
      }
      assert.equal(new Set(seen).size, 40);
      assert.equal((await at.store.page({ after: { time: 0, id: 0 }, limit: 99 })).length, 50);
    });

    it("draws means of spans, of what there is", async () => {
      const a = await at.register("a", 1);
      const readings = Array.from({ length: 60 }, (_, i) =>
        readingOf(a, i, {
          time: START + i * MINUTE,
          temperature: 2000 + i,
          humidity: i < 10 ? undefined : 5000,
          battery: i % 2 === 0 ? undefined : 3001,
        }),
      );
      await commit(at.store, { requests: [request(a.keys, 0, readings)] });
      const series = await at.store.series(a.node.id, START, START + HOUR - 1, 6);
      assert.deepEqual(
        series.map(
          ({ time, count, temperature, temperatureMin, temperatureMax, humidity, humidityMax, battery }) => [
            time,
            count,
            temperature,
            temperatureMin,
            temperatureMax,
            humidity,
            humidityMax,
            battery,
          ],
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
      assert.deepEqual(await at.store.series(a.node.id, START + DAY, START + 2 * DAY, 6), []);
    });

    it("keeps what gateways report in numbers, and draws spans of it", async () => {
      const gateway = await at.register("g", 1);
      for (let i = 0; i < 6; i++) {
        const figures = { rsrp: -90 - i, queue: i, battery: undefined, dropped: 10 * i, heard: 4 };
        const health = {
          node: gateway.node.id,
          time: START + i * MINUTE,
          source: "a:1",
          body: "1",
          figures,
        };
        await commit(at.store, { health: [health] });
      }
      // Another server has it already; and one without numbers.
      await commit(at.store, { health: [{ node: gateway.node.id, time: START, source: "a:1", body: "1" }] });
      const halves = [
        { first: 0, rsrp: -91 },
        { first: 3, rsrp: -94 },
      ];
      const series = await at.store.healthSeries(gateway.node.id, START, START + 6 * MINUTE - 1, 2);
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
      await at.reopen();
      // Whole hours become means.
      const hour = Math.floor(START / HOUR) * HOUR;
      const [before] = await at.store.healthSeries(gateway.node.id, hour, hour + HOUR - 1, 1);
      await at.store.thin({ raw: HOUR, hourly: DAY }, hour + 2 * HOUR);
      assert.deepEqual(await at.store.healthSeries(gateway.node.id, hour, hour + HOUR - 1, 1), [
        { ...before, time: hour + HOUR / 2 },
      ]);
      await at.store.thin({ raw: HOUR, hourly: DAY }, hour + 3 * DAY);
      assert.deepEqual(await at.store.healthSeries(gateway.node.id, hour, hour + HOUR - 1, 1), []);
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
      await commit(at.store, { events });
      const ids = async (query: Parameters<Store["events"]>[0]) =>
        (await at.store.events(query)).map(({ id }) => id);
      assert.deepEqual(await ids({ limit: 3 }), ["e29", "e28", "e27"]);
      assert.deepEqual(await ids({ limit: 2, before: START + 9 }), ["e27", "e26"]);
      assert.deepEqual(await ids({ limit: 99, node: "a" }), ["e25", "e24", "e20", "e17", "e15", "e10"]);
      assert.deepEqual(await ids({ limit: 1, node: "a", kind: "security", before: START + 7 }), ["e20"]);
      assert.deepEqual(await ids({ limit: 2, before: START + 9, beforeId: "e29" }), ["e28", "e27"]);
    });

    it("finds events by severity and by a part of their text, which has no wildcards", async () => {
      await commit(at.store, {
        events: [
          event("e1", { detail: "100 % of node_1's air" }),
          event("e2", { detail: "Something else", reason: "mesh-replay", severity: "critical" }),
          event("e3", { node: "Nödé-7" }),
        ],
      });
      const ids = async (query: Omit<Parameters<Store["events"]>[0], "limit">) =>
        (await at.store.events({ ...query, limit: 9 })).map(({ id }) => id);
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
      const a = await at.register("a", 1);
      await at.register("b", 2);
      for (let i = 0; i < 5; i++) {
        const received = START + i * 10 * MINUTE;
        const readings = [0, 1].map((j) =>
          readingOf(a, 2 * i + j, { time: received - j * MINUTE, received }),
        );
        await commit(at.store, { requests: [request(a.keys, i, readings)] });
      }
      const { intervals } = await at.reopen();
      assert.deepEqual(intervals, [{ node: a.node.id, interval: 10 * MINUTE }]);
    });

    it("keeps messages as received with their keys, also of nodes that left", async () => {
      const nodes = [await at.register("a", 1), await at.register("b", 2)];
      for (const { keys } of nodes) {
        const requests = [3, 1, 2].map((i) =>
          request(keys, i, [], { sealed: Uint8Array.of(i), received: START + i }),
        );
        await commit(at.store, { requests });
      }
      await at.store.removeNode(nodes[0].node.id, START);
      const pages = async (node?: number) => {
        const found: (number | undefined)[][] = [];
        let after = { context: -1, partialIv: -1 };
        for (;;) {
          const page = await at.store.sealed({ ...(node !== undefined && { node }), after, limit: 2 });
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
      await at.store.thin({ sealed: HOUR }, START + HOUR + 3);
      assert.deepEqual(await pages(), [expected(a, 1)[2], expected(b, 2)[2]]);
    });
  });
}

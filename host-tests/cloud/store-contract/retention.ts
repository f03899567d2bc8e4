import assert from "node:assert/strict";
import type { ReadingRecord } from "../../../cloud/model.js";
import type { Store } from "../../../cloud/store/store.js";
import { all, commit, DAY, event, HOUR, MINUTE, readingOf, request, START, type StoreCase } from "./case.js";

export function describeRetention(at: StoreCase): void {
  describe("retention", () => {
    const thin = async (keep: Parameters<Store["thin"]>[0], now: number) => {
      let pieces = 1;
      while (await at.store.thin(keep, now)) pieces++;
      return pieces;
    };

    it("makes hourly and daily means of what is old without changing what a chart shows", async () => {
      const a = await at.register("a", 1);
      const b = await at.register("b", 2);
      for (const one of [a, b]) {
        const readings = Array.from({ length: 3 * 24 * 6 }, (_, i) =>
          readingOf(one, i, {
            time: START + i * 10 * MINUTE,
            temperature: 2000 + (i % 100),
            humidity: i % 3 === 0 ? undefined : 4000 + i,
            battery: undefined,
          }),
        );
        await commit(at.store, { requests: [request(one.keys, 0, readings)] });
      }
      const day = async (node: number, first: number) =>
        (await at.store.series(node, START + first * DAY, START + (first + 1) * DAY - 1, 1)).map((point) =>
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
      assert.equal((await at.store.readings(all)).length, 2 * 144);
      await thin({ raw: DAY, hourly: DAY }, now);
      assert.deepEqual([await day(a.node.id, 0), await day(b.node.id, 0)], before, "daily means");
      await thin({ raw: DAY, hourly: DAY, daily: DAY }, now);
      assert.deepEqual(await day(a.node.id, 0), []);
      assert.equal((await day(a.node.id, 2)).length, 1);
    });

    it("takes a late reading into the mean of its hour", async () => {
      const a = await at.register("a", 1);
      const put = (partialIv: number, fields: Partial<ReadingRecord>) =>
        commit(at.store, { requests: [request(a.keys, partialIv, [readingOf(a, partialIv, fields)])] });
      await put(1, { temperature: 2000, humidity: 4000, battery: undefined });
      await thin({ raw: HOUR }, START + 3 * HOUR);
      await put(2, { temperature: undefined, humidity: 5000, battery: 3000 });
      await thin({ raw: HOUR }, START + 3 * HOUR);
      await put(3, { temperature: 2300, humidity: undefined });
      await thin({ raw: HOUR }, START + 3 * HOUR);
      const [mean] = await at.store.series(a.node.id, START, START + DAY, 1);
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
      await commit(at.store, {
        events: Array.from({ length: 50 }, (_, i) => event(`e${i}`, { last: START + i })),
      });
      await at.store.thin({ events: 10 }, START);
      const events = await at.store.events(all);
      assert.equal(events.length, 10);
      assert.equal(events[0].id, "e49");
      assert.equal(await at.store.thin({}, START), false);
    });
  });
}

import assert from "node:assert/strict";
import fc from "fast-check";
import { alarmsOf, followInterval, silentAfter, stateOf, type Vitals } from "../../cloud/watch.js";

const MINUTE = 60_000;

describe("watching devices", () => {
  it("waits for four intervals, not less than a minute and a half, before it calls a node silent", () => {
    const silent = (interval: number | undefined, quiet: number) =>
      stateOf({ lastSeen: 0, interval }, 0, quiet) === "silent";
    for (const [interval, limit] of [
      [2_000, 90_000],
      [60_000, 240_000],
      [undefined, 900_000],
    ] as const) {
      assert.equal(silentAfter(interval), limit);
      assert.equal(silent(interval, limit), false);
      assert.equal(silent(interval, limit + 1), true);
    }
    assert.equal(stateOf({ lastSeen: undefined, interval: undefined }, 0, 1e9), "waiting");
  });

  it("blames nobody for the time when the server did not listen", () => {
    const node = { lastSeen: 0, interval: MINUTE };
    assert.equal(stateOf(node, 100 * MINUTE, 103 * MINUTE), "fresh");
    assert.equal(stateOf(node, 100 * MINUTE, 105 * MINUTE), "silent");
  });

  it("alarms for silence, a battery at its end and refusals within the last hour", () => {
    const calm: Vitals = {
      kind: "node",
      lastSeen: 1000,
      interval: MINUTE,
      battery: 2.4,
      refusals: undefined,
    };
    const kinds = (change: Partial<Vitals>, now = 2000) =>
      alarmsOf({ ...calm, ...change }, 0, now).map(({ kind, since }) => [kind, since]);
    assert.deepEqual(kinds({}), []);
    assert.deepEqual(kinds({}, 10 * MINUTE), [["silent", 1000]]);
    assert.deepEqual(kinds({ battery: 2.39 }), [["battery", undefined]]);
    assert.deepEqual(kinds({ refusals: { since: 5, last: 1000 } }), [["refused", 5]]);
    assert.deepEqual(kinds({ refusals: { since: 5, last: 1000 }, interval: 100 * MINUTE }, 61 * MINUTE), []);
  });

  it("follows an interval that changes, and is not misled by bursts and single gaps", () => {
    const follow = (gaps: readonly number[], from?: number) =>
      gaps.reduce<number | undefined>((interval, gap) => followInterval(interval, gap), from);
    assert.equal(follow([MINUTE]), MINUTE);
    // What had waited comes all at once.
    assert.equal(follow(Array(50).fill(100), MINUTE), MINUTE);
    const burst = follow(Array(5).fill(1000), MINUTE)!;
    assert.ok(burst > 0.75 * MINUTE, `${burst}`);
    assert.ok(follow([3_600_000], MINUTE)! < 1.2 * MINUTE);
    assert.equal(follow(Array(80).fill(5000), MINUTE), 5000);
    assert.equal(follow(Array(80).fill(600_000), MINUTE), 600_000);
    // Every second message is lost on average: seldom twice, so that the limit is not far.
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 60, maxLength: 200 }), (gaps) => {
        const interval = follow(gaps.map((gap) => gap * MINUTE))!;
        assert.ok(interval >= MINUTE && interval <= 3 * MINUTE);
      }),
    );
  });
});

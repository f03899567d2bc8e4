import assert from "node:assert/strict";
import fc from "fast-check";
import { VirtualClock } from "../../sim/clock.js";

describe("virtual clock", () => {
  it("runs events by time, equal times in the order of scheduling", () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.at(20, () => seen.push(`d@${clock.now()}`));
    clock.at(10, () => seen.push(`a@${clock.now()}`));
    clock.at(10, () => {
      seen.push(`b@${clock.now()}`);
      clock.at(10, () => seen.push(`c@${clock.now()}`));
    });
    clock.run(30);
    assert.deepEqual(seen, ["a@10", "b@10", "c@10", "d@20"]);
    assert.equal(clock.now(), 30);
  });

  it("runs an event of the past now, never from inside at()", () => {
    const clock = new VirtualClock(100);
    let at = -1;
    clock.at(5, () => {
      at = clock.now();
    });
    assert.equal(at, -1);
    clock.run(100);
    assert.equal(at, 100);
  });

  it("stops at the end asked for, includes it, and leaves later events", () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    for (const time of [1, 2, 2.5, 3]) clock.at(time, () => seen.push(time));
    clock.run(2.5);
    assert.deepEqual(seen, [1, 2, 2.5]);
    assert.equal(clock.nextTime, 3);
    assert.equal(clock.pending, 1);
  });

  it("stops when asked after an event, at that event's time", () => {
    const clock = new VirtualClock();
    let count = 0;
    for (let time = 1; time <= 5; time++) clock.at(time, () => count++);
    assert.equal(
      clock.run(100, () => count === 3),
      true,
    );
    assert.equal(clock.now(), 3);
    assert.equal(
      clock.run(100, () => false),
      false,
    );
    assert.equal(clock.now(), 100);
  });

  it("never runs what has no time, and refuses NaN", () => {
    const clock = new VirtualClock();
    clock.at(Number.POSITIVE_INFINITY, () => assert.fail("ran"))();
    assert.equal(clock.pending, 0);
    assert.throws(() => clock.at(Number.NaN, () => {}), RangeError);
    assert.throws(() => clock.run(Number.NaN), RangeError);
  });

  it("may be cancelled twice, and after it ran, without hurting another event in the same slot", () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const cancelFirst = clock.at(1, () => seen.push("first"));
    clock.run(1);
    clock.at(2, () => seen.push("second"));
    cancelFirst();
    const cancelThird = clock.at(2, () => seen.push("third"));
    cancelThird();
    cancelThird();
    clock.run(2);
    assert.deepEqual(seen, ["first", "second"]);
  });

  it("cannot be run from inside an event, and survives one that throws", () => {
    const clock = new VirtualClock();
    clock.at(1, () => clock.run(5));
    assert.throws(() => clock.run(10), /already running/);
    let ran = false;
    clock.at(3, () => {
      ran = true;
    });
    clock.run(10);
    assert.equal(ran, true);
  });

  it("matches a sorted list for any mix of scheduling and cancelling, also past the sweep", () => {
    const step = fc.record({ delay: fc.integer({ min: 0, max: 50 }), cancel: fc.option(fc.nat()) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 1500 }), fc.nat(60), (steps, pause) => {
        const clock = new VirtualClock();
        const ran: number[] = [];
        const cancels: (() => void)[] = [];
        const expected: { id: number; time: number; gone: boolean }[] = [];
        steps.forEach(({ delay, cancel }, id) => {
          cancels.push(clock.at(clock.now() + delay, () => ran.push(id)));
          expected.push({ id, time: clock.now() + delay, gone: false });
          if (cancel !== null) {
            const target = expected[cancel % expected.length];
            cancels[target.id]();
            target.gone = !ran.includes(target.id) || target.gone;
          }
          if (id % 400 === 399) clock.run(clock.now() + pause);
        });
        clock.run(clock.now() + 1000);
        const order = expected.filter((event) => !event.gone).sort((a, b) => a.time - b.time || a.id - b.id);
        assert.deepEqual(
          ran,
          order.map((event) => event.id),
        );
        assert.equal(clock.pending, 0);
      }),
      { numRuns: 60 },
    );
  });
});

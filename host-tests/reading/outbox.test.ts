import assert from "node:assert/strict";
import fc from "fast-check";
import { Counters } from "../../firmware/bytes/counters.js";
import { Outbox } from "../../firmware/reading/outbox.js";

describe("outbox", () => {
  it("keeps a reading until it is confirmed", () => {
    const outbox = new Outbox(4, new Counters());
    outbox.add({ temperature: 2000 }, 0);
    assert.deepEqual(outbox.take(8, 0), [{ age: 0, temperature: 2000 }]);
    outbox.carried(17);
    outbox.release();
    assert.equal(outbox.length, 1);
    const again = outbox.take(8, 60_000);
    assert.deepEqual(again, [{ age: 60, temperature: 2000, firstCarriage: { partialIv: 17, index: 0 } }]);
    outbox.carried(18);
    outbox.confirm();
    assert.equal(outbox.length, 0);
  });

  it("names a reading by the first message that carried it, whatever carries it later", () => {
    const outbox = new Outbox(4, new Counters());
    outbox.add({ temperature: 1 }, 0);
    outbox.take(8, 0);
    outbox.carried(5);
    outbox.release();
    outbox.add({ temperature: 2 }, 0);
    outbox.take(8, 0);
    outbox.carried(6);
    outbox.release();
    assert.deepEqual(
      outbox.take(8, 0).map((reading) => reading.firstCarriage),
      [
        { partialIv: 5, index: 0 },
        { partialIv: 6, index: 1 },
      ],
    );
  });

  it("confirms what travelled, not what was measured meanwhile", () => {
    const outbox = new Outbox(4, new Counters());
    outbox.add({ temperature: 1 }, 0);
    outbox.take(8, 0);
    outbox.add({ temperature: 2 }, 10);
    outbox.confirm();
    assert.deepEqual(outbox.take(8, 10), [{ age: 0, temperature: 2 }]);
  });

  it("never loses a reading uncounted, whatever happens", () => {
    const step = fc.constantFrom("add", "take", "confirm", "release");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
        const counters = new Counters();
        const outbox = new Outbox(capacity, counters);
        const stored = new Set<number>();
        let measured = 0;
        let travelling: number[] = [];
        for (const what of steps) {
          if (what === "add") outbox.add({ temperature: measured++ }, 0);
          if (what === "take") travelling = outbox.take(3, 0).map((reading) => reading.temperature as number);
          if (what === "confirm") {
            for (const id of travelling) stored.add(id);
            travelling = [];
            outbox.confirm();
          }
          if (what === "release") {
            travelling = [];
            outbox.release();
          }
        }
        const waiting = outbox.take(capacity, 0).map((reading) => reading.temperature as number);
        const dropped = counters.get("reading dropped: outbox full");
        const known = new Set([...stored, ...waiting]);
        assert.ok(known.size + dropped >= measured, `${known.size} + ${dropped} of ${measured}`);
        assert.ok(waiting.length <= capacity);
      }),
    );
  });
});

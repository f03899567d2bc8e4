import assert from "node:assert/strict";
import fc from "fast-check";
import { Random } from "../../../sim/random.js";
import { drawOutages } from "../../../sim/soak/outages.js";

const DAY = 86_400_000;

describe("soak outages", () => {
  it("take just the share of the time that was asked for, one behind the other", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.double({ min: 0.01, max: 0.8, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        (seed, share, days) => {
          const outages = drawOutages(new Random(seed), days * DAY, share);
          let [at, dark] = [0, 0];
          for (const { from, to } of outages) {
            assert.ok(from >= at && to > from);
            dark += to - from;
            at = to;
          }
          assert.ok(at <= days * DAY + 1);
          assert.ok(Math.abs(dark - share * days * DAY) < 1);
        },
      ),
    );
  });

  it("are minutes and hours long, and the same for the same seed", () => {
    const draw = () => drawOutages(new Random(1), 30 * DAY, 0.05);
    const lengths = draw().map(({ from, to }) => (to - from) / 60_000);
    assert.ok(lengths.some((minutes) => minutes < 10) && lengths.some((minutes) => minutes > 120));
    assert.deepEqual(draw(), draw());
  });

  it("are none when none are asked for", () => {
    assert.deepEqual(drawOutages(new Random(1), DAY, 0), []);
  });
});

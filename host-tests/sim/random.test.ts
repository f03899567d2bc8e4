import assert from "node:assert/strict";
import { Random } from "../../sim/random.js";

describe("simulation randomness", () => {
  it("gives one sequence for one seed and others for others", () => {
    const draw = (random: Random) => Array.from({ length: 8 }, () => random.u32());
    assert.deepEqual(draw(new Random(7)), draw(new Random(7)));
    assert.notDeepEqual(draw(new Random(7)), draw(new Random(8)));
    assert.notDeepEqual(draw(new Random("7")), draw(new Random("8")));
  });

  it("forks by name, whatever was drawn before", () => {
    const a = new Random(1);
    const b = new Random(1);
    for (let i = 0; i < 100; i++) b.u32();
    assert.equal(a.fork("node 3").u32(), b.fork("node 3").u32());
    assert.notEqual(a.fork("node 3").u32(), a.fork("node 4").u32());
  });

  it("is uniform, normal and exponential within what chance allows", () => {
    const random = new Random(99);
    const count = 100_000;
    const bins = new Array<number>(16).fill(0);
    let normalSum = 0;
    let normalSquares = 0;
    let exponentialSum = 0;
    for (let i = 0; i < count; i++) {
      bins[random.below(16)]++;
      const normal = random.normal();
      normalSum += normal;
      normalSquares += normal * normal;
      exponentialSum += random.exponential(5);
    }
    const chiSquare = bins.reduce((sum, n) => sum + (n - count / 16) ** 2 / (count / 16), 0);
    assert.ok(chiSquare < 45, `chi-square ${chiSquare} with 15 degrees of freedom`);
    assert.ok(Math.abs(normalSum / count) < 0.02);
    assert.ok(Math.abs(normalSquares / count - 1) < 0.03);
    assert.ok(Math.abs(exponentialSum / count - 5) < 0.1);
  });

  it("shuffles without loss and picks from what there is", () => {
    const random = new Random(3);
    const items = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = random.shuffle(items);
    assert.notDeepEqual(shuffled, items);
    assert.deepEqual(
      [...shuffled].sort((a, b) => a - b),
      items,
    );
    assert.throws(() => random.pick([]), RangeError);
  });
});

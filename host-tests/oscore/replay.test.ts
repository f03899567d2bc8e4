import assert from "node:assert/strict";
import fc from "fast-check";
import { hex } from "../../firmware/bytes/hex.js";
import { ReplayWindow } from "../../firmware/oscore/replay.js";

/** The definition itself, with a memory without bounds. */
class Model {
  readonly seen = new Set<number>();
  top = -1;
  readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  accept(number: number): boolean {
    if (number <= this.top - this.size || this.seen.has(number)) return false;
    this.seen.add(number);
    this.top = Math.max(this.top, number);
    return true;
  }
}

describe("replay window", () => {
  it("takes each number once, in any order inside the window", () => {
    const window = new ReplayWindow(32);
    for (const number of [5, 3, 4, 0, 36, 6, 35]) assert.ok(window.accept(number), `${number}`);
    for (const number of [5, 3, 4, 0, 36, 6, 35]) assert.ok(!window.check(number), `${number}`);
    assert.ok(!window.check(1), "33 below the top are too old, seen or not");
    assert.ok(window.check(7));
  });

  it("of size 1 takes rising numbers only", () => {
    const window = new ReplayWindow(1);
    assert.deepEqual(
      [0, 0, 5, 4, 5, 6, 2 ** 40 - 1, 7].map((number) => window.accept(number)),
      [true, false, true, false, false, true, true, false],
    );
  });

  it("checks without changing", () => {
    const window = new ReplayWindow();
    assert.ok(window.check(9));
    assert.ok(window.check(9));
    assert.equal(window.top, -1);
  });

  it("starts above a number that a fresh request had (App. B.1.2)", () => {
    const window = new ReplayWindow();
    window.startAt(100);
    for (let number = 60; number <= 100; number++) assert.ok(!window.check(number));
    assert.ok(window.accept(110));
    assert.ok(window.accept(101));
    assert.ok(!window.accept(100));
  });

  it("agrees with its definition, for every size, around every power of two, and through save and load", () => {
    const step = fc.record({
      offset: fc.integer({ min: -70, max: 70 }),
      jump: fc.constantFrom(0, 0, 0, 0, 200, 2 ** 31, 2 ** 32),
      reload: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2, 7, 8, 31, 32, 33, 64, 100),
        fc.array(step, { maxLength: 120 }),
        (size, steps) => {
          let window = new ReplayWindow(size);
          const model = new Model(size);
          for (const { offset, jump, reload } of steps) {
            const number = Math.max(0, Math.min(2 ** 40 - 1, model.top + jump + offset));
            assert.equal(window.accept(number), model.accept(number), `${number} with top ${model.top}`);
            assert.equal(window.top, model.top);
            if (reload) window = ReplayWindow.load(window.save(), size)!;
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("loaded with another size takes nothing twice", () => {
    const window = new ReplayWindow(32);
    for (const number of [10, 12, 40]) window.accept(number);
    for (const size of [1, 8, 30, 31, 64]) {
      const other = ReplayWindow.load(window.save(), size)!;
      for (let number = 0; number <= 40; number++) assert.ok(!other.check(number));
      assert.ok(other.check(41));
    }
    assert.ok(ReplayWindow.load(new ReplayWindow(8).save(), 32)!.check(0));
  });

  it("is not loaded from bytes that are none", () => {
    for (const bytes of [
      "",
      "0020",
      "002000000000002a",
      "000000000000002a",
      "0020000000000000aabbccdd00",
      "00080100000000000 0".replace(" ", ""),
    ]) {
      assert.equal(ReplayWindow.load(hex(bytes)), undefined, bytes);
    }
    assert.equal(ReplayWindow.load(hex("002001000000000000000000")), undefined, "beyond 2^40");
  });
});

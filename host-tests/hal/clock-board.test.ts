import assert from "node:assert/strict";
import { HostBoard } from "../../hal/host/board.js";
import { HostClock } from "../../hal/host/clock.js";

describe("host clock", () => {
  it("calls back once at the time, never from inside at, never early", async () => {
    const clock = new HostClock();
    const order: string[] = [];
    const due = clock.now() + 3;
    await new Promise<void>((resolve) => {
      clock.at(due, () => {
        assert.ok(clock.now() >= due);
        order.push("due");
        resolve();
      });
      clock.at(clock.now() - 100, () => order.push("past"));
      order.push("at returned");
    });
    assert.deepEqual(order, ["at returned", "past", "due"]);
  });

  it("forgets what is cancelled, and what never comes", async () => {
    const clock = new HostClock();
    const cancel = clock.at(clock.now(), () => assert.fail("cancelled"));
    cancel();
    cancel();
    clock.at(Number.POSITIVE_INFINITY, () => assert.fail("never"))();
    clock.at(clock.now() + 2 ** 40, () => assert.fail("in 35 years"))();
    assert.throws(() => clock.at(Number.NaN, () => {}), RangeError);
    await new Promise<void>((resolve) => clock.at(clock.now() + 2, resolve));
  });
});

describe("host board", () => {
  it("is what it was made from", () => {
    let restarts = 0;
    const board = new HostBoard({
      chipId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
      resetReason: "watchdog",
      batteryVoltage: () => 2987,
      restart: () => restarts++,
    });
    assert.equal(board.resetReason, "watchdog");
    assert.equal(board.batteryVoltage(), 2987);
    board.feedWatchdog();
    board.restart();
    assert.equal(restarts, 1);
    assert.equal(board.fed, 1);
  });

  it("has sensible defaults and says what it cannot do", () => {
    const board = new HostBoard();
    assert.equal(board.chipId.length, 8);
    assert.equal(board.resetReason, "power-on");
    assert.equal(board.batteryVoltage(), undefined);
    assert.throws(() => board.restart(), /without a restart/);
    assert.throws(() => new HostBoard({ chipId: new Uint8Array(7) }), RangeError);
  });
});

import assert from "node:assert/strict";
import { Pump, type Timed } from "../../firmware/roles/pump.js";
import { VirtualClock } from "../../sim/clock.js";

class Alarm implements Timed {
  deadline = Number.POSITIVE_INFINITY;
  readonly rang: number[] = [];
  onRing: (now: number) => void = () => {};
  tick(now: number): void {
    this.rang.push(now);
    this.deadline = Number.POSITIVE_INFINITY;
    this.onRing(now);
  }
}

describe("pump", () => {
  it("runs each core at its deadline", () => {
    const clock = new VirtualClock();
    const [a, b] = [new Alarm(), new Alarm()];
    const pump = new Pump(clock, a, b);
    a.deadline = 30;
    b.deadline = 10;
    pump.settle();
    clock.run(100);
    assert.deepEqual([a.rang, b.rang], [[30], [10]]);
  });

  it("follows a deadline that moves forward after input", () => {
    const clock = new VirtualClock();
    const core = new Alarm();
    const pump = new Pump(clock, core);
    core.deadline = 50;
    pump.settle();
    clock.run(10);
    core.deadline = 20;
    pump.settle();
    clock.run(100);
    assert.deepEqual(core.rang, [20]);
  });

  it("runs a core that another one's tick has made due, in the same moment", () => {
    const clock = new VirtualClock();
    const [a, b] = [new Alarm(), new Alarm()];
    const pump = new Pump(clock, a, b);
    b.onRing = (now) => {
      if (a.rang.length === 0) a.deadline = now;
      pump.settle();
    };
    b.deadline = 5;
    pump.settle();
    clock.run(100);
    assert.deepEqual([a.rang, b.rang], [[5], [5]]);
  });

  it("does not spin in one call when a core is always due", () => {
    const clock = new VirtualClock();
    const core = new Alarm();
    const pump = new Pump(clock, core);
    core.onRing = () => {
      if (core.rang.length < 1000) core.deadline = 0;
    };
    core.deadline = 0;
    pump.settle();
    assert.ok(core.rang.length < 100);
  });

  it("is silent after stop", () => {
    const clock = new VirtualClock();
    const core = new Alarm();
    const pump = new Pump(clock, core);
    core.deadline = 5;
    pump.settle();
    pump.stop();
    clock.run(100);
    assert.deepEqual(core.rang, []);
  });
});

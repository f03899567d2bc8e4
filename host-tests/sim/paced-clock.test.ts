import assert from "node:assert/strict";
import { PacedClock, type Wall } from "../../sim/paced-clock.js";

/** A wall clock that a test moves; its timers fire when it is moved past them. */
class FakeWall implements Wall {
  time = 0;
  timers: { due: number; callback: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(delay: number, callback: () => void): () => void {
    const timer = { due: this.time + delay, callback };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Moves time, in the small steps that timers ask for. */
  move(by: number): void {
    const end = this.time + by;
    for (;;) {
      const next = this.timers.filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.due);
      next.callback();
    }
    this.time = end;
  }

  /** As when the machine slept: time has gone by before any timer could fire. */
  sleep(by: number): void {
    this.time += by;
    this.move(0);
  }
}

describe("paced clock", () => {
  it("stands still until started, then runs events when wall time comes to them", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall });
    const seen: number[] = [];
    clock.at(10, () => seen.push(wall.time));
    wall.move(100);
    assert.deepEqual(seen, []);
    clock.start();
    wall.move(9);
    assert.deepEqual(seen, []);
    assert.equal(clock.now(), 9);
    wall.move(1);
    assert.deepEqual(seen, [110]);
  });

  it("does not drift over many short events, at any speed", () => {
    for (const speed of [1, 7, 0.3]) {
      const wall = new FakeWall();
      const clock = new PacedClock({ wall, speed });
      let ticks = 0;
      const tick = () => {
        ticks++;
        clock.at(clock.now() + 3.7, tick);
      };
      clock.at(0, tick);
      clock.start();
      wall.move(100_000);
      const due = Math.floor((100_000 * speed) / 3.7) + 1;
      assert.ok(Math.abs(ticks - due) <= 1, `speed ${speed}: ${ticks} of ${due}`);
      assert.equal(clock.slipped, 0);
    }
  });

  it("takes external events at the present wall time, behind what was due before", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall });
    const seen: string[] = [];
    clock.at(50, () => seen.push(`timer@${clock.now()}`));
    clock.start();
    wall.time = 80; // the timer has not fired yet
    clock.enter(() => seen.push(`datagram@${clock.now()}`));
    assert.deepEqual(seen, ["timer@50", "datagram@80"]);
  });

  it("wakes for an event that is scheduled from outside before the one it sleeps for", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall });
    const seen: number[] = [];
    clock.at(1000, () => seen.push(1000));
    clock.start();
    wall.move(100);
    clock.at(clock.now() + 5, () => seen.push(clock.now()));
    wall.move(5);
    assert.deepEqual(seen, [105]);
  });

  it("never lets time go back between a late event and the wall", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall });
    clock.at(10, () => assert.equal(clock.now(), 10));
    clock.start();
    wall.time = 25;
    assert.equal(clock.now(), 10); // the event at 10 has not run
    wall.move(0);
    assert.equal(clock.now(), 25);
  });

  it("gives up what it cannot make up for, and says how much", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall, maximumLag: 1000 });
    let ticks = 0;
    const tick = () => {
      ticks++;
      clock.at(clock.now() + 10, tick);
    };
    clock.at(0, tick);
    clock.start();
    wall.move(100);
    const before = ticks;
    wall.sleep(3_600_000);
    assert.ok(ticks - before <= 102, `${ticks - before} events in one burst`);
    assert.ok(Math.abs(clock.slipped - 3_599_000) <= 20, `slipped ${clock.slipped}`);
    let entered = 0;
    wall.time += 500_000;
    clock.enter(() => {
      entered++;
    });
    wall.move(20);
    assert.equal(entered, 1, "a datagram after the gap waits for nothing");
  });

  it("gives others a turn when the events take long", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall, turn: 20, maximumLag: 1e9 });
    let ran = 0;
    for (let i = 0; i < 1000; i++)
      clock.at(1, () => {
        ran++;
        wall.time += 1;
      });
    clock.start();
    wall.time = 1;
    const [timer] = wall.timers;
    wall.timers = [];
    timer.callback();
    assert.ok(ran > 0 && ran <= 64, `${ran} events in one turn`);
    wall.move(5000);
    assert.equal(ran, 1000);
  });

  it("stops cleanly: no timer left, nothing enters", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall });
    clock.at(10, () => assert.fail("ran after the stop"));
    clock.start();
    wall.move(5);
    clock.stop();
    clock.stop();
    assert.equal(wall.timers.length, 0);
    clock.enter(() => assert.fail("entered after the stop"));
    wall.move(100);
    assert.equal(clock.now(), 5);
  });

  it("can be stopped from inside an event", () => {
    const wall = new FakeWall();
    const clock = new PacedClock({ wall });
    let later = 0;
    clock.at(1, () => clock.stop());
    clock.at(1, () => later++);
    clock.start();
    wall.move(100);
    assert.equal(later, 0);
    assert.equal(wall.timers.length, 0);
  });
});

/** Time that goes on when all boards have come as far, with boards that are streams here. */

import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { Lockstep } from "../../scripts/board/lockstep.js";

/** A board that is told the time and says until when it waits. */
class Board extends Duplex {
  /** What it was told, ms. */
  readonly told: number[] = [];
  /** Called with each time; returns until when it waits, or `undefined` while it is at work. */
  onTime: (now: number) => number | undefined = () => undefined;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const now = Number(chunk.readBigUInt64LE(0)) / 1e6;
    this.told.push(now);
    const until = this.onTime(now);
    if (until !== undefined) this.wait(until);
    done();
  }

  wait(until: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(Math.round(until * 1e6)));
    this.push(bytes);
  }
}

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const next = (left: number) => (left === 0 ? resolve() : setImmediate(() => next(left - 1)));
    next(count);
  });
}

describe("emulated boards in lockstep", () => {
  it("stands still while a board is at work", async () => {
    const lockstep = new Lockstep(false);
    const [slow, quick] = [new Board(), new Board()];
    quick.onTime = (now) => now + 5;
    for (const board of [slow, quick]) lockstep.join(board);
    lockstep.start();
    quick.wait(5);
    await turns(50);
    assert.ok(lockstep.now() <= 20, `one step at most, not ${lockstep.now()} ms`);
    const before = lockstep.now();
    await turns(50);
    assert.equal(lockstep.now(), before);
    slow.onTime = (now) => now + 10;
    slow.wait(before + 10);
    await lockstep.wait(100);
    assert.ok(lockstep.now() >= before + 100);
    await lockstep.stop();
  });

  it("tells a board the time when it asked for it, or when the world did something", async () => {
    const lockstep = new Lockstep(false);
    const board = new Board();
    board.onTime = (now) => now + 15;
    lockstep.join(board);
    const events: number[] = [];
    lockstep.after(20, () => events.push(lockstep.now()));
    const waited = lockstep.wait(47);
    lockstep.start();
    board.wait(15);
    await waited;
    await lockstep.stop();
    assert.deepEqual(events, [20]);
    // 47 is an event of the world, too.
    assert.deepEqual(board.told.slice(-4), [15, 20, 35, 47]);
  });

  it("goes on without a board that has ended, and takes back what was called off", async () => {
    const lockstep = new Lockstep(false);
    const board = new Board();
    lockstep.join(board);
    lockstep.start();
    await turns(20);
    const stop = lockstep.after(30, () => assert.fail("called off"));
    stop();
    board.destroy();
    await lockstep.wait(60);
    await lockstep.stop();
    assert.equal(board.told.length <= 1, true);
  });
});

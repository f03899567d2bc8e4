import assert from "node:assert/strict";
import type { AdvertisingBearer } from "../../hal/hal.js";
import { FaultyBearer } from "../../sim/air/faults.js";
import { VirtualClock } from "../../sim/clock.js";
import { Random } from "../../sim/random.js";

class LoopBearer implements AdvertisingBearer {
  onReceive: AdvertisingBearer["onReceive"];
  readonly sent: Uint8Array[] = [];
  free = 8;
  send(data: Uint8Array): boolean {
    this.sent.push(data.slice());
    return true;
  }
}

const FRAME = Uint8Array.from({ length: 20 }, (_, i) => (i === 0 ? 19 : i === 1 ? 0x2a : i));
const ADDRESS = new Uint8Array(6);

describe("faulty bearer", () => {
  it("passes everything on unchanged without rates", () => {
    const inner = new LoopBearer();
    const bearer = new FaultyBearer(inner, { clock: new VirtualClock(), random: new Random(1) });
    const heard: Uint8Array[] = [];
    bearer.onReceive = (data) => heard.push(data.slice());
    assert.equal(bearer.send(FRAME, 2, 20), true);
    inner.onReceive!(FRAME, ADDRESS, -50);
    assert.deepEqual(inner.sent, [FRAME]);
    assert.deepEqual(heard, [FRAME]);
  });

  it("does each fault at its rate, and counts it", () => {
    const clock = new VirtualClock();
    const inner = new LoopBearer();
    const rates = { drop: 0.1, corrupt: 0.2, truncate: 0.1, duplicate: 0.2, reorder: 0.3, delay: 50 };
    const bearer = new FaultyBearer(inner, { clock, random: new Random(4), send: rates, receive: rates });
    let heard = 0;
    let wrong = 0;
    bearer.onReceive = (data) => {
      heard++;
      if (Buffer.compare(data, FRAME) !== 0) wrong++;
      assert.equal(data[1], 0x2a);
      assert.equal(data[0], data.length - 1);
    };
    const rounds = 2000;
    for (let i = 0; i < rounds; i++) {
      bearer.send(FRAME, 1, 20);
      inner.onReceive!(FRAME, ADDRESS, -50);
    }
    clock.run(100);
    for (const counts of [bearer.sent, bearer.received]) {
      for (const kind of ["drop", "corrupt", "truncate", "duplicate", "reorder"] as const) {
        const expected = rates[kind] * rounds * (kind === "drop" ? 1 : 0.9);
        assert.ok(Math.abs(counts[kind] - expected) < 0.2 * expected, `${kind}: ${counts[kind]}`);
      }
    }
    assert.equal(heard, rounds - bearer.received.drop + bearer.received.duplicate);
    assert.equal(inner.sent.length, rounds - bearer.sent.drop + bearer.sent.duplicate);
    assert.ok(wrong > 0.2 * rounds);
  });

  it("lets later frames overtake, and never keeps the caller's memory", () => {
    const clock = new VirtualClock();
    const inner = new LoopBearer();
    const bearer = new FaultyBearer(inner, { clock, random: new Random(2), send: { reorder: 0.5 } });
    const frame = FRAME.slice();
    for (let i = 0; i < 50; i++) {
      frame[2] = i;
      bearer.send(frame, 1, 20);
      clock.run(clock.now() + 10);
    }
    frame.fill(0);
    clock.run(1000);
    const order = inner.sent.map((data) => data[2]);
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, i) => i),
    );
    assert.notDeepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  });

  it("takes nothing when the bearer below is full", () => {
    const inner = new LoopBearer();
    inner.free = 0;
    const bearer = new FaultyBearer(inner, { clock: new VirtualClock(), random: new Random(1) });
    assert.equal(bearer.free, 0);
    assert.equal(bearer.send(FRAME, 1, 20), false);
  });
});

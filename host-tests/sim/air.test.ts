import assert from "node:assert/strict";
import { Air, type AirFrame, type AirOptions } from "../../sim/air/air.js";
import { airtime } from "../../sim/air/phy.js";
import { fixedRange, logDistance } from "../../sim/air/propagation.js";
import type { RadioOptions, SimulatedRadio } from "../../sim/air/radio.js";
import { VirtualClock } from "../../sim/clock.js";
import { Random } from "../../sim/random.js";

/** An AD structure of mesh type with `length` bytes in all, marked with `tag`. */
function frame(tag: number, length = 31): Uint8Array {
  const data = new Uint8Array(length).fill(tag);
  data[0] = length - 1;
  data[1] = 0x2a;
  return data;
}

function setup(options: Partial<AirOptions> = {}): { clock: VirtualClock; air: Air } {
  const clock = new VirtualClock();
  return { clock, air: new Air({ clock, random: 5, propagation: fixedRange(50), ...options }) };
}

/** A radio that notes the tags of what it hears. */
function listener(
  air: Air,
  options: RadioOptions,
): { radio: SimulatedRadio; tags: number[]; rssi: number[] } {
  const radio = air.attach(options);
  const tags: number[] = [];
  const rssis: number[] = [];
  radio.onReceive = (data, _address, rssi) => {
    tags.push(data[2]);
    rssis.push(rssi);
  };
  return { radio, tags, rssi: rssis };
}

function capture(air: Air): AirFrame[] {
  const frames: AirFrame[] = [];
  air.onFrame((seen) => frames.push(seen));
  return frames;
}

describe("air: advertising events", () => {
  it("takes 376 µs for 31 bytes and 128 µs for none (Core vol 6 part B §2.1)", () => {
    assert.equal(airtime(31).toFixed(3), "0.376");
    assert.equal(airtime(0).toFixed(3), "0.128");
  });

  it("sends each event on 37, 38 and 39, one after the other", () => {
    const { clock, air } = setup();
    const frames = capture(air);
    air.attach().send(frame(1, 20), 2, 20);
    clock.run(100);
    assert.deepEqual(
      frames.map((seen) => seen.channel),
      [37, 38, 39, 37, 38, 39],
    );
    for (const event of [0, 3]) {
      for (const i of [event, event + 1]) {
        assert.ok(Math.abs(frames[i].end - frames[i].time - airtime(20)) < 1e-9);
        assert.ok(Math.abs(frames[i + 1].time - frames[i].end - air.channelGap) < 1e-9);
      }
    }
  });

  it("repeats at the interval plus a random 0–10 ms, never below 20 ms", () => {
    for (const [asked, least] of [
      [30, 30],
      [5, 20],
    ]) {
      const { clock, air } = setup();
      const frames = capture(air);
      air.attach().send(frame(1), 200, asked);
      clock.run(200 * 50);
      const starts = frames.filter((seen) => seen.channel === 37).map((seen) => seen.time);
      assert.equal(starts.length, 200);
      const delays = starts.slice(1).map((start, i) => start - starts[i] - least);
      assert.ok(delays.every((delay) => delay >= 0 && delay < 10));
      const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
      assert.ok(Math.abs(mean - 5) < 0.7, `mean advDelay ${mean}`);
    }
  });

  it("works its queue off in order and refuses more than it holds", () => {
    const { clock, air } = setup();
    const frames = capture(air);
    const radio = air.attach({ queue: 3 });
    assert.deepEqual(
      [1, 2, 3, 4].map((tag) => radio.send(frame(tag), 2, 20)),
      [true, true, true, false],
    );
    assert.equal(radio.free, 0);
    assert.equal(radio.counters.refused, 1);
    clock.run(1000);
    assert.deepEqual(
      frames.filter((seen) => seen.channel === 37).map((seen) => seen.data[2]),
      [1, 1, 2, 2, 3, 3],
    );
    assert.equal(radio.free, 3);
    assert.ok(radio.idle);
  });

  it("copies what is sent, and lends what is received", () => {
    const { clock, air } = setup();
    const sender = air.attach();
    const first = air.attach({ position: { x: 1, y: 0 } });
    const second = listener(air, { position: { x: 2, y: 0 } });
    first.onReceive = (data) => data.fill(0xee);
    const data = frame(7);
    sender.send(data, 3, 20);
    data.fill(0);
    clock.run(200);
    assert.ok(second.tags.length > 0);
    assert.ok(second.tags.every((tag) => tag === 7));
  });

  it("refuses what no controller would take", () => {
    const { air } = setup();
    const radio = air.attach();
    assert.throws(() => radio.send(new Uint8Array(32), 1, 20), RangeError);
    assert.throws(() => radio.send(Uint8Array.of(5, 0x2a, 1), 1, 20), RangeError);
    assert.throws(() => radio.send(frame(1), 0, 20), RangeError);
    assert.throws(() => radio.send(frame(1), 1, Number.NaN), RangeError);
    assert.throws(() => air.attach({ address: new Uint8Array(5) }), RangeError);
    assert.throws(() => air.attach({ scanWindow: 40, scanInterval: 30 }), RangeError);
    assert.throws(() => setup({ loss: 1.5 }), RangeError);
  });
});

describe("air: reception", () => {
  it("reaches radios within range only, once for an event or, at a channel change, twice", () => {
    const { clock, air } = setup();
    const sender = air.attach();
    const near = listener(air, { position: { x: 49, y: 0 } });
    const far = listener(air, { position: { x: 51, y: 0 } });
    for (let i = 0; i < 100; i++) sender.send(frame(1), 1, 20) || clock.run(clock.now() + 20);
    clock.run(clock.now() + 1000);
    assert.equal(far.tags.length, 0);
    const { events } = sender.counters;
    assert.ok(near.tags.length >= 0.9 * events && near.tags.length <= 1.1 * events, `${near.tags.length}`);
  });

  it("hears in proportion to its scan window", () => {
    const { clock, air } = setup();
    const sender = air.attach();
    const part = listener(air, { position: { x: 1, y: 0 }, scanInterval: 100, scanWindow: 25 });
    sender.send(frame(1), 4000, 20);
    clock.run(4000 * 31);
    const ratio = part.tags.length / sender.counters.events;
    assert.ok(Math.abs(ratio - 0.25) < 0.03, `heard ${ratio}`);
    assert.ok(Math.abs(part.radio.listeningTime / clock.now() - 0.25) < 1e-9);
  });

  it("hears nothing while it transmits, sleeps or is off", () => {
    const { clock, air } = setup();
    const sender = air.attach();
    const other = listener(air, { position: { x: 1, y: 0 } });
    other.radio.scanning = false;
    sender.send(frame(1), 10, 20);
    clock.run(500);
    assert.deepEqual(other.tags, []);
    assert.equal(other.radio.listeningTime, 0);
    other.radio.scanning = true;
    other.radio.powered = false;
    assert.equal(other.radio.send(frame(2), 1, 20), false);
    sender.send(frame(1), 10, 20);
    clock.run(1000);
    assert.deepEqual(other.tags, []);
    other.radio.powered = true;
    // both send an event at the same instant
    sender.sendEvent(2, frame(3));
    other.radio.sendEvent(2, frame(4));
    clock.run(1500);
    assert.deepEqual(other.tags, []);
    sender.send(frame(5), 3, 20);
    clock.run(2000);
    assert.ok(other.tags.length >= 2);
  });

  it("loses with the given probability, by link and direction where asked", () => {
    const { clock, air } = setup({ loss: 0.3 });
    const a = listener(air, {});
    const b = listener(air, { position: { x: 1, y: 0 } });
    const c = listener(air, { position: { x: 0, y: 1 } });
    air.setLoss(a.radio, c.radio, 1);
    a.radio.send(frame(1), 5000, 20);
    clock.run(5000 * 31);
    const ratio = b.tags.length / 5000;
    assert.ok(Math.abs(ratio - 0.7) < 0.03, `heard ${ratio}`);
    assert.equal(c.tags.length, 0);
    c.radio.send(frame(2), 20, 20);
    clock.run(clock.now() + 1000);
    assert.ok(a.tags.length > 5);
    air.setLoss(a.radio, c.radio, undefined);
    air.loss = 0;
    a.radio.send(frame(3), 20, 20);
    clock.run(clock.now() + 1000);
    assert.ok(c.tags.length >= 18);
  });

  it("finds every pair that a search without the grid finds, also after moves", () => {
    const { air } = setup({ propagation: logDistance() });
    const random = new Random(11);
    const place = () => ({ x: random.between(-400, 400), y: random.between(-400, 400) });
    const radios = Array.from({ length: 150 }, () =>
      air.attach({ position: place(), txPower: random.pick([-8, 0, 8]) }),
    );
    const check = () => {
      let links = 0;
      for (const from of radios) {
        const expected = radios.filter((to) => to !== from && air.rssi(from, to) + 4.5 >= to.sensitivity);
        assert.deepEqual(
          air.neighbours(from).map((to) => to.index),
          expected.map((to) => to.index),
        );
        links += expected.length;
      }
      assert.ok(links > 500, `${links} links`);
    };
    check();
    for (const radio of radios) radio.move(place());
    check();
  });

  it("gives links the same loss in both directions, weaker with distance", () => {
    const { air } = setup({ propagation: logDistance({ shadowing: 6 }) });
    const radios = Array.from({ length: 300 }, (_, i) =>
      air.attach({ position: { x: (i % 150) + 1, y: i } }),
    );
    let shadows = 0;
    let squares = 0;
    const origin = air.attach();
    for (const radio of radios) {
      assert.equal(air.rssi(origin, radio), air.rssi(radio, origin));
      const shadow = air.rssi(origin, radio) + 40.2 + 30 * Math.log10(origin.distanceTo(radio));
      shadows += shadow;
      squares += shadow * shadow;
    }
    assert.ok(Math.abs(shadows / radios.length) < 1.2);
    assert.ok(Math.abs(Math.sqrt(squares / radios.length) - 6) < 1);
  });
});

describe("air: several at once", () => {
  /** A and B both reach R and send an event each, B `offset` ms after A. What does R get of `rounds`? */
  function meet(
    xA: number,
    xB: number,
    offset: number,
    rounds = 60,
  ): { a: number; b: number; collided: number } {
    const { clock, air } = setup();
    const a = air.attach({ position: { x: xA, y: 0 } });
    const b = air.attach({ position: { x: xB, y: 0 } });
    const r = listener(air, {});
    for (let i = 0; i < rounds; i++) {
      const start = 10 + i * 7.3;
      clock.post(start, () => a.sendEvent(2, frame(0xa)));
      clock.post(start + offset, () => b.sendEvent(2, frame(0xb)));
    }
    clock.run(1000);
    return {
      a: r.tags.filter((tag) => tag === 0xa).length,
      b: r.tags.filter((tag) => tag === 0xb).length,
      collided: r.radio.counters.collided,
    };
  }

  it("loses both of two equally strong frames on one channel", () => {
    const { a, b, collided } = meet(10, -10, 0.1);
    assert.equal(a + b, 0);
    assert.ok(collided > 100);
  });

  it("keeps the one that is much stronger and came first", () => {
    const { a, b } = meet(1, -45, 0.1);
    assert.ok(a >= 50);
    assert.equal(b, 0);
  });

  it("keeps the stronger one also when both begin together, but not when the receiver had caught the other", () => {
    assert.ok(meet(-45, 1, 0.02).b >= 50);
    assert.deepEqual({ ...meet(-45, 1, 0.1), collided: 0 }, { a: 0, b: 0, collided: 0 });
  });

  it("lets frames on different channels pass each other", () => {
    // B begins on 37 when A is already on 38
    const apart = meet(10, -10, 0.5);
    assert.ok(apart.a >= 50 && apart.b >= 50);
    assert.equal(apart.collided, 0);
  });

  it("knows the hidden terminal: senders out of each other's range collide at a third", () => {
    const { a, b } = meet(40, -40, 0.05);
    assert.equal(a + b, 0);
  });

  it("drowns receivers near a source of interference, on its channels, for its share of the time", () => {
    const { clock, air } = setup({
      interference: [{ burst: 20, quiet: 20, channels: [37, 38, 39], position: { x: 30, y: 0 }, range: 10 }],
    });
    const sender = air.attach();
    const near = listener(air, { position: { x: 30, y: 0 } });
    const far = listener(air, { position: { x: -30, y: 0 } });
    sender.send(frame(1), 3000, 20);
    clock.run(3000 * 31);
    const ratio = near.tags.length / far.tags.length;
    assert.ok(ratio > 0.42 && ratio < 0.55, `near hears ${ratio} of what far hears`);
    assert.equal(far.radio.counters.interfered, 0);
  });
});

describe("air: power, determinism", () => {
  it("tears the frame under way and forgets the queue at a power cut", () => {
    const { clock, air } = setup();
    const sender = air.attach();
    const other = listener(air, { position: { x: 1, y: 0 } });
    sender.sendEvent(2, frame(1));
    sender.send(frame(2), 5, 20);
    clock.run(0.2);
    sender.powered = false;
    clock.run(500);
    assert.deepEqual(other.tags, []);
    sender.powered = true;
    assert.equal(sender.free, 32);
    sender.send(frame(3), 3, 20);
    clock.run(1000);
    assert.ok(other.tags.length >= 2 && other.tags.every((tag) => tag === 3));
    sender.detach();
    assert.equal(air.neighbours(other.radio).length, 0);
  });

  it("has one history for one seed", () => {
    const history = (seed: number): string => {
      const clock = new VirtualClock();
      const air = new Air({ clock, random: seed, loss: 0.1, interference: [{ burst: 5, quiet: 50 }] });
      const random = new Random(3);
      const log: string[] = [];
      for (let i = 0; i < 40; i++) {
        const radio = air.attach({ position: { x: random.between(0, 100), y: random.between(0, 100) } });
        let heard = 0;
        radio.onReceive = (data, _address, rssi) => {
          log.push(`${clock.now().toFixed(6)} ${i} ${data[2]} ${rssi}`);
          if (++heard % 10 === 0) radio.send(frame(data[2]), 2, 20);
        };
        clock.post(random.between(0, 200), () => radio.send(frame(i), 3, 20));
      }
      clock.run(2000);
      return log.join("\n");
    };
    assert.equal(history(1), history(1));
    assert.notEqual(history(1), history(2));
    assert.ok(history(1).length > 10_000);
  });

  it("is not upset when a host changes the topology during a delivery", () => {
    const { clock, air } = setup();
    const sender = air.attach();
    const counterparts = [1, 2, 3].map((x) => air.attach({ position: { x, y: 0 } }));
    counterparts[0].onReceive = () => {
      counterparts[0].move({ x: 5, y: 5 });
      counterparts[1].detach();
      air.attach({ position: { x: 4, y: 0 } });
      sender.powered = false;
    };
    sender.sendEvent(2, frame(1));
    counterparts[2].sendEvent(2, frame(2));
    clock.run(100);
    assert.ok(counterparts[0].counters.received + counterparts[0].counters.collided > 0);
  });
});

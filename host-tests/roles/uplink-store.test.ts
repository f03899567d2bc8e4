import assert from "node:assert/strict";
import fc from "fast-check";
import { Counters } from "../../firmware/bytes/counters.js";
import { UplinkQueue } from "../../firmware/roles/uplink-queue.js";
import { UplinkStore } from "../../firmware/roles/uplink-store.js";
import type { KeyValueStore } from "../../hal/hal.js";
import { LogStore, MemoryStore } from "../../hal/host/storage.js";
import { PowerCut, TornMedium } from "../../sim/flash.js";
import { Random } from "../../sim/random.js";

const HOUR = 3_600_000;

/** One life of a gateway, between two losses of power. */
class Life {
  readonly counters = new Counters();
  readonly queue: UplinkQueue;
  readonly store: UplinkStore;

  constructor(place: KeyValueStore, now = 0, blocks = 3) {
    this.store = new UplinkStore({ place, blocks, counters: this.counters });
    this.queue = new UplinkQueue({ counters: this.counters, onGone: (waiting) => this.store.gone(waiting) });
    this.store.restore(now, (arrival) => this.queue.push(arrival, now));
  }

  /** A NON request with this message ID. */
  push(number: number, now = 0, length = 60): void {
    const datagram = new Uint8Array(length).fill(number);
    datagram.set([0x50, 0x02, number >> 8, number & 255]);
    this.queue.push({ datagram, source: 0x0100, messageId: number, since: now }, now);
  }

  write(now = 0): void {
    this.store.write(this.queue.waiting, now);
  }

  sendOne(now = 0): number | undefined {
    const head = this.queue.take(now);
    this.queue.settle(true);
    return head && head[2] * 256 + head[3];
  }

  get numbers(): number[] {
    return this.queue.waiting.map(({ messageId }) => messageId);
  }
}

describe("uplink store", () => {
  it("gives back what waited, in its order, with the age that it had", () => {
    const place = new MemoryStore();
    const before = new Life(place);
    before.push(1, 0);
    before.push(2, 60_000);
    before.write(100_000);
    // Another life, another clock.
    const after = new Life(place, 5000);
    assert.deepEqual(after.numbers, [1, 2]);
    assert.deepEqual(
      after.queue.waiting.map(({ since }) => since),
      [-95_000, -35_000],
    );
    assert.deepEqual(after.queue.waiting[0].datagram, before.queue.waiting[0].datagram);
    assert.equal(after.queue.waiting[0].source, 0x0100);
  });

  it("counts on with the age: what was old before the restart is too old after it", () => {
    const place = new MemoryStore();
    const before = new Life(place);
    before.push(1, 0);
    before.write(23 * HOUR);
    const after = new Life(place, 0);
    assert.equal(after.sendOne(HOUR - 1000), 1);
    const again = new Life(place, 0);
    assert.deepEqual(again.numbers, []);
  });

  it("writes several datagrams at once, and each of them once", () => {
    const place = new MemoryStore();
    const { push, write } = bound(new Life(place));
    for (let i = 1; i <= 7; i++) push(i);
    write();
    assert.equal(place.keys().length, 1);
    const [key] = place.keys();
    const first = place.get(key);
    push(8);
    write();
    assert.equal(place.keys().length, 2);
    assert.deepEqual(place.get(key), first);
    write();
    assert.equal(place.keys().length, 2);
  });

  it("deletes a block when the last of its datagrams has left, and leaves nothing behind", () => {
    const place = new MemoryStore();
    const life = new Life(place);
    for (let i = 1; i <= 7; i++) life.push(i);
    life.write();
    for (let i = 1; i <= 6; i++) life.sendOne();
    assert.equal(place.keys().length, 1);
    life.sendOne();
    assert.deepEqual(place.keys(), []);
  });

  it("stays within its blocks and keeps the newest", () => {
    const place = new MemoryStore();
    const life = new Life(place, 0, 2);
    for (let i = 1; i <= 100; i++) life.push(i);
    life.write();
    assert.equal(place.keys().length, 2);
    assert.deepEqual(new Life(place).numbers, [87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100]);
    assert.equal(life.queue.length, 100, "all of them wait in memory");
    for (let i = 101; i <= 110; i++) life.push(i);
    life.write();
    assert.equal(place.keys().length, 2);
    assert.equal(new Life(place).numbers.at(-1), 110);
  });

  it("leaves other keys of a shared place alone", () => {
    const place = new MemoryStore();
    place.set("oscore", Uint8Array.of(1));
    place.set("uplink.x", Uint8Array.of(2));
    const life = new Life(place);
    life.push(1);
    life.write();
    life.sendOne();
    assert.deepEqual(place.keys(), ["oscore", "uplink.x"]);
  });

  it("goes on without a place that is full, and does not try the same again and again", () => {
    class FullStore extends MemoryStore {
      tries = 0;
      override set(): void {
        this.tries++;
        throw new RangeError("the store is full");
      }
    }
    const place = new FullStore();
    const life = new Life(place);
    life.push(1);
    life.write();
    life.write();
    assert.equal(place.tries, 1);
    assert.equal(life.counters.get("uplink: store full"), 1);
    assert.equal(life.sendOne(), 1);
  });

  it("does without a datagram that no value can hold", () => {
    const place = new MemoryStore();
    const life = new Life(place);
    life.push(1, 0, 510);
    life.push(2, 0, 501);
    life.write();
    assert.deepEqual(new Life(place).numbers, [2]);
    assert.equal(life.counters.get("uplink: too long for the store"), 1);
  });

  it("survives a place with any content, and cleans it up", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 64 }))),
        fc.boolean(),
        (values, rightFormat) => {
          const place = new MemoryStore();
          for (const [number, value] of values) {
            if (rightFormat && value.length > 0) value[0] = 1;
            place.set(`uplink.${number}`, value);
          }
          const life = new Life(place);
          while (life.queue.length > 0) life.sendOne();
          assert.deepEqual(
            place.keys().filter((key) => key !== "uplink.0"),
            [],
          );
        },
      ),
    );
  });

  /** Steps of a life with the power cut in any of the writes, torn ones included. */
  it("loses nothing that was written, and doubles nothing, wherever the power is cut", () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant("push" as const) },
      { weight: 2, arbitrary: fc.constant("write" as const) },
      { weight: 2, arbitrary: fc.constant("send" as const) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        (steps, cutAt, seed) => {
          const medium = new TornMedium(new Random(seed));
          const life = new Life(new LogStore(medium), 0, 4);
          medium.cutAt(cutAt);
          let number = 0;
          /** What one writing that ended has put there, and nothing has taken away. */
          let durable: number[] = [];
          const pushed: number[] = [];
          try {
            for (const what of steps) {
              if (what === "push") {
                life.push(++number, 0, 100);
                pushed.push(number);
              } else if (what === "send") {
                durable = durable.filter((one) => one !== life.numbers[0]);
                life.sendOne();
              } else {
                life.write();
                durable = life.queue.waiting
                  .filter(({ block }) => block > 0)
                  .map(({ messageId }) => messageId);
              }
              // A write may have pushed the oldest block out.
              durable = durable.filter((one) =>
                life.queue.waiting.some(({ messageId, block }) => messageId === one && block > 0),
              );
            }
          } catch (error) {
            if (!(error instanceof PowerCut)) throw error;
            const isGivenUp = (one: number) =>
              life.queue.waiting.some(({ messageId, block }) => messageId === one && block < 0);
            durable = durable.filter((one) => !isGivenUp(one));
          }
          medium.restore();
          const { numbers } = new Life(new LogStore(medium));
          assert.deepEqual(
            numbers,
            [...new Set(numbers)].sort((a, b) => a - b),
            "doubled, or out of order",
          );
          assert.ok(
            numbers.every((one) => pushed.includes(one)),
            "never pushed",
          );
          for (const one of durable) assert.ok(numbers.includes(one), `${one} is lost`);
        },
      ),
      { numRuns: 300 },
    );
  });
});

function bound(life: Life) {
  return { push: life.push.bind(life), write: life.write.bind(life) };
}

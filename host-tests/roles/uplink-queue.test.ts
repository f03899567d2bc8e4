import assert from "node:assert/strict";
import fc from "fast-check";
import { Counters } from "../../firmware/bytes/counters.js";
import {
  Kept,
  UplinkQueue,
  type UplinkQueueOptions,
  type Waiting,
} from "../../firmware/roles/uplink-queue.js";

const HOUR = 3_600_000;
const CON_POST = [0x40, 0x02];
const NON_POST = [0x50, 0x02];
const ACK = [0x60, 0x44];

/** A datagram whose message ID is its number, so that the order can be read from it. */
function datagram(number: number, header: readonly number[] = NON_POST, length = 4): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set([...header, number >> 8, number & 255]);
  return bytes;
}

function numberOf(bytes: Uint8Array): number {
  return bytes[2] * 256 + bytes[3];
}

function make(options: Partial<UplinkQueueOptions> = {}) {
  const counters = new Counters();
  const gone: Waiting[] = [];
  const queue = new UplinkQueue({ counters, onGone: (waiting) => gone.push(waiting), ...options });
  return {
    queue,
    counters,
    gone,
    push: (number: number, now = 0, header = NON_POST, source = 1, length = 4) =>
      queue.push({ datagram: datagram(number, header, length), source, messageId: number, since: now }, now),
    /** Everything that is still worth sending, in its order. */
    drain(now = 0): number[] {
      const numbers: number[] = [];
      for (let head = queue.take(now); head !== undefined; head = queue.take(now)) {
        numbers.push(numberOf(head));
        queue.settle(true);
      }
      return numbers;
    },
  };
}

describe("uplink queue", () => {
  it("keeps order, drops the oldest and counts it", () => {
    const { push, drain, counters } = make({ capacity: 3 });
    for (let i = 0; i < 5; i++) push(i);
    assert.deepEqual(drain(), [2, 3, 4]);
    assert.equal(counters.get("uplink: dropped, queue full"), 2);
  });

  it("is bounded in bytes as well", () => {
    const { push, drain, queue, counters } = make({ bytes: 100 });
    for (let i = 0; i < 5; i++) push(i, 0, NON_POST, 1, 40);
    assert.equal(queue.bytes, 80);
    assert.deepEqual(drain(), [3, 4]);
    assert.equal(queue.bytes, 0);
    assert.equal(counters.get("uplink: dropped, queue full"), 3);
  });

  it("takes one datagram, whatever its length", () => {
    const { push, drain } = make({ bytes: 10 });
    push(7, 0, NON_POST, 1, 400);
    assert.deepEqual(drain(), [7]);
  });

  it("does not queue a copy of what waits, but the same bytes of another node", () => {
    const { push, queue, counters } = make();
    push(1);
    push(1, 5000);
    assert.equal(queue.length, 1);
    assert.equal(counters.get("uplink: retransmission already waits"), 1);
    push(1, 5000, NON_POST, 2);
    assert.equal(queue.length, 2);
  });

  it("takes a copy of what has left: its answer may be lost", () => {
    const { push, drain } = make();
    push(1);
    assert.deepEqual(drain(), [1]);
    push(1, 5000);
    assert.deepEqual(drain(5000), [1]);
  });

  it("gives up what is too old, and counts it", () => {
    const { push, drain, counters } = make({ lifetime: HOUR });
    push(1, 0);
    push(2, HOUR);
    assert.deepEqual(drain(HOUR + 1), [2]);
    assert.equal(counters.get("uplink: dropped, too old"), 1);
  });

  it("gives up an acknowledgement as soon as the server has given up what it is about", () => {
    const { push, drain, counters } = make();
    push(1, 0, ACK);
    push(2, 0, NON_POST);
    assert.deepEqual(drain(247_001), [2]);
    assert.equal(counters.get("uplink: dropped, too old"), 1);
  });

  it("makes room with what is too old before it drops what is not", () => {
    const { push, drain, counters } = make({ capacity: 3 });
    push(1, 0);
    push(2, 0, ACK);
    push(3, 0);
    push(4, 300_000);
    assert.deepEqual(drain(300_000), [1, 3, 4]);
    assert.equal(counters.get("uplink: dropped, queue full"), 0);
  });

  describe("what the modem has in hand", () => {
    it("stays the head until it has left", () => {
      const { push, queue, drain } = make();
      push(1);
      push(2);
      assert.equal(numberOf(queue.take(0)!), 1);
      queue.settle(false);
      assert.deepEqual(drain(), [1, 2]);
    });

    it("is not dropped for another one", () => {
      const { push, queue, drain, counters } = make({ capacity: 2 });
      push(1);
      assert.equal(numberOf(queue.take(0)!), 1);
      push(2);
      push(3);
      assert.equal(counters.get("uplink: dropped, queue full"), 1);
      queue.settle(true);
      assert.deepEqual(drain(), [3]);
    });

    it("is not superseded", () => {
      const { push, queue, drain } = make();
      push(1, 0, CON_POST);
      queue.take(0);
      push(2, 100_000, CON_POST);
      queue.settle(false);
      assert.deepEqual(drain(100_000), [1, 2]);
    });
  });

  describe("a node that asks anew", () => {
    it("has its former request replaced: it has given it up", () => {
      const { push, drain, counters } = make();
      push(1, 0, CON_POST, 1);
      push(50, 0, CON_POST, 2);
      push(2, 100_000, CON_POST, 1);
      assert.deepEqual(drain(100_000), [50, 2]);
      assert.equal(counters.get("uplink: superseded"), 1);
    });

    it("keeps it when the requests follow each other too soon for that", () => {
      const { push, drain } = make();
      for (let i = 0; i < 4; i++) push(i, i * 1000, CON_POST);
      assert.deepEqual(drain(4000), [0, 1, 2, 3]);
    });

    it("keeps what is not confirmable: nobody sends it again", () => {
      const { push, drain } = make();
      push(1, 0, NON_POST);
      push(2, 100_000, NON_POST);
      push(3, 200_000, CON_POST);
      assert.deepEqual(drain(200_000), [1, 2, 3]);
    });

    it("keeps what it said before it was restarted: it does not know of it any more", () => {
      const { push, drain } = make();
      push(1000, 0, CON_POST);
      push(40_000, 100_000, CON_POST);
      assert.deepEqual(drain(100_000), [1000, 40_000]);
    });

    it("has a late copy stand for the first one, whose names the hop has forgotten", () => {
      const { queue, drain } = make();
      for (const [alias, since] of [
        [7, 0],
        [9, 300_000],
      ]) {
        queue.push({ datagram: datagram(alias, CON_POST), source: 1, messageId: 1000, since }, since);
      }
      assert.deepEqual(drain(300_000), [9]);
    });

    it("may count its message IDs over 65,535", () => {
      const { push, drain } = make();
      push(65_535, 0, CON_POST);
      push(0, 100_000, CON_POST);
      assert.deepEqual(drain(100_000), [0]);
    });
  });

  it("says of each datagram once that it is gone, and of no other", () => {
    const step = fc.oneof(
      fc.constant("take" as const),
      fc.constant("left" as const),
      fc.constant("stayed" as const),
      fc.record({
        source: fc.integer({ min: 1, max: 3 }),
        header: fc.constantFrom(CON_POST, NON_POST, ACK),
        pause: fc.nat(100_000),
        length: fc.integer({ min: 4, max: 60 }),
        again: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const { queue, counters, gone, push } = make({ capacity: 5, bytes: 120, lifetime: HOUR / 2 });
        let [now, number, sent] = [0, 0, 0];
        let inHand: Uint8Array | undefined;
        const taken: Waiting[] = [];
        for (const what of steps) {
          if (what === "take") {
            inHand ??= queue.take(now);
          } else if (what === "left" || what === "stayed") {
            if (inHand !== undefined && what === "left") sent++;
            if (inHand !== undefined)
              assert.equal(queue.waiting[0].datagram, inHand, "the head was taken away");
            queue.settle(what === "left");
            inHand = undefined;
          } else {
            now += what.pause;
            if (!what.again) number++;
            const waiting = push(number, now, what.header, what.source, what.length);
            if (waiting !== undefined) taken.push(waiting);
          }
          assert.ok(queue.length <= 5);
          const order = queue.waiting.map((waiting) => taken.indexOf(waiting));
          assert.deepEqual(
            order,
            [...order].sort((a, b) => a - b),
            "out of order",
          );
          assert.equal(
            queue.bytes,
            queue.waiting.reduce((sum, waiting) => sum + waiting.datagram.length, 0),
          );
        }
        const dropped =
          counters.get("uplink: dropped, queue full") +
          counters.get("uplink: dropped, too old") +
          counters.get("uplink: superseded");
        assert.equal(gone.length, sent + dropped);
        assert.equal(new Set([...gone, ...queue.waiting]).size, taken.length);
        assert.ok(queue.waiting.every(({ block }) => block === Kept.NOT_YET));
      }),
    );
  });

  it("refuses to be made for nothing", () => {
    assert.throws(() => make({ capacity: 0 }), RangeError);
  });
});

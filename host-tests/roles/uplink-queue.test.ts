import assert from "node:assert/strict";
import fc from "fast-check";
import { Counters } from "../../firmware/bytes/counters.js";
import { UplinkQueue } from "../../firmware/roles/uplink-queue.js";

const HOUR = 3_600_000;

describe("uplink queue", () => {
  it("keeps order, drops the oldest and counts it", () => {
    const counters = new Counters();
    const queue = new UplinkQueue(3, HOUR, counters);
    for (let i = 0; i < 5; i++) queue.push(Uint8Array.of(i), i);
    const left: number[] = [];
    for (let head = queue.head(10); head !== undefined; head = queue.head(10)) {
      left.push(head[0]);
      queue.sent(head);
    }
    assert.deepEqual(left, [2, 3, 4]);
    assert.equal(counters.get("uplink: dropped, queue full"), 2);
  });

  it("does not queue a retransmission of what waits already", () => {
    const queue = new UplinkQueue(3, HOUR, new Counters());
    queue.push(Uint8Array.of(1, 2), 0);
    queue.push(Uint8Array.of(1, 2), 1);
    assert.equal(queue.length, 1);
  });

  it("gives up what is too old, and counts it", () => {
    const counters = new Counters();
    const queue = new UplinkQueue(3, HOUR, counters);
    queue.push(Uint8Array.of(1), 0);
    queue.push(Uint8Array.of(2), HOUR);
    assert.deepEqual(queue.head(HOUR + 1), Uint8Array.of(2));
    assert.equal(counters.get("uplink: dropped, too old"), 1);
  });

  it("is not confused when the head was dropped while the modem had it", () => {
    const queue = new UplinkQueue(1, HOUR, new Counters());
    queue.push(Uint8Array.of(1), 0);
    const sending = queue.head(0)!;
    queue.push(Uint8Array.of(2), 0);
    queue.sent(sending);
    assert.deepEqual(queue.head(0), Uint8Array.of(2));
  });

  it("sends, drops and keeps add up, whatever happens", () => {
    const step = fc.oneof(fc.constant("send" as const), fc.nat(50_000));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const counters = new Counters();
        const queue = new UplinkQueue(4, 1000, counters);
        let [now, pushed, sent] = [0, 0, 0];
        let last = -1;
        for (const what of steps) {
          if (what === "send") {
            const head = queue.head(now);
            if (head === undefined) continue;
            const number = head[0] * 256 + head[1];
            assert.ok(number > last, "out of order");
            last = number;
            queue.sent(head);
            sent++;
          } else {
            now += what % 400;
            queue.push(Uint8Array.of(pushed >> 8, pushed & 255), now);
            pushed++;
          }
        }
        const dropped =
          counters.get("uplink: dropped, queue full") + counters.get("uplink: dropped, too old");
        assert.equal(sent + dropped + queue.length, pushed);
      }),
    );
  });
});

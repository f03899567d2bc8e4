import assert from "node:assert/strict";
import { Counters } from "../../firmware/bytes/counters.js";
import { Repetitions } from "../../firmware/mesh/repetitions.js";

function setUp(capacity = 4) {
  const sent: [time: number, first: number, count: number][] = [];
  const bearer = { room: true, now: 0 };
  const counters = new Counters();
  const repetitions = new Repetitions({
    transmit: (bytes, count) => {
      if (bearer.room) sent.push([bearer.now, bytes[0], count]);
      return bearer.room;
    },
    counters,
    now: () => bearer.now,
    capacity,
  });
  const run = (until: number) => {
    while (repetitions.deadline <= until) {
      bearer.now = repetitions.deadline;
      repetitions.tick(bearer.now);
    }
    bearer.now = until;
  };
  return { sent, bearer, counters, repetitions, run };
}

describe("repetitions of relayed PDUs", () => {
  it("leave room for others between them", () => {
    const { sent, repetitions, run } = setUp();
    assert.ok(repetitions.send(Uint8Array.of(1), 3, 20));
    run(5);
    assert.ok(repetitions.send(Uint8Array.of(2), 2, 20));
    assert.ok(repetitions.send(Uint8Array.of(3), 1, 20));
    run(1000);
    assert.deepEqual(sent, [
      [0, 1, 1],
      [5, 2, 1],
      [5, 3, 1],
      [20, 1, 1],
      [25, 2, 1],
      [40, 1, 1],
    ]);
    assert.equal(repetitions.deadline, Number.POSITIVE_INFINITY);
  });

  it("are of the bytes that were handed over, whatever becomes of the buffer", () => {
    const { sent, repetitions, run } = setUp();
    const buffer = Uint8Array.of(7);
    repetitions.send(buffer, 2, 20);
    buffer[0] = 8;
    run(100);
    assert.deepEqual(
      sent.map(([, first]) => first),
      [7, 7],
    );
  });

  it("are left to the bearer when too many wait, and their places are used again", () => {
    const { sent, repetitions, run } = setUp(1);
    repetitions.send(Uint8Array.of(1), 2, 20);
    repetitions.send(Uint8Array.of(2), 2, 20);
    run(100);
    repetitions.send(Uint8Array.of(3), 2, 20);
    run(200);
    assert.deepEqual(sent, [
      [0, 1, 1],
      [0, 2, 2],
      [20, 1, 1],
      [100, 3, 1],
      [120, 3, 1],
    ]);
  });

  it("are left out where the bearer has no room; a frame without its first transmission has none", () => {
    const { sent, bearer, counters, repetitions, run } = setUp();
    repetitions.send(Uint8Array.of(1), 3, 20);
    bearer.room = false;
    assert.equal(repetitions.send(Uint8Array.of(2), 3, 20), false);
    run(30);
    bearer.room = true;
    run(100);
    assert.deepEqual(sent, [
      [0, 1, 1],
      [40, 1, 1],
    ]);
    assert.equal(counters.get("repetition-left-out"), 1);
  });

  it("are forgotten when the node leaves its network", () => {
    const { sent, repetitions, run } = setUp();
    repetitions.send(Uint8Array.of(1), 3, 20);
    repetitions.clear();
    run(100);
    assert.equal(sent.length, 1);
  });
});

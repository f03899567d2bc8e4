import assert from "node:assert/strict";
import fc from "fast-check";
import { DeadlineHeap, type Timed } from "../../firmware/coap/deadline-heap.js";

describe("deadline heap", () => {
  it("gives the earliest for any mix of setting, moving and removing", () => {
    const step = fc.record({ item: fc.nat({ max: 19 }), due: fc.option(fc.nat({ max: 50 })) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const heap = new DeadlineHeap<Timed>();
        const items: Timed[] = Array.from({ length: 20 }, () => ({ due: 0, heapIndex: -1 }));
        const inside = new Set<Timed>();
        for (const { item, due } of steps) {
          const timed = items[item];
          if (due === null) {
            heap.remove(timed);
            inside.delete(timed);
          } else {
            heap.set(timed, due);
            inside.add(timed);
          }
          assert.equal(heap.size, inside.size);
          assert.equal(
            heap.first?.due,
            inside.size === 0 ? undefined : Math.min(...[...inside].map((t) => t.due)),
          );
        }
        let last = -1;
        for (let first = heap.first; first !== undefined; first = heap.first) {
          assert.ok(first.due >= last);
          last = first.due;
          heap.remove(first);
          assert.ok(inside.delete(first));
        }
        assert.equal(inside.size, 0);
      }),
    );
  });
});

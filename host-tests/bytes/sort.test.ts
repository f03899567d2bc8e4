import assert from "node:assert/strict";
import fc from "fast-check";
import { sort } from "../../firmware/bytes/sort.js";

describe("sort", () => {
  it("gives what Array's own gives, and leaves equals in their order", () => {
    const items = fc.array(fc.record({ key: fc.integer({ min: 0, max: 5 }), place: fc.integer() }));
    fc.assert(
      fc.property(items, (list) => {
        const compare = (a: { key: number }, b: { key: number }) => a.key - b.key;
        const mine = [...list];
        assert.equal(sort(mine, compare), mine);
        assert.deepEqual(mine, [...list].sort(compare));
      }),
    );
  });
});

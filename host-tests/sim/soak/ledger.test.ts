import assert from "node:assert/strict";
import fc from "fast-check";
import { Ledger, numberOf, valuesOf } from "../../../sim/soak/ledger.js";

describe("soak ledger", () => {
  it("tells every measurement of a node from every other", () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), (number) => {
        const { temperature, humidity } = valuesOf(number);
        assert.equal(numberOf(temperature, humidity), number);
        assert.ok(temperature >= -5000 && temperature < 15_000 && humidity >= 0 && humidity <= 10_000);
      }),
    );
  });

  it("finds what is stored once, lost with a reason, missing, doubled and made up", () => {
    const ledger = new Ledger();
    for (let number = 0; number < 5; number++) ledger.measured("a", number, number * 1000);
    ledger.stored("a", 0, 0);
    ledger.stored("a", 1, 6000);
    ledger.stored("a", 1, 1000);
    ledger.lost("a", 2, "outbox full");
    ledger.lost("a", 3, "outbox full");
    ledger.stored("a", 3, 3500);
    ledger.stored("b", 0, 0);
    assert.equal(ledger.open, 1);
    const { doubled, unknown, missing, lost, stored, storedAllTheSame, measured } = ledger.balance();
    assert.deepEqual(
      { doubled, unknown, missing, lost, stored, storedAllTheSame, measured },
      {
        doubled: ["a 1"],
        unknown: ["b 0"],
        missing: ["a 4"],
        lost: { "outbox full": 1 },
        stored: 3,
        storedAllTheSame: 1,
        measured: 5,
      },
    );
  });

  it("tells by how much times are off", () => {
    const ledger = new Ledger();
    for (let number = 0; number < 4; number++) ledger.measured("a", number, 0);
    for (let number = 0; number < 4; number++) ledger.stored("a", number, number * 1500);
    const { lateShare, latest } = ledger.balance();
    assert.deepEqual({ lateShare, latest }, { lateShare: 0.5, latest: 4500 });
  });

  it("believes the store, not what was said on the way", () => {
    const ledger = new Ledger();
    ledger.measured("a", 0, 0);
    ledger.measured("a", 1, 0);
    ledger.stored("a", 0, 0);
    ledger.recount([{ node: "a", number: 1, time: 0 }]);
    assert.deepEqual(ledger.balance().missing, ["a 0"]);
  });
});

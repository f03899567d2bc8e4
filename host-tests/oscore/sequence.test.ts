import assert from "node:assert/strict";
import fc from "fast-check";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { MAX_SEQUENCE_NUMBER } from "../../firmware/oscore/partial-iv.js";
import { SequenceNumbers, StoredReserve } from "../../firmware/oscore/sequence.js";
import type { KeyValueStore } from "../../hal/hal.js";
import { reasonOf } from "./helpers.js";

/** A store whose power can fail at a chosen write: before it is durable, or after. */
class FragileStore implements KeyValueStore {
  readonly values = new Map<string, Uint8Array>();
  writes = 0;
  failBefore = Infinity;
  failAfter = Infinity;

  get(key: string): Uint8Array | undefined {
    return this.values.get(key)?.slice();
  }

  set(key: string, value: Uint8Array): void {
    this.writes++;
    if (this.writes === this.failBefore) throw new Error("power cut before the write");
    this.values.set(key, value.slice());
    if (this.writes === this.failAfter) throw new Error("power cut after the write");
  }

  delete(key: string): void {
    this.values.delete(key);
  }

  keys(): string[] {
    return [...this.values.keys()];
  }
}

function started(first = 0): FragileStore {
  const store = new FragileStore();
  new StoredReserve(store, "ssn").initialize(first);
  store.writes = 0;
  return store;
}

describe("sequence numbers", () => {
  it("rise by one from 0, with a write for each block", () => {
    const store = started();
    const numbers = new SequenceNumbers(new StoredReserve(store, "ssn"), 10);
    assert.deepEqual(
      Array.from({ length: 25 }, () => numbers.next()),
      Array.from({ length: 25 }, (_, index) => index),
    );
    assert.equal(store.writes, 3);
  });

  it("write nothing before the first is asked for", () => {
    const store = started();
    new SequenceNumbers(new StoredReserve(store, "ssn"), 10);
    assert.equal(store.writes, 0);
  });

  it("are lost, not 0, where nothing or nonsense is stored", () => {
    const store = new FragileStore();
    const numbers = new SequenceNumbers(new StoredReserve(store, "ssn"));
    assert.equal(reasonOf(numbers.next()), "sequence-lost");
    store.set("ssn", new Uint8Array(3));
    assert.equal(reasonOf(numbers.next()), "sequence-lost");
  });

  it("pass 2^32 like any other number", () => {
    const numbers = new SequenceNumbers(new StoredReserve(started(2 ** 32 - 2), "ssn"), 3);
    assert.deepEqual(
      Array.from({ length: 5 }, () => numbers.next()),
      [2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 32 + 2],
    );
  });

  it("end at 2^40 - 1, and stay ended after any number of restarts", () => {
    const store = started(MAX_SEQUENCE_NUMBER - 1);
    for (let restart = 0; restart < 3; restart++) {
      const numbers = new SequenceNumbers(new StoredReserve(store, "ssn"), 64);
      const got = [numbers.next(), numbers.next(), numbers.next(), numbers.next()];
      const used = got.filter((number) => typeof number === "number");
      assert.deepEqual(used, restart === 0 ? [MAX_SEQUENCE_NUMBER - 1, MAX_SEQUENCE_NUMBER] : []);
      assert.ok(
        got.every((number) => typeof number === "number" || reasonOf(number) === "sequence-exhausted"),
      );
    }
    assert.ok(store.writes < 4);
  });

  it("end at a lower limit when one is set", () => {
    const numbers = new SequenceNumbers(new StoredReserve(started(), "ssn"), 4, 5);
    const got = Array.from({ length: 8 }, () => numbers.next());
    assert.deepEqual(got.slice(0, 6), [0, 1, 2, 3, 4, 5]);
    assert.equal(reasonOf(got[6]), "sequence-exhausted");
    assert.equal(reasonOf(got[7]), "sequence-exhausted");
  });

  it("are never used twice, wherever the power fails", () => {
    const life = fc.record({
      count: fc.nat({ max: 30 }),
      fail: fc.option(fc.record({ write: fc.integer({ min: 1, max: 5 }), after: fc.boolean() }), {
        nil: undefined,
      }),
      block: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(life, { maxLength: 12 }), (lives) => {
        const store = started();
        let highest = -1;
        for (const { count, fail, block } of lives) {
          store.writes = 0;
          store.failBefore = fail !== undefined && !fail.after ? fail.write : Infinity;
          store.failAfter = fail?.after ? fail.write : Infinity;
          const numbers = new SequenceNumbers(new StoredReserve(store, "ssn"), block);
          try {
            for (let i = 0; i < count; i++) {
              const number = numbers.next();
              assert.ok(!(number instanceof Refusal) && number > highest);
              highest = number;
            }
          } catch (error) {
            assert.match(String(error), /power cut/);
          }
        }
      }),
    );
  });
});

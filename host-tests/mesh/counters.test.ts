import assert from "node:assert/strict";
import * as fc from "fast-check";
import { SEQ_MAX } from "../../firmware/mesh/numbers.js";
import { ReplayList } from "../../firmware/mesh/replay.js";
import { SequenceCounter } from "../../firmware/mesh/sequence.js";
import { MemoryStore, meshStorage } from "./medium.js";

/** A store whose n-th write fails, and all later ones: as the flash wears out, or as the power goes. */
class CutStore extends MemoryStore {
  #left: number;
  constructor(image: Map<string, Uint8Array>, writes: number) {
    super(image);
    this.#left = writes;
  }
  override set(key: string, value: Uint8Array): void {
    if (this.#left-- <= 0) throw new Error("no write");
    super.set(key, value);
  }
}

describe("mesh sequence numbers", () => {
  it("are never given out twice, wherever the power is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ takes: fc.nat(40), writes: fc.nat(5), clean: fc.boolean() }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 16 }),
        (lives, block) => {
          const used = new Set<number>();
          let image = new Map<string, Uint8Array>();
          for (const { takes, writes, clean } of lives) {
            const store = new CutStore(image, writes);
            const counter = new SequenceCounter(meshStorage(store), 7, block);
            for (let i = 0; i < takes; i++) {
              const seq = counter.take();
              if (seq === undefined) continue;
              assert.ok(!used.has(seq), `${seq} again`);
              used.add(seq);
            }
            if (clean) counter.flush();
            image = store.image();
          }
        },
      ),
    );
  });

  it("skip at most a block at a power cut, and nothing after a flush", () => {
    const store = new MemoryStore();
    let counter = new SequenceCounter(meshStorage(store), 7, 100);
    for (let i = 0; i < 5; i++) counter.take();
    assert.equal(new SequenceCounter(meshStorage(store), 7, 100).next, 100);
    counter = new SequenceCounter(meshStorage(store), 7, 100);
    counter.take();
    counter.flush();
    assert.equal(new SequenceCounter(meshStorage(store), 7, 100).next, 101);
  });

  it("are written once per block", () => {
    const store = new MemoryStore();
    const counter = new SequenceCounter(meshStorage(store), 7, 256);
    for (let i = 0; i < 2560; i++) counter.take();
    assert.equal(store.writes, 10);
  });

  it("start again at zero under a new IV Index, also when the power went in between", () => {
    const store = new MemoryStore();
    const counter = new SequenceCounter(meshStorage(store), 7, 10);
    counter.take();
    counter.restart(8);
    assert.equal(counter.next, 0);
    // Before the first number of the new IV Index nothing is stored of it; the IV Index itself is stored elsewhere.
    assert.equal(new SequenceCounter(meshStorage(store), 8, 10).take(), 0);
    assert.equal(counter.take(), 0);
  });

  it("end at 0xFFFFFF", () => {
    const store = new MemoryStore();
    store.set("mesh.seq", Uint8Array.of(0, 0, 0, 7, 0, 0xff, 0xff, 0xfe));
    const counter = new SequenceCounter(meshStorage(store), 7, 100);
    assert.equal(counter.left, 2);
    assert.equal(counter.take(), SEQ_MAX - 1);
    assert.equal(counter.take(), SEQ_MAX);
    assert.equal(counter.take(), undefined);
    assert.equal(counter.take(), undefined);
    assert.equal(new SequenceCounter(meshStorage(store), 7, 100).take(), undefined);
  });
});

describe("mesh replay protection list", () => {
  it("takes each number of a source once, and never one below", () => {
    const list = new ReplayList(meshStorage(new MemoryStore()), 8, 16);
    assert.equal(list.check(5, 1, 0), "new");
    assert.ok(list.accept(5, 1, 0, 0));
    assert.equal(list.check(5, 1, 0), "replay");
    assert.ok(list.accept(5, 1, 10, 0));
    assert.equal(list.check(5, 1, 9), "replay");
    assert.equal(list.check(5, 1, 11), "new");
    assert.equal(list.check(6, 1, 0), "new");
  });

  it("starts again with a newer IV Index, and refuses the older one from then on", () => {
    const list = new ReplayList(meshStorage(new MemoryStore()), 8, 16);
    list.accept(5, 1, 1000, 0);
    assert.equal(list.check(5, 2, 0), "new");
    list.accept(5, 2, 0, 0);
    assert.equal(list.check(5, 1, 2000), "replay");
    assert.equal(list.check(5, 2, 1), "new");
  });

  it("is bounded, and makes room by what is too old to be replayed", () => {
    const list = new ReplayList(meshStorage(new MemoryStore()), 2, 16);
    list.accept(1, 5, 1, 0);
    list.accept(2, 5, 1, 0);
    assert.equal(list.check(3, 5, 1), "replay-list-full");
    assert.equal(list.accept(3, 5, 1, 0), false);
    assert.equal(list.check(3, 6, 1), "replay-list-full", "IV Index 5 is still accepted at 6");
    assert.equal(list.check(3, 7, 1), "new");
    assert.ok(list.accept(3, 7, 1, 0));
    assert.equal(list.size, 2);
  });

  it("keeps acknowledgments apart from messages", () => {
    const list = new ReplayList(meshStorage(new MemoryStore()), 8, 16);
    list.accept(5, 1, 100, 0);
    assert.ok(list.acceptAcknowledgment(5, 1, 120));
    assert.equal(list.acceptAcknowledgment(5, 1, 120), false);
    assert.equal(list.acceptAcknowledgment(5, 1, 119), false);
    assert.equal(list.check(5, 1, 110), "new");
    // A source of which only acknowledgments are known may still send its number 0.
    assert.ok(list.acceptAcknowledgment(6, 1, 3));
    assert.equal(list.check(6, 1, 0), "new");
  });

  it("never accepts anything twice, wherever the power is cut", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            messages: fc.array(fc.tuple(fc.integer({ min: 1, max: 70 }), fc.nat(300)), { maxLength: 60 }),
            writes: fc.nat(12),
            clean: fc.boolean(),
          }),
          { maxLength: 8 },
        ),
        fc.integer({ min: 0, max: 40 }),
        (lives, block) => {
          const taken = new Set<string>();
          let image = new Map<string, Uint8Array>();
          for (const { messages, writes, clean } of lives) {
            const store = new CutStore(image, writes);
            const list = new ReplayList(meshStorage(store), 64, block);
            for (const [src, seq] of messages) {
              if (list.check(src, 1, seq) !== "new" || !list.accept(src, 1, seq, 0)) continue;
              const name = `${src}/${seq}`;
              assert.ok(!taken.has(name), `${name} again`);
              taken.add(name);
            }
            if (clean) list.flush();
            image = store.image();
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("is exact over a power cut for a source that sends now and then", () => {
    const store = new MemoryStore();
    const list = new ReplayList(meshStorage(store), 64, 32);
    for (let i = 0; i < 50; i++) {
      list.accept(9, 1, 4 * i, i * 60_000);
      const restarted = new ReplayList(meshStorage(new MemoryStore(store.image())), 64, 32);
      assert.equal(restarted.check(9, 1, 4 * i), "replay");
      assert.equal(restarted.check(9, 1, 4 * i + 1), "new");
    }
  });

  it("writes seldom for a busy source, which loses a limited number of messages at a power cut", () => {
    const store = new MemoryStore();
    const list = new ReplayList(meshStorage(store), 64, 32);
    for (let seq = 0; seq < 3300; seq++) list.accept(9, 1, seq, seq * 100);
    assert.ok(store.writes < 120, `${store.writes} writes`);
    const restarted = new ReplayList(meshStorage(store), 64, 32);
    assert.equal(restarted.check(9, 1, 3299), "replay");
    assert.equal(restarted.check(9, 1, 3299 + 33), "new");
  });

  it("writes its two values less than every three minutes for fifty sources that each send once a minute", () => {
    const store = new MemoryStore();
    const list = new ReplayList(meshStorage(store), 64, 32);
    for (let minute = 0; minute < 1440; minute++) {
      for (let src = 1; src <= 50; src++) list.accept(src, 1, minute * 6, minute * 60_000 + src * 1100);
    }
    assert.ok(store.writes <= 2 * 480, `${store.writes} writes in a day`);
  });

  it("has control messages move no mark but their own, which is gone with the power", () => {
    const store = new MemoryStore();
    const list = new ReplayList(meshStorage(store), 64, 32);
    for (let seq = 0; seq < 100; seq++) {
      assert.ok(list.acceptControl(7, 1, 1000 * seq));
      assert.ok(!list.acceptControl(7, 1, 1000 * seq));
      assert.equal(list.check(7, 1, seq), "new");
      list.accept(7, 1, seq, seq * 100);
    }
    assert.ok(!list.acceptControl(7, 1, 98_999));
    const restarted = new ReplayList(meshStorage(store), 64, 32);
    assert.equal(restarted.check(7, 1, 99), "replay");
    assert.ok(restarted.acceptControl(7, 1, 0));
  });

  it("makes room for messages where there were only control messages", () => {
    const list = new ReplayList(meshStorage(new MemoryStore()), 4, 0);
    for (let src = 1; src <= 40; src++) {
      list.acceptControl(src, 1, 5);
      list.acceptAcknowledgment(src, 1, 5);
    }
    for (let src = 101; src <= 104; src++) assert.ok(list.accept(src, 1, 0, 0));
    assert.equal(list.check(105, 1, 0), "replay-list-full");
    assert.ok(!list.acceptControl(105, 1, 0));
    for (let src = 101; src <= 104; src++) assert.equal(list.check(src, 1, 0), "replay");
  });

  it("loses no number at a clean restart", () => {
    const store = new MemoryStore();
    const list = new ReplayList(meshStorage(store), 64, 32);
    for (let seq = 0; seq < 320; seq++) list.accept(9, 1, seq, 0);
    list.flush();
    const restarted = new ReplayList(meshStorage(store), 64, 32);
    assert.equal(restarted.check(9, 1, 319), "replay");
    assert.equal(restarted.check(9, 1, 320), "new");
  });

  it("remembers all sources of a full list over a restart, even with a smaller limit", () => {
    const store = new MemoryStore();
    const list = new ReplayList(meshStorage(store), 100, 0);
    for (let src = 1; src <= 100; src++) list.accept(src, 1, src, 0);
    const restarted = new ReplayList(meshStorage(store), 10, 0);
    for (let src = 1; src <= 100; src++) assert.equal(restarted.check(src, 1, src), "replay");
  });
});

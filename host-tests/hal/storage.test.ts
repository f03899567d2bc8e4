import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { KeyValueStore } from "../../hal/hal.js";
import { crc32 } from "../../hal/host/crc32.js";
import { LogStore, MemoryStore, openFileStore, StoreError } from "../../hal/host/storage.js";
import { CutStore, PowerCut, TornMedium } from "../../sim/flash.js";
import { Random } from "../../sim/random.js";

const bytes = (...values: number[]) => Uint8Array.from(values);

describe("host storage", () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "store-"));
    path = join(directory, "device");
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it("computes CRC-32 with the check value of its catalogue", () => {
    assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  });

  const kinds: [string, () => KeyValueStore][] = [
    ["in memory", () => new MemoryStore()],
    ["in a file", () => openFileStore(path, { sync: false })],
    ["behind a power switch", () => new CutStore(new MemoryStore(), new Random(1))],
  ];
  for (const [name, open] of kinds) {
    it(`keeps, replaces, deletes and lists values ${name}, without sharing memory`, () => {
      const store = open();
      assert.equal(store.get("a"), undefined);
      const value = Buffer.from([1, 2, 3]);
      store.set("a", value);
      value.fill(9);
      assert.deepEqual(store.get("a"), bytes(1, 2, 3));
      store.get("a")!.fill(9);
      assert.deepEqual(store.get("a"), bytes(1, 2, 3));
      store.set("b", new Uint8Array(512));
      store.set("c", new Uint8Array(0));
      assert.deepEqual(store.keys().sort(), ["a", "b", "c"]);
      assert.deepEqual(store.get("c"), new Uint8Array(0));
      store.delete("a");
      store.delete("a");
      assert.equal(store.get("a"), undefined);
      assert.deepEqual(store.keys().sort(), ["b", "c"]);
      assert.throws(() => store.set("d", new Uint8Array(513)), RangeError);
      assert.throws(() => store.set("", value), RangeError);
      assert.throws(() => store.set("ü", value), RangeError);
    });
  }

  it("finds everything again after a restart, in a file that only its owner reads", () => {
    const store = openFileStore(path);
    store.set("a", bytes(1));
    store.set("b", bytes(2));
    store.set("a", bytes(3));
    store.delete("b");
    store.close();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const again = openFileStore(path);
    assert.deepEqual(again.keys(), ["a"]);
    assert.deepEqual(again.get("a"), bytes(3));
    again.set("c", bytes(4));
    again.close();
    assert.deepEqual(openFileStore(path).keys(), ["a", "c"]);
  });

  it("takes back the last value whole, wherever the file was cut", () => {
    const store = openFileStore(path, { sync: false });
    const lengths: number[] = [];
    for (let i = 0; i < 4; i++) {
      store.set("counter", bytes(i, i, i));
      lengths.push(statSync(path).size);
    }
    store.close();
    const whole = readFileSync(path);
    for (let length = 0; length <= whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const cut = openFileStore(path, { sync: false });
      const written = lengths.filter((end) => end <= length).length;
      assert.deepEqual(cut.get("counter"), written === 0 ? undefined : bytes(...Array(3).fill(written - 1)));
      cut.set("counter", bytes(77));
      cut.close();
      const after = openFileStore(path, { sync: false });
      assert.deepEqual(after.get("counter"), bytes(77));
      after.close();
    }
  });

  it("stays small however often a value changes", () => {
    const store = openFileStore(path, { sync: false });
    store.set("key", new Uint8Array(16).fill(1));
    for (let i = 0; i < 5000; i++) store.set("counter", bytes(i >> 8, i));
    store.close();
    assert.ok(statSync(path).size < 20_000, `${statSync(path).size} bytes`);
    assert.equal(existsSync(`${path}.new`), false);
    const again = openFileStore(path);
    assert.deepEqual(again.get("counter"), bytes(4999 >> 8, 4999));
    assert.deepEqual(again.get("key"), new Uint8Array(16).fill(1));
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("refuses a damaged store, a newer one and a stranger's file, and touches none", () => {
    const store = openFileStore(path, { sync: false });
    for (let i = 0; i < 5; i++) store.set("counter", bytes(i));
    store.close();
    const good = readFileSync(path);
    const refused = (content: Uint8Array, code: StoreError["code"]) => {
      writeFileSync(path, content);
      assert.throws(
        () => openFileStore(path),
        (error: unknown) =>
          error instanceof StoreError && error.code === code && error.message.includes(path),
      );
      assert.deepEqual(readFileSync(path), Buffer.from(content));
    };
    const damaged = Uint8Array.from(good);
    damaged[30] ^= 4;
    refused(damaged, "corrupt");
    const newer = Uint8Array.from(good);
    newer[4] = 2;
    refused(newer, "newer-version");
    refused(new TextEncoder().encode("something else"), "not-a-store");
  });

  it("keeps counting up through power cuts at any write", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 15 }),
        (seed, cuts) => {
          const random = new Random(seed);
          const medium = new TornMedium(random);
          let acknowledged = -1;
          let tried = -1;
          for (const cut of cuts) {
            medium.cutAt(cut);
            try {
              const store = new LogStore(medium);
              for (;;) {
                tried++;
                store.set("counter", bytes(tried >> 8, tried));
                acknowledged = tried;
                store.set(`other${random.below(4)}`, random.bytes(random.below(512)));
              }
            } catch (error) {
              if (!(error instanceof PowerCut)) throw error;
            }
            medium.restore();
            const [high, low] = new LogStore(medium).get("counter") ?? [0xff, 0xff];
            const found = acknowledged < 0 && high === 0xff ? -1 : (high << 8) | low;
            assert.ok(found === acknowledged || found === tried, `${found}, not ${acknowledged} or ${tried}`);
            acknowledged = found;
            tried = found;
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it("writes all anew after a write that failed, so that later values are not lost behind a torn record", () => {
    const medium = new TornMedium(new Random(5));
    const store = new LogStore(medium);
    store.set("a", bytes(1));
    medium.cutAt(1);
    assert.throws(() => store.set("a", bytes(2)), PowerCut);
    assert.deepEqual(store.get("a"), bytes(1), "what is not durable is not seen");
    medium.restore(); // as a disk that was full and no longer is
    store.set("b", bytes(3));
    assert.deepEqual(new LogStore(medium).get("b"), bytes(3));
    assert.deepEqual(new LogStore(medium).get("a"), bytes(1));
  });

  it("cuts a store off in the write asked for, and until power is back", () => {
    let survived = 0;
    for (let seed = 0; seed < 40; seed++) {
      const store = new CutStore(new MemoryStore(), new Random(seed));
      store.cutAt(2);
      store.set("a", bytes(1));
      assert.throws(() => store.set("a", bytes(2)), PowerCut);
      assert.throws(() => store.set("b", bytes(1)), PowerCut);
      store.restore();
      const [value] = store.get("a")!;
      assert.ok(value === 1 || value === 2);
      if (value === 2) survived++;
      assert.equal(store.get("b"), undefined);
      assert.equal(store.operations, 2);
    }
    assert.ok(survived > 8 && survived < 32);
  });
});

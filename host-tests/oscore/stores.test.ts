import assert from "node:assert/strict";
import { hex } from "../../firmware/bytes/hex.js";
import type { TableContext } from "../../firmware/oscore/context-table.js";
import { KeyValueContextStore } from "../../firmware/oscore/key-value-store.js";
import { MemoryContextStore } from "../../firmware/oscore/memory-store.js";
import { ReplayWindow } from "../../firmware/oscore/replay.js";
import { StoredState } from "../../firmware/oscore/state.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { reasonOf } from "./helpers.js";
import { describeContextStore } from "./store-contract.js";

describeContextStore<TableContext>("in memory", "nothing", () => ({
  open: () => new MemoryContextStore(hostCrypto),
  add: (store, parameters, policy) => (store as MemoryContextStore).add(parameters, policy),
  remove: (store, context) => (store as MemoryContextStore).remove(context),
}));

for (const durableWindows of [true, false]) {
  const durability = durableWindows ? "numbers and windows" : "numbers";
  describeContextStore<TableContext>(`key-value, keeping ${durability}`, durability, () => {
    const values = new MemoryStore();
    return {
      open: () => new KeyValueContextStore(hostCrypto, values, { durableWindows }),
      add: (store, parameters, policy) => (store as KeyValueContextStore).add(parameters, policy),
      remove: (store, context) => (store as KeyValueContextStore).remove(context),
    };
  });
}

describe("key-value context store", () => {
  const parameters = {
    masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
    senderId: hex("01"),
    recipientId: hex(""),
  };

  it("leaves values alone that it cannot read, and says which", () => {
    const values = new MemoryStore();
    values.set("oscore.c0", hex("00"));
    values.set("oscore.cä".slice(0, 8), hex("a0"));
    values.set("other", hex("00"));
    const store = new KeyValueContextStore(hostCrypto, values);
    assert.deepEqual(store.unreadable, ["oscore.c0", "oscore.c"]);
    assert.equal(store.size, 0);
    assert.ok(values.get("oscore.c0"));
  });

  it("keeps two stores under two prefixes apart", () => {
    const values = new MemoryStore();
    new KeyValueContextStore(hostCrypto, values, { prefix: "a." }).add(parameters);
    assert.equal(new KeyValueContextStore(hostCrypto, values, { prefix: "b." }).size, 0);
    assert.equal(new KeyValueContextStore(hostCrypto, values, { prefix: "a." }).size, 1);
  });

  it("counts numbers and window as lost when their value is gone", () => {
    const values = new MemoryStore();
    new KeyValueContextStore(hostCrypto, values).add(parameters);
    values.delete("oscore.s0");
    const [context] = new KeyValueContextStore(hostCrypto, values).find(hex(""), undefined);
    assert.equal(context.window, undefined);
    assert.equal(reasonOf(context.next()), "sequence-lost");
  });
});

describe("stored state", () => {
  it("changes in one write each", () => {
    let writes = 0;
    const values = new MemoryStore();
    const counted = {
      get: (key: string) => values.get(key),
      set: (key: string, value: Uint8Array) => {
        writes++;
        values.set(key, value);
      },
      delete: (key: string) => values.delete(key),
      keys: () => values.keys(),
    };
    const state = new StoredState(counted, "s");
    const window = new ReplayWindow();
    window.accept(4);
    const actions = [
      () => state.initialize(),
      () => assert.equal(state.reserve(64), 0),
      () => state.saveWindow(window),
      () => state.renew(hex("aabb"), 2, window),
      () => assert.equal(state.reserve(64), 2),
    ];
    for (const action of actions) {
      writes = 0;
      action();
      assert.equal(writes, 1);
    }
    const again = new StoredState(values, "s");
    assert.deepEqual(again.idContext, hex("aabb"));
    assert.equal(again.window?.check(4), false);
    assert.equal(again.reserve(1), 66);
  });

  it("is lost where it is cut", () => {
    const values = new MemoryStore();
    const state = new StoredState(values, "s");
    state.renew(hex("aabb"), 2, new ReplayWindow());
    const whole = values.get("s")!;
    for (const length of [0, 1, 5, 7, 8]) {
      values.set("s", whole.slice(0, length));
      assert.equal(reasonOf(state.reserve(1)), "sequence-lost");
      assert.equal(state.window, undefined);
    }
    assert.throws(() => state.renew(new Uint8Array(255), 0, new ReplayWindow()), RangeError);
  });

  it("with the numbers alone says that the window is lost", () => {
    const values = new MemoryStore();
    values.set("s", hex("00000000002a"));
    const state = new StoredState(values, "s");
    assert.equal(state.window, undefined);
    assert.equal(state.idContext, undefined);
    assert.equal(state.reserve(1), 42);
  });
});

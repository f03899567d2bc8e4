import assert from "node:assert/strict";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { SequenceNumbers, StoredReserve } from "../../firmware/oscore/sequence.js";
import { type Identity, loadIdentity, SETTINGS_KEY, saveIdentity } from "../../firmware/roles/identity.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { STATE_KEY } from "../../firmware/roles/server-link.js";
import { MemoryStore } from "../../hal/host/storage.js";

const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

const node: Identity = {
  name: "node-1",
  mesh: {
    address: 0x0100,
    netKey: bytes(16, 1),
    appKey: bytes(16, 2),
    deviceKey: bytes(16, 3),
    ivIndex: 0,
    ttl: 5,
    publish: 0xc001,
    subscriptions: [0xc002],
    relay: false,
  },
  oscore: {
    masterSecret: bytes(16, 4),
    masterSalt: bytes(8, 5),
    senderId: new Uint8Array(0),
    recipientId: Uint8Array.of(0),
  },
  settings: { interval: 60, confirmable: true, batch: 8 },
};

const relay: Identity = {
  ...node,
  name: "relay-1",
  mesh: {
    address: 0x4000,
    netKey: bytes(16, 1),
    deviceKey: bytes(16, 3),
    ivIndex: 7,
    ttl: 5,
    subscriptions: [],
    relay: true,
  },
};

describe("identity", () => {
  it("comes back as it was saved", () => {
    const { oscore: _, ...blind } = relay;
    const client = { ...node.oscore!, recipientId: Uint8Array.of(0x63) };
    for (const identity of [node, blind, { ...node, client }]) {
      const store = new MemoryStore();
      saveIdentity(store, identity);
      assert.deepEqual(loadIdentity(store), identity);
    }
  });

  it("fits into one value of the HAL's store", () => {
    const store = new MemoryStore();
    saveIdentity(store, { ...node, name: "a".repeat(64) });
    assert.ok((store.get("identity") as Uint8Array).length <= 512);
  });

  it("says that a device is not provisioned", () => {
    const identity = loadIdentity(new MemoryStore());
    assert.ok(identity instanceof Refusal && identity.reason === "not-provisioned");
  });

  it("names a damaged field and shows no key", () => {
    const store = new MemoryStore();
    saveIdentity(store, { ...node, mesh: { ...node.mesh, netKey: bytes(15, 0xab) } });
    const identity = loadIdentity(store);
    assert.ok(identity instanceof Refusal && identity.reason === "identity-damaged");
    assert.match(identity.detail ?? "", /netKey/);
    assert.doesNotMatch(identity.detail ?? "", /171|ab/);
  });

  it("takes any stored bytes without an exception", () => {
    const store = new MemoryStore();
    for (const stored of ["", "a0", "80", "ff", "a10041"]) {
      store.set("identity", Uint8Array.from(Buffer.from(stored, "hex")));
      assert.ok(loadIdentity(store) instanceof Refusal);
    }
  });
});

describe("provisioning", () => {
  const next = (store: MemoryStore) => new SequenceNumbers(new StoredReserve(store, STATE_KEY)).next();

  it("starts the numbers of a new context, and never takes them back", () => {
    const store = new MemoryStore();
    provision(store, node);
    assert.equal(next(store), 0);
    provision(store, node);
    const later = next(store);
    assert.ok(typeof later === "number" && later > 0);
  });

  it("does not invent numbers for a context that has lost them", () => {
    const store = new MemoryStore();
    provision(store, node);
    store.delete(STATE_KEY);
    provision(store, node);
    const lost = next(store);
    assert.ok(lost instanceof Refusal && lost.reason === "sequence-lost");
  });

  it("goes on above the old numbers when the context is another one", () => {
    const store = new MemoryStore();
    provision(store, node);
    next(store);
    provision(store, { ...node, oscore: { ...node.oscore!, masterSecret: bytes(16, 9) } });
    const number = next(store);
    assert.ok(typeof number === "number" && number > 0);
  });

  it("writes nothing when nothing has changed", () => {
    const store = new MemoryStore();
    provision(store, node);
    let writes = 0;
    const counting = Object.create(store, { set: { value: () => writes++ } }) as MemoryStore;
    counting.get = (key) => store.get(key);
    provision(counting, node);
    assert.equal(writes, 0);
  });

  it("keeps what the node was told since, until somebody decides anew", () => {
    const store = new MemoryStore();
    provision(store, node);
    store.set(SETTINGS_KEY, Uint8Array.of(0xa0));
    provision(store, { ...node, mesh: { ...node.mesh, ttl: 7 } });
    assert.ok(store.get(SETTINGS_KEY) !== undefined, "only its neighbourhood has changed");
    provision(store, { ...node, settings: { ...node.settings, interval: 61 } });
    assert.equal(store.get(SETTINGS_KEY), undefined);
  });
});

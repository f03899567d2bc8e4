import { concat, equal } from "../../../../firmware/bytes/compare.js";
import { Counters } from "../../../../firmware/bytes/counters.js";
import { hex } from "../../../../firmware/bytes/hex.js";
import { Refusal } from "../../../../firmware/bytes/refusal.js";
import { encodeIdentity, type Identity, loadIdentity } from "../../../../firmware/roles/identity.js";
import { UplinkQueue } from "../../../../firmware/roles/uplink-queue.js";
import { UplinkStore } from "../../../../firmware/roles/uplink-store.js";
import { LogStore, MemoryStore, StoreError } from "../../../../hal/host/storage.js";
import { type GuidedTarget, must } from "../target.js";

const KEY = hex("000102030405060708090a0b0c0d0e0f");

const NODE: Identity = {
  name: "node-1",
  mesh: {
    address: 5,
    netKey: KEY,
    appKey: KEY,
    deviceKey: KEY,
    ivIndex: 0,
    ttl: 5,
    publish: 2,
    subscriptions: [0xc001],
    relay: false,
  },
  oscore: {
    masterSecret: KEY,
    masterSalt: hex("0102030405060708"),
    senderId: hex("01"),
    recipientId: hex(""),
  },
  settings: { interval: 60, confirmable: true, batch: 8 },
};

/** A log in memory. */
class Log {
  bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  load(): Uint8Array {
    return this.bytes.slice();
  }
  append(bytes: Uint8Array): void {
    this.bytes = concat(this.bytes, bytes);
  }
  replace(bytes: Uint8Array): void {
    this.bytes = bytes.slice();
  }
  truncate(length: number): void {
    this.bytes = this.bytes.slice(0, length);
  }
  close(): void {}
}

function logOf(...entries: readonly [string, Uint8Array][]): Uint8Array {
  const log = new Log(new Uint8Array(0));
  const store = new LogStore(log);
  for (const [key, value] of entries) store.set(key, value);
  return log.bytes;
}

const targets: readonly GuidedTarget[] = [
  {
    name: "identity",
    holds:
      "whatever stands in a device's storage as its identity: it is whole, or refused by the names of its fields",
    longest: 260,
    seeds: [
      encodeIdentity(NODE),
      encodeIdentity({ name: "relay-1", mesh: { ...NODE.mesh, relay: true }, settings: NODE.settings }),
    ],
    run(input) {
      const values = new MemoryStore();
      values.set("identity", input);
      const identity = loadIdentity(values);
      if (identity instanceof Refusal) return 1;
      values.set("identity", encodeIdentity(identity));
      must(!(loadIdentity(values) instanceof Refusal), "what was written is refused");
      return 1;
    },
  },
  {
    name: "uplink-store",
    holds:
      "whatever stands in a gateway's storage as waiting datagrams: they fit the queue, and the store goes on",
    longest: 300,
    seeds: [hex("0100051234000000100004deadbeef0006000100000000000101")],
    run(input) {
      const place = new MemoryStore();
      place.set("uplink.7", input);
      const counters = new Counters();
      const queue = new UplinkQueue({ capacity: 4, bytes: 256, counters });
      const store = new UplinkStore({ place, counters });
      store.restore(1000, (arrival) => queue.push(arrival, 1000));
      must(queue.length <= 4, `${queue.length} datagrams`);
      store.write(queue.waiting, 2000);
      must(store.blocks <= 3, `${store.blocks} blocks`);
      return 1;
    },
  },
  {
    name: "log-store",
    holds: "whatever stands in a store's file: it opens with values that take new ones, or says why not",
    longest: 300,
    seeds: [logOf(["a", hex("0102")], ["b", KEY], ["a", hex("03")])],
    run(input) {
      const log = new Log(input);
      let store: LogStore;
      try {
        store = new LogStore(log);
      } catch (error) {
        must(error instanceof StoreError, `${error}`);
        return 1;
      }
      store.set("new", KEY);
      const again = new LogStore(log);
      must(equal(again.get("new") ?? hex(""), KEY), "a value was lost");
      must(again.keys().length === store.keys().length, "another number of values");
      return 1;
    },
  },
];

export default targets;

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CloudEndpoint } from "../../cloud/endpoint.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Batch, CommitResult, ContextState, Store } from "../../cloud/store/store.js";
import { Code } from "../../firmware/coap/numbers.js";
import { deriveContext } from "../../firmware/oscore/context.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { CloudContexts } from "./context-store.js";
import { Bench, decode, renumbered, TestNode } from "./helpers.js";

const KEY = new Uint8Array(32).fill(7);

/** Makes a store take its time: what it is to commit is settled when it is asked, and happens when the test says. */
function slowDown(store: Store): {
  succeed(): void;
  fail(): void;
  happenUnheard(): void;
  readonly length: number;
} {
  const commit = store.commit.bind(store);
  const waiting: { batch: Batch; done: (result: CommitResult) => void }[] = [];
  store.commit = ({ requests, events, health }, done) => {
    const frozen = new Map<ContextState, ContextState>();
    const freeze = (context: ContextState): ContextState => {
      const state = context.state();
      return {
        get id() {
          return context.id;
        },
        set id(id) {
          context.id = id;
        },
        version: 0,
        state: () => state,
      };
    };
    for (const { context } of requests) if (!frozen.has(context)) frozen.set(context, freeze(context));
    const batch = {
      requests: requests.map((request) => ({ ...request, context: frozen.get(request.context)! })),
      events,
      health,
    };
    waiting.push({ batch, done });
  };
  const next = () => {
    const first = waiting.shift();
    assert.ok(first, "a commit is under way");
    return first;
  };
  return {
    get length() {
      return waiting.length;
    },
    succeed() {
      const { batch, done } = next();
      commit(batch, done);
    },
    fail() {
      next().done(new Error("disk full"));
    },
    happenUnheard() {
      const { batch, done } = next();
      commit(batch, () => done(new Error("connection lost")));
    },
  };
}

describe("cloud commits", () => {
  let directory: string;
  let bench: Bench;
  let disk: ReturnType<typeof slowDown>;
  let endpoint: CloudEndpoint;
  const node = () => new TestNode("node-1", 1, { replayWindow: 32 });
  let sender: TestNode;

  const open = () =>
    Bench.create({ store: openSqlite({ file: join(directory, "store.db") }), storeKey: KEY });
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
    sender = node();
    bench = await open();
    await bench.cloud.registry.upsert(sender.spec);
    bench.settle();
    bench.answers.length = 0;
    endpoint = bench.cloud.endpoint;
    disk = slowDown(bench.cloud.store);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const codes = () => bench.answers.map(({ datagram }) => decode(datagram).code);
  const stored = async () =>
    (await bench.cloud.store.readings({ limit: 99 })).map(({ temperature }) => temperature);

  it("decide once more what was accepted on top of one that fails", async () => {
    const [first, second] = [sender.reading(1), sender.reading(2)];
    bench.receive(first.datagram);
    bench.receive(second.datagram);
    assert.equal(disk.length, 1);
    disk.fail();
    assert.deepEqual(codes(), [Code.SERVICE_UNAVAILABLE]);
    bench.settle();
    disk.succeed();
    assert.deepEqual(codes(), [Code.SERVICE_UNAVAILABLE, Code.CHANGED]);
    bench.settle();
    bench.receive(renumbered(first.datagram, 900));
    disk.succeed();
    assert.equal(bench.live.reading.length, 2, "the first was not accepted yet, and comes late");
    await bench.cloud.store.close();

    bench = await open();
    bench.receive(renumbered(first.datagram, 901));
    bench.receive(renumbered(second.datagram, 902));
    assert.equal(bench.live.reading.length, 0, "the disk knows both");
    assert.deepEqual((await stored()).sort(), [1, 2]);
    await bench.cloud.stop();
  });

  it("may have happened when nobody heard of it: the reading is there once all the same", async () => {
    const first = sender.reading(1);
    bench.receive(first.datagram);
    disk.happenUnheard();
    assert.deepEqual(codes(), [Code.SERVICE_UNAVAILABLE]);
    bench.settle();
    bench.receive(renumbered(first.datagram, 900));
    while (disk.length > 0) {
      disk.succeed();
      bench.settle();
    }
    assert.deepEqual(codes(), [Code.SERVICE_UNAVAILABLE, Code.CHANGED]);
    assert.deepEqual(await stored(), [1]);
    await bench.cloud.store.close();
  });

  it("of new keys that fail take down what was accepted under them meanwhile", async () => {
    const store = openSqlite({ file: ":memory:" });
    const contexts = await CloudContexts.open(store);
    const former = await contexts.add({
      masterSecret: new Uint8Array(16),
      senderId: Uint8Array.of(1),
      recipientId: Uint8Array.of(2),
    });
    const { device } = former;
    const slow = slowDown(store);
    const renew = (number: number) => {
      const context = device.context!;
      const idContext = Uint8Array.of(number);
      const security = deriveContext(hostCrypto, { ...context.parameters, idContext });
      return contexts.commit({ kind: "replace", context, partialIv: 0, idContext, security, now: 0 });
    };
    const results = [renew(1)];
    results.push(contexts.commit({ kind: "accept", context: device.context!, partialIv: 5 }));
    results.push(renew(2));
    assert.notEqual(device.context, former);
    slow.fail();
    assert.equal(device.context, former, "the keys that the disk knows");
    assert.deepEqual(await Promise.all(results), [false, false, false]);
    assert.equal(slow.length, 0);
    const after = contexts.commit({ kind: "accept", context: former, partialIv: 5 });
    slow.succeed();
    assert.equal(await after, true);
    await store.close();
  });

  it("can be waited for, the one under way and the next", async () => {
    bench.receive(sender.reading(1).datagram);
    bench.receive(sender.reading(2).datagram);
    let settled = false;
    const settling = endpoint.settle().then(() => {
      settled = true;
    });
    disk.succeed();
    await Promise.resolve();
    assert.equal(settled, false);
    await new Promise((resolve) => setImmediate(resolve));
    disk.succeed();
    await settling;
    assert.equal(bench.answers.length, 2);
    await bench.cloud.store.close();
  });
});

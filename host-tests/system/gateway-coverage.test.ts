import assert from "node:assert/strict";
import type { RequestHandler } from "../../firmware/coap/messaging.js";
import { LONG_WAY } from "../../firmware/roles/server-link.js";
import { LogStore, MemoryStore } from "../../hal/host/storage.js";
import { Field } from "../../scripts/soak/field.js";
import { PowerCut, TornMedium } from "../../sim/flash.js";
import { Random } from "../../sim/random.js";
import { GatewayBench, type PlainNode } from "./gateway-bench.js";

const MINUTE = 60;
const HOUR = 3600;
const POST = 0x02;

/** Sends a request with a number for a payload; what became of it stands in the result. */
function post(node: PlainNode, number: number, confirmable = true) {
  const result: { answers: number; failure: string | undefined } = { answers: 0, failure: undefined };
  const handler: RequestHandler = {
    onResponse: () => {
      result.answers++;
      return "done";
    },
    onFailure: (failure) => {
      result.failure = failure;
    },
  };
  node.act((layer, now) =>
    layer.request("gateway", { code: POST, options: [], payload: Uint8Array.of(number) }, handler, now, {
      confirmable,
    }),
  );
  return result;
}

/** The numbers of the requests that came to the server, in their order; the gateway's own reports left out. */
function numbers(bench: GatewayBench): number[] {
  return bench.server.received
    .filter(({ bytes }) => bytes[1] === POST && bytes.length < 12)
    .map(({ bytes }) => bytes[bytes.length - 1]);
}

/** Readings that are not in the store although they were measured a while ago. */
async function missing(field: Field): Promise<readonly string[]> {
  field.stopMeasuring();
  field.run(30 * MINUTE);
  const balance = await field.balance();
  assert.deepEqual(balance.doubled, []);
  assert.deepEqual(balance.unknown, []);
  return balance.missing;
}

describe("a gateway without coverage", () => {
  it("sends what waited in its order when coverage is back", () => {
    const bench = new GatewayBench({ nodes: 3 }).connect();
    const nodes = [bench.addNode(), bench.addNode(), bench.addNode()];
    bench.modem.cellular.setCoverage(false);
    bench.run(MINUTE);
    for (let i = 0; i < 9; i++) {
      post(nodes[i % 3], i, false);
      bench.run(5);
    }
    assert.deepEqual(numbers(bench), []);
    assert.equal(bench.role.uplink.queue.length, 9);
    bench.modem.cellular.setCoverage(true);
    bench.run(2 * MINUTE);
    assert.deepEqual(numbers(bench), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("drops the oldest when its queue is full, and says so in its next report", async () => {
    const field = await new Field({
      nodes: 6,
      settings: { interval: 60, confirmable: false },
      gateway: { queue: { capacity: 20 } },
    }).start();
    field.run(5 * MINUTE);
    field.setCoverage(false);
    field.run(10 * MINUTE);
    assert.equal(field.gateway.role.uplink.queue.length, 20);
    field.setCoverage(true);
    field.run(10 * MINUTE);
    const counted = field.gateway.role.counters.get("uplink: dropped, queue full");
    assert.ok(counted >= 30, `${counted} dropped`);
    const { missing: lost } = await field.balance();
    assert.ok(Math.abs(lost.length - counted) <= 6, `${lost.length} missing, ${counted} counted`);
    const told = field.cloud.registry.get("gateway-1")?.health?.drops ?? {};
    assert.equal(told["uplink: dropped, queue full"], counted);
  });

  describe("and an answer that comes late", () => {
    it("still gets to a node that waits for it, and the server is asked once", () => {
      const bench = new GatewayBench().connect();
      // Its last copy is 240 s younger than the end of its patience: so long the hop keeps its names at least.
      const node = bench.addNode(undefined, {
        transmission: { ackTimeout: 30_000, ackRandomFactor: 1, maxRetransmit: 3 },
      });
      bench.modem.cellular.setCoverage(false);
      bench.run(MINUTE);
      const result = post(node, 1);
      bench.run(6 * MINUTE);
      assert.equal(bench.role.uplink.queue.length, 1);
      bench.modem.cellular.setCoverage(true);
      bench.run(MINUTE);
      assert.deepEqual(result, { answers: 1, failure: undefined });
      assert.deepEqual(numbers(bench), [1]);
    });

    it("is passed over by a node that has just given up, and disturbs nothing", () => {
      const bench = new GatewayBench().connect();
      const node = bench.addNode(undefined, { transmission: LONG_WAY });
      bench.modem.cellular.setCoverage(false);
      bench.run(MINUTE);
      const first = post(node, 1);
      bench.run(4 * MINUTE);
      assert.equal(first.failure, "timeout");
      bench.modem.cellular.setCoverage(true);
      bench.run(2 * MINUTE);
      assert.deepEqual(numbers(bench), [1]);
      assert.equal(node.layer.counters.get("coap-ack-unexpected"), 1);
      const second = post(node, 2);
      bench.run(MINUTE);
      assert.equal(second.answers, 1);
    });

    it("does not burden the mesh when nobody can wait for it any more", () => {
      const bench = new GatewayBench().connect();
      const node = bench.addNode(undefined, { transmission: LONG_WAY });
      bench.modem.cellular.setCoverage(false);
      bench.run(MINUTE);
      post(node, 1);
      bench.run(20 * MINUTE);
      bench.modem.cellular.setCoverage(true);
      bench.run(10 * MINUTE);
      assert.deepEqual(numbers(bench), [1]);
      assert.deepEqual(node.received, []);
      assert.equal(bench.role.drops().get("hop: hop-message-id-unknown"), 1);
    });
  });

  describe("that loses its power", () => {
    it("sends afterwards what waited before, in its order and once", () => {
      const bench = new GatewayBench({ nodes: 2 }).connect();
      const nodes = [bench.addNode(), bench.addNode()];
      bench.modem.cellular.setCoverage(false);
      bench.run(MINUTE);
      for (let i = 0; i < 8; i++) post(nodes[i % 2], i, false);
      bench.run(5 * MINUTE);
      bench.cutPower();
      bench.run(MINUTE);
      bench.switchOn();
      bench.run(5 * MINUTE);
      assert.deepEqual(
        numbers(bench).toSorted((a, b) => a - b),
        [0, 1, 2, 3, 4, 5, 6, 7],
      );
      for (const turn of [0, 1]) {
        const own = numbers(bench).filter((number) => number % 2 === turn);
        assert.deepEqual(
          own,
          own.toSorted((a, b) => a - b),
        );
      }
      assert.equal(bench.role.drops().get("uplink: brought back after a restart"), 8);
      assert.deepEqual(
        bench.store.keys().filter((key) => key.startsWith("uplink.")),
        [],
      );
    });

    it("in order, writes down what waits and switches the modem off", () => {
      const bench = new GatewayBench().connect();
      const node = bench.addNode();
      bench.modem.cellular.setCoverage(false);
      bench.run(MINUTE);
      post(node, 1, false);
      bench.run(1);
      bench.role.stop();
      assert.equal(bench.store.keys().filter((key) => key.startsWith("uplink.")).length, 1);
      bench.run(2 * MINUTE);
      assert.equal(bench.role.modem.state, "off");
      assert.equal(bench.modem.state, "off");
    });

    it("loses no reading of nodes that wait for the server's word, wherever the cut falls", async () => {
      const field = await new Field({ nodes: 4, settings: { interval: 120 } }).start();
      for (let i = 0; i < 6; i++) {
        field.run(5 * MINUTE + i * 17);
        field.setCoverage(false);
        field.run(10 * MINUTE + i * 71);
        field.cutPower("gateway-1");
        field.run(30);
        field.switchOn("gateway-1");
      }
      field.run(10 * MINUTE);
      assert.deepEqual(await missing(field), []);
    });

    it("in the middle of any write to its flash, torn ones included, loses and doubles nothing", async () => {
      let cuts = 0;
      for (let operation = 1; operation <= 16; operation++) {
        const medium = new TornMedium(new Random(operation));
        const field = await new Field({
          nodes: 5,
          seed: operation,
          settings: { interval: 240 },
          gateway: { keep: { after: MINUTE * 1000, every: MINUTE * 1000, blocks: 8 } },
          store: (name) => (name === "gateway-1" ? new LogStore(medium) : new MemoryStore()),
        }).start();
        field.run(5 * MINUTE);
        field.setCoverage(false);
        field.run(MINUTE);
        medium.cutAt(operation);
        try {
          field.run(20 * MINUTE);
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
          cuts++;
        }
        field.cutPower("gateway-1");
        medium.restore();
        field.stores.set("gateway-1", new LogStore(medium));
        field.switchOn("gateway-1");
        field.run(10 * MINUTE);
        assert.deepEqual(await missing(field), []);
        assert.equal(field.gateway.role.counters.get("uplink: stored block damaged"), 0);
      }
      assert.ok(cuts >= 12, `${cuts} cuts`);
    });
  });
});

describe("a gateway with power saving", () => {
  const SAVING = { powerSaving: { periodicUpdate: 6 * HOUR, activeTime: 2 } };

  async function saving(nodes: number, interval: number, spread: number, gather = {}): Promise<Field> {
    return new Field({
      nodes,
      settings: { interval },
      spread,
      gateway: { modem: SAVING, gather, healthInterval: 6 * HOUR * 1000 },
    }).start();
  }

  it("lets the modem sleep, and wakes it for several readings at once", async () => {
    const field = await saving(10, 600, 0);
    field.run(3 * HOUR);
    const { use } = field.gateway.modem.cellular;
    const rounds = (3 * HOUR) / 600;
    assert.ok(field.gateway.role.modem.activity.sleeps >= rounds - 1);
    assert.ok(use.sessions <= 2 * rounds, `${use.sessions} sessions for ${use.datagramsUp} datagrams`);
    assert.ok(use.datagramsUp >= 10 * rounds);
    assert.deepEqual(await missing(field), []);
  });

  it("never lets a node run out of patience: no request is given up, no reading sent twice", async () => {
    const field = await saving(8, 600, 600);
    field.run(2 * HOUR);
    for (const [name, { role }] of field.nodes) {
      assert.equal(role.counters.get("request failed: timeout"), 0, name);
    }
    assert.deepEqual(await missing(field), []);
  });

  it("makes fewer sessions by holding than without", async () => {
    const [held, hasty] = [await saving(12, 600, 600), await saving(12, 600, 600, { hold: 0 })];
    for (const field of [held, hasty]) field.run(2 * HOUR);
    const sessions = (field: Field) => field.gateway.modem.cellular.use.sessions;
    assert.ok(sessions(held) < 0.9 * sessions(hasty), `${sessions(held)} against ${sessions(hasty)}`);
    assert.deepEqual(await missing(held), []);
    assert.deepEqual(await missing(hasty), []);
  });

  it("tells of itself in sessions that others begin", async () => {
    const options = { modem: SAVING, healthInterval: 15 * MINUTE * 1000 };
    const field = await new Field({
      nodes: 3,
      settings: { interval: 1800 },
      spread: 1800,
      gateway: options,
    }).start();
    field.run(2 * MINUTE);
    assert.ok(field.cloud.registry.get("gateway-1")?.health !== undefined, "the first one at once");
    field.run(6 * HOUR);
    const with3Nodes = field.gateway.modem.cellular.use.sessions;
    // 36 readings; 24 reports would have been sessions of their own.
    assert.ok(with3Nodes <= 42, `${with3Nodes} sessions`);
    assert.ok((field.cloud.registry.get("gateway-1")?.health?.uptime ?? 0) > 5 * HOUR);
  });
});

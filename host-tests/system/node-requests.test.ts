import assert from "node:assert/strict";
import type { InjectOptions } from "fastify";
import { SETTINGS_KEY } from "../../firmware/roles/identity.js";
import { NodeRole } from "../../firmware/roles/node.js";
import { Sht3x } from "../../firmware/sensor/sht3x.js";
import { LogStore } from "../../hal/host/storage.js";
import { type DeviceEngine, nodeEngine } from "../../sim/engine.js";
import { PowerCut, TornMedium } from "../../sim/flash.js";
import type { ModemNetwork } from "../../sim/modem/modem-network.js";
import { Random } from "../../sim/random.js";
import type { Measured } from "../../sim/world.js";
import { assertOnlyTruth, TestSystem } from "./harness.js";
import { HttpClient } from "./http-client.js";

const SETTINGS = "/api/nodes/node-1/settings";
const put = (payload: object): InjectOptions => ({ method: "PUT", payload });

/** Seconds between the measurements of a node from virtual second `from` on. */
function gaps(measured: readonly Measured[], node: string, from: number): number[] {
  const times = measured
    .filter((one) => one.node === node && one.time >= from * 1000)
    .map(({ time }) => time);
  return times.slice(1).map((time, i) => Math.round((time - times[i]) / 1000));
}

async function started(options: ConstructorParameters<typeof TestSystem>[0] = {}) {
  const system = await new TestSystem({ nodes: 2, relays: 1, ...options }).start();
  system.run(30);
  return { system, client: new HttpClient(system) };
}

describe("requests to a node", () => {
  it("reach its resources through gateway and mesh, OSCORE all the way", async () => {
    const { client } = await started();
    const t = await client.ask("/hc/coap://node-1/t");
    assert.deepEqual(
      [t.state, t.answer.code, t.answer.mediaType],
      ["answered", "2.05", "text/plain;charset=utf-8"],
    );
    assert.match(Buffer.from(t.answer.payload, "base64url").toString(), /^-?\d+\.\d\d$/);
    const core = await client.ask("/hc/coap://0101.mesh/.well-known/core");
    assert.deepEqual([core.node, core.answer.mediaType], ["node-2", "application/link-format"]);
    const { result } = await client.ask("/api/nodes/node-1/stats");
    assert.equal(result.stats.resetReason, "power-on");
    assert.ok(result.stats.uptime > 60 && result.stats.queue <= 1);
    assert.equal((await client.ask("/hc/coap://node-1/nothing")).answer.code, "4.04");
  });

  it("reach one that sleeps, by the friend that hears for it", async () => {
    const engine: DeviceEngine = {
      run(kind, identity, equipment) {
        if (kind !== "node") return nodeEngine.run(kind, identity, equipment);
        const sensor = new Sht3x({ sensor: { io: equipment.i2c! } });
        return new NodeRole({ ...equipment.hal, sensor }, identity, { listens: "friend" });
      },
    };
    const { system, client } = await started({ engine: () => engine, settings: { interval: 600 } });
    system.run(120);
    const { role } = system.world.devices.get("node-1")!;
    assert.ok(role instanceof NodeRole && role.stack.lowPower?.friend !== undefined);
    // With its next reading: the server says what waits when it has heard the node.
    const { state, result } = await client.ask("/api/nodes/node-1/settings", put({ interval: 30 }), 660);
    assert.deepEqual([state, result?.settings.interval], ["answered", 30]);
  });

  it("change its interval: at once, and for good", async () => {
    const { system, client } = await started();
    const changed = await client.ask(SETTINGS, put({ interval: 4 }), 20);
    assert.deepEqual(changed.result, { settings: { interval: 4, confirmable: true, batch: 8 } });
    const before = system.clock.now() / 1000;
    system.run(60);
    assert.ok(gaps(system.measured, "node-1", before).every((gap) => gap === 4));
    assert.ok(gaps(system.measured, "node-2", before).every((gap) => gap === 10));
    system.powerCycle(2);
    const after = system.clock.now() / 1000;
    system.run(60);
    assert.ok(gaps(system.measured, "node-1", after + 5).every((gap) => gap === 4));
    assert.equal((await client.ask(SETTINGS)).result.settings.interval, 4);
    assertOnlyTruth(system);
  });

  it("change how it sends: the server hears of batches, and of what nobody acknowledges", async () => {
    const { system, client } = await started();
    const { result } = await client.ask(SETTINGS, put({ confirmable: false, batch: 3 }));
    assert.deepEqual(result.settings, { interval: 10, confirmable: false, batch: 3 });
    const { role } = system.world.devices.get("node-1")!;
    const before = system.readings.length;
    system.run(60);
    assert.ok(system.readings.slice(before).filter(({ node }) => node === "node-1").length >= 5);
    assert.ok(role instanceof NodeRole && role.outbox.length === 0);
    assertOnlyTruth(system);
  });

  it("are not lost when the power goes off in the middle of the write: old settings or new ones, then the new ones", async () => {
    for (let seed = 0; seed < 5; seed++) {
      const { system, client } = await started({ seed, nodes: 1, relays: 0 });
      const device = system.devices.find(({ name }) => name === "node-1")!;
      // The node goes on with storage whose power can be cut.
      system.world.cutPower("node-1");
      const medium = new TornMedium(new Random(seed));
      const former = system.stores.get("node-1")!;
      const store = new LogStore(medium);
      for (const key of former.keys()) store.set(key, former.get(key)!);
      system.stores.set("node-1", store);
      const { radio } = system.world.switchOn(device);
      system.run(30);
      const set = store.set.bind(store);
      store.set = (key, value) => {
        if (key === SETTINGS_KEY) medium.cutAt(1);
        set(key, value);
      };
      const { onReceive } = radio;
      let cuts = 0;
      radio.onReceive = (...heard) => {
        try {
          onReceive?.(...heard);
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
          cuts++;
          system.world.cutPower("node-1");
        }
      };
      const { location } = await client.submit(SETTINGS, put({ interval: 20 }));
      system.run(60);
      assert.equal(cuts, 1);
      medium.restore();
      const kept = new LogStore(medium);
      const stored = kept.get(SETTINGS_KEY);
      assert.ok(stored === undefined || Buffer.from(stored).toString("hex") === "a3001401f50208");
      system.stores.set("node-1", kept);
      system.world.switchOn(device);
      system.run(150);
      const { state, result } = (await client.inject(location)).json();
      assert.deepEqual([state, result?.settings.interval], ["answered", 20]);
      assertOnlyTruth(system);
    }
  });

  it("are carried out once: what a gateway kept and says again changes nothing, before and after a restart", async () => {
    const down: (() => void)[] = [];
    const { system, client } = await started({
      wrapNetwork: (_gateway, network) => tapped(network, down),
    });
    assert.equal((await client.ask(SETTINGS, put({ interval: 5 }))).state, "answered");
    const kept = down.slice();
    assert.ok(kept.length > 3);
    assert.equal((await client.ask(SETTINGS, put({ interval: 15 }))).state, "answered");
    const stored = () => Buffer.from(system.stores.get("node-1")!.get(SETTINGS_KEY)!).toString("hex");
    const now = stored();
    for (const restart of [false, true]) {
      if (restart) system.powerCycle(2);
      system.run(30);
      for (const again of kept) {
        again();
        system.run(5);
      }
      assert.equal(stored(), now, `restart: ${restart}`);
    }
    assert.equal((await client.ask(SETTINGS)).result.settings.interval, 15);
    assertOnlyTruth(system);
  });

  it("survive a restart of the node in the middle of the exchange", async () => {
    // At each of these moments after the node was heard something else is on its way.
    for (const moment of [50, 300, 700, 1200, 2500]) {
      const { system, client } = await started({ nodes: 1, relays: 0 });
      const device = system.devices.find(({ name }) => name === "node-1")!;
      const { location } = await client.submit(SETTINGS, put({ interval: 7 }));
      // Submitted while it listens or when it is heard: either way it is sent in the next ten seconds.
      system.run(moment / 1000);
      system.world.cutPower("node-1");
      system.run(3);
      system.world.switchOn(device);
      system.run(150);
      const { state, result } = (await client.inject(location)).json();
      assert.deepEqual([state, result?.settings.interval], ["answered", 7], `${moment} ms`);
      assertOnlyTruth(system);
    }
  });

  it("go on when node and server have made new keys (App. B.2)", async () => {
    const { system, client } = await started();
    const device = system.devices.find(({ name }) => name === "node-1")!;
    assert.equal((await client.ask(SETTINGS)).state, "answered");
    system.world.cutPower("node-1");
    system.stores.get("node-1")!.delete("oscore");
    system.world.switchOn(device);
    system.run(60);
    const { state, attempts } = await client.ask(SETTINGS, put({ interval: 9 }));
    assert.deepEqual([state, attempts], ["answered", 2], "only the proof of freshness");
    system.powerCycle(2);
    assert.equal((await client.ask(SETTINGS)).result.settings.interval, 9);
  });

  it("find their way over several gateways, back through the one they came through", async () => {
    const { system, client } = await started({ gateways: 2 });
    for (let i = 0; i < 3; i++) {
      const { state, result } = await client.ask(SETTINGS, put({ interval: 6 + i }));
      assert.deepEqual([state, result?.settings.interval], ["answered", 6 + i]);
    }
    assertOnlyTruth(system);
  });

  it("arrive over a lossy mesh", async () => {
    const { system, client } = await started({ loss: 0.2, relays: 2, nodes: 3 });
    for (const node of ["node-1", "node-2", "node-3"]) {
      const { state } = await client.ask(`/api/nodes/${node}/settings`, put({ interval: 12 }), 400);
      assert.equal(state, "answered", node);
    }
    assertOnlyTruth(system);
  });
});

/** Keeps each datagram that comes down, to be said again. */
function tapped(network: ModemNetwork, down: (() => void)[]): ModemNetwork {
  const outer: ModemNetwork = {
    onDatagram: undefined,
    open: (socket, localPort) => network.open(socket, localPort),
    send: (...all) => network.send(...all),
    close: (socket) => network.close(socket),
    resolve: (name, done) => network.resolve(name, done),
  };
  network.onDatagram = (socket, address, port, datagram) => {
    const copy = datagram.slice();
    down.push(() => outer.onDatagram?.(socket, address, port, copy));
    outer.onDatagram?.(socket, address, port, datagram);
  };
  return outer;
}

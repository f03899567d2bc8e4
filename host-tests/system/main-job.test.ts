import assert from "node:assert/strict";
import { assertOnlyTruth, EPOCH, TestSystem } from "./harness.js";

const refusals = (system: TestSystem) => system.events.filter(({ kind }) => kind === "security");

describe("the main job", () => {
  it("brings every reading of every node to the store, over lossy links and several hops", async () => {
    const system = await new TestSystem({ nodes: 5, relays: 3, loss: 0.1 }).start();
    system.run(300);
    assertOnlyTruth(system);
    assert.deepEqual(new Set(system.readings.map(({ node }) => node)).size, 5);
    // What was measured in the last seconds may still be on its way.
    const settled = system.measured.filter(({ time }) => time < system.clock.now() - 60_000);
    const arrived = new Set(system.readings.map(TestSystem.key));
    for (const measured of settled)
      assert.ok(arrived.has(TestSystem.key(measured)), TestSystem.key(measured));
    assert.deepEqual(refusals(system), []);
  });

  it("shows readings of all nodes within 20 seconds", async () => {
    const system = await new TestSystem({
      nodes: 5,
      relays: 3,
      loss: 0.1,
      settings: { interval: 5 },
    }).start();
    system.run(20);
    assert.deepEqual(new Set(system.readings.map(({ node }) => node)).size, 5);
  });

  it("tells the hops and the gateway without the gateway looking inside", async () => {
    const system = await new TestSystem({ nodes: 4, relays: 3 }).start();
    system.run(120);
    const newest = new Map(system.readings.map((reading) => [reading.node, reading]));
    // The first node stands beside the gateway, the fourth beside the third relay of the street.
    assert.equal(newest.get("node-1")?.hops, 1);
    assert.equal(newest.get("node-4")?.gateway, "gateway-1");
    const hops = newest.get("node-4")?.hops ?? 0;
    assert.ok(hops >= 3 && hops <= 4, `${hops} hops`);
  });

  it("goes on after a power cut of every device with the same keys, and nothing is refused as a replay", async () => {
    const system = await new TestSystem({ nodes: 3, relays: 2, loss: 0.05 }).start();
    system.run(120);
    const before = system.readings.length;
    system.powerCycle(5);
    system.run(120);
    assert.ok(
      system.readings.length >= before + 3 * 6,
      `${system.readings.length - before} readings after the cut`,
    );
    assertOnlyTruth(system);
    assert.deepEqual(refusals(system), []);
  });

  it("keeps readings while the server is away and stores each once when it is back", async () => {
    const system = await new TestSystem({ nodes: 3, relays: 2 }).start();
    system.run(60);
    system.serverReachable = false;
    system.run(180);
    system.serverReachable = true;
    system.run(240);
    assertOnlyTruth(system);
    const settled = system.measured.filter(({ time }) => time < system.clock.now() - 60_000);
    assert.equal(
      settled.filter((measured) =>
        system.readings.some((r) => TestSystem.key(r) === TestSystem.key(measured)),
      ).length,
      settled.length,
    );
  });

  it("stores a reading once although two gateways bring it", async () => {
    const system = await new TestSystem({ nodes: 4, relays: 2, gateways: 2, loss: 0.1 }).start();
    system.run(300);
    assertOnlyTruth(system);
    assert.ok(system.readings.length >= 4 * 25, `${system.readings.length} readings`);
    assert.deepEqual(refusals(system), []);
  });

  it("names the time of a measurement to the second or two, however late it came", async () => {
    const system = await new TestSystem({ nodes: 2, relays: 2, loss: 0.2 }).start();
    system.run(300);
    for (const reading of system.readings) {
      const told = Date.parse(reading.time) - EPOCH;
      // The message's own way is not part of its age: the retransmissions of one request at most.
      const fits = system.measured.some(
        (measured) =>
          TestSystem.key(measured) === TestSystem.key(reading) &&
          told >= measured.time - 1000 &&
          told <= measured.time + 60_000,
      );
      assert.ok(fits, `${TestSystem.key(reading)} at ${reading.time}`);
    }
  });
});

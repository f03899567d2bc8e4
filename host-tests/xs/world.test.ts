/** The whole system in virtual time, each device in an XS machine of its own. */

import assert from "node:assert/strict";
import { XsEngine } from "../../sim/xs/engine.js";
import { XsUnavailable, xsWorker } from "../../sim/xs/worker.js";
import { assertOnlyTruth, TestSystem } from "../system/harness.js";

describe("a world in XS", function () {
  this.timeout(180_000);
  let worker: string;
  let engine: XsEngine;
  const refusals = (system: TestSystem) => system.events.filter(({ kind }) => kind === "security");
  const systemInXs = (machines?: number) =>
    new TestSystem({
      nodes: 3,
      relays: 2,
      gateways: 1,
      loss: 0.1,
      engine: (clock) => {
        engine = new XsEngine({ worker, clock, ...(machines !== undefined && { machines }) });
        return engine;
      },
    });

  before(async function () {
    this.timeout(240_000);
    try {
      worker = await xsWorker();
    } catch (error) {
      if (error instanceof XsUnavailable) this.skip();
      throw error;
    }
  });
  afterEach(() => engine.close());

  it("brings the readings as they were measured, each device in its own machine", async () => {
    const system = await systemInXs().start();
    assert.equal(engine.machines, 6);
    system.run(120);
    // One every ten seconds of each.
    const due = system.measured.map(TestSystem.key);
    assert.ok(due.length >= 33, `${due.length} measured`);
    const missing = () => {
      const arrived = new Set(system.readings.map(TestSystem.key));
      return due.filter((key) => !arrived.has(key));
    };
    // An answer that is lost costs its node a timeout, after which all that waited travels at once.
    for (let wait = 0; wait < 40 && missing().length > 0; wait++) system.run(10);
    const gateway = () => system.world.devices.get("gateway-1")?.role.modem?.state;
    assert.deepEqual(missing(), [], `modem ${gateway()}, ${JSON.stringify(system.events.slice(-5))}`);
    assertOnlyTruth(system);
    assert.equal(new Set(system.readings.map(({ node }) => node)).size, 3);
    assert.deepEqual(refusals(system), []);
    assert.equal(gateway(), "ready");
    await system.stopCloud();
  });

  it("goes on after a power cut with numbers that were never used, in machines that devices share", async () => {
    const system = await systemInXs(2).start();
    assert.equal(engine.machines, 2);
    system.run(60);
    system.powerCycle(5);
    assert.equal(engine.machines, 2);
    const before = system.readings.length;
    system.run(90);
    assertOnlyTruth(system);
    assert.ok(system.readings.length >= before + 15, `${before}, then ${system.readings.length}`);
    assert.deepEqual(refusals(system), []);
    system.world.stop();
    system.run(5);
    await system.stopCloud();
  });
});

import assert from "node:assert/strict";
import { describeSoak } from "../../scripts/soak/report.js";
import { SHORT_SOAK, SOAK_DEFAULTS, type SoakOptions, soak } from "../../scripts/soak/soak.js";

/** The long form is `npm run soak`: docs/SOAK.md. */
async function run(options: Partial<SoakOptions>) {
  return soak({ ...SOAK_DEFAULTS, ...options });
}

describe("soak", function () {
  // Some seconds each; several times that on a machine that has other things to do.
  this.timeout(120_000);

  it("a day as the long form has thirty: every reading is stored, once", async () => {
    const result = await run({ days: 1 });
    assert.ok(result.passed, describeSoak(result));
    assert.equal(result.balance.stored, result.balance.measured);
    assert.ok(result.outages >= 2 && result.resets >= 3);
    assert.deepEqual(result.security, {}, "no false alarm");
  });

  it("half a hard day: what does not fit into small boxes is counted, and nothing else is missing", async () => {
    const result = await run({
      days: 0.5,
      nodes: 8,
      outage: 0.4,
      outbox: 6,
      cutEvery: 5,
      loss: 0.1,
      meshLoss: 0.05,
      seed: 2,
    });
    assert.ok(result.passed, describeSoak(result));
    const { measured, stored, lost } = result.balance;
    assert.ok(lost["outbox full"] > 0, "the boxes were too small to be a test");
    assert.equal(measured, stored + lost["outbox full"]);
  });

  it("half a day of two gateways that come and go", async () => {
    const result = await run({ days: 0.5, nodes: 6, gateways: 2, outage: 0.2, cutEvery: 4, seed: 3 });
    assert.ok(result.passed, describeSoak(result));
    assert.equal(result.balance.stored, result.balance.measured);
  });

  it("half a day with every fault, battery nodes and cells: all is stored once or counted, whatever is killed", async () => {
    const result = await run({ ...SHORT_SOAK, seed: 4 });
    assert.ok(result.passed, describeSoak(result));
    assert.ok(result.nodeCuts > 9 && result.cuts > 6, "power was cut");
    assert.ok(result.restarts >= 1 && result.absences >= 1 && result.steps >= 1, describeSoak(result));
    const { measured, stored, lost } = result.balance;
    assert.equal(measured, stored + (lost["power cut"] ?? 0));
    assert.equal(result.weights.length, 1);
    assert.equal(result.weights[0]["server: devices"], 12);
    // Those of modems whose gateway was cut are gone with them.
    assert.ok(result.weights[0]["modems: sockets open"] <= 6, describeSoak(result));
  });

  it("has the same history for the same seed, and another one for another", async () => {
    const options = { days: 0.25, nodes: 4, outage: 0.2, loss: 0.1 };
    const [one, again, other] = [await run(options), await run(options), await run({ ...options, seed: 9 })];
    const history = ({ balance, drops, nodes, cellular }: Awaited<ReturnType<typeof run>>) => ({
      balance,
      drops,
      nodes,
      cellular,
    });
    assert.deepEqual(history(again), history(one));
    assert.notDeepEqual(history(other), history(one));
  });
});

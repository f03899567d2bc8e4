import assert from "node:assert/strict";
import { Field } from "../../scripts/soak/field.js";
import { assertOnlyTruth, TestSystem } from "./harness.js";

const MINUTE = 60;

/** Nothing measured is missing, doubled or made up. */
async function assertAllStored(field: Field): Promise<void> {
  field.stopMeasuring();
  field.run(30 * MINUTE);
  const { missing, doubled, unknown, lost } = await field.balance();
  assert.deepEqual({ missing, doubled, unknown, lost }, { missing: [], doubled: [], unknown: [], lost: {} });
}

describe("two gateways in one mesh", () => {
  it("give one stored reading, while one dies, comes back, and then the other dies", async () => {
    const system = await new TestSystem({ nodes: 4, relays: 2, gateways: 2, loss: 0.1 }).start();
    const switchOn = (name: string) =>
      system.world.switchOn(system.devices.find((device) => device.name === name)!);
    system.run(120);
    system.world.cutPower("gateway-1");
    system.run(120);
    switchOn("gateway-1");
    system.run(60);
    system.world.cutPower("gateway-2");
    system.run(120);
    switchOn("gateway-2");
    system.run(120);
    assertOnlyTruth(system);
    const settled = system.measured.filter(({ time }) => time < system.clock.now() - 60_000);
    const arrived = new Set(system.readings.map(TestSystem.key));
    for (const measured of settled) {
      assert.ok(arrived.has(TestSystem.key(measured)), TestSystem.key(measured));
    }
    const ways = new Set(system.readings.map(({ gateway }) => gateway));
    assert.ok(ways.has("gateway-1") && ways.has("gateway-2"), "both had their share");
  });

  it("give one stored reading when one of them has no coverage for hours and then brings what it kept", async () => {
    const field = await new Field({
      nodes: 5,
      gateways: 2,
      settings: { interval: 300 },
      spread: 300,
    }).start();
    field.run(10 * MINUTE);
    const late = field.gateways.get("gateway-2")!;
    late.modem.cellular.setCoverage(false);
    field.run(180 * MINUTE);
    // One message of each node: whatever the other gateway has brought meanwhile stands in its place no more.
    assert.ok(late.role.uplink.queue.length <= 5, `${late.role.uplink.queue.length} datagrams kept`);
    late.modem.cellular.setCoverage(true);
    field.run(10 * MINUTE);
    assert.equal(late.role.uplink.queue.length, 0);
    await assertAllStored(field);
  });

  it("give one stored reading when both come and go as they like", async () => {
    const field = await new Field({
      nodes: 4,
      gateways: 2,
      settings: { interval: 120 },
      meshLoss: 0.1,
      modem: { loss: 0.1 },
    }).start();
    for (let i = 0; i < 12; i++) {
      const name = i % 2 === 0 ? "gateway-1" : "gateway-2";
      field.run(5 * MINUTE + 37 * i);
      if (i % 3 === 0) {
        field.cutPower(name);
        field.run(MINUTE + 11 * i);
        field.switchOn(name);
      } else {
        field.gateways.get(name)!.modem.cellular.setCoverage(i % 3 === 1);
      }
    }
    field.setCoverage(true);
    await assertAllStored(field);
  });

  it("show no replay to the operator when all is well", async () => {
    const field = await new Field({
      nodes: 5,
      gateways: 2,
      settings: { interval: 60 },
      meshLoss: 0.05,
    }).start();
    field.run(120 * MINUTE);
    assert.deepEqual(
      field.events.filter(({ kind }) => kind === "security"),
      [],
    );
    await assertAllStored(field);
  });
});

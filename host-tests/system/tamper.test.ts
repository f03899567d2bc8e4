import assert from "node:assert/strict";
import type { AttackKind } from "../../sim/hostile/attack.js";
import { Tampering } from "../../sim/hostile/tampering.js";
import { assertOnlyTruth, TestSystem } from "./harness.js";

const KINDS: AttackKind[] = ["read", "flip", "replay", "reorder", "truncate", "inject", "other-kid"];

/** Two gateways, of which the second is in hostile hands, and a hostile relay in the middle. */
async function attacked(kinds: readonly AttackKind[] | undefined, seconds: number) {
  let tampering: Tampering | undefined;
  const system = new TestSystem({
    nodes: 4,
    relays: 2,
    gateways: 2,
    settings: { interval: 5 },
    wrapNetwork: (gateway, network) => tampering!.wrapNetwork(gateway, network),
  });
  tampering = new Tampering({
    clock: system.clock,
    seed: 7,
    gateway: "gateway-2",
    interval: 500,
    ...(kinds !== undefined && { kinds }),
  });
  await system.start();
  tampering.joinAir(system.world.air, system.devices);
  system.run(seconds);
  return { system, tampering };
}

describe("a hostile relay and a hostile gateway", () => {
  for (const kind of KINDS) {
    it(`${kind}: refused, shown in the feed, and no wrong reading appears`, async () => {
      const { system, tampering } = await attacked([kind], 240);
      assert.ok(tampering.count(kind) > 50, `${tampering.count(kind)} attempts`);
      assert.equal(tampering.understood, 0);
      assertOnlyTruth(system);
      assert.ok(
        system.readings.length > 4 * 20,
        `${system.readings.length} readings came through all the same`,
      );
      const refused = system.events.filter((event) => event.kind === "security");
      // Whoever only reads leaves no trace, and has nothing.
      if (kind !== "read") assert.ok(refused.length > 0, "no refusal in the feed");
      for (const event of refused) assert.ok(event.reason.length > 0 && event.detail.length > 0);
    });
  }

  it("all at once: nothing wrong is stored, and the network goes on", async () => {
    const { system, tampering } = await attacked(undefined, 300);
    assertOnlyTruth(system);
    assert.equal(tampering.understood, 0);
    assert.equal(new Set(system.readings.map(({ node }) => node)).size, 4);
    const reasons = new Set(
      system.events.filter(({ kind }) => kind === "security").map(({ reason }) => reason),
    );
    assert.ok(reasons.size >= 3, [...reasons].join());
  });
});

import assert from "node:assert/strict";
import { STATE_KEY } from "../../firmware/roles/server-link.js";
import type { ModemNetwork } from "../../sim/modem/modem-network.js";
import { assertOnlyTruth, TestSystem } from "./harness.js";

/** Readings of each node from virtual second `from` on. */
function perNode(system: TestSystem, from: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { node } of system.readings.slice(from)) counts.set(node, (counts.get(node) ?? 0) + 1);
  return counts;
}

describe("what was lost comes back by itself", () => {
  it("a server that lost its store: nodes and server make new keys (App. B.2), and old datagrams stay refused", async () => {
    const sent: { address: string; port: number; datagram: Uint8Array }[] = [];
    let tapped: ModemNetwork | undefined;
    const system = await new TestSystem({
      nodes: 3,
      relays: 1,
      wrapNetwork: (_gateway, network) => {
        const send = network.send.bind(network);
        network.send = (socket, address, port, datagram) => {
          sent.push({ address, port, datagram: datagram.slice() });
          send(socket, address, port, datagram);
        };
        tapped = network;
        return network;
      },
    }).start();
    system.run(120);
    await system.stopCloud();
    await system.startCloud(":memory:");
    const before = system.readings.length;
    // Everything that was ever said, once more, before the nodes speak again.
    for (const { address, port, datagram } of sent.slice()) tapped?.send(0, address, port, datagram);
    system.run(2);
    assert.equal(system.readings.length, before, "an old datagram was taken for a new one");
    system.run(180);
    const after = perNode(system, before);
    assert.equal(after.size, 3);
    for (const [node, count] of after) assert.ok(count > 12, `${node}: ${count} readings`);
    assertOnlyTruth(system);
  });

  it("a node that lost its sequence numbers derives a new context (App. B.2), and nothing is stored twice", async () => {
    const system = await new TestSystem({ nodes: 2, relays: 1 }).start();
    system.run(120);
    const before = system.readings.length;
    const device = system.devices.find(({ name }) => name === "node-1")!;
    system.world.cutPower("node-1");
    system.stores.get("node-1")!.delete(STATE_KEY);
    system.run(5);
    system.world.switchOn(device);
    system.run(180);
    const after = perNode(system, before);
    assert.ok((after.get("node-1") ?? 0) > 12, `${after.get("node-1")} readings after the loss`);
    assertOnlyTruth(system);
    // And again from the new context, after an ordinary restart.
    const middle = system.readings.length;
    system.powerCycle(5);
    system.run(120);
    assert.ok((perNode(system, middle).get("node-1") ?? 0) > 8);
    assertOnlyTruth(system);
  });

  it("a server that lost its store hears nodes again that wait for no answer", async () => {
    const system = await new TestSystem({ nodes: 2, relays: 1, settings: { confirmable: false } }).start();
    system.run(60);
    await system.stopCloud();
    await system.startCloud(":memory:");
    const before = system.readings.length;
    system.run(120);
    for (const node of ["node-1", "node-2"]) {
      const count = perNode(system, before).get(node) ?? 0;
      assert.ok(count >= 9, `${node}: ${count} of 12 readings`);
    }
    assertOnlyTruth(system);
  });

  it("a server that is killed again and again: no reading is lost, none is stored twice", async () => {
    const system = await new TestSystem({ nodes: 3, relays: 1, loss: 0.05 }).start();
    for (let round = 0; round < 10; round++) {
      system.run(7.3);
      await system.crashCloud();
    }
    system.run(120);
    assertOnlyTruth(system);
    const settled = system.measured.filter(({ time }) => time < system.clock.now() - 60_000);
    const arrived = new Set(system.readings.map(TestSystem.key));
    for (const measured of settled)
      assert.ok(arrived.has(TestSystem.key(measured)), TestSystem.key(measured));
  });
});

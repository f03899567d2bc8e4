import assert from "node:assert/strict";
import fc from "fast-check";
import { Device } from "../../cloud/device.js";
import { DeviceTable } from "../../cloud/device-table.js";
import type { NodeKind } from "../../cloud/model.js";
import type { NodeRecord } from "../../cloud/store/store.js";

function record(id: number, name: string, kind: NodeKind, meshAddress?: number): NodeRecord {
  return { id, name, kind, meshAddress, place: undefined, created: 0 };
}

describe("table of devices", () => {
  it("an address or a name that moves to another device leads there, whatever becomes of the first", () => {
    const table = new DeviceTable();
    const first = new Device(record(1, "a", "gateway", 7));
    const second = new Device(record(2, "b", "node"));
    table.put(first);
    table.put(second);
    table.put(second, record(2, "b", "node", 7));
    table.put(first, record(1, "a", "node", 8));
    assert.equal(table.atMeshAddress(7), second);
    assert.equal(table.atMeshAddress(8), first);
    assert.deepEqual([...table.gateways()], []);
    table.delete(first);
    assert.equal(table.atMeshAddress(8), undefined);
    assert.equal(table.atMeshAddress(7), second);
    assert.equal(table.size, 1);
  });

  it("finds what a search through all would find", () => {
    const step = fc.record({
      id: fc.integer({ min: 1, max: 5 }),
      kind: fc.constantFrom<NodeKind>("node", "relay", "gateway"),
      meshAddress: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      removed: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const table = new DeviceTable();
        const all = new Map<number, Device>();
        for (const { id, kind, meshAddress, removed } of steps) {
          const known = all.get(id);
          const taken = [...all.values()].some(
            (device) => device !== known && device.record.meshAddress === meshAddress,
          );
          if (removed) {
            if (known !== undefined) table.delete(known);
            all.delete(id);
          } else if (!taken || meshAddress === undefined) {
            const next = record(id, `name-${id}`, kind, meshAddress);
            const device = known ?? new Device(next);
            table.put(device, next);
            all.set(id, device);
          }
          assert.equal(table.size, all.size);
          assert.deepEqual(
            new Set(table.gateways()),
            new Set([...all.values()].filter((device) => device.record.kind === "gateway")),
          );
          for (let address = 1; address <= 50; address++) {
            const found = [...all.values()].find((device) => device.record.meshAddress === address);
            assert.equal(table.atMeshAddress(address), found);
          }
          for (let i = 1; i <= 5; i++) {
            assert.equal(table.get(i), all.get(i));
            assert.equal(table.named(`name-${i}`), all.get(i));
          }
        }
      }),
    );
  });
});

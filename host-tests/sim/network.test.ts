import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { DEFAULT_SETTINGS } from "../../firmware/roles/identity.js";
import {
  loadKeyRing,
  newKeyRing,
  oscoreIds,
  planNetwork,
  RANGE,
  renewKeys,
  saveKeyRing,
} from "../../sim/network.js";
import { Random } from "../../sim/random.js";

const random = new Random("keys");
const bytes = (length: number) => random.bytes(length);
const options = { nodes: 300, relays: 9, gateways: 2, settings: DEFAULT_SETTINGS, random: bytes };

describe("network plan", () => {
  it("gives every device an address and every context a Sender ID of its own", () => {
    const devices = planNetwork(newKeyRing(bytes), options);
    assert.equal(new Set(devices.map(({ identity }) => identity.mesh.address)).size, devices.length);
    const contexts = devices.flatMap(({ identity }) => identity.oscore ?? []);
    assert.equal(contexts.length, 302);
    assert.equal(new Set(contexts.map(({ senderId }) => toHex(senderId))).size, contexts.length);
    for (const { senderId, recipientId } of contexts) assert.notEqual(toHex(senderId), toHex(recipientId));
  });

  it("takes the shortest Sender ID that is free", () => {
    const lengths = [0, 1, 256, 257, 65_792].map((index) => oscoreIds(index).senderId.length);
    assert.deepEqual(lengths, [0, 1, 1, 2, 2]);
    assert.throws(() => oscoreIds(65_793), RangeError);
  });

  it("leaves relays without an AppKey and without a context", () => {
    for (const { kind, identity } of planNetwork(newKeyRing(bytes), options)) {
      assert.equal(identity.mesh.appKey === undefined, kind === "relay");
      assert.equal(identity.oscore === undefined, kind === "relay");
    }
  });

  it("puts every device into reach of the gateways, over relays", () => {
    const devices = planNetwork(newKeyRing(bytes), options);
    const reached = new Set(devices.filter(({ kind }) => kind === "gateway"));
    for (let grew = true; grew; ) {
      grew = false;
      for (const device of devices) {
        if (reached.has(device)) continue;
        const near = [...reached].some(
          ({ kind, position }) =>
            kind !== "node" &&
            Math.hypot(position.x - device.position.x, position.y - device.position.y) <= RANGE,
        );
        if (near) {
          reached.add(device);
          grew = true;
        }
      }
    }
    assert.equal(reached.size, devices.length);
  });

  it("keeps the keys of devices that were there before", () => {
    const ring = newKeyRing(bytes);
    const few = planNetwork(ring, { ...options, nodes: 2 });
    const more = planNetwork(ring, { ...options, nodes: 4 });
    const oscore = (devices: typeof few, name: string) =>
      devices.find((device) => device.name === name)?.identity.oscore;
    assert.deepEqual(oscore(more, "node-2"), oscore(few, "node-2"));
    assert.notDeepEqual(oscore(more, "node-4")?.senderId, oscore(more, "node-2")?.senderId);
  });

  it("renews keys and address of a device that lost its storage, not its IDs", () => {
    const ring = newKeyRing(bytes);
    planNetwork(ring, { ...options, nodes: 3 });
    const before = ring.devices.get("node-2");
    renewKeys(ring, "node-2", bytes);
    const after = ring.devices.get("node-2");
    assert.ok(before?.oscore && after?.oscore);
    assert.notEqual(after.address, before.address);
    assert.notDeepEqual(after.oscore.masterSecret, before.oscore.masterSecret);
    assert.deepEqual(after.oscore.senderId, before.oscore.senderId);
    const addresses = planNetwork(ring, { ...options, nodes: 3 }).map(
      ({ identity }) => identity.mesh.address,
    );
    assert.equal(new Set(addresses).size, addresses.length);
  });
});

describe("network file", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "network-"));
  });
  after(() => rmSync(directory, { recursive: true }));

  it("comes back as it was saved, and only its owner may read it", () => {
    const file = join(directory, "network.json");
    const ring = newKeyRing(bytes);
    planNetwork(ring, { ...options, nodes: 3 });
    saveKeyRing(file, ring);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(loadKeyRing(file), ring);
  });

  it("is not there at first", () => {
    assert.equal(loadKeyRing(join(directory, "none.json")), undefined);
  });

  it("is refused when damaged or of another version, without showing what is in it", () => {
    const file = join(directory, "damaged.json");
    saveKeyRing(file, newKeyRing(bytes));
    const text = readFileSync(file, "utf8");
    const secret = (JSON.parse(text) as { netKey: string }).netKey;
    for (const wrong of [
      text.slice(0, 60),
      text.replace('"version": 1', '"version": 2'),
      text.replace(secret, "zz"),
    ]) {
      writeFileSync(file, wrong);
      const refused = loadKeyRing(file);
      assert.ok(refused instanceof Refusal);
      assert.doesNotMatch(String(refused), new RegExp(secret.slice(0, 8)));
    }
  });
});

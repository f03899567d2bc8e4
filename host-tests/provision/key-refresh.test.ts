import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { hostCrypto } from "#hal/crypto.js";
import { equal } from "../../firmware/bytes/compare.js";
import type { ConfigResult } from "../../firmware/mesh/config-client.js";
import { type ConfigRequest, compositionGet } from "../../firmware/mesh/config-messages.js";
import { Config } from "../../firmware/mesh/foundation.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { newDevice } from "../../scripts/provision/commands/add.js";
import { ProvisionError } from "../../scripts/provision/errors.js";
import { identityOf } from "../../scripts/provision/identities.js";
import { type MeshAccess, runRefresh } from "../../scripts/provision/key-refresh.js";
import { openMesh } from "../../scripts/provision/mesh-access.js";
import { type Device, keysOf, newNetwork, stateOf } from "../../scripts/provision/network.js";
import { NetworkFile } from "../../scripts/provision/network-file.js";
import { Air } from "../../sim/air/air.js";
import { fixedRange } from "../../sim/air/propagation.js";
import { SimulatedBoard } from "../../sim/board.js";
import { VirtualClock } from "../../sim/clock.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import { Random } from "../../sim/random.js";
import { Desk, inTime } from "./cable.js";
import { PASSPHRASE } from "./command.js";

/** A node's keys as the Configuration Server keeps them (Mesh Profile §4.4.1.2). */
class KeyModel {
  current: Uint8Array;
  next: Uint8Array | undefined;
  phase = 0;

  constructor(netKey: Uint8Array) {
    this.current = netKey;
  }

  get sends(): Uint8Array {
    return this.phase === 2 ? this.next! : this.current;
  }

  hears(key: Uint8Array): boolean {
    return equal(key, this.current) || (this.next !== undefined && equal(key, this.next));
  }

  handle({ opcode, parameters }: ConfigRequest): number {
    if (opcode === Config.NETKEY_UPDATE) {
      if (this.phase > 1) return 0x0b;
      this.next = parameters.slice(2);
      this.phase = 1;
    } else if (opcode === Config.KEY_REFRESH_PHASE_SET) {
      if (parameters[2] === 2) this.phase = 2;
      else {
        this.current = this.next ?? this.current;
        this.next = undefined;
        this.phase = 0;
      }
    }
    return 0;
  }
}

describe("key refresh", () => {
  let directory: string;
  let file: NetworkFile;
  const before = process.env.OSCORE_MESH_TEST_SCRYPT;
  const make = () => {
    const options = { name: "x", gateways: "one", ttl: 7, interval: 60, confirmable: true } as const;
    const path = join(directory, `${Math.random()}`);
    file = NetworkFile.create(path, PASSPHRASE, newNetwork(options));
    for (const [name, kind] of [
      ["gateway-1", "gateway"],
      ["relay-1", "relay"],
      ["node-1", "node"],
      ["node-2", "node"],
    ] as const) {
      const device = newDevice(file.network, { name, kind });
      device.current = device.next!;
      delete device.next;
      device.board = "verified";
    }
    return file;
  };
  beforeEach(() => {
    process.env.OSCORE_MESH_TEST_SCRYPT = "4";
    directory = mkdtempSync(join(tmpdir(), "key-refresh-"));
  });
  afterEach(() => {
    file.close();
    rmSync(directory, { recursive: true, force: true });
    if (before === undefined) delete process.env.OSCORE_MESH_TEST_SCRYPT;
    else process.env.OSCORE_MESH_TEST_SCRYPT = before;
  });

  it("cut wherever it may be, everybody always hears everybody, and it ends with new keys for all but those left out", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 4 }),
        fc.boolean(),
        async (cuts, unreachable) => {
          const { network } = make();
          const old = keysOf(network);
          const nodes = new Map(
            network.devices.map((device) => [device.current!.address, new KeyModel(old.netKey)]),
          );
          const out = network.devices.find(({ name }) => name === "node-2")!.current!.address;
          const whole = () => {
            const alive = [...nodes]
              .filter(([address]) => !unreachable || address !== out)
              .map(([, node]) => node);
            for (const a of alive) for (const b of alive) assert.ok(b.hears(a.sends), "they hear each other");
          };
          const access = (left: number): MeshAccess => ({
            ask: async (address, _key, request): Promise<ConfigResult> => {
              if (left-- <= 0) throw new Error("cut");
              if (unreachable && address === out) return { kind: "timed-out" };
              const status = nodes.get(address)!.handle(request);
              whole();
              return { kind: "answer", status, parameters: new Uint8Array(0) };
            },
            follow: () => {},
            close: async () => {},
          });
          const run = (left: number) => runRefresh(file, access(left), true, () => {});
          for (const cut of cuts) await run(cut).catch((error: Error) => assert.equal(error.message, "cut"));
          if (file.network.refresh !== undefined || keysOf(network).number === 1) {
            const { behind } = await run(1000);
            assert.deepEqual(behind, unreachable ? ["node-2"] : []);
          }
          const keys = keysOf(network);
          assert.equal(network.refresh, undefined);
          assert.notDeepEqual(keys.netKey, old.netKey);
          for (const [address, node] of nodes) {
            if (unreachable && address === out) assert.equal(node.hears(keys.netKey), false);
            else assert.deepEqual([node.current, node.next], [keys.netKey, undefined]);
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  it("who does not answer is waited for, unless it is to be left behind; then it is planned anew, at another address", async () => {
    const { network } = make();
    const silent: MeshAccess = {
      ask: async (address) => ({ kind: "timed-out", ...(address > 0x1ff && {}) }),
      follow: () => {},
      close: async () => {},
    };
    const failsWith = (error: unknown) =>
      error instanceof ProvisionError && /did not reach gateway-1, relay-1/.test(error.message);
    await assert.rejects(
      runRefresh(file, silent, false, () => {}),
      failsWith,
    );
    assert.equal(network.refresh?.phase, 1);
    const addresses = network.devices.map((device) => device.current!.address);
    const { behind } = await runRefresh(file, silent, true, () => {});
    assert.equal(behind.length, 4);
    for (const device of network.devices) {
      assert.equal(stateOf(device), "planned");
      assert.equal(addresses.includes(device.next!.address), false);
      assert.equal(device.next!.keys, 2);
    }
  });

  it("reaches boards over the air through a gateway, which gets its own new keys too", async () => {
    const { network } = make();
    const clock = new VirtualClock();
    const air = new Air({ clock, random: new Random(5), propagation: fixedRange(60), loss: 0.02 });
    const internet = new VirtualInternet(clock);
    const around = {
      clock,
      random: new Random(3),
      internet: () => internet.host(),
      server: { host: "192.0.2.1", port: 5683 },
      timeScale: 6,
    };
    const stores = new Map<Device, MemoryStore>();
    let desk: Desk | undefined;
    // The relay is out of range of nobody; node-2 stays in its box: it is the one that was lost.
    const lost = network.devices.find(({ name }) => name === "node-2")!;
    lost.removed = "2026-01-01";
    for (const device of network.devices) {
      const storage = new MemoryStore();
      provision(storage, identityOf(network, device, device.current!));
      stores.set(device, storage);
      const bearer = air.attach({
        name: device.name,
        position: { x: 0, y: 0 },
        random: new Random(device.name.length),
      });
      const chipId = hostCrypto.random(8);
      if (device.kind === "gateway")
        desk = new Desk({ kind: "gateway", chipId, storage, bearer, clock, around });
      else new SimulatedBoard({ kind: device.kind, chipId, storage, around, bearer }).powerOn();
    }
    const open = () =>
      inTime(
        clock,
        openMesh(file, () => desk!.openPort(), 60_000, clock),
      );
    const access = await open();
    const report = await inTime(
      clock,
      runRefresh(file, access, false, () => {}),
    );
    await inTime(clock, access.close());
    assert.deepEqual(report, { generation: 2, refreshed: ["gateway-1", "relay-1", "node-1"], behind: [] });
    const { netKey } = keysOf(network);
    for (const [device, storage] of stores) {
      const stored = storage.get("mesh.net");
      if (device === lost) assert.ok(stored === undefined || !equal(stored.subarray(4, 20), netKey));
      // Version, index, phase, key, and no second key (firmware/mesh/node-store.ts).
      else
        assert.deepEqual([stored?.[3], stored?.subarray(4, 20), stored?.[20]], [0, netKey, 0], device.name);
    }
    // As another provisioner, with the new keys alone.
    const again = await open();
    const node = network.devices.find(({ name }) => name === "node-1")!.current!;
    const answer = await inTime(clock, again.ask(node.address, node.secrets!.deviceKey, compositionGet()));
    assert.equal(answer.kind, "answer");
    await inTime(clock, again.close());
  });
});

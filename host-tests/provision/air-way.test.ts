import assert from "node:assert/strict";
import { hostCrypto } from "#hal/crypto.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { deviceUuid, staticOob } from "../../firmware/console/label.js";
import { GatewayRole } from "../../firmware/roles/gateway.js";
import { type Identity, loadIdentity } from "../../firmware/roles/identity.js";
import { NodeRole } from "../../firmware/roles/node.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { AirWay } from "../../scripts/provision/air-way.js";
import { type AirNetwork, type Progress, WayError } from "../../scripts/provision/way.js";
import type { SimulatedRadio } from "../../sim/air/radio.js";
import { SimulatedBoard } from "../../sim/board.js";
import type { Device } from "../../sim/network.js";
import { Random } from "../../sim/random.js";
import { assertOnlyTruth, TestSystem } from "../system/harness.js";
import { Desk, inTime } from "./cable.js";

const PROVISIONER = 0x7f00;
const refusedWith = (reason: string) => (error: unknown) =>
  error instanceof WayError && error.reason === reason;

interface Unpacked {
  readonly board: SimulatedBoard;
  readonly storage: MemoryStore;
  readonly chipId: Uint8Array;
  readonly radio: SimulatedRadio;
}

/** A network that is to be: the plan and the server know it, the boards are out of the box, the gateway has a cable. */
class Site {
  readonly system: TestSystem;
  readonly boards = new Map<string, Unpacked>();
  readonly network: AirNetwork;
  readonly gateway: Device;
  desk!: Desk;

  private constructor(options: { nodes: number; relays: number; loss?: number }) {
    this.system = new TestSystem({ ...options, gateways: 1, settings: { interval: 60 } });
    const { devices } = this.system;
    this.gateway = devices.find(({ kind }) => kind === "gateway")!;
    const { netKey, appKey, ivIndex, ttl } = this.gateway.identity.mesh;
    const storage = new MemoryStore();
    this.network = { netKey, appKey: appKey!, ivIndex, ttl, address: PROVISIONER, storage };
  }

  static async open(options: { nodes: number; relays: number; loss?: number }): Promise<Site> {
    const site = new Site(options);
    const { system, gateway } = site;
    await system.startCloud(":memory:");
    site.desk = new Desk({
      kind: "gateway",
      clock: system.clock,
      bearer: site.#radio(gateway),
      around: site.#around(),
    });
    const way = await inTime(system.clock, site.desk.open());
    await inTime(system.clock, way.write(gateway.identity));
    await way.close();
    return site;
  }

  #radio({ name, position }: Device) {
    return this.system.world.air.attach({ name, position, random: new Random(name.length).fork(name) });
  }

  #around() {
    const { clock, internet, measured } = this.system;
    return {
      clock,
      random: new Random(3),
      internet: () => internet.host(),
      server: { host: "192.0.2.1", port: 5683 },
      timeScale: 6,
      healthInterval: 30_000,
      onMeasured: (value: (typeof measured)[number]) => measured.push(value),
    };
  }

  /** Takes a board out of its box and gives it power. */
  unpack(device: Device): { uuid: Uint8Array; oob: Uint8Array } {
    const storage = new MemoryStore();
    const chipId = Uint8Array.from({ length: 8 }, (_, i) => (i === 7 ? this.boards.size : i));
    const radio = this.#radio(device);
    const board = new SimulatedBoard({
      kind: device.kind,
      chipId,
      storage,
      around: this.#around(),
      bearer: radio,
    });
    board.powerOn();
    this.boards.set(device.name, { board, storage, chipId, radio });
    return { uuid: deviceUuid(device.kind, chipId), oob: staticOob(storage, hostCrypto) };
  }

  open(label: { uuid: Uint8Array; oob: Uint8Array }, more: Partial<Parameters<typeof AirWay.open>[1]> = {}) {
    const { desk, network, system } = this;
    const options = { bridge: "desk", network, ...label, ...more };
    return inTime(
      system.clock,
      AirWay.open(() => desk.openPort(), options, system.clock),
    );
  }

  within<T>(promise: Promise<T>): Promise<T> {
    return inTime(this.system.clock, promise);
  }
}

describe("provisioning over the air", () => {
  it("a network of 50 out of the box comes up with no help, and its readings arrive at the server", async function () {
    this.timeout(60_000);
    const site = await Site.open({ nodes: 47, relays: 2, loss: 0.05 });
    const { system, gateway } = site;
    // PB-ADV has one hop: boards get their identity at the technician's desk, and are carried to their places then.
    const others = system.devices.filter((device) => device !== gateway);
    others.sort((a, b) => Number(b.kind === "relay") - Number(a.kind === "relay"));
    for (const device of others) {
      const way = await site.open(site.unpack({ ...device, position: { x: 5, y: 5 } }));
      await site.within(way.write(device.identity));
      site.boards.get(device.name)!.radio.move(device.position);
      assert.equal(await site.within(way.verify(device.identity)), "same");
      await site.within(way.close());
    }
    assert.equal(site.boards.size + 1, 50);
    for (const { name, identity } of others) {
      assert.deepEqual(loadIdentity(site.boards.get(name)!.storage), identity, name);
    }
    const arrived = system.readings.length;
    system.run(180);
    assertOnlyTruth(system);
    const heard = new Set(system.readings.slice(arrived).map(({ node }) => node));
    for (const { name, kind } of others) if (kind === "node") assert.ok(heard.has(name), `${name} is silent`);
    assert.ok(site.desk.board.device!.runs instanceof GatewayRole);
    assert.deepEqual(
      system.events.filter(({ kind }) => kind === "security"),
      [],
    );
  });

  it("says what it does, finds the board again as a node, and takes it out of the network", async () => {
    const site = await Site.open({ nodes: 1, relays: 0 });
    const node = site.system.devices.find(({ kind }) => kind === "node")!;
    const label = site.unpack(node);
    const steps: Progress[] = [];
    const way = await site.open(label, { onProgress: (step) => steps.push(step) });
    assert.deepEqual(await site.within(way.inspect()), {
      kind: "node",
      chipId: site.boards.get(node.name)!.chipId,
      uuid: label.uuid,
      proven: false,
    });
    assert.equal(await site.within(way.verify(node.identity)), "none");
    await site.within(way.write(node.identity));
    assert.deepEqual(
      [...new Set(steps.map(({ step }) => step))],
      ["connect", "identify", "verify", "provision", "configure", "write", "restart"],
    );
    await site.within(way.close());
    assert.ok(site.boards.get(node.name)!.board.device!.runs instanceof NodeRole);

    const later = await site.open(label, { known: node.identity });
    const info = await site.within(later.inspect());
    assert.equal(info.name, node.name);
    assert.equal(info.proven, true);
    // Written again nothing happens; with other settings it is told the difference.
    const { starts } = site.boards.get(node.name)!.board;
    await site.within(later.write(node.identity));
    assert.equal(site.boards.get(node.name)!.board.starts, starts);
    const faster: Identity = { ...node.identity, settings: { ...node.identity.settings, interval: 20 } };
    await site.within(later.write(faster));
    assert.equal(await site.within(later.verify(faster)), "same");
    assert.equal(await site.within(later.verify(node.identity)), "other");
    await site.within(later.erase());
    assert.ok(loadIdentity(site.boards.get(node.name)!.storage) instanceof Refusal);
    assert.equal(await site.within(later.verify(faster)), "none");
    await site.within(later.close());
  });

  it("a wrong label gets nothing: no key leaves before both sides have proved the secret", async () => {
    const site = await Site.open({ nodes: 1, relays: 0 });
    const node = site.system.devices.find(({ kind }) => kind === "node")!;
    const { uuid } = site.unpack(node);
    const way = await site.open({ uuid, oob: hostCrypto.random(16) });
    await assert.rejects(site.within(way.write(node.identity)), refusedWith("wrong-board"));
    await site.within(way.close());
    assert.ok(loadIdentity(site.boards.get(node.name)!.storage) instanceof Refusal);
  });

  it("a board that is not there, or out of reach, is not heard", async () => {
    const site = await Site.open({ nodes: 1, relays: 0 });
    const node = site.system.devices.find(({ kind }) => kind === "node")!;
    const label = site.unpack({ ...node, position: { x: 500, y: 0 } });
    const way = await site.open(label, { patience: 10_000 });
    await assert.rejects(site.within(way.write(node.identity)), refusedWith("not-heard"));
    await site.within(way.close());
  });

  it("the bridge's cable is pulled at any moment: it goes on, or the board is as it was, and the next time it goes", async function () {
    this.timeout(60_000);
    const site = await Site.open({ nodes: 1, relays: 0 });
    const node = site.system.devices.find(({ kind }) => kind === "node")!;
    const { desk, system } = site;
    const ends = new Set<string>();
    for (let line = 5; line < 330; line += 29) {
      const label = site.unpack(node);
      const { storage, board } = site.boards.get(node.name)!;
      // Another board has another address: the network remembers the numbers of the one before.
      const { mesh } = node.identity;
      const identity = { ...node.identity, mesh: { ...mesh, address: mesh.address + line } };
      const way = await site.open(label);
      desk.lines = 0;
      desk.cut = { line, power: line % 2 === 1 };
      const written = await site.within(
        way.write(identity).then(
          () => true,
          () => false,
        ),
      );
      await site.within(way.close());
      const stored = loadIdentity(storage);
      ends.add(`${written}`);
      if (written) assert.deepEqual(stored, identity);
      else {
        assert.ok(stored instanceof Refusal || stored.name === node.name);
        system.run(130);
        const again = await site.open(label);
        await site.within(again.write(identity));
        await site.within(again.close());
        assert.deepEqual(loadIdentity(storage), identity);
      }
      board.powerOff();
    }
    assert.ok(ends.has("true"));
  });

  it("a provisioner that goes away leaves the board as it was", async () => {
    const site = await Site.open({ nodes: 1, relays: 0 });
    const node = site.system.devices.find(({ kind }) => kind === "node")!;
    const label = site.unpack(node);
    const { storage, board } = site.boards.get(node.name)!;
    const steps: string[] = [];
    const way = await site.open(label, {
      onProgress: ({ step }) => {
        // At the first Configuration message the computer falls off the table.
        if (step === "configure" && !steps.includes("configure")) site.desk.board.powerOff();
        steps.push(step);
      },
      patience: 5000,
    });
    await assert.rejects(site.within(way.write(node.identity)));
    await site.within(way.close());
    assert.ok(loadIdentity(storage) instanceof Refusal);
    const { starts } = board;
    site.system.run(150);
    assert.equal(board.starts, starts + 1);
    site.desk.board.powerOn();
    site.system.run(5);
    const again = await site.open(label);
    await site.within(again.write(node.identity));
    assert.deepEqual(loadIdentity(storage), node.identity);
    await site.within(again.close());
  });
});

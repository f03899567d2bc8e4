/** The whole system in virtual time: world, modems, and the cloud's own endpoint and store, without a socket. */

import assert from "node:assert/strict";
import { hostCrypto } from "#hal/crypto.js";
import { type Cloud, createCloud } from "../../cloud/cloud.js";
import type { EventJson, ReadingJson } from "../../cloud/model.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { DEFAULT_SETTINGS, type OscoreIdentity, type Settings } from "../../firmware/roles/identity.js";
import { provision } from "../../firmware/roles/provisioning.js";
import type { KeyValueStore } from "../../hal/hal.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { VirtualClock } from "../../sim/clock.js";
import type { DeviceEngine } from "../../sim/engine.js";
import type { ModemNetwork } from "../../sim/modem/modem-network.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import { type Device, newKeyRing, planNetwork } from "../../sim/network.js";
import { Random } from "../../sim/random.js";
import { type Measured, World } from "../../sim/world.js";

export interface SystemOptions {
  readonly nodes?: number;
  readonly relays?: number;
  readonly gateways?: number;
  readonly loss?: number;
  readonly seed?: number;
  readonly settings?: Partial<Settings>;
  /** A node's context with a further client. */
  readonly client?: (node: string) => OscoreIdentity;
  /** Between a gateway's modem and the virtual internet. */
  readonly wrapNetwork?: (gateway: string, network: ModemNetwork) => ModemNetwork;
  /** What the devices run in; default: this process. */
  readonly engine?: (clock: VirtualClock) => DeviceEngine;
}

/** 2026-01-01T00:00:00Z, as virtual time 0. */
export const EPOCH = Date.UTC(2026, 0, 1);
const STORE_KEY = new Uint8Array(32).fill(7);
const SERVER = { host: "192.0.2.1", port: 5683 };

export class TestSystem {
  readonly clock = new VirtualClock();
  readonly devices: Device[];
  readonly measured: Measured[] = [];
  readonly readings: ReadingJson[] = [];
  readonly events: EventJson[] = [];
  readonly stores = new Map<string, KeyValueStore>();
  readonly internet = new VirtualInternet(this.clock);
  world: World;
  /** Whether datagrams reach the server. */
  serverReachable = true;
  readonly #options: SystemOptions;
  #cloud: Cloud | undefined;
  #starts = 0;
  #armed = Number.POSITIVE_INFINITY;

  constructor(options: SystemOptions = {}) {
    this.#options = options;
    const random = new Random(options.seed ?? 1).fork("keys");
    const bytes = (length: number) => random.bytes(length);
    this.devices = planNetwork(newKeyRing(bytes), {
      nodes: options.nodes ?? 3,
      relays: options.relays ?? 2,
      gateways: options.gateways ?? 1,
      settings: { ...DEFAULT_SETTINGS, interval: 10, ...options.settings },
      random: bytes,
      ...(options.client !== undefined && { client: options.client }),
    });
    for (const { name, identity } of this.devices) {
      const store = new MemoryStore();
      this.stores.set(name, store);
      provision(store, identity);
    }
    this.world = this.#makeWorld();
  }

  get cloud(): Cloud {
    if (this.#cloud === undefined) throw new Error("the cloud is not started");
    return this.#cloud;
  }

  #makeWorld(): World {
    return new World({
      clock: this.clock,
      devices: this.devices,
      seed: this.#options.seed ?? 1,
      loss: this.#options.loss ?? 0,
      storage: (name) => this.stores.get(name)!,
      internet: (gateway) => {
        const network = this.internet.host();
        return this.#options.wrapNetwork?.(gateway, network) ?? network;
      },
      server: SERVER,
      timeScale: 6,
      healthInterval: 30_000,
      onMeasured: (measured) => this.measured.push(measured),
      ...(this.#options.engine !== undefined && { engine: this.#options.engine(this.clock) }),
    });
  }

  /** Starts the cloud, knows every device to it, switches everything on. */
  async start(): Promise<this> {
    await this.startCloud(":memory:");
    this.world.start();
    return this;
  }

  async startCloud(file: string): Promise<void> {
    // A second store is one that has taken the place of a lost one.
    await this.#startOn(openSqlite({ file }), this.#starts++ > 0);
  }

  async #startOn(store: Store, used: boolean): Promise<void> {
    const cloud = await createCloud({
      store,
      storeKey: STORE_KEY,
      crypto: hostCrypto,
      send: (datagram, destination) => {
        const [address, port] = destination.split(":");
        this.internet.sendTo(
          { address: SERVER.host, port: SERVER.port },
          { address, port: Number(port) },
          datagram,
        );
      },
      wallTime: () => EPOCH + Math.floor(this.clock.now()),
    });
    this.#cloud = cloud;
    for (const { name, kind, identity } of this.devices) {
      const { oscore } = identity;
      await cloud.registry.upsert({
        name,
        kind,
        meshAddress: identity.mesh.address,
        ...(oscore !== undefined && {
          oscore: {
            used,
            masterSecret: oscore.masterSecret,
            masterSalt: oscore.masterSalt,
            nodeId: oscore.senderId,
            serverId: oscore.recipientId,
          },
        }),
      });
    }
    // One that is told of again with its time corrected has arrived before.
    cloud.live.on("reading", (reading) => {
      if (reading.corrected !== true) this.readings.push(reading);
    });
    cloud.live.on("event", (event) => this.events.push(event));
    this.internet.listen(SERVER.host, SERVER.port, (datagram, from) => {
      if (!this.serverReachable) return;
      cloud.endpoint.handle(datagram, `${from.address}:${from.port}`, this.clock.now());
      this.#arm(cloud);
    });
  }

  /** The endpoint's own timer, as the UDP driver would keep it. */
  #arm(cloud: Cloud): void {
    const { deadline } = cloud.endpoint;
    if (deadline >= this.#armed) return;
    this.#armed = deadline;
    this.clock.post(Math.max(deadline, this.clock.now()), () => {
      this.#armed = Number.POSITIVE_INFINITY;
      if (cloud !== this.#cloud) return;
      cloud.endpoint.tick(this.clock.now());
      this.#arm(cloud);
    });
  }

  /** The server's process is killed and starts again on the same store: what it had in memory is gone. */
  async crashCloud(): Promise<void> {
    const { store } = this.cloud;
    // Nothing of the old one runs any more: its timers are ours, and are not armed again.
    this.#cloud = undefined;
    this.#armed = Number.POSITIVE_INFINITY;
    await this.#startOn(store, true);
  }

  async stopCloud(): Promise<void> {
    const cloud = this.cloud;
    this.#cloud = undefined;
    this.#armed = Number.POSITIVE_INFINITY;
    this.internet.listen(SERVER.host, SERVER.port, () => {});
    await cloud.stop();
  }

  /** Lets `seconds` of virtual time pass. */
  run(seconds: number): void {
    this.clock.run(this.clock.now() + seconds * 1000);
  }

  /** All devices lose their power now and get it back after `seconds`: storage stays, memory does not. */
  powerCycle(seconds: number): void {
    for (const { name } of this.devices) this.world.cutPower(name);
    this.run(seconds);
    this.world.start();
  }

  /** `node temperature humidity` of each, so that both sides compare as sets of texts. */
  static key(value: {
    node: string;
    temperature?: number | undefined;
    humidity?: number | undefined;
  }): string {
    return `${value.node} ${value.temperature?.toFixed(2)} ${value.humidity?.toFixed(2)}`;
  }
}

/** Each reading that arrived was measured, by that sensor, and no measurement arrived twice. */
export function assertOnlyTruth(system: TestSystem): void {
  const left = new Map<string, number>();
  for (const measured of system.measured) {
    const key = TestSystem.key(measured);
    left.set(key, (left.get(key) ?? 0) + 1);
  }
  for (const reading of system.readings) {
    const key = TestSystem.key(reading);
    const count = left.get(key) ?? 0;
    assert.ok(count > 0, `${key} at ${reading.time} was never measured, or arrived twice`);
    left.set(key, count - 1);
  }
}

/** Provisioner and Configuration Client over our own mesh stack, with promises for whoever waits. */

import { hostCrypto } from "#hal/crypto.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { ConfigClient, type ConfigResult } from "../../firmware/mesh/config-client.js";
import type { ConfigRequest } from "../../firmware/mesh/config-messages.js";
import { AdType, OPCODE_IDENTITY_GET, OPCODE_IDENTITY_STATUS } from "../../firmware/mesh/numbers.js";
import { Provisioner, type ProvisioningOutcome } from "../../firmware/mesh/provisioner.js";
import { MeshStack } from "../../firmware/mesh/stack.js";
import { jitterOf } from "../../firmware/roles/mesh.js";
import { Pump } from "../../firmware/roles/pump.js";
import type { AdvertisingBearer, Clock } from "../../hal/hal.js";
import type { AirNetwork } from "./way.js";

/** The first byte of a mesh beacon for nodes (Mesh Profile §3.9.3). */
const SECURE_NETWORK = 0x01;
/** An unprovisioned device beacons every three seconds; one that was not heard for this long is none any more, ms. */
const BEACON_LIFE = 12_000;
/** A node's answer to a short message comes within this, over all hops, ms. */
const ANSWER = 4000;
/** The answer to a Configuration message, ms; and how long it is asked for, unless somebody has more or less patience. */
const CONFIGURED = 6000;
const PATIENCE = 30_000;

export class AirProvisioner {
  readonly stack: MeshStack;
  readonly #network: AirNetwork;
  readonly #clock: Clock;
  readonly #bearer: AdvertisingBearer;
  readonly #provisioner: Provisioner;
  readonly #client: ConfigClient;
  readonly #pump: Pump;
  readonly #asked = new Map<number, (answer: Uint8Array) => void>();
  /** When each Device UUID was heard last. */
  readonly #beacons = new Map<string, number>();

  /** @param patience how long a node is asked until it counts as away, ms */
  constructor(bearer: AdvertisingBearer, clock: Clock, network: AirNetwork, patience = PATIENCE) {
    this.#network = network;
    this.#clock = clock;
    this.#bearer = bearer;
    const common = {
      crypto: hostCrypto,
      random: jitterOf(hostCrypto),
      now: () => clock.now(),
      transmit: (data: Uint8Array, count: number, interval: number) => bearer.send(data, count, interval),
    };
    this.stack = new MeshStack({
      ...common,
      storage: network.storage,
      config: {
        unicastAddress: network.address,
        netKeys: [{ index: 0, key: network.netKey }],
        appKeys: [{ index: 0, key: network.appKey }],
        ivIndex: network.ivIndex,
        defaultTtl: network.ttl,
        beacon: false,
        configurationClient: true,
      },
    });
    this.#client = new ConfigClient({
      send: (destination, opcode, parameters, options) =>
        this.stack.send(destination, opcode, parameters, options),
      now: common.now,
      timeout: CONFIGURED,
      attempts: Math.max(1, Math.round(patience / CONFIGURED)),
    });
    this.stack.onAccess = (message) => {
      const { source, opcode, parameters, appKeyIndex } = message;
      if (opcode === OPCODE_IDENTITY_STATUS && appKeyIndex === undefined) {
        this.#asked.get(source)?.(parameters.slice());
      }
      this.#client.handle(message);
    };
    this.#provisioner = new Provisioner({
      ...common,
      onBeacon: ({ uuid }) => this.#beacons.set(toHex(uuid), clock.now()),
    });
    this.#pump = new Pump(clock, this.stack, this.#client, this.#provisioner);
    this.stack.onWake = () => this.#pump.settle();
    bearer.onReceive = (data, _address, rssi) => {
      const beacon = data[1] === AdType.MESH_BEACON && data[2] === SECURE_NETWORK;
      if (data[1] === AdType.MESH_MESSAGE || beacon) this.stack.receive(data, rssi, clock.now());
      else this.#provisioner.receive(data, rssi, clock.now());
      this.#pump.settle();
    };
    this.#pump.settle();
  }

  /** Whether a device that wants to be provisioned was heard lately. */
  hears(uuid: Uint8Array): boolean {
    return this.#clock.now() - (this.#beacons.get(toHex(uuid)) ?? Number.NEGATIVE_INFINITY) < BEACON_LIFE;
  }

  /** PB-ADV with the static OOB value: both sides prove that they know it before any key is told. */
  provision(uuid: Uint8Array, oob: Uint8Array, address: number): Promise<ProvisioningOutcome> {
    this.#beacons.delete(toHex(uuid));
    return new Promise((resolve) => {
      const { netKey } = this.#network;
      this.#provisioner.provision({
        uuid,
        staticOob: oob,
        requireOob: true,
        assign: () => ({
          netKey,
          netKeyIndex: 0,
          keyRefresh: false,
          ivUpdate: this.stack.iv.updating,
          ivIndex: this.stack.iv.current,
          unicastAddress: address,
        }),
        done: resolve,
      });
      this.#pump.settle();
    });
  }

  /** Asks a node under its device key. */
  ask(address: number, deviceKey: Uint8Array, request: ConfigRequest): Promise<ConfigResult> {
    this.stack.keys.setRemoteDeviceKey(address, deviceKey);
    return new Promise((resolve) => {
      this.#client.request(address, request, resolve);
      this.#pump.settle();
    });
  }

  /**
   * Asks once for the fingerprint of a node's identity.
   * @returns `undefined` when it does not answer, or has none
   */
  fingerprint(address: number, deviceKey: Uint8Array): Promise<Uint8Array | undefined> {
    const clock = this.#clock;
    this.stack.keys.setRemoteDeviceKey(address, deviceKey);
    return new Promise((resolve) => {
      const end = (answer?: Uint8Array) => {
        this.#asked.delete(address);
        cancel();
        resolve(answer?.[0] === 0 && answer.length === 9 ? answer.subarray(1) : undefined);
      };
      const cancel = clock.at(clock.now() + ANSWER, () => end());
      this.#asked.set(address, end);
      this.stack.send(address, OPCODE_IDENTITY_GET, new Uint8Array(0), { deviceKeyOf: address });
      this.#pump.settle();
    });
  }

  wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.#clock.at(this.#clock.now() + milliseconds, resolve));
  }

  get now(): number {
    return this.#clock.now();
  }

  stop(): void {
    this.#bearer.onReceive = undefined;
    this.#pump.stop();
    this.stack.flush();
  }
}

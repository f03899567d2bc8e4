import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { ConfigClient } from "../../firmware/mesh/config-client.js";
import * as ask from "../../firmware/mesh/config-messages.js";
import { OPCODE_COAP_STATUS, VENDOR_MODEL_COAP } from "../../firmware/mesh/numbers.js";
import { Provisioner } from "../../firmware/mesh/provisioner.js";
import { type Provisioned, ProvisioningDevice } from "../../firmware/mesh/provisioning-device.js";
import { MeshStack } from "../../firmware/mesh/stack.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Medium, MemoryStore, type Station, seeded } from "./medium.js";
import { APP_KEY, DEVICE_KEY, NET_KEY } from "./vectors.js";

const GATEWAY = 0x0001;

/** A device out of the box: beacons, is provisioned, and is a node from then on. */
class Device implements Station {
  readonly uuid: Uint8Array;
  readonly store = new MemoryStore();
  stack: MeshStack | undefined;
  #core: Station;

  constructor(medium: Medium, random: () => number, serial: number) {
    const { index, transmit } = medium.reserve();
    this.uuid = new Uint8Array(16).fill(serial);
    const common = { crypto: hostCrypto, random, now: () => medium.now, transmit };
    this.#core = new ProvisioningDevice({
      ...common,
      uuid: this.uuid,
      onProvisioned: (data: Provisioned) => {
        this.stack = new MeshStack({
          ...common,
          storage: this.store,
          config: {
            unicastAddress: data.unicastAddress,
            netKeys: [{ index: data.netKeyIndex, key: data.netKey }],
            appKeys: [],
            deviceKey: data.deviceKey,
            ivIndex: data.ivIndex,
            ivUpdate: data.ivUpdate,
          },
        });
        this.#core = this.stack;
      },
    });
    medium.attach(index, this);
  }

  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    this.#core.receive(adStructure, rssi, now);
  }

  tick(now: number): void {
    this.#core.tick(now);
  }

  get deadline(): number {
    return this.#core.deadline;
  }
}

/** Gateway, provisioner and Configuration Client in one device. */
class Commissioner implements Station {
  readonly stack: MeshStack;
  readonly heard = new Set<string>();
  readonly failed: string[] = [];
  readonly #provisioner: Provisioner;
  readonly #client: ConfigClient;
  readonly #seen = new Map<string, Uint8Array>();
  #address = 0x0100;
  configured = 0;

  constructor(medium: Medium, random: () => number) {
    const { index, transmit } = medium.reserve();
    const common = { crypto: hostCrypto, random, now: () => medium.now, transmit };
    this.stack = new MeshStack({
      ...common,
      storage: new MemoryStore(),
      config: {
        unicastAddress: GATEWAY,
        netKeys: [{ index: 0, key: hex(NET_KEY) }],
        appKeys: [{ index: 0, key: hex(APP_KEY) }],
        deviceKey: hex(DEVICE_KEY),
        ivIndex: 7,
        configurationClient: true,
      },
    });
    this.#client = new ConfigClient({
      send: (destination, opcode, parameters, options) =>
        this.stack.send(destination, opcode, parameters, options),
      now: common.now,
    });
    this.stack.onAccess = (message) => this.#client.handle(message);
    this.stack.onMessage = ({ source, parameters }) => this.heard.add(`${source} ${toHex(parameters)}`);
    this.#provisioner = new Provisioner({
      ...common,
      onBeacon: ({ uuid }) => {
        this.#seen.set(toHex(uuid), uuid);
        this.#next();
      },
    });
    medium.attach(index, this);
  }

  #next(): void {
    const [first] = this.#seen;
    if (first === undefined || this.#provisioner.busy) return;
    const [name, uuid] = first;
    const address = this.#address++;
    this.#provisioner.provision({
      uuid,
      assign: () => ({
        netKey: hex(NET_KEY),
        netKeyIndex: 0,
        keyRefresh: false,
        ivUpdate: false,
        ivIndex: this.stack.iv.current,
        unicastAddress: address,
      }),
      done: (outcome) => {
        this.#seen.delete(name);
        if (outcome.kind === "failed") this.failed.push(outcome.reason);
        else this.#configure(address, outcome.deviceKey);
      },
    });
  }

  #configure(address: number, deviceKey: Uint8Array): void {
    this.stack.keys.setRemoteDeviceKey(address, deviceKey);
    const requests = [
      ask.compositionGet(),
      ask.appKeyAdd(0, 0, hex(APP_KEY)),
      ask.modelAppBind(address, 0, VENDOR_MODEL_COAP),
      ask.modelPublicationSet(address, VENDOR_MODEL_COAP, { address: GATEWAY, appKeyIndex: 0, ttl: 5 }),
    ];
    let left = requests.length;
    for (const request of requests) {
      this.#client.request(address, request, (result) => {
        if (result.kind === "timed-out" || (result.status ?? 0) !== 0)
          this.failed.push(JSON.stringify(result));
        else if (--left === 0) this.configured++;
      });
    }
  }

  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    const networkBeacon = adStructure[1] === 0x2b && adStructure[2] === 0x01;
    if (adStructure[1] === 0x2a || networkBeacon) this.stack.receive(adStructure, rssi, now);
    else this.#provisioner.receive(adStructure, rssi, now);
  }

  tick(now: number): void {
    this.stack.tick(now);
    this.#client.tick(now);
    this.#provisioner.tick(now);
  }

  get deadline(): number {
    return Math.min(this.stack.deadline, this.#client.deadline, this.#provisioner.deadline);
  }
}

describe("mesh commissioning over the air", () => {
  it("50 devices out of the box are provisioned, configured, and publish, with 10 % loss", () => {
    const random = seeded(50);
    const medium = new Medium({ random, reaches: () => random() >= 0.1, delay: () => 1 + random() * 5 });
    const commissioner = new Commissioner(medium, random);
    const devices = Array.from({ length: 50 }, (_, i) => new Device(medium, random, i + 1));
    for (let minute = 0; minute < 30 && commissioner.configured < 50; minute++) medium.run(60_000);
    assert.deepEqual(commissioner.failed, []);
    assert.equal(commissioner.configured, 50);
    const addresses = new Set(devices.map(({ stack }) => stack!.address));
    assert.equal(addresses.size, 50);

    devices.forEach(({ stack }, i) => {
      assert.ok(stack!.publish(OPCODE_COAP_STATUS, new Uint8Array(24).fill(i)));
      medium.run(200);
    });
    medium.run(20_000);
    for (const [i, { stack }] of devices.entries()) {
      const message = `${stack!.address} ${i.toString(16).padStart(2, "0").repeat(24)}`;
      assert.ok(commissioner.heard.has(message), `device ${i}`);
    }
  });
});

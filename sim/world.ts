/**
 * A whole network in one virtual time: the air, and on it nodes, relays and gateways that run the firmware's own roles
 * over simulated hardware. Used by `npm start` (paced to wall time, real UDP) and by the tests (as fast as it goes).
 */

import { hostCrypto } from "#hal/crypto.js";
import { GatewayRole } from "../firmware/roles/gateway.js";
import { NodeRole } from "../firmware/roles/node.js";
import { RelayRole } from "../firmware/roles/relay.js";
import { Sht3x } from "../firmware/sensor/sht3x.js";
import type { Hal, KeyValueStore } from "../hal/hal.js";
import { HostBoard } from "../hal/host/board.js";
import { Air } from "./air/air.js";
import { fixedRange } from "./air/propagation.js";
import type { SimulatedRadio } from "./air/radio.js";
import type { VirtualClock } from "./clock.js";
import type { ModemNetwork } from "./modem/modem-network.js";
import type { SaraR4Simulator } from "./modem/sara-r4-simulator.js";
import { FAST_SETTINGS } from "./modem/settings.js";
import { simulatedModem } from "./modem/simulated-port.js";
import { type Device, RANGE } from "./network.js";
import { Random } from "./random.js";
import { officeSeries, type RecordedSeries } from "./sensor/recorded.js";
import { Sht3xModel } from "./sensor/sht3x-model.js";

/** What a sensor measured: to compare with what arrives. */
export interface Measured {
  readonly node: string;
  /** virtual ms */
  readonly time: number;
  /** °C, rounded to 1/100 */
  readonly temperature: number | undefined;
  /** % relative humidity, rounded to 1/100 */
  readonly humidity: number | undefined;
}

export interface WorldOptions {
  readonly clock: VirtualClock;
  readonly devices: readonly Device[];
  readonly seed: number;
  /** Probability that a frame is lost on a link. */
  readonly loss: number;
  /** A device's own storage, by its name. */
  readonly storage: (name: string) => KeyValueStore;
  /** What is behind a gateway's modem. */
  readonly internet: (gateway: string) => ModemNetwork;
  readonly server: { readonly host: string; readonly port: number };
  /** Recorded seconds per virtual second: how fast the sensors' days go by. */
  readonly timeScale: number;
  /** ms between the health reports of a gateway. */
  readonly healthInterval?: number;
  readonly onMeasured?: (measured: Measured) => void;
}

/** A device that is switched on. */
export interface RunningDevice {
  readonly device: Device;
  readonly radio: SimulatedRadio;
  readonly role: NodeRole | RelayRole | GatewayRole;
  readonly modem?: SaraR4Simulator;
}

/** Two AA cells, nearly new, and what a message takes from them: enough to see the column move. */
const BATTERY_START = 3150;
const BATTERY_PER_FRAME = 0.01;

export class World {
  readonly air: Air;
  readonly devices = new Map<string, RunningDevice>();
  readonly #options: WorldOptions;
  readonly #random: Random;
  readonly #office: RecordedSeries;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#office = officeSeries();
    this.air = new Air({
      clock: options.clock,
      random: this.#random.fork("air"),
      propagation: fixedRange(RANGE),
      loss: options.loss,
    });
  }

  /** Switches every device on. */
  start(): void {
    for (const device of this.#options.devices) this.switchOn(device);
  }

  /** Switches every device off in order: counters are stored exactly, modems leave the network. */
  stop(): void {
    for (const { role, radio } of this.devices.values()) {
      role.stop();
      radio.detach();
    }
    this.devices.clear();
  }

  /** Takes a device's power away at this moment: nothing is stored, nothing is said. */
  cutPower(name: string): void {
    const running = this.devices.get(name);
    if (running === undefined) return;
    running.radio.detach();
    running.role.halt();
    this.devices.delete(name);
  }

  switchOn(device: Device): RunningDevice {
    const { clock, storage } = this.#options;
    const radio = this.air.attach({
      name: device.name,
      position: device.position,
      random: this.#random.fork(`radio ${device.name}`),
    });
    const hal: Hal = {
      clock,
      crypto: hostCrypto,
      bearer: radio,
      storage: storage(device.name),
      board: new HostBoard({
        batteryVoltage: () =>
          device.kind === "node" ? BATTERY_START - BATTERY_PER_FRAME * radio.counters.events : undefined,
      }),
    };
    const running = { device, radio, ...this.#run(device, hal) };
    this.devices.set(device.name, running);
    running.role.start();
    return running;
  }

  #run(device: Device, hal: Hal): Pick<RunningDevice, "role" | "modem"> {
    if (device.kind === "relay") return { role: new RelayRole(hal, device.identity) };
    if (device.kind === "node") return { role: this.#node(device, hal) };
    return this.#gateway(device, hal);
  }

  #node(device: Device, hal: Hal): NodeRole {
    const { clock, timeScale, onMeasured } = this.#options;
    const model = new Sht3xModel({
      clock,
      environment: this.#office.environment({ node: device.identity.mesh.address, timeScale }),
    });
    const sensor = new Sht3x({ sensor: { io: model.io } });
    if (onMeasured !== undefined) {
      model.onMeasured = ({ time, temperature, humidity }) =>
        onMeasured({ node: device.name, time, temperature, humidity });
    }
    return new NodeRole({ ...hal, sensor }, device.identity);
  }

  #gateway(device: Device, hal: Hal): { role: GatewayRole; modem: SaraR4Simulator } {
    const { clock, internet, server, healthInterval } = this.#options;
    const { modem, port } = simulatedModem({
      clock,
      network: internet(device.name),
      settings: FAST_SETTINGS,
      random: this.#random.fork(`modem ${device.name}`),
    });
    const role = new GatewayRole({ ...hal, modem: port, queueStore: hal.storage }, device.identity, {
      modem: { apn: "iot.example", server },
      ...(healthInterval !== undefined && { healthInterval }),
    });
    return { role, modem };
  }
}

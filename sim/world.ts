/**
 * A whole network in one virtual time: the air, and on it nodes, relays and gateways that run the firmware's own roles
 * over simulated hardware. Used by `npm start` (paced to wall time, real UDP) and by the tests (as fast as it goes).
 */

import { hostCrypto } from "#hal/crypto.js";
import type { Hal, KeyValueStore } from "../hal/hal.js";
import { HostBoard } from "../hal/host/board.js";
import { Air } from "./air/air.js";
import { fixedRange } from "./air/propagation.js";
import type { SimulatedRadio } from "./air/radio.js";
import type { VirtualClock } from "./clock.js";
import { type DeviceEngine, type DeviceRole, nodeEngine } from "./engine.js";
import type { ModemNetwork } from "./modem/modem-network.js";
import type { SaraR4Simulator } from "./modem/sara-r4-simulator.js";
import { type Device, RANGE } from "./network.js";
import { Random } from "./random.js";
import { type Measured, simulatedRole } from "./roles.js";

export type { Measured } from "./roles.js";

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
  /** What the devices run in. Default: this process. */
  readonly engine?: DeviceEngine;
}

/** A device that is switched on. */
export interface RunningDevice {
  readonly device: Device;
  readonly radio: SimulatedRadio;
  readonly role: DeviceRole;
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

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
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
    const around = { ...this.#options, random: this.#random };
    const engine: DeviceEngine = this.#options.engine ?? nodeEngine;
    const made = simulatedRole(engine, device.kind, hal, device.identity, around);
    const running = { device, radio, ...made };
    this.devices.set(device.name, running);
    running.role.start();
    return running;
  }
}

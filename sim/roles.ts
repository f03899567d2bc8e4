/** The firmware's roles over simulated hardware: a sensor that replays the recorded office, a modem with an internet. */

import type { Identity } from "../firmware/roles/identity.js";
import type { Hal } from "../hal/hal.js";
import type { VirtualClock } from "./clock.js";
import type { DeviceEngine, DeviceRole, Equipment } from "./engine.js";
import type { ModemNetwork } from "./modem/modem-network.js";
import type { SaraR4Simulator } from "./modem/sara-r4-simulator.js";
import { FAST_SETTINGS } from "./modem/settings.js";
import { simulatedModem } from "./modem/simulated-port.js";
import type { DeviceKind } from "./network.js";
import type { Random } from "./random.js";
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

export interface Surroundings {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** What is behind a gateway's modem. */
  readonly internet: (gateway: string) => ModemNetwork;
  /** For gateways whose identity does not say it. */
  readonly server: { readonly host: string; readonly port: number };
  /** Recorded seconds per virtual second: how fast the sensors' days go by. */
  readonly timeScale: number;
  /** ms between the health reports of a gateway. */
  readonly healthInterval?: number;
  readonly onMeasured?: (measured: Measured) => void;
}

export interface SimulatedRole<R extends DeviceRole> {
  readonly role: R;
  readonly modem?: SaraR4Simulator;
}

let recorded: RecordedSeries | undefined;

/** @throws Error for an identity without what this kind needs */
export function simulatedRole<R extends DeviceRole>(
  engine: DeviceEngine<R>,
  kind: DeviceKind,
  hal: Hal,
  identity: Identity,
  around: Surroundings,
): SimulatedRole<R> {
  if (kind === "relay") return { role: engine.run(kind, identity, { hal }) };
  if (kind === "node") return { role: engine.run(kind, identity, { hal, i2c: sensorBus(identity, around) }) };
  const { modem, equipment } = gateway(hal, identity, around);
  return { role: engine.run(kind, identity, equipment), modem };
}

/** A bus with a sensor that measures the recorded office. */
function sensorBus(identity: Identity, { clock, timeScale, onMeasured }: Surroundings): Sht3xModel["io"] {
  recorded ??= officeSeries();
  const model = new Sht3xModel({
    clock,
    environment: recorded.environment({ node: identity.mesh.address, timeScale }),
  });
  if (onMeasured !== undefined) {
    model.onMeasured = ({ time, temperature, humidity }) =>
      onMeasured({ node: identity.name, time, temperature, humidity });
  }
  return model.io;
}

function gateway(
  hal: Hal,
  identity: Identity,
  around: Surroundings,
): { equipment: Equipment; modem: SaraR4Simulator } {
  const { clock, internet, random, server, healthInterval } = around;
  const { modem, port } = simulatedModem({
    clock,
    network: internet(identity.name),
    settings: FAST_SETTINGS,
    random: random.fork(`modem ${identity.name}`),
  });
  const { apn, ...to } = { apn: "iot.example", ...server, ...identity.uplink };
  const setting = { apn, server: to, ...(healthInterval !== undefined && { healthInterval }) };
  return { equipment: { hal, modem: port, gateway: setting }, modem };
}

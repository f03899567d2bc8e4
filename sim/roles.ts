/** The firmware's roles over simulated hardware: a sensor that replays the recorded office, a modem with an internet. */

import { GatewayRole } from "../firmware/roles/gateway.js";
import type { Identity } from "../firmware/roles/identity.js";
import { NodeRole } from "../firmware/roles/node.js";
import { RelayRole } from "../firmware/roles/relay.js";
import { Sht3x } from "../firmware/sensor/sht3x.js";
import type { Hal } from "../hal/hal.js";
import type { VirtualClock } from "./clock.js";
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

export interface SimulatedRole {
  readonly role: NodeRole | RelayRole | GatewayRole;
  readonly modem?: SaraR4Simulator;
}

let recorded: RecordedSeries | undefined;

/** @throws Error for an identity without what this kind needs */
export function simulatedRole(
  kind: DeviceKind,
  hal: Hal,
  identity: Identity,
  around: Surroundings,
): SimulatedRole {
  if (kind === "relay") return { role: new RelayRole(hal, identity) };
  return kind === "node" ? { role: node(hal, identity, around) } : gateway(hal, identity, around);
}

function node(hal: Hal, identity: Identity, { clock, timeScale, onMeasured }: Surroundings): NodeRole {
  recorded ??= officeSeries();
  const model = new Sht3xModel({
    clock,
    environment: recorded.environment({ node: identity.mesh.address, timeScale }),
  });
  if (onMeasured !== undefined) {
    model.onMeasured = ({ time, temperature, humidity }) =>
      onMeasured({ node: identity.name, time, temperature, humidity });
  }
  return new NodeRole({ ...hal, sensor: new Sht3x({ sensor: { io: model.io } }) }, identity);
}

function gateway(hal: Hal, identity: Identity, around: Surroundings): SimulatedRole {
  const { clock, internet, random, server, healthInterval } = around;
  const { modem, port } = simulatedModem({
    clock,
    network: internet(identity.name),
    settings: FAST_SETTINGS,
    random: random.fork(`modem ${identity.name}`),
  });
  const { apn, ...to } = { apn: "iot.example", ...server, ...identity.uplink };
  const role = new GatewayRole({ ...hal, modem: port, queueStore: hal.storage }, identity, {
    modem: { apn, server: to },
    ...(healthInterval !== undefined && { healthInterval }),
  });
  return { role, modem };
}

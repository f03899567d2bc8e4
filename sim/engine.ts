/** What runs the devices of a simulated network: Node itself, or another JavaScript engine beside it. */

import { GatewayRole } from "../firmware/roles/gateway.js";
import type { Identity } from "../firmware/roles/identity.js";
import { NodeRole } from "../firmware/roles/node.js";
import { RelayRole } from "../firmware/roles/relay.js";
import { Sht3x } from "../firmware/sensor/sht3x.js";
import type { Hal, I2C, ModemPort } from "../hal/hal.js";
import type { DeviceKind } from "./network.js";

/** What a device is connected to. */
export interface Equipment {
  readonly hal: Hal;
  /** A sensor node's bus, with an SHT3x on it. */
  readonly i2c?: new (options: {
    readonly address: number;
    readonly hz: number;
  }) => I2C;
  /** A gateway's. */
  readonly modem?: ModemPort;
  readonly gateway?: {
    readonly apn: string;
    readonly server: { readonly host: string; readonly port: number };
    /** ms */
    readonly healthInterval?: number;
  };
}

/** A role, wherever it runs. */
export interface DeviceRole {
  start(): void;
  /** Orderly. */
  stop(): void;
  /** At once, as when the power goes. */
  halt(): void;
  /** A gateway's modem driver. */
  readonly modem?: { readonly state: string };
}

/** The roles of the firmware. */
export type FirmwareRole = NodeRole | RelayRole | GatewayRole;

export interface DeviceEngine<R extends DeviceRole = DeviceRole> {
  /**
   * Makes a device's role; `start` starts it. The identity is in its storage, too.
   * @throws Error for an identity without what this kind needs
   */
  run(kind: DeviceKind, identity: Identity, equipment: Equipment): R;
}

/** The roles in this process. */
export const nodeEngine: DeviceEngine<FirmwareRole> = {
  run(kind, identity, { hal, i2c, modem, gateway }) {
    if (kind === "relay") return new RelayRole(hal, identity);
    if (kind === "node")
      return new NodeRole({ ...hal, sensor: new Sht3x({ sensor: { io: i2c! } }) }, identity);
    const { apn, server, healthInterval } = gateway!;
    return new GatewayRole({ ...hal, modem: modem!, queueStore: hal.storage }, identity, {
      modem: { apn, server },
      ...(healthInterval !== undefined && { healthInterval }),
    });
  },
};

import type { NodeInfo } from "../model.js";
import { type DeviceState, isConnected, stateOf, type Vitals } from "../watch.js";
import { now } from "./client.js";

/** When the server started to listen, as its summary says. */
let started = 0;

export function noteStart(time: string): void {
  started = Date.parse(time);
}

/** What the API says of a device, as watch.ts judges it. */
export function vitalsOf({ kind, lastSeen, interval, last, health, refusals }: NodeInfo): Vitals {
  return {
    kind,
    lastSeen: lastSeen === undefined ? undefined : Date.parse(lastSeen),
    interval: interval === undefined ? undefined : interval * 1000,
    battery: last?.battery ?? health?.battery,
    refusals: refusals && { since: Date.parse(refusals.since), last: Date.parse(refusals.last) },
  };
}

/** As things stand now, without asking the server again. */
export function deviceState(node: NodeInfo): DeviceState {
  return stateOf(vitalsOf(node), started, now());
}

export function gatewayConnected(gateway: NodeInfo): boolean {
  return isConnected(deviceState(gateway), gateway.health?.modem);
}

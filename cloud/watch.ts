import type { NodeKind } from "./model.js";

/** What is judged of a device: the server's and the page's view of it. Pure, because both use it. */

/** A device is silent when it missed this many of its usual intervals, but not before {@link QUIET_MS}. */
const MISSED = 4;
const QUIET_MS = 90_000;
/** The limit for a device whose usual interval is not known yet. */
const UNKNOWN_MS = 900_000;
/** V: below this a lithium cell of a node is at its end. */
export const LOW_BATTERY = 2.4;
/** Refusals with less than this between them are one alarm; after so long without any it ends. */
export const REFUSALS_MS = 3_600_000;

export const DEVICE_STATES = ["fresh", "silent", "waiting"] as const;
/** "waiting": for its first message. */
export type DeviceState = (typeof DEVICE_STATES)[number];

/** Times in ms since 1970. */
export interface Vitals {
  readonly kind: NodeKind;
  readonly lastSeen: number | undefined;
  /** ms between its messages, as a rule. */
  readonly interval: number | undefined;
  /** V */
  readonly battery: number | undefined;
  readonly refusals: { readonly since: number; readonly last: number } | undefined;
}

/** @param interval ms between messages, as far as it is known */
export function silentAfter(interval: number | undefined): number {
  return interval === undefined ? UNKNOWN_MS : Math.max(QUIET_MS, MISSED * interval);
}

/** @param started when the server began to listen: before that it heard nobody, and nobody was silent */
export function stateOf(
  { lastSeen, interval }: Pick<Vitals, "lastSeen" | "interval">,
  started: number,
  now: number,
): DeviceState {
  if (lastSeen === undefined) return "waiting";
  return now - Math.max(lastSeen, started) > silentAfter(interval) ? "silent" : "fresh";
}

export const ALARM_KINDS = ["silent", "battery", "refused"] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

export interface Alarm {
  readonly kind: AlarmKind;
  /** When it began, ms since 1970; for a battery, which sinks slowly, it is not known. */
  readonly since: number | undefined;
}

/** What an operator should look after. */
export function alarmsOf(vitals: Vitals, started: number, now: number): Alarm[] {
  const alarms: Alarm[] = [];
  const { lastSeen, battery, refusals } = vitals;
  if (stateOf(vitals, started, now) === "silent") alarms.push({ kind: "silent", since: lastSeen });
  if (battery !== undefined && battery < LOW_BATTERY) alarms.push({ kind: "battery", since: undefined });
  if (refusals !== undefined && now - refusals.last < REFUSALS_MS) {
    alarms.push({ kind: "refused", since: refusals.since });
  }
  return alarms;
}

/** How much of the way an interval moves with each message: down for shorter gaps, three times as far up for longer ones. */
const STEP = 0.05;
/** Gaps shorter than this are a burst, not an interval. */
const BURST_MS = 500;

/**
 * The usual time between a device's messages, followed without keeping them: a running estimate of the upper quartile
 * of the gaps. Readings that had waited come in bursts, and an outage is one long gap; neither moves it far.
 */
export function followInterval(interval: number | undefined, gap: number): number | undefined {
  if (gap < BURST_MS) return interval;
  if (interval === undefined) return gap;
  return gap > interval ? Math.min(gap, interval * (1 + 3 * STEP)) : Math.max(gap, interval * (1 - STEP));
}

/** A gateway that was heard lately, and was not looking for the network then. */
export function isConnected(state: DeviceState, modem: string | undefined): boolean {
  return state === "fresh" && (modem === undefined || modem === "ready" || modem === "asleep");
}

import type { Settings } from "../firmware/reading/settings.js";
import type { DeviceContext } from "./context.js";
import { type HealthState, healthJson } from "./health.js";
import {
  iso,
  meshAddressText,
  type NodeInfo,
  type NodeKind,
  type ReadingRecord,
  readingJson,
} from "./model.js";
import type { NodeRecord } from "./store/store.js";
import { followInterval, REFUSALS_MS, type Vitals } from "./watch.js";

/** A registered device with all that the server keeps in memory about it. */
export class Device implements Vitals {
  record: NodeRecord;
  context: DeviceContext | undefined;
  /** The newest reading by its time of measurement. */
  last: ReadingRecord | undefined;
  /** When its last authentic message came. */
  lastSeen: number | undefined;
  /** ms between its messages, as a rule. */
  interval: number | undefined;
  /** Number of the gateway that its last message came through. */
  gateway: number | undefined;
  /** From where its last authentic message came, and when by the endpoint's clock: the way back to it. */
  reachable: { readonly source: string; readonly at: number } | undefined;
  /** Requests refused since the server started. */
  refused = 0;
  /** First and last time of refusals that follow each other. */
  refusals: { readonly since: number; readonly last: number } | undefined;
  health: HealthState | undefined;
  /** What it last said of its settings, and when. */
  settings: (Settings & { readonly time: number }) | undefined;

  constructor(record: NodeRecord) {
    this.record = record;
  }

  get kind(): NodeKind {
    return this.record.kind;
  }

  /** V, as last told. */
  get battery(): number | undefined {
    const millivolts = this.last?.battery ?? this.health?.health.battery;
    return millivolts === undefined ? undefined : millivolts / 1000;
  }

  /** An authentic message came. */
  heard(received: number): void {
    if (this.lastSeen !== undefined) this.interval = followInterval(this.interval, received - this.lastSeen);
    this.lastSeen = received;
  }

  /** A message in its name was refused. */
  refuse(wall: number): void {
    this.refused++;
    const { refusals } = this;
    const since = refusals !== undefined && wall - refusals.last < REFUSALS_MS ? refusals.since : wall;
    this.refusals = { since, last: wall };
  }

  /** @param name of a device by its number */
  info(name: (id: number) => string | undefined, hops: number | undefined): NodeInfo {
    const { record, context, last, lastSeen, interval, refusals, health, settings } = this;
    const gateway = this.gateway === undefined ? undefined : name(this.gateway);
    return {
      name: record.name,
      kind: record.kind,
      ...(record.meshAddress !== undefined && { meshAddress: meshAddressText(record.meshAddress) }),
      ...(record.place !== undefined && { place: record.place }),
      created: iso(record.created),
      protected: context !== undefined,
      ...(context !== undefined && { replayWindow: context.replayWindow }),
      ...(lastSeen !== undefined && { lastSeen: iso(lastSeen) }),
      ...(interval !== undefined && { interval: Math.round(interval / 1000) }),
      ...(hops !== undefined && { hops }),
      ...(gateway !== undefined && { gateway }),
      ...(last !== undefined && { last: readingJson(last, name) }),
      refused: this.refused,
      ...(refusals !== undefined && { refusals: { since: iso(refusals.since), last: iso(refusals.last) } }),
      ...(health !== undefined && { health: healthJson(health) }),
      ...(settings !== undefined && { settings: { ...settings, time: iso(settings.time) } }),
    };
  }
}

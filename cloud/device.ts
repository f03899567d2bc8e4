import type { DeviceContext } from "./context.js";
import { type HealthState, healthJson } from "./health.js";
import { iso, meshAddressText, type NodeInfo, type ReadingRecord, readingJson } from "./model.js";
import type { NodeRecord } from "./store/store.js";

/** A registered device with all that the server keeps in memory about it. */
export class Device {
  record: NodeRecord;
  context: DeviceContext | undefined;
  /** The newest reading by its time of measurement. */
  last: ReadingRecord | undefined;
  /** When its last authentic message came. */
  lastSeen: number | undefined;
  /** Number of the gateway that its last message came through. */
  gateway: number | undefined;
  /** From where its last authentic message came, and when by the endpoint's clock: the way back to it. */
  reachable: { readonly source: string; readonly at: number } | undefined;
  /** Requests refused since the server started. */
  refused = 0;
  health: HealthState | undefined;

  constructor(record: NodeRecord) {
    this.record = record;
  }

  /** @param name of a device by its number */
  info(name: (id: number) => string | undefined, hops: number | undefined): NodeInfo {
    const { record, context, last, lastSeen, health } = this;
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
      ...(hops !== undefined && { hops }),
      ...(gateway !== undefined && { gateway }),
      ...(last !== undefined && { last: readingJson(last, name) }),
      refused: this.refused,
      ...(health !== undefined && { health: healthJson(health) }),
    };
  }
}

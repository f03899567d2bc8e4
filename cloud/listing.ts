import type { Device } from "./device.js";
import type { NodeInfo, NodeKind } from "./model.js";
import type { Registry } from "./registry.js";
import { type DeviceState, stateOf } from "./watch.js";

export const SORTS = [
  "name",
  "place",
  "temperature",
  "humidity",
  "battery",
  "hops",
  "seen",
  "refused",
] as const;
export type Sort = (typeof SORTS)[number];

/** Which devices, in which order, and which part of them. */
export interface NodeQuery {
  readonly kind?: NodeKind;
  readonly state?: DeviceState;
  /** Name of the gateway that they were last heard through. */
  readonly gateway?: string;
  readonly hops?: number;
  /** Part of the name, the place or the mesh address. */
  readonly search?: string;
  /** Default: as registered. */
  readonly sort?: Sort;
  readonly order?: "asc" | "desc";
  readonly limit?: number;
  readonly offset?: number;
}

const natural = new Intl.Collator("en", { numeric: true });

/** A part of the devices, and how many there are of the kind asked for: ten thousand of them are not sent at once. */
export function listNodes(
  registry: Registry,
  query: NodeQuery,
  now: number,
): { readonly total: number; readonly nodes: NodeInfo[] } {
  const found = [...registry.devices()].filter(filterOf(registry, query, now));
  if (query.sort !== undefined) found.sort(orderOf(registry, query.sort, query.order === "desc"));
  const { offset = 0, limit = found.length } = query;
  return {
    total: found.length,
    nodes: found.slice(offset, offset + limit).map((device) => registry.info(device)),
  };
}

function filterOf(registry: Registry, query: NodeQuery, now: number): (device: Device) => boolean {
  const { kind, state, hops } = query;
  const search = query.search?.trim().toLowerCase() ?? "";
  const gateway = query.gateway === undefined ? undefined : (registry.numberOf(query.gateway) ?? -1);
  return (device) => {
    const { name, place = "", meshAddress } = device.record;
    if (kind !== undefined && device.kind !== kind) return false;
    if (gateway !== undefined && device.gateway !== gateway) return false;
    if (state !== undefined && stateOf(device, registry.started, now) !== state) return false;
    if (hops !== undefined && registry.hops(device) !== hops) return false;
    if (search === "") return true;
    const address = meshAddress === undefined ? "" : meshAddress.toString(16).padStart(4, "0");
    return [name, place, address].some((text) => text.toLowerCase().includes(search));
  };
}

function orderOf(registry: Registry, sort: Sort, descending: boolean): (a: Device, b: Device) => number {
  const sign = descending ? -1 : 1;
  const byName = (a: Device, b: Device) => natural.compare(a.record.name, b.record.name);
  if (sort === "name") return (a, b) => sign * byName(a, b);
  const values = new Map<Device, number | string | undefined>();
  const value = (device: Device) => {
    if (!values.has(device)) values.set(device, sortValue(registry, device, sort));
    return values.get(device);
  };
  return (a, b) => {
    const [left, right] = [value(a), value(b)];
    // What has no value stands at the end either way.
    if (left === undefined || right === undefined) {
      return Number(left === undefined) - Number(right === undefined) || byName(a, b);
    }
    const difference =
      typeof left === "string" ? natural.compare(left, `${right}`) : left - (right as number);
    return sign * difference || byName(a, b);
  };
}

function sortValue(
  registry: Registry,
  device: Device,
  sort: Exclude<Sort, "name">,
): number | string | undefined {
  switch (sort) {
    case "place":
      return device.record.place;
    case "hops":
      return registry.hops(device);
    case "seen":
      return device.lastSeen;
    case "refused":
      return device.refused;
    case "battery":
      return device.battery;
    default:
      return device.last?.[sort];
  }
}

import type { Device } from "./device.js";
import type { CloudEndpoint } from "./endpoint.js";
import { iso } from "./model.js";
import type { AlarmJson, MeshJson, SummaryJson } from "./overview-json.js";
import type { Registry } from "./registry.js";
import { alarmsOf, isConnected, stateOf } from "./watch.js";

export function summarize(registry: Registry, endpoint: CloudEndpoint, now: number): SummaryJson {
  const nodes = { total: 0, fresh: 0, silent: 0, waiting: 0 };
  const gateways = { total: 0, connected: 0 };
  let relays = 0;
  let alarms = 0;
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const device of registry.devices()) {
    const state = stateOf(device, registry.started, now);
    alarms += alarmsOf(device, registry.started, now).length;
    if (device.kind === "relay") relays++;
    else if (device.kind === "gateway") {
      gateways.total++;
      if (isConnected(state, device.health?.health.modem)) gateways.connected++;
    } else {
      nodes.total++;
      nodes[state]++;
      const { temperature } = device.last ?? {};
      if (state === "fresh" && temperature !== undefined) {
        least = Math.min(least, temperature);
        most = Math.max(most, temperature);
      }
    }
  }
  const unknown = endpoint.unknown.json();
  return {
    time: iso(now),
    started: iso(registry.started),
    nodes,
    gateways,
    relays,
    ...(least <= most && { temperature: [least / 100, most / 100] as const }),
    refused: endpoint.refused,
    alarms,
    ...(unknown !== undefined && { unknown }),
  };
}

/** All alarms, those that began last in front. */
export function listAlarms(registry: Registry, now: number): AlarmJson[] {
  const found: { readonly alarm: AlarmJson; readonly since: number }[] = [];
  for (const device of registry.devices()) {
    const { name, place } = device.record;
    for (const { kind, since } of alarmsOf(device, registry.started, now)) {
      const alarm: AlarmJson = {
        id: [kind, name, since ?? ""].join(":"),
        kind,
        node: name,
        device: device.kind,
        ...(place !== undefined && { place }),
        ...(since !== undefined && { since: iso(since) }),
        ...(kind === "battery" && device.battery !== undefined && { battery: device.battery }),
        ...(kind === "refused" && { refused: device.refused }),
      };
      found.push({ alarm, since: since ?? 0 });
    }
  }
  return found.sort((a, b) => b.since - a.since).map(({ alarm }) => alarm);
}

/** @param most how many nodes are named, of all gateways together */
export function meshOf(registry: Registry, now: number, most: number, only?: string): MeshJson {
  const gateways = new Map<Device, Map<number, Device[]>>();
  const nodes: Device[] = [];
  let relays = 0;
  for (const device of registry.devices()) {
    if (device.kind === "gateway") gateways.set(device, new Map());
    else if (device.kind === "node") nodes.push(device);
    else relays++;
  }
  const unheard: Device[] = [];
  const others = new Map<Device, Record<string, number>>();
  for (const node of nodes) {
    const heard = hearers(registry, node, gateways.keys());
    const nearest = heard[0];
    if (nearest === undefined) {
      unheard.push(node);
      continue;
    }
    const rings = gateways.get(nearest.gateway)!;
    const ring = rings.get(nearest.hops);
    if (ring === undefined) rings.set(nearest.hops, [node]);
    else ring.push(node);
    if (heard.length > 1) {
      const also = heard.slice(1).map(({ gateway, hops }) => [gateway.record.name, hops] as const);
      others.set(node, Object.fromEntries(also));
    }
  }
  const shown = [...gateways].filter(([{ record }]) => only === undefined || record.name === only);
  const ringCount = shown.reduce((sum, [, rings]) => sum + rings.size, 0);
  // A fair share for each ring, more where others need less.
  const share = nodes.length <= most ? most : Math.max(1, Math.floor(most / (ringCount + 1)));
  const named = (devices: readonly Device[]) =>
    devices.slice(0, share).map((device) => {
      const { name, place } = device.record;
      const also = others.get(device);
      return {
        name,
        ...(place !== undefined && { place }),
        state: stateOf(device, registry.started, now),
        ...(also !== undefined && { also }),
      };
    });
  return {
    gateways: shown.map(([gateway, rings]) => ({
      name: gateway.record.name,
      ...(gateway.record.place !== undefined && { place: gateway.record.place }),
      connected: isConnected(stateOf(gateway, registry.started, now), gateway.health?.health.modem),
      rings: [...rings]
        .sort(([a], [b]) => a - b)
        .map(([hops, devices]) => ({ hops, count: devices.length, nodes: named(devices) })),
    })),
    unheard: { count: unheard.length, nodes: named(unheard) },
    relays,
  };
}

/** The gateways that hear a node: first the one that it speaks through, then the nearest. */
function hearers(
  registry: Registry,
  node: Device,
  gateways: Iterable<Device>,
): { readonly gateway: Device; readonly hops: number }[] {
  const address = node.record.meshAddress;
  if (address === undefined) return [];
  const found: { readonly gateway: Device; readonly hops: number }[] = [];
  for (const gateway of gateways) {
    const heard = gateway.health?.heard.get(address);
    if (heard !== undefined) found.push({ gateway, hops: heard.hops });
  }
  const own = node.gateway === undefined ? undefined : registry.device(node.gateway);
  return found.sort((a, b) => Number(b.gateway === own) - Number(a.gateway === own) || a.hops - b.hops);
}

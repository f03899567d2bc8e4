/**
 * The plan of a simulated network: who is in it, with which addresses, keys and places. It is what a field technician
 * provisions, made at once; kept in one file (0600), so that a second start goes on with the same keys.
 */

import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fromHex, toHex } from "../firmware/bytes/hex.js";
import { Refusal } from "../firmware/bytes/refusal.js";
import type { Identity, MeshIdentity, OscoreIdentity, Settings } from "../firmware/roles/identity.js";
import type { Position } from "./air/interference.js";

export type DeviceKind = "node" | "relay" | "gateway";

/** One device: what is written into its storage, and where it stands. */
export interface Device {
  readonly kind: DeviceKind;
  readonly name: string;
  readonly identity: Identity;
  readonly position: Position;
}

export interface PlanOptions {
  readonly nodes: number;
  readonly relays: number;
  readonly gateways: number;
  readonly settings: Settings;
  /** Random bytes fit for keys. */
  readonly random: (length: number) => Uint8Array;
  /** A node's context with a further client, as the node sees it. */
  readonly client?: (node: string) => OscoreIdentity;
}

/** The keys of a network and of each device that ever was in it, by name. */
export interface KeyRing {
  readonly netKey: Uint8Array;
  readonly appKey: Uint8Array;
  readonly devices: Map<string, DeviceKeys>;
}

interface DeviceKeys {
  /** Unicast address. */
  readonly address: number;
  readonly deviceKey: Uint8Array;
  readonly oscore?: OscoreIdentity;
}

/** The group that several gateways listen to. */
export const GATEWAY_GROUP = 0xc001;
/** Unicast addresses: DESIGN has room for thousands of each; a network of the simulator is smaller. */
export const FIRST_ADDRESS: Record<DeviceKind, number> = { gateway: 0x0001, node: 0x0100, relay: 0x4000 };
/** Metres between neighbours of a street; the simulated radio reaches {@link RANGE}. */
const SPACING = 45;
export const RANGE = 60;
/** Relays in one street before the next street begins. */
const STREET = 4;

/** What a device is called on the page and in files. */
function nameOf(kind: DeviceKind, index: number): string {
  return `${kind}-${index + 1}`;
}

/**
 * The shortest Sender ID not used yet (DESIGN §5): the empty one, then those of one byte, then those of two. The
 * server's is the shortest that differs from it.
 */
export function oscoreIds(index: number): { senderId: Uint8Array; recipientId: Uint8Array } {
  if (index === 0) return { senderId: new Uint8Array(0), recipientId: Uint8Array.of(0) };
  const recipientId = new Uint8Array(0);
  if (index <= 0x100) return { senderId: Uint8Array.of(index - 1), recipientId };
  const rest = index - 0x101;
  if (rest > 0xffff) throw new RangeError(`device number ${index}: Sender IDs of two bytes are used up`);
  return { senderId: Uint8Array.of(rest >> 8, rest & 0xff), recipientId };
}

/** What a device of a kind is given of the network's: a relay is blind, only gateways listen to their group. */
export function deviceIdentity(
  kind: DeviceKind,
  name: string,
  mesh: Required<Omit<MeshIdentity, "subscriptions" | "relay">>,
  oscore: OscoreIdentity | undefined,
  settings: Settings,
): Identity {
  const { appKey, publish, ...blind } = mesh;
  return {
    name,
    mesh: {
      ...blind,
      ...(kind !== "relay" && { appKey, publish }),
      subscriptions: kind === "gateway" ? [GATEWAY_GROUP] : [],
      relay: kind === "relay",
    },
    ...(oscore !== undefined && { oscore }),
    settings,
  };
}

/** The devices of a network, with keys from the ring, which is extended for those that are new. */
export function planNetwork(ring: KeyRing, options: PlanOptions): Device[] {
  const { nodes, relays, gateways, settings } = options;
  const devices: Device[] = [];
  const { random } = options;
  const gatewayKeys = Array.from({ length: gateways }, (_, i) =>
    keysOf(ring, nameOf("gateway", i), "gateway", random),
  );
  const publish = gateways > 1 ? GATEWAY_GROUP : gatewayKeys[0].address;
  // From the end of a street to the gateway and one more; 5 is the stack's own default (Mesh Protocol §4.2.7).
  const ttl = Math.max(5, Math.min(relays, STREET) + 2);

  const add = (kind: DeviceKind, index: number, position: Position) => {
    const name = nameOf(kind, index);
    const { address, deviceKey, oscore } = keysOf(ring, name, kind, random);
    const { netKey, appKey } = ring;
    const mesh = { address, netKey, appKey, deviceKey, ivIndex: 0, ttl, publish };
    const identity = deviceIdentity(kind, name, mesh, oscore, settings);
    const client = kind === "node" ? options.client?.(name) : undefined;
    devices.push({
      kind,
      name,
      position,
      identity: client === undefined ? identity : { ...identity, client },
    });
  };

  const places = streets(relays);
  for (let i = 0; i < nodes; i++) add("node", i, aroundPlace(places[i % places.length], i));
  for (let i = 0; i < relays; i++) add("relay", i, places[i + 1]);
  for (let i = 0; i < gateways; i++) add("gateway", i, { x: 0, y: 15 * i });
  return devices;
}

function keysOf(
  ring: KeyRing,
  name: string,
  kind: DeviceKind,
  random: (length: number) => Uint8Array,
): DeviceKeys {
  let keys = ring.devices.get(name);
  if (keys === undefined) {
    let contexts = 0;
    for (const { oscore } of ring.devices.values()) if (oscore !== undefined) contexts++;
    keys = {
      address: freeAddress(ring, kind),
      deviceKey: random(16),
      ...(kind !== "relay" && { oscore: { ...newSecrets(random), ...oscoreIds(contexts) } }),
    };
    ring.devices.set(name, keys);
  }
  return keys;
}

function newSecrets(random: (length: number) => Uint8Array) {
  return { masterSecret: random(16), masterSalt: random(8) };
}

/** Above all that were ever given out to devices of this kind. */
function freeAddress(ring: KeyRing, kind: DeviceKind): number {
  let address = FIRST_ADDRESS[kind];
  for (const [name, keys] of ring.devices) {
    if (name.startsWith(kind)) address = Math.max(address, keys.address + 1);
  }
  return address;
}

/**
 * For a device that has lost its storage, and with it what it knew of its own numbers: new keys, and a new address,
 * because the others' replay lists remember the old one's (Mesh Protocol §3.9.8). Its OSCORE IDs stay.
 */
export function renewKeys(ring: KeyRing, name: string, random: (length: number) => Uint8Array): void {
  const { oscore } = ring.devices.get(name) ?? {};
  const kind = name.slice(0, name.indexOf("-")) as DeviceKind;
  ring.devices.set(name, {
    address: freeAddress(ring, kind),
    deviceKey: random(16),
    ...(oscore !== undefined && { oscore: { ...oscore, ...newSecrets(random) } }),
  });
}

/** The gateways' place, then the relays along streets that go out from it. */
function streets(relays: number): Position[] {
  const places: Position[] = [{ x: 0, y: 0 }];
  for (let i = 0; i < relays; i++) {
    const angle = Math.floor(i / STREET) * 2.399963; // the golden angle: streets keep apart
    const distance = SPACING * ((i % STREET) + 1);
    places.push({ x: distance * Math.cos(angle), y: distance * Math.sin(angle) });
  }
  return places;
}

function aroundPlace(place: Position, index: number): Position {
  const angle = index * 2.399963;
  return { x: place.x + 12 * Math.cos(angle), y: place.y + 12 * Math.sin(angle) };
}

export function newKeyRing(random: (length: number) => Uint8Array): KeyRing {
  return { netKey: random(16), appKey: random(16), devices: new Map() };
}

interface StoredRing {
  version: 1;
  netKey: string;
  appKey: string;
  devices: Record<
    string,
    {
      address: number;
      deviceKey: string;
      oscore?: { masterSecret: string; masterSalt: string; senderId: string; recipientId: string };
    }
  >;
}

/** The ring in `file`, or `undefined` when there is no such file. */
export function loadKeyRing(file: string): KeyRing | undefined | Refusal<"network-file"> {
  if (!existsSync(file)) return undefined;
  try {
    const stored = JSON.parse(readFileSync(file, "utf8")) as StoredRing;
    if (stored.version !== 1)
      return new Refusal("network-file", `${file}: version ${stored.version}, expected 1`);
    const devices: KeyRing["devices"] = new Map();
    for (const [name, { address, deviceKey, oscore }] of Object.entries(stored.devices)) {
      devices.set(name, {
        address,
        deviceKey: bytesOf(deviceKey),
        ...(oscore !== undefined && {
          oscore: {
            masterSecret: bytesOf(oscore.masterSecret),
            masterSalt: bytesOf(oscore.masterSalt),
            senderId: bytesOf(oscore.senderId),
            recipientId: bytesOf(oscore.recipientId),
          },
        }),
      });
    }
    return { netKey: bytesOf(stored.netKey), appKey: bytesOf(stored.appKey), devices };
  } catch (error) {
    // Never the text of the file itself: it is made of keys.
    const why =
      error instanceof SyntaxError ? "not the JSON that was written" : (error as NodeJS.ErrnoException).code;
    return new Refusal("network-file", `${file}: ${why ?? "damaged"}`);
  }
}

function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text);
  if (bytes instanceof Refusal) throw new SyntaxError(bytes.reason);
  return bytes;
}

/** Writes beside and renames: the old ring or the new one, never half of one. */
export function saveKeyRing(file: string, ring: KeyRing): void {
  const stored: StoredRing = {
    version: 1,
    netKey: toHex(ring.netKey),
    appKey: toHex(ring.appKey),
    devices: Object.fromEntries(
      [...ring.devices].map(([name, { address, deviceKey, oscore }]) => [
        name,
        {
          address,
          deviceKey: toHex(deviceKey),
          ...(oscore !== undefined && {
            oscore: {
              masterSecret: toHex(oscore.masterSecret),
              masterSalt: toHex(oscore.masterSalt),
              senderId: toHex(oscore.senderId),
              recipientId: toHex(oscore.recipientId),
            },
          }),
        },
      ]),
    ),
  };
  const beside = `${file}.new`;
  writeFileSync(beside, `${JSON.stringify(stored, null, 2)}\n`, { mode: 0o600 });
  chmodSync(beside, 0o600);
  renameSync(beside, file);
}

/**
 * What a network file holds: keys, addresses, who has which of them, and how far each device is. Everything is plain
 * data; `network-file.ts` writes it encrypted.
 */

import { hostname, userInfo } from "node:os";
import { hostCrypto } from "#hal/crypto.js";
import { fromHex, toHex } from "../../firmware/bytes/hex.js";
import { DEFAULT_SETTINGS, type Settings, type UplinkIdentity } from "../../firmware/roles/identity.js";
import { type DeviceKind, GATEWAY_GROUP } from "../../sim/network.js";
import { ProvisionError } from "./errors.js";

export const DEVICE_KINDS = ["node", "relay", "gateway"] as const satisfies readonly DeviceKind[];

/** Keys of the mesh. Each refresh makes the next generation; the last one counts. */
export interface KeyGeneration {
  readonly number: number;
  readonly netKey: Uint8Array;
  readonly appKey: Uint8Array;
}

/** What a copy of the file without the keys of others leaves out. */
export interface Secrets {
  readonly deviceKey: Uint8Array;
  /** Absent in a relay. */
  readonly masterSecret?: Uint8Array;
  readonly masterSalt?: Uint8Array;
  /** Of a node with a further client: the server never has them. */
  readonly client?: { readonly masterSecret: Uint8Array; readonly masterSalt: Uint8Array };
}

/** One life of a device in the mesh: an address is given out once. */
export interface Credentials {
  /** Counts the lives of this device, from 1. */
  readonly life: number;
  readonly address: number;
  /** Number of its Sender ID (`oscoreIds`); absent in a relay. */
  readonly sender?: number;
  /** {@link KeyGeneration.number} that the board was, or is to be, written with. */
  readonly keys: number;
  /** Absent in a copy for somebody who has no need of them. */
  readonly secrets?: Secrets;
}

export type Registered = Pick<Credentials, "life" | "address" | "sender">;

/** How far the board is with `current`, or with `next` while there is one. */
export type BoardState = "planned" | "written" | "verified";

export interface Device {
  /** Of this entry for ever, 16 hex digits. */
  readonly id: string;
  name: string;
  kind: DeviceKind;
  place?: string;
  /** Seconds between measurements, where they are not the network's. */
  interval?: number;
  /** The board that it is, once one was seen. */
  chipId?: Uint8Array;
  /** From its label. */
  oob?: Uint8Array;
  /** What the board has, as far as is known. */
  current?: Credentials;
  /** What it is to get. With `current` this is the journal: a board has one of the two. */
  next?: Credentials;
  board: BoardState;
  /** Since when a board is being written, until it is seen what it has: a cut in between leaves this behind. */
  writing?: string;
  /** The life that the server knows, and its numbers there; `undefined`: not registered. */
  registered?: Registered;
  /** The life whose context with a client was given out: each is given out once. */
  client?: number;
  /** ISO 8601; it stays in the file, so that its address stays taken. */
  removed?: string;
  readonly created: string;
  /** ISO 8601 and a count: which of two copies of the entry is the newer one. */
  changed: string;
  revision: number;
}

/** First and last, both included. */
export type Range = readonly [first: number, last: number];

/** What a holder may give out. `sender` numbers Sender IDs. */
export type RangeKind = DeviceKind | "sender";

/** Who has a copy of the file, and the numbers that only this copy gives out. */
export interface Holder {
  readonly id: string;
  readonly name: string;
  readonly granted: string;
  /** None at the office, which has all that nobody else has. */
  ranges?: Record<RangeKind, Range[]>;
}

/** What applies to the whole network. */
export interface NetworkConfig {
  ivIndex: number;
  ttl: number;
  /** Where readings go: the only gateway, or the group of gateways. */
  publish: number;
  settings: Settings;
  uplink?: UplinkIdentity;
  /** Nodes get a security context with a client that asks them end to end (`npm run oscore-http`). */
  client?: boolean;
  server?: { readonly url: string; readonly token?: string };
  /** Of this part of the file. */
  changed: string;
  revision: number;
}

/** A key refresh that is under way (Mesh Profile §3.10.4), for whoever was not reached yet. */
export interface Refresh {
  /** The generation that it leads to. */
  readonly to: number;
  phase: 1 | 2 | 3;
  /** Devices that are through with the phase. */
  done: string[];
  /** Devices that go without the new keys. */
  behind: string[];
}

export interface HistoryEntry {
  readonly time: string;
  readonly who: string;
  readonly what: string;
  readonly device?: string;
}

export interface Network {
  /** 16 hex digits, for ever. */
  readonly id: string;
  readonly name: string;
  readonly created: string;
  /** {@link Holder.id} of this copy. */
  holder: string;
  config: NetworkConfig;
  keys: KeyGeneration[];
  refresh?: Refresh;
  /** Why the keys should be refreshed: somebody out there has them who should not. */
  refreshDue?: string;
  holders: Holder[];
  devices: Device[];
  /** Addresses and Sender IDs that were in use and are in no entry any more. */
  retired: { addresses: number[]; senders: number[] };
  /** Mesh addresses, by name, of devices that the server knew when an older backup was brought back. */
  strays?: Record<string, number>;
  /** The provisioner's own place in the mesh: of this file on this machine, never copied. */
  provisioner?: { readonly address: number; readonly where: string; storage: Record<string, Uint8Array> };
  history: HistoryEntry[];
}

/** The holder that grants ranges to others and refreshes keys. */
export const OFFICE = "office";

export const now = (): string => new Date().toISOString();
/** Addresses as they are written everywhere. */
export const hex4 = (address: number): string => address.toString(16).padStart(4, "0");
export const newId = (): string => toHex(hostCrypto.random(8));

export interface NewNetwork {
  readonly name: string;
  readonly gateways: "one" | "several";
  readonly ttl: number;
  readonly interval: number;
  readonly confirmable: boolean;
  readonly client?: boolean;
  readonly uplink?: UplinkIdentity;
  readonly server?: { readonly url: string; readonly token?: string };
}

export function newNetwork(options: NewNetwork): Network {
  const time = now();
  const network: Network = {
    id: newId(),
    name: options.name,
    created: time,
    holder: OFFICE,
    config: {
      ivIndex: 0,
      ttl: options.ttl,
      publish: options.gateways === "one" ? 0x0001 : GATEWAY_GROUP,
      settings: { ...DEFAULT_SETTINGS, interval: options.interval, confirmable: options.confirmable },
      ...(options.uplink !== undefined && { uplink: options.uplink }),
      ...(options.client === true && { client: true }),
      ...(options.server !== undefined && { server: options.server }),
      changed: time,
      revision: 1,
    },
    keys: [{ number: 1, netKey: hostCrypto.random(16), appKey: hostCrypto.random(16) }],
    holders: [{ id: OFFICE, name: "office", granted: time }],
    devices: [],
    retired: { addresses: [], senders: [] },
    history: [],
  };
  note(network, `network "${options.name}" made`);
  return network;
}

export function keysOf(network: Network, number?: number): KeyGeneration {
  const found =
    number === undefined ? network.keys.at(-1) : network.keys.find((one) => one.number === number);
  if (found === undefined) {
    throw new ProvisionError("bad-file", `The network file has no keys of generation ${number ?? "any"}.`);
  }
  return found;
}

/** Devices that are part of the network. */
export function members(network: Network): Device[] {
  return network.devices.filter(({ removed }) => removed === undefined);
}

export function findDevice(network: Network, name: string): Device | undefined {
  return members(network).find((device) => device.name === name);
}

/** @throws ProvisionError when there is none of this name */
export function deviceNamed(network: Network, name: string): Device {
  const device = findDevice(network, name);
  if (device !== undefined) return device;
  const gone = network.devices.find((other) => other.name === name);
  throw new ProvisionError(
    "not-found",
    gone === undefined
      ? `There is no device "${name}" in this network; \`list\` shows those that are.`
      : `"${name}" was removed on ${gone.removed?.slice(0, 10)}.`,
  );
}

/** What the device is to be: what it gets, or what it has. */
export function target(device: Device): Credentials {
  const credentials = device.next ?? device.current;
  if (credentials === undefined) throw new ProvisionError("bad-file", `"${device.name}" has no address.`);
  return credentials;
}

/** In words for people: planned → written → verified → registered. */
export function stateOf(device: Device): "planned" | "written" | "verified" | "registered" | "removed" {
  if (device.removed !== undefined) return "removed";
  if (device.board === "verified" && device.registered?.life === target(device).life) return "registered";
  return device.board;
}

/** The server has taken what `registrationOf` told it of these. */
export function setRegistered(network: Network, device: Device, credentials: Credentials): void {
  const { life, address, sender } = credentials;
  device.registered = { life, address, ...(sender !== undefined && { sender }) };
  touch(device);
  note(network, `"${device.name}" registered at the server`, device);
}

/** Notes that an entry has changed. */
export function touch(device: Device): void {
  device.changed = now();
  device.revision++;
}

export function note(network: Network, what: string, device?: Device): void {
  network.history.push({ time: now(), who: who(), what, ...(device !== undefined && { device: device.id }) });
}

function who(): string {
  try {
    return `${userInfo().username}@${hostname()}`;
  } catch {
    return hostname();
  }
}

/** Bytes stand in the JSON as `{"hex": "…"}`, so that nothing has to know which fields they are. */
export function encodeNetwork(value: unknown): Uint8Array {
  const text = JSON.stringify(value, (_key, field) =>
    field instanceof Uint8Array ? { hex: toHex(field) } : field,
  );
  return new TextEncoder().encode(text);
}

/**
 * @param bytes are wiped
 * @throws SyntaxError for what `encodeNetwork` did not write
 */
export function decodeNetwork<T = Network>(bytes: Uint8Array): T {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  bytes.fill(0);
  return JSON.parse(text, (_key, field) => {
    if (typeof field?.hex !== "string" || Object.keys(field).length !== 1) return field;
    const value = fromHex(field.hex);
    if (!(value instanceof Uint8Array)) throw new SyntaxError("bytes");
    return value;
  }) as T;
}

/** Takes all keys that a value holds out of memory, and all other bytes with them. */
export function wipe(value: unknown): void {
  if (value instanceof Uint8Array) value.fill(0);
  else if (typeof value === "object" && value !== null) for (const field of Object.values(value)) wipe(field);
}

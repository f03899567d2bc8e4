/**
 * Who a device is: what provisioning writes once into its storage and the roles read at every start. One CBOR map
 * under one key, so that a power cut leaves all of the old identity or all of the new one.
 */

import type { KeyValueStore } from "../../hal/hal.js";
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from "../bytes/cbor.js";
import { equal } from "../bytes/compare.js";
import { Refusal } from "../bytes/refusal.js";
import type { Settings } from "../reading/settings.js";

export type { Settings } from "../reading/settings.js";

/** Its place in the mesh. */
export interface MeshIdentity {
  /** Unicast address of the primary element. */
  readonly address: number;
  readonly netKey: Uint8Array;
  /** Absent in a relay, which is blind. */
  readonly appKey?: Uint8Array;
  readonly deviceKey: Uint8Array;
  readonly ivIndex: number;
  /** Initial TTL of every message in this network: what a gateway counts hops from. */
  readonly ttl: number;
  /** Where readings are published to: a gateway's unicast address, or a group of gateways. Absent in a relay. */
  readonly publish?: number;
  /** Group addresses listened to. */
  readonly subscriptions: readonly number[];
  /** Whether it passes on the PDUs of others. A gateway at the edge need not: its air time is for the answers. */
  readonly relay: boolean;
}

/** Its security context with the server (RFC 8613 §3.2), as the device sees it. */
export interface OscoreIdentity {
  readonly masterSecret: Uint8Array;
  readonly masterSalt: Uint8Array;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext?: Uint8Array;
}

/** Where a gateway sends its datagrams to. */
export interface UplinkIdentity {
  /** Address or name, without blanks. */
  readonly host: string;
  readonly port: number;
  readonly apn: string;
}

export interface Identity {
  readonly name: string;
  readonly mesh: MeshIdentity;
  /** Absent in a relay. */
  readonly oscore?: OscoreIdentity;
  /**
   * A node's security context with a further client, which asks it end to end: a Master Secret of its own, that the
   * server does not have.
   */
  readonly client?: OscoreIdentity;
  readonly settings: Settings;
  /** Of a gateway; absent: what its image was built with. */
  readonly uplink?: UplinkIdentity;
}

export const DEFAULT_SETTINGS: Settings = { interval: 60, confirmable: true, batch: 8 };

/** The storage key of settings that a node was told since: they stand in for those of its identity. */
export const SETTINGS_KEY = "settings";

/** The storage key. */
const STORED_AS = "identity";

const Key = {
  name: 0,
  address: 1,
  netKey: 2,
  appKey: 3,
  deviceKey: 4,
  ivIndex: 5,
  ttl: 6,
  publish: 7,
  subscriptions: 8,
  masterSecret: 9,
  masterSalt: 10,
  senderId: 11,
  recipientId: 12,
  idContext: 13,
  interval: 14,
  confirmable: 15,
  batch: 16,
  relay: 17,
  uplink: 18,
  client: 19,
} as const;

/** What the Configuration messages of the mesh tell a device; the rest is {@link encodePersonal}'s. */
const CONFIGURED: readonly number[] = [
  Key.address,
  Key.netKey,
  Key.appKey,
  Key.ivIndex,
  Key.ttl,
  Key.publish,
  Key.subscriptions,
  Key.relay,
];

export type IdentityRefusal = Refusal<"not-provisioned" | "identity-damaged">;

export function saveIdentity(storage: KeyValueStore, identity: Identity): void {
  storage.set(STORED_AS, encodeIdentity(identity));
}

/** The stored form. */
export function encodeIdentity(identity: Identity): Uint8Array {
  return encodeCbor(mapOf(identity));
}

/** All that provisioning over the air does not tell by itself: name, keys of its own, settings. */
export function encodePersonal(identity: Identity): Uint8Array {
  const map = mapOf(identity);
  for (const key of CONFIGURED) map.delete(key);
  return encodeCbor(map);
}

/** The inverse of {@link encodePersonal}, with what the Configuration messages have told. */
export function decodePersonal(
  personal: Uint8Array,
  configured: Omit<MeshIdentity, "deviceKey">,
): Identity | IdentityRefusal {
  const map = decodeCbor(personal);
  if (!(map instanceof Map)) return new Refusal("identity-damaged", "no map");
  setMesh(map, configured);
  return identityOf(map);
}

function setMesh(map: CborMap, mesh: Omit<MeshIdentity, "deviceKey">): void {
  map.set(Key.address, mesh.address);
  map.set(Key.netKey, mesh.netKey);
  map.set(Key.ivIndex, mesh.ivIndex);
  map.set(Key.ttl, mesh.ttl);
  map.set(Key.subscriptions, [...mesh.subscriptions]);
  map.set(Key.relay, mesh.relay);
  if (mesh.appKey !== undefined) map.set(Key.appKey, mesh.appKey);
  if (mesh.publish !== undefined) map.set(Key.publish, mesh.publish);
}

function mapOf({ name, mesh, oscore, client, settings, uplink }: Identity): CborMap {
  const map: CborMap = new Map<number, CborValue>([
    [Key.name, name],
    [Key.deviceKey, mesh.deviceKey],
    [Key.interval, settings.interval],
    [Key.confirmable, settings.confirmable],
    [Key.batch, settings.batch],
  ]);
  setMesh(map, mesh);
  if (oscore !== undefined) {
    map.set(Key.masterSecret, oscore.masterSecret);
    map.set(Key.masterSalt, oscore.masterSalt);
    map.set(Key.senderId, oscore.senderId);
    map.set(Key.recipientId, oscore.recipientId);
    if (oscore.idContext !== undefined) map.set(Key.idContext, oscore.idContext);
  }
  if (client !== undefined) {
    map.set(Key.client, [client.masterSecret, client.masterSalt, client.senderId, client.recipientId]);
  }
  if (uplink !== undefined) map.set(Key.uplink, `${uplink.host} ${uplink.port} ${uplink.apn}`);
  return map;
}

/** The stored identity, or why there is none. A field that is missing or of a wrong length is named, never shown. */
export function loadIdentity(storage: KeyValueStore): Identity | IdentityRefusal {
  const stored = storage.get(STORED_AS);
  return stored === undefined ? new Refusal("not-provisioned") : decodeIdentity(stored);
}

/** The inverse of {@link encodeIdentity}. */
export function decodeIdentity(bytes: Uint8Array): Identity | IdentityRefusal {
  const map = decodeCbor(bytes);
  return map instanceof Map ? identityOf(map) : new Refusal("identity-damaged", "no map");
}

/** Takes the identity away. */
export function forgetIdentity(storage: KeyValueStore): void {
  storage.delete(STORED_AS);
}

/** @param text "host port apn", as a person types it */
export function parseUplink(text: string): UplinkIdentity | undefined {
  const [host, port, apn] = text.split(" ");
  const number = Number(port);
  if (!host || !apn || !Number.isInteger(number) || number < 1 || number > 65535) return undefined;
  return { host, port: number, apn };
}

function identityOf(map: CborMap): Identity | IdentityRefusal {
  const fields = new Fields(map);
  const appKey = fields.optional("appKey", isKey);
  const publish = fields.optional("publish", isAddress);
  const mesh: MeshIdentity = {
    address: fields.required("address", isAddress),
    netKey: fields.required("netKey", isKey),
    ...(appKey !== undefined && { appKey }),
    deviceKey: fields.required("deviceKey", isKey),
    ivIndex: fields.required("ivIndex", isWhole),
    ttl: fields.required("ttl", isWhole),
    ...(publish !== undefined && { publish }),
    subscriptions: fields.required("subscriptions", isAddresses),
    relay: fields.required("relay", isBoolean),
  };
  const masterSecret = fields.optional("masterSecret", isBytes);
  const idContext = fields.optional("idContext", isBytes);
  const oscore: OscoreIdentity | undefined = masterSecret && {
    masterSecret,
    masterSalt: fields.required("masterSalt", isBytes),
    senderId: fields.required("senderId", isId),
    recipientId: fields.required("recipientId", isId),
    ...(idContext !== undefined && { idContext }),
  };
  const client = fields.optional("client", isClient);
  const uplink = fields.optional("uplink", isUplink);
  const identity: Identity = {
    name: fields.required("name", (value): value is string => typeof value === "string"),
    mesh,
    ...(oscore !== undefined && { oscore }),
    ...(client !== undefined && {
      client: {
        masterSecret: client[0],
        masterSalt: client[1],
        senderId: client[2],
        recipientId: client[3],
      },
    }),
    settings: {
      interval: fields.required(
        "interval",
        (value): value is number => typeof value === "number" && value > 0,
      ),
      confirmable: fields.required("confirmable", isBoolean),
      batch: fields.required(
        "batch",
        (value): value is number => isWhole(value) && value >= 1 && value <= 64,
      ),
    },
    ...(uplink !== undefined && { uplink: parseUplink(uplink)! }),
  };
  if (fields.damaged.length > 0) return new Refusal("identity-damaged", fields.damaged.join(", "));
  return identity;
}

/** Takes typed fields out of a map and remembers the names of those that do not fit. */
class Fields {
  readonly #map: CborMap;
  readonly damaged: string[] = [];

  constructor(map: CborMap) {
    this.#map = map;
  }

  optional<T extends CborValue>(
    name: keyof typeof Key,
    fits: (value: CborValue) => value is T,
  ): T | undefined {
    return this.#map.has(Key[name]) ? this.required(name, fits) : undefined;
  }

  required<T extends CborValue>(name: keyof typeof Key, fits: (value: CborValue) => value is T): T {
    const value = this.#map.get(Key[name]);
    if (value !== undefined && fits(value)) return value;
    this.damaged.push(name);
    // Never seen by anybody: a damaged field makes the whole identity a refusal.
    return undefined as unknown as T;
  }
}

const isBoolean = (value: CborValue): value is boolean => typeof value === "boolean";
const isBytes = (value: CborValue): value is Uint8Array => value instanceof Uint8Array;
/** RFC 8613 §3.3: the nonce of 13 bytes has room for 7. */
const isId = (value: CborValue): value is Uint8Array => value instanceof Uint8Array && value.length <= 7;
const isClient = (value: CborValue): value is Uint8Array[] =>
  Array.isArray(value) &&
  value.length === 4 &&
  value.every(isBytes) &&
  isId(value[2]) &&
  isId(value[3]) &&
  // RFC 8613 §3.3: both directions would share key and nonces.
  !equal(value[2], value[3]);
const isKey = (value: CborValue): value is Uint8Array => value instanceof Uint8Array && value.length === 16;
const isWhole = (value: CborValue): value is number => Number.isInteger(value) && (value as number) >= 0;
const isAddress = (value: CborValue): value is number => isWhole(value) && value >= 1 && value <= 0xffff;
const isAddresses = (value: CborValue): value is number[] => Array.isArray(value) && value.every(isAddress);
const isUplink = (value: CborValue): value is string =>
  typeof value === "string" && parseUplink(value) !== undefined;

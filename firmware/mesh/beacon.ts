import type { Crypto } from "../../hal/hal.js";
import { equalConstantTime } from "../bytes/compare.js";
import { ByteReader } from "../bytes/reader.js";
import { Refusal } from "../bytes/refusal.js";
import { ByteWriter } from "../bytes/writer.js";
import type { NetKeyMaterial } from "./keys.js";
import { AdType } from "./numbers.js";

/** Mesh beacons (Mesh Profile §3.9): the AD structure's data begins with the beacon's type. */
export const BeaconType = { UNPROVISIONED_DEVICE: 0x00, SECURE_NETWORK: 0x01, PRIVATE: 0x02 } as const;

/** Type ‖ Flags ‖ Network ID ‖ IV Index ‖ Authentication Value. */
const SECURE_NETWORK_LENGTH = 22;

/** Type ‖ Random ‖ Obfuscated Private Beacon Data ‖ Authentication Tag. */
const PRIVATE_LENGTH = 27;
const NO_BYTES = new Uint8Array(0);

/** What a secure network beacon says (§3.9.3). */
export interface SecureNetworkBeacon {
  /** New keys are in use (phase 2 of a key refresh). */
  readonly keyRefresh: boolean;
  readonly ivUpdate: boolean;
  readonly ivIndex: number;
}

/** Why a beacon is not taken. */
export type BeaconReason = "beacon-length" | "beacon-type" | "beacon-mic";

/** The Network ID of a secure network beacon, from the data behind the AD type. */
export function networkIdOf(data: Uint8Array): Uint8Array | Refusal<BeaconReason> {
  if (data.length < 1 || data[0] !== BeaconType.SECURE_NETWORK) return new Refusal("beacon-type");
  if (data.length !== SECURE_NETWORK_LENGTH) return new Refusal("beacon-length", `${data.length} bytes`);
  return data.subarray(2, 10);
}

/** Checks a secure network beacon with the key that its Network ID names, and reads it. */
export function openSecureNetworkBeacon(
  crypto: Crypto,
  material: NetKeyMaterial,
  data: Uint8Array,
): SecureNetworkBeacon | Refusal<BeaconReason> {
  const tag = crypto.cmac(material.beaconKey, data.subarray(1, 14)).subarray(0, 8);
  if (!equalConstantTime(tag, data.subarray(14, 22))) return new Refusal("beacon-mic");
  return flagsAndIvIndex(data[1], new ByteReader(data, 10).u32()!);
}

function flagsAndIvIndex(flags: number, ivIndex: number): SecureNetworkBeacon {
  return { keyRefresh: (flags & 1) !== 0, ivUpdate: (flags & 2) !== 0, ivIndex };
}

/**
 * Opens a private beacon (Mesh Protocol §3.10.4), which says the same without telling by which network: its key has to be
 * tried. Obfuscation and authentication are together AES-CCM, the Random being the nonce.
 */
export function openPrivateBeacon(
  material: NetKeyMaterial,
  data: Uint8Array,
): SecureNetworkBeacon | Refusal<BeaconReason> {
  if (data.length !== PRIVATE_LENGTH) return new Refusal("beacon-length", `${data.length} bytes`);
  const said = material.privateBeacon.open(data.subarray(1, 14), NO_BYTES, data.subarray(14));
  if (said === undefined) return new Refusal("beacon-mic");
  return flagsAndIvIndex(said[0], new ByteReader(said, 1).u32()!);
}

/** The AD structure of a secure network beacon. */
export function sealSecureNetworkBeacon(
  crypto: Crypto,
  material: NetKeyMaterial,
  beacon: SecureNetworkBeacon,
): Uint8Array {
  const writer = new ByteWriter(2 + SECURE_NETWORK_LENGTH)
    .u8(1 + SECURE_NETWORK_LENGTH)
    .u8(AdType.MESH_BEACON)
    .u8(BeaconType.SECURE_NETWORK)
    .u8((beacon.keyRefresh ? 1 : 0) | (beacon.ivUpdate ? 2 : 0))
    .bytes(material.networkId)
    .u32(beacon.ivIndex);
  const tag = crypto.cmac(material.beaconKey, writer.view().subarray(3));
  return writer.bytes(tag.subarray(0, 8)).finish();
}

/** What an unprovisioned device beacon says (§3.9.2). */
export interface UnprovisionedBeacon {
  /** Device UUID, 16 bytes. */
  readonly uuid: Uint8Array;
  /** Where out-of-band information is to be found, a bit field. */
  readonly oobInformation: number;
  /** Hash of the URI that a device may advertise besides. */
  readonly uriHash?: Uint8Array;
}

/** The AD structure of an unprovisioned device beacon. */
export function encodeUnprovisionedBeacon(beacon: UnprovisionedBeacon): Uint8Array {
  const { uriHash } = beacon;
  const writer = new ByteWriter(25)
    .u8(20 + (uriHash?.length ?? 0))
    .u8(AdType.MESH_BEACON)
    .u8(BeaconType.UNPROVISIONED_DEVICE)
    .bytes(beacon.uuid)
    .u16(beacon.oobInformation);
  if (uriHash !== undefined) writer.bytes(uriHash);
  return writer.finish();
}

/** Reads an unprovisioned device beacon from the data behind the AD type. */
export function decodeUnprovisionedBeacon(data: Uint8Array): UnprovisionedBeacon | Refusal<BeaconReason> {
  if (data.length < 1 || data[0] !== BeaconType.UNPROVISIONED_DEVICE) return new Refusal("beacon-type");
  if (data.length !== 19 && data.length !== 23) return new Refusal("beacon-length", `${data.length} bytes`);
  return {
    uuid: data.slice(1, 17),
    oobInformation: (data[17] << 8) | data[18],
    ...(data.length === 23 ? { uriHash: data.slice(19) } : {}),
  };
}

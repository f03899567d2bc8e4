/** What mesh devices advertise for GATT clients (Mesh Protocol §7.1.2.2, §7.2.2.2): service data, explained. */

import { hostCrypto } from "#hal/crypto.js";
import { equal } from "../../firmware/bytes/compare.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { identityKey } from "../../firmware/crypto/mesh-keys.js";
import type { KeyStore, Subnet } from "../../firmware/mesh/keys.js";
import { addressName, hex } from "./names.js";

/** AD type of service data with a 16-bit UUID. */
export const SERVICE_DATA = 0x16;
const PROVISIONING_SERVICE = 0x1827;
const PROXY_SERVICE = 0x1828;
/** Identification types of the proxy service. */
const Identity = { NETWORK_ID: 0, NODE: 1, PRIVATE_NETWORK: 2, PRIVATE_NODE: 3 } as const;

/** Whether an AD structure is service data of the mesh. */
export function isMeshServiceData(structure: Uint8Array): boolean {
  const uuid = structure.length < 4 || structure[1] !== SERVICE_DATA ? 0 : structure[2] | (structure[3] << 8);
  return uuid === PROVISIONING_SERVICE || uuid === PROXY_SERVICE;
}

/** @returns why it could not be read to the end, if so */
export function explainServiceData(
  structure: Uint8Array,
  keys: KeyStore,
  lines: string[],
): string | undefined {
  const data = structure.subarray(4);
  if ((structure[2] | (structure[3] << 8)) === PROVISIONING_SERVICE) {
    lines.push("Mesh Provisioning Service");
    if (data.length !== 18) return "18 bytes of service data are due";
    lines.push(`  Device UUID: ${toHex(data.subarray(0, 16))}`);
    // Little-endian here, as all of GATT is, unlike in the beacon.
    lines.push(`  OOB information: ${hex(data[16] | (data[17] << 8), 4)}`);
    return undefined;
  }
  lines.push("Mesh Proxy Service");
  const [type] = data;
  if (type === Identity.NETWORK_ID) {
    if (data.length !== 9) return "a Network ID has 8 bytes";
    const networkId = data.subarray(1);
    lines.push(`  Network ID: ${toHex(networkId)}`);
    const found = keys.byNetworkId(networkId);
    if (found === undefined) return "no NetKey has this Network ID";
    lines.push(`  NetKey: number ${found.subnet.index + 1}`);
    return undefined;
  }
  if (type > Identity.PRIVATE_NODE || data.length !== 17) return "no identification of the Proxy Service";
  const name = ["", "Node Identity", "Private Network Identity", "Private Node Identity"][type];
  lines.push(`  ${name}, hash: ${toHex(data.subarray(1, 9))}, random: ${toHex(data.subarray(9))}`);
  for (const subnet of keys.subnets()) {
    const match = identify(subnet, type, data.subarray(1, 9), data.subarray(9));
    if (match === undefined) continue;
    lines.push(`  NetKey: number ${subnet.index + 1}${match === 0 ? "" : `, node: ${addressName(match)}`}`);
    return undefined;
  }
  return "no NetKey that was given has this identity";
}

/** The address of the node whose identity it is, 0 for a network; `undefined` when it is not one of this subnet's. */
function identify(subnet: Subnet, type: number, hash: Uint8Array, random: Uint8Array): number | undefined {
  const { key, networkId } = subnet.current;
  const cipher = hostCrypto.aesBlock(identityKey(hostCrypto, key));
  const block = new Uint8Array(16);
  const out = new Uint8Array(16);
  const fits = () => {
    cipher.encrypt(block, out);
    return equal(out.subarray(8), hash);
  };
  if (type === Identity.PRIVATE_NETWORK) {
    block.set(networkId);
    block.set(random, 8);
    return fits() ? 0 : undefined;
  }
  if (type === Identity.PRIVATE_NODE) block[5] = Identity.PRIVATE_NODE;
  block.set(random, 6);
  for (let address = 1; address < 0x8000; address++) {
    block[14] = address >> 8;
    block[15] = address;
    if (fits()) return address;
  }
  return undefined;
}

/** Who a board is before it has an identity: what its label says, and how it proves it. */

import type { Crypto, KeyValueStore } from "../../hal/hal.js";
import { concat } from "../bytes/compare.js";
import { ascii, k1, s1 } from "../crypto/mesh-keys.js";

export const KINDS = ["node", "relay", "gateway"] as const;
export type Kind = (typeof KINDS)[number];

/** The storage key of the static OOB value. */
const STORED_AS = "oob";
/** Where chip id, kind and maker are in a Device UUID. */
const CHIP_AT = [0, 1, 2, 3, 4, 5, 10, 11];
const KIND_AT = 7;
const MAKER_AT = 12;
/** "oM" and company 0xFFFF. */
const MAKER = [0x6f, 0x4d, 0xff, 0xff];

/** The Device UUID (Mesh Profile §3.10.3): version 8 (RFC 9562 §5.8), made of the chip id and the kind. */
export function deviceUuid(kind: Kind, chipId: Uint8Array): Uint8Array {
  const uuid = new Uint8Array(16);
  for (const [i, at] of CHIP_AT.entries()) uuid[at] = chipId[i];
  uuid[6] = 0x80;
  uuid[KIND_AT] = KINDS.indexOf(kind);
  uuid[8] = 0x80;
  uuid.set(MAKER, MAKER_AT);
  return uuid;
}

/** What {@link deviceUuid} was made of; `undefined` for a device of somebody else. */
export function readDeviceUuid(uuid: Uint8Array): { kind: Kind; chipId: Uint8Array } | undefined {
  const kind = KINDS[uuid[KIND_AT]];
  const ours =
    uuid.length === 16 && uuid[6] === 0x80 && MAKER.every((byte, i) => uuid[MAKER_AT + i] === byte);
  return ours && kind !== undefined
    ? { kind, chipId: Uint8Array.from(CHIP_AT, (at) => uuid[at]) }
    : undefined;
}

/** The static OOB value: made at the first start, and never again. */
export function staticOob(storage: KeyValueStore, crypto: Crypto): Uint8Array {
  const stored = storage.get(STORED_AS);
  if (stored !== undefined && stored.length === 16) return stored;
  const oob = crypto.random(16);
  storage.set(STORED_AS, oob);
  return oob;
}

/**
 * Proves the knowledge of a key to whoever knows it too, and tells nobody anything of it: 16 bytes.
 * @param key static OOB value or device key
 * @param challenge random bytes of the asking side
 * @param about what else is asserted: a UUID or a fingerprint
 */
export function proofOf(
  crypto: Crypto,
  key: Uint8Array,
  challenge: Uint8Array,
  about: Uint8Array,
): Uint8Array {
  return k1(crypto, key, s1(crypto, ascii("proof")), concat(challenge, about));
}

/** Names an encoded identity: 8 bytes, from which none of its keys can be found. */
export function fingerprintOf(crypto: Crypto, identity: Uint8Array): Uint8Array {
  return crypto.hkdfSha256(new Uint8Array(0), identity, ascii("fingerprint"), 8);
}

import type { Crypto } from "../../hal/hal.js";

/**
 * The mesh's key derivation functions (Mesh Profile 1.0.1 §3.8.2), all of them AES-CMAC underneath.
 *
 * They run once per key, so clarity comes before speed here.
 */

/** ASCII text as bytes; the specification's salts are such. */
export function ascii(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** `s1`: a 16-byte salt from any text (§3.8.2.4). */
export function s1(crypto: Crypto, message: Uint8Array): Uint8Array {
  return crypto.cmac(new Uint8Array(16), message);
}

/** `k1`: a 16-byte key from key material of any length (§3.8.2.5). */
export function k1(
  crypto: Crypto,
  inputKeyingMaterial: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
): Uint8Array {
  return crypto.cmac(crypto.cmac(salt, inputKeyingMaterial), info);
}

/** What `k2` makes of a NetKey: the credentials that network PDUs are sent with. */
export interface NetworkCredentialKeys {
  /** 7 bits */
  readonly nid: number;
  readonly encryptionKey: Uint8Array;
  readonly privacyKey: Uint8Array;
}

/** `P` of {@link k2} for the managed flooding credentials (§3.8.6.3.1). */
export function floodingP(): Uint8Array {
  return new Uint8Array(1);
}

/**
 * `k2`: NID, EncryptionKey and PrivacyKey (§3.8.2.6).
 * @param p {@link floodingP} or {@link friendshipP}
 */
export function k2(crypto: Crypto, netKey: Uint8Array, p: Uint8Array): NetworkCredentialKeys {
  const t = crypto.cmac(s1(crypto, ascii("smk2")), netKey);
  const t1 = round(crypto, t, new Uint8Array(0), p, 1);
  const encryptionKey = round(crypto, t, t1, p, 2);
  const privacyKey = round(crypto, t, encryptionKey, p, 3);
  return { nid: t1[15] & 0x7f, encryptionKey, privacyKey };
}

/** T_n = CMAC_T(T_(n−1) ‖ P ‖ n) of {@link k2}. */
function round(crypto: Crypto, key: Uint8Array, before: Uint8Array, p: Uint8Array, n: number): Uint8Array {
  const message = new Uint8Array(before.length + p.length + 1);
  message.set(before);
  message.set(p, before.length);
  message[message.length - 1] = n;
  return crypto.cmac(key, message);
}

/** `k3`: the public 8-byte Network ID (§3.8.2.7). */
export function k3(crypto: Crypto, netKey: Uint8Array): Uint8Array {
  const t = crypto.cmac(s1(crypto, ascii("smk3")), netKey);
  return crypto.cmac(t, ascii("id64\x01")).slice(8);
}

/** `k4`: the 6-bit AID of an AppKey (§3.8.2.8). */
export function k4(crypto: Crypto, appKey: Uint8Array): number {
  const t = crypto.cmac(s1(crypto, ascii("smk4")), appKey);
  return crypto.cmac(t, ascii("id6\x01"))[15] & 0x3f;
}

/** IdentityKey and BeaconKey are k1 of the NetKey with these salts (§3.8.6.3.2, §3.8.6.3.3). */
function id128(crypto: Crypto, netKey: Uint8Array, salt: string): Uint8Array {
  return k1(crypto, netKey, s1(crypto, ascii(salt)), ascii("id128\x01"));
}

/** Key of node identity advertisements (§3.8.6.3.2). */
export function identityKey(crypto: Crypto, netKey: Uint8Array): Uint8Array {
  return id128(crypto, netKey, "nkik");
}

/** Key of secure network beacons (§3.8.6.3.3). */
export function beaconKey(crypto: Crypto, netKey: Uint8Array): Uint8Array {
  return id128(crypto, netKey, "nkbk");
}

/** Key of private beacons (Mesh Protocol §3.9.6.3.4). */
export function privateBeaconKey(crypto: Crypto, netKey: Uint8Array): Uint8Array {
  return id128(crypto, netKey, "nkpk");
}

/** The 16-bit virtual address of a Label UUID (§3.4.2.3): 0b10 and 14 bits of a hash. */
export function virtualAddress(crypto: Crypto, label: Uint8Array): number {
  const hash = crypto.cmac(s1(crypto, ascii("vtad")), label);
  return 0x8000 | ((hash[14] & 0x3f) << 8) | hash[15];
}

/** `P` of {@link k2} for a friendship's credentials (§3.8.6.3.1). */
export function friendshipP(
  lowPowerNode: number,
  friend: number,
  lowPowerCounter: number,
  friendCounter: number,
): Uint8Array {
  return Uint8Array.of(
    0x01,
    lowPowerNode >> 8,
    lowPowerNode,
    friend >> 8,
    friend,
    lowPowerCounter >> 8,
    lowPowerCounter,
    friendCounter >> 8,
    friendCounter,
  );
}

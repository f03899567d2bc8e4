import { gcm, unsafe } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { randomBytes } from "@noble/ciphers/utils.js";
import { p256 } from "@noble/curves/nist.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import type { Aead, BlockCipher, Crypto, P256KeyPair } from "../hal.js";
import { Ccm, checkRoom, put, room, word } from "./ccm.js";
import { Cmac } from "./cmac.js";

type Cipher = (
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
) => { encrypt(plaintext: Uint8Array): Uint8Array; decrypt(sealed: Uint8Array): Uint8Array };

/** One of noble's one-shot AEADs as ours. Their tags are all of 16 bytes. */
class NobleAead implements Aead {
  readonly tagLength = 16;
  readonly #cipher: Cipher;
  readonly #key: Uint8Array;

  constructor(cipher: Cipher, key: Uint8Array) {
    this.#cipher = cipher;
    this.#key = new Uint8Array(key);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out?: Uint8Array): Uint8Array {
    return deliver(this.#cipher(this.#key, nonce, aad).encrypt(plaintext), out);
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out?: Uint8Array): Uint8Array | undefined {
    if (sealed.length < this.tagLength) return undefined;
    const cipher = this.#cipher(this.#key, nonce, aad);
    let plaintext: Uint8Array;
    try {
      plaintext = cipher.decrypt(sealed);
    } catch {
      // Lengths were checked, so a wrong tag is all that is left.
      return undefined;
    }
    return deliver(plaintext, out);
  }

  sealAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    checkRoom(bytes, at, length + this.tagLength);
    bytes.set(this.seal(nonce, aad, bytes.subarray(at, at + length)), at);
  }

  openAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
    checkRoom(bytes, at, length);
    const plaintext = this.open(nonce, aad, bytes.subarray(at, at + length));
    if (plaintext === undefined) bytes.fill(0, at, at + Math.max(0, length - this.tagLength));
    else bytes.set(plaintext, at);
    return plaintext !== undefined;
  }
}

/** AES-128 on noble's tables, with its key schedule kept. */
class Aes implements BlockCipher {
  readonly #schedule: Uint32Array;
  readonly #pad = new Uint8Array(16);

  constructor(key: Uint8Array) {
    checkKey(key, 16);
    this.#schedule = unsafe.expandKeyLE(key);
  }

  encrypt(block: Uint8Array, out: Uint8Array): void {
    const { s0, s1, s2, s3 } = unsafe.encrypt(
      this.#schedule,
      word(block, 0),
      word(block, 4),
      word(block, 8),
      word(block, 12),
    );
    put(out, 0, s0);
    put(out, 4, s1);
    put(out, 8, s2);
    put(out, 12, s3);
  }

  mask(block: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    checkRoom(bytes, at, length);
    const pad = this.#pad;
    this.encrypt(block, pad);
    for (let i = 0; i < length; i++) bytes[at + i] ^= pad[i];
  }
}

function deliver(bytes: Uint8Array, out: Uint8Array | undefined): Uint8Array {
  if (out === undefined) return bytes;
  const target = room(out, bytes.length);
  target.set(bytes);
  return target;
}

/** COSE's AEADs (RFC 9053 §4): key length, then for CCM the tag's length. The nonce's length is the caller's. */
const COSE_CCM: ReadonlyMap<number, readonly [keyLength: number, tagLength: number]> = new Map([
  [10, [16, 8]],
  [11, [32, 8]],
  [12, [16, 8]],
  [13, [32, 8]],
  [30, [16, 16]],
  [31, [32, 16]],
  [32, [16, 16]],
  [33, [32, 16]],
]);
const COSE_OTHER: ReadonlyMap<number, readonly [keyLength: number, cipher: Cipher]> = new Map([
  [1, [16, gcm]],
  [2, [24, gcm]],
  [3, [32, gcm]],
  [24, [32, chacha20poly1305]],
]);

/** Keys whose CMAC subkeys are kept. Beacons and key derivations of one network use only a few. */
const CMAC_KEYS = 16;

/** Schedules and subkeys of the CMAC keys used last: asking for a code under a known key is then one pass. */
class CmacCache {
  readonly #known: { key: Uint8Array; cmac: Cmac }[] = [];

  get(key: Uint8Array): Cmac {
    const known = this.#known;
    for (let i = 0; i < known.length; i++) if (sameKey(known[i].key, key)) return known[i].cmac;
    if (known.length === CMAC_KEYS) known.pop();
    const cmac = new Cmac(key);
    // Not `slice`: that of a Buffer shares its memory.
    known.unshift({ key: new Uint8Array(key), cmac });
    return cmac;
  }
}

function sameKey(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < 16; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

/** @throws RangeError: a key of a wrong length is a mistake of the programmer */
function checkKey(key: Uint8Array, length: number): void {
  if (key.length !== length) throw new RangeError(`key of ${key.length} bytes, ${length} needed`);
}

const cmacs = new CmacCache();

/** The primitives of the HAL on Node, by noble's libraries (DESIGN §4.3). */
export const hostCrypto: Crypto = {
  ccm(key: Uint8Array, tagLength: 4 | 8 | 16): Aead {
    return new Ccm(key, tagLength);
  },

  aead(coseAlgorithm: number, key: Uint8Array): Aead | undefined {
    const ccm = COSE_CCM.get(coseAlgorithm);
    if (ccm !== undefined) {
      checkKey(key, ccm[0]);
      return new Ccm(key, ccm[1]);
    }
    const other = COSE_OTHER.get(coseAlgorithm);
    if (other === undefined) return undefined;
    checkKey(key, other[0]);
    return new NobleAead(other[1], key);
  },

  cmac(key: Uint8Array, message: Uint8Array): Uint8Array {
    checkKey(key, 16);
    return cmacs.get(key).mac(message);
  },

  aesBlock(key: Uint8Array): BlockCipher {
    return new Aes(key);
  },

  hkdfSha256(
    salt: Uint8Array,
    inputKeyingMaterial: Uint8Array,
    info: Uint8Array,
    length: number,
  ): Uint8Array {
    return hkdf(sha256, inputKeyingMaterial, salt, info, length);
  },

  hkdfSha512(
    salt: Uint8Array,
    inputKeyingMaterial: Uint8Array,
    info: Uint8Array,
    length: number,
  ): Uint8Array {
    return hkdf(sha512, inputKeyingMaterial, salt, info, length);
  },

  p256: {
    generate(): P256KeyPair {
      const { secretKey } = p256.keygen();
      return { privateKey: secretKey, publicKey: p256.getPublicKey(secretKey, false).subarray(1) };
    },
    sharedSecret(privateKey: Uint8Array, peerPublicKey: Uint8Array): Uint8Array | undefined {
      if (peerPublicKey.length !== 64) return undefined;
      const point = new Uint8Array(65);
      point[0] = 4;
      point.set(peerPublicKey, 1);
      // noble checks that the point is on the curve (and is not the point at infinity) and throws otherwise.
      if (!p256.utils.isValidPublicKey(point, false)) return undefined;
      const compressed = p256.getSharedSecret(privateKey, point);
      const secret = compressed.slice(1);
      compressed.fill(0);
      return secret;
    },
  },

  random(length: number): Uint8Array {
    return randomBytes(length);
  },
};

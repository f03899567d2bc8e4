import { toHex } from "../../firmware/bytes/hex.js";
import type { Aead, Crypto } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";

/** The host's primitives, which find out when a key encrypts two different things under one nonce. */
export interface NonceWatch {
  readonly crypto: Crypto;
  /** Nonces that were used for two different plaintexts. */
  readonly reused: string[];
  /** Encryptions seen. */
  count: number;
}

export function watchNonces(): NonceWatch {
  const used = new Map<string, string>();
  const note = (key: string, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): void => {
    watch.count++;
    const use = `${key} ${toHex(nonce)}`;
    const what = `${toHex(aad)} ${toHex(plaintext)}`;
    const before = used.get(use);
    // The same once more is what a repetition is, and tells nobody anything.
    if (before !== undefined && before !== what) watch.reused.push(toHex(nonce));
    used.set(use, what);
  };
  const watched = (aead: Aead, key: string): Aead => ({
    tagLength: aead.tagLength,
    seal: (nonce, aad, plaintext, out) => {
      note(key, nonce, aad, plaintext);
      return aead.seal(nonce, aad, plaintext, out);
    },
    sealAt: (nonce, aad, bytes, at, length) => {
      note(key, nonce, aad, bytes.subarray(at, at + length));
      aead.sealAt(nonce, aad, bytes, at, length);
    },
    open: (nonce, aad, sealed, out) => aead.open(nonce, aad, sealed, out),
    openAt: (nonce, aad, bytes, at, length) => aead.openAt(nonce, aad, bytes, at, length),
  });
  const watch: NonceWatch = {
    crypto: {
      ...hostCrypto,
      ccm: (key, tagLength) => watched(hostCrypto.ccm(key, tagLength), `${toHex(key)} ${tagLength}`),
    },
    reused: [],
    count: 0,
  };
  return watch;
}

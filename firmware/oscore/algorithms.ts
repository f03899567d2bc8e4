import type { Aead, Crypto } from "../../hal/hal.js";

/** An AEAD as OSCORE needs to know it. Lengths in bytes. */
export interface AeadAlgorithm {
  /** COSE number (RFC 9053 §4) */
  readonly number: number;
  readonly name: string;
  readonly keyLength: number;
  readonly nonceLength: number;
  readonly tagLength: number;
}

/** The one that every implementation has (RFC 8613 §5). */
export const AES_CCM_16_64_128 = 10;

const ROWS: readonly (readonly [number, string, number, number, number])[] = [
  [1, "A128GCM", 16, 12, 16],
  [2, "A192GCM", 24, 12, 16],
  [3, "A256GCM", 32, 12, 16],
  [AES_CCM_16_64_128, "AES-CCM-16-64-128", 16, 13, 8],
  [11, "AES-CCM-16-64-256", 32, 13, 8],
  [12, "AES-CCM-64-64-128", 16, 7, 8],
  [13, "AES-CCM-64-64-256", 32, 7, 8],
  [24, "ChaCha20/Poly1305", 32, 12, 16],
  [30, "AES-CCM-16-128-128", 16, 13, 16],
  [31, "AES-CCM-16-128-256", 32, 13, 16],
  [32, "AES-CCM-64-128-128", 16, 7, 16],
  [33, "AES-CCM-64-128-256", 32, 7, 16],
];

/** All AEADs that COSE registers with a nonce long enough for OSCORE (RFC 8613 §5.2), by number. */
export const AEAD_ALGORITHMS: ReadonlyMap<number, AeadAlgorithm> = new Map(
  ROWS.map(([number, name, keyLength, nonceLength, tagLength]) => [
    number,
    { number, name, keyLength, nonceLength, tagLength },
  ]),
);

/** The AEAD with its key; `undefined` when this platform has none of that number. */
export function makeAead(crypto: Crypto, algorithm: AeadAlgorithm, key: Uint8Array): Aead | undefined {
  if (algorithm.name.startsWith("AES-CCM")) return crypto.ccm(key, algorithm.tagLength as 8 | 16);
  return crypto.aead(algorithm.number, key);
}

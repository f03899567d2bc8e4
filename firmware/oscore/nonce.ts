const PADDED_PARTIAL_IV_LENGTH = 5;

/**
 * The AEAD nonces of Partial IVs that one endpoint generated (RFC 8613 §5.2): everything but the Partial IV is the
 * same for all of them and kept.
 */
export class NonceTemplate {
  /** Common IV xor (length of the ID, ID and Partial IV zero on the left) */
  readonly #base: Uint8Array;
  readonly #nonce: Uint8Array;

  /** @param id of the endpoint that generated the Partial IVs; at most `commonIv.length - 6` bytes */
  constructor(commonIv: Uint8Array, id: Uint8Array) {
    const { length } = commonIv;
    const idEnd = length - PADDED_PARTIAL_IV_LENGTH;
    const base = commonIv.slice();
    base[0] ^= id.length;
    for (let i = 0; i < id.length; i++) base[idEnd - id.length + i] ^= id[i];
    this.#base = base;
    this.#nonce = base.slice();
  }

  /** The nonce of a Partial IV. Valid until the next call. */
  fill(partialIv: number): Uint8Array {
    const nonce = this.#nonce;
    const base = this.#base;
    const end = nonce.length;
    const start = end - PADDED_PARTIAL_IV_LENGTH;
    // What is above 32 bits is beyond what shifts and xor see.
    const high = Math.floor(partialIv / 0x100000000);
    const low = partialIv - high * 0x100000000;
    nonce[start] = base[start] ^ high;
    for (let i = start + 1, shift = 24; i < end; i++, shift -= 8) nonce[i] = base[i] ^ (low >>> shift);
    return nonce;
  }
}

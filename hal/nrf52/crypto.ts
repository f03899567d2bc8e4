import type { Aead, BlockCipher, Crypto, P256KeyPair } from "../hal.js";

/** AES-CCM with its key in C memory. */
class Ccm extends Native("board_ccm_destructor") implements Aead {
  constructor(key: Uint8Array, tagLength: 4 | 8 | 16) {
    super();
    native("board_ccm").call(this, key, tagLength);
  }
  get tagLength(): number {
    return native("board_ccm_tag_length").call(this);
  }
  sealTo(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): void {
    native("board_ccm_seal").call(this, nonce, aad, plaintext, out);
  }
  openTo(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out: Uint8Array): boolean {
    return native("board_ccm_open").call(this, nonce, aad, sealed, out);
  }
  sealAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    native("board_ccm_seal_at").call(this, nonce, aad, bytes, at, length);
  }
  openAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
    return native("board_ccm_open_at").call(this, nonce, aad, bytes, at, length);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out?: Uint8Array): Uint8Array {
    const target = room(out, plaintext.length + this.tagLength);
    this.sealTo(nonce, aad, plaintext, target);
    return target;
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out?: Uint8Array): Uint8Array | undefined {
    if (sealed.length < this.tagLength) return undefined;
    const target = room(out, sealed.length - this.tagLength);
    return this.openTo(nonce, aad, sealed, target) ? target : undefined;
  }
}

/** AES-128 with its key in C memory. */
class Aes extends Native("board_aes_destructor") implements BlockCipher {
  constructor(key: Uint8Array) {
    super();
    native("board_aes").call(this, key);
  }
  encrypt(block: Uint8Array, out: Uint8Array): void {
    native("board_aes_encrypt").call(this, block, out);
  }
  mask(block: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    native("board_aes_mask").call(this, block, bytes, at, length);
  }
}

function cmac(this: void, key: Uint8Array, message: Uint8Array, out: Uint8Array): void {
  native("board_cmac").call(this, key, message, out);
}

function hkdfSha256(this: void, salt: Uint8Array, key: Uint8Array, info: Uint8Array, out: Uint8Array): void {
  native("board_hkdf_sha256").call(this, salt, key, info, out);
}

function p256Public(this: void, privateKey: Uint8Array, publicKey: Uint8Array): boolean {
  return native("board_p256_public").call(this, privateKey, publicKey);
}

function p256Secret(this: void, privateKey: Uint8Array, peer: Uint8Array, out: Uint8Array): boolean {
  return native("board_p256_secret").call(this, privateKey, peer, out);
}

function fillRandom(this: void, out: Uint8Array): void {
  native("board_random").call(this, out);
}

/** COSE's numbers for AES-CCM (RFC 9053 §4.2): key length, tag length. Other AEADs a board does without. */
function coseCcm(algorithm: number): readonly [keyLength: number, tagLength: 8 | 16] | undefined {
  switch (algorithm) {
    case 10:
    case 12:
      return [16, 8];
    case 11:
    case 13:
      return [32, 8];
    case 30:
    case 32:
      return [16, 16];
    case 31:
    case 33:
      return [32, 16];
    default:
      return undefined;
  }
}

/** The HAL's primitives on Nordic's Oberon library and the SoftDevice's random numbers (DESIGN §4.3). */
export class BoardCrypto implements Crypto {
  readonly p256: Crypto["p256"] = {
    generate(): P256KeyPair {
      const privateKey = new Uint8Array(32);
      const publicKey = new Uint8Array(64);
      // A random number is a valid scalar in all but 2^-32 of the cases.
      do fillRandom(privateKey);
      while (!p256Public(privateKey, publicKey));
      return { privateKey, publicKey };
    },
    sharedSecret(privateKey: Uint8Array, peerPublicKey: Uint8Array): Uint8Array | undefined {
      const secret = new Uint8Array(32);
      return p256Secret(privateKey, peerPublicKey, secret) ? secret : undefined;
    },
  };

  ccm(key: Uint8Array, tagLength: 4 | 8 | 16): Aead {
    return new Ccm(key, tagLength);
  }

  aead(coseAlgorithm: number, key: Uint8Array): Aead | undefined {
    const lengths = coseCcm(coseAlgorithm);
    if (lengths === undefined) return undefined;
    if (key.length !== lengths[0]) throw new RangeError(`key of ${key.length} bytes, ${lengths[0]} needed`);
    return new Ccm(key, lengths[1]);
  }

  cmac(key: Uint8Array, message: Uint8Array): Uint8Array {
    const mac = new Uint8Array(16);
    cmac(key, message, mac);
    return mac;
  }

  aesBlock(key: Uint8Array): BlockCipher {
    return new Aes(key);
  }

  hkdfSha256(
    salt: Uint8Array,
    inputKeyingMaterial: Uint8Array,
    info: Uint8Array,
    length: number,
  ): Uint8Array {
    const output = new Uint8Array(length);
    hkdfSha256(salt, inputKeyingMaterial, info, output);
    return output;
  }

  random(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    fillRandom(bytes);
    return bytes;
  }
}

/** The first `length` bytes of `out`, or a new array. @throws RangeError when `out` is too short */
function room(out: Uint8Array | undefined, length: number): Uint8Array {
  if (out === undefined) return new Uint8Array(length);
  if (out.length === length) return out;
  if (out.length < length) throw new RangeError(`${length} bytes do not fit into ${out.length}`);
  return out.subarray(0, length);
}

import { unsafe } from "@noble/ciphers/aes.js";
import type { Aead } from "../hal.js";
import { encryptBlock } from "./aes-block.js";

/** Of the message in hand: the counter block with counter zero, the MAC so far, a block of key stream. */
const BLOCK = new Uint8Array(16);
const MAC = new Int32Array(4);
const STREAM = new Int32Array(4);

/**
 * AES-CCM (RFC 3610) with noble's key schedule, which is kept.
 *
 * All state of a message stays in 32-bit words (little-endian, noble's order), because at the sizes that the
 * mesh and OSCORE send, a few dozen bytes, setting up buffers and views costs more than AES itself.
 *
 * The block function works by tables, as noble's does, so its time depends on the key: good enough on a server, where an
 * observer sees network jitter of a thousand times that; the board has Oberon's constant-time one.
 */
export class Ccm implements Aead {
  readonly tagLength: number;
  readonly #schedule: Uint32Array;

  /** @throws RangeError for a key that is not of 16, 24 or 32 bytes, or a tag length outside RFC 3610 §2. */
  constructor(key: Uint8Array, tagLength: number) {
    if (key.length !== 16 && key.length !== 24 && key.length !== 32) {
      throw new RangeError(`AES key of ${key.length} bytes`);
    }
    if (tagLength < 4 || tagLength > 16 || tagLength % 2 !== 0)
      throw new RangeError(`CCM tag of ${tagLength} bytes`);
    this.tagLength = tagLength;
    this.#schedule = unsafe.expandKeyLE(key);
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out?: Uint8Array): Uint8Array {
    const length = plaintext.length;
    const target = room(out, length + this.tagLength);
    this.#run(nonce, aad, plaintext, 0, length, target, false);
    return target;
  }

  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array, out?: Uint8Array): Uint8Array | undefined {
    const length = sealed.length - this.tagLength;
    if (length < 0) return undefined;
    const target = room(out, length);
    if (this.#run(nonce, aad, sealed, 0, length, target, true)) return target;
    // Nothing of an unverified plaintext may leave (RFC 3610 §2.5).
    target.fill(0);
    return undefined;
  }

  sealAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    checkRoom(bytes, at, length + this.tagLength);
    this.#run(nonce, aad, bytes, at, length, bytes, false);
  }

  openAt(nonce: Uint8Array, aad: Uint8Array, bytes: Uint8Array, at: number, length: number): boolean {
    const plain = length - this.tagLength;
    if (plain < 0) return false;
    checkRoom(bytes, at, length);
    if (this.#run(nonce, aad, bytes, at, plain, bytes, true)) return true;
    bytes.fill(0, at, at + plain);
    return false;
  }

  /**
   * Both directions in one pass over `length` bytes from `from` in input and output: each block is read, given to the
   * MAC, crypted and written before the next, so that `output` may be `input`. Sealing writes the tag behind; opening
   * compares it and tells whether it fits.
   */
  #run(
    nonce: Uint8Array,
    aad: Uint8Array,
    input: Uint8Array,
    from: number,
    length: number,
    output: Uint8Array,
    opening: boolean,
  ): boolean {
    const lengthSize = 15 - nonce.length;
    if (lengthSize < 2 || lengthSize > 8) throw new RangeError(`CCM nonce of ${nonce.length} bytes`);
    if (lengthSize < 4 && length >>> (8 * lengthSize) > 0) {
      throw new RangeError(`message of ${length} bytes under a nonce of ${nonce.length}`);
    }
    const schedule = this.#schedule;
    const block = BLOCK;
    block.fill(0, nonce.length + 1);
    block.set(nonce, 1);
    // RFC 3610 §2.3: A_i = flags | nonce | counter. Lengths and counters below 2^32 only ever reach the last word.
    const flags = lengthSize - 1;
    const n0 = word(block, 0) | flags;
    const n1 = word(block, 4);
    const n2 = word(block, 8);
    const n3 = word(block, 12);

    // RFC 3610 §2.2: B_0 differs from A_0 in its flags, and has the length where the counter is.
    const macFlags = (aad.length > 0 ? 0x40 : 0) | ((this.tagLength - 2) << 2);
    const mac = MAC;
    const key = STREAM;
    encryptBlock(schedule, n0 | macFlags, n1, n2, n3 | swap(length), mac);

    if (aad.length > 0) {
      const end = aad.length;
      let at: number;
      if (end < 0xff00) {
        const head = (end >>> 8) | ((end & 0xff) << 8);
        encryptBlock(
          schedule,
          mac[0] ^ (head | (end > 1 ? (aad[0] << 16) | (aad[1] << 24) : aad[0] << 16)),
          mac[1] ^ wordUntil(aad, 2, end),
          mac[2] ^ wordUntil(aad, 6, end),
          mac[3] ^ wordUntil(aad, 10, end),
          mac,
        );
        at = 14;
      } else {
        const size = swap(end);
        encryptBlock(
          schedule,
          mac[0] ^ (0xfeff | (size << 16)),
          mac[1] ^ ((size >>> 16) | (aad[0] << 16) | (aad[1] << 24)),
          mac[2] ^ word(aad, 2),
          mac[3] ^ word(aad, 6),
          mac,
        );
        at = 10;
      }
      for (; at < end; at += 16) {
        encryptBlock(
          schedule,
          mac[0] ^ wordUntil(aad, at, end),
          mac[1] ^ wordUntil(aad, at + 4, end),
          mac[2] ^ wordUntil(aad, at + 8, end),
          mac[3] ^ wordUntil(aad, at + 12, end),
          mac,
        );
      }
    }

    const end = from + length;
    let counter = 1;
    let at = from;
    for (; at + 16 <= end; at += 16) {
      encryptBlock(schedule, n0, n1, n2, n3 ^ swap(counter++), key);
      const i0 = word(input, at);
      const i1 = word(input, at + 4);
      const i2 = word(input, at + 8);
      const i3 = word(input, at + 12);
      const o0 = i0 ^ key[0];
      const o1 = i1 ^ key[1];
      const o2 = i2 ^ key[2];
      const o3 = i3 ^ key[3];
      put(output, at, o0);
      put(output, at + 4, o1);
      put(output, at + 8, o2);
      put(output, at + 12, o3);
      if (opening) encryptBlock(schedule, mac[0] ^ o0, mac[1] ^ o1, mac[2] ^ o2, mac[3] ^ o3, mac);
      else encryptBlock(schedule, mac[0] ^ i0, mac[1] ^ i1, mac[2] ^ i2, mac[3] ^ i3, mac);
    }
    if (at < end) {
      encryptBlock(schedule, n0, n1, n2, n3 ^ swap(counter), key);
      // The last block is padded with zeros for the MAC but not for the key stream.
      let s0 = mac[0];
      let s1 = mac[1];
      let s2 = mac[2];
      let s3 = mac[3];
      for (let i = at; i < end; i++) {
        const column = (i - at) & 12;
        const shift = ((i - at) & 3) << 3;
        const stream = column === 0 ? key[0] : column === 4 ? key[1] : column === 8 ? key[2] : key[3];
        const before = input[i];
        const after = before ^ ((stream >>> shift) & 0xff);
        output[i] = after;
        const byte = (opening ? after : before) << shift;
        if (column === 0) s0 ^= byte;
        else if (column === 4) s1 ^= byte;
        else if (column === 8) s2 ^= byte;
        else s3 ^= byte;
      }
      encryptBlock(schedule, s0, s1, s2, s3, mac);
    }

    // RFC 3610 §2.4: the tag is the MAC's first bytes under the key stream of counter zero.
    encryptBlock(schedule, n0, n1, n2, n3, key);
    const t0 = mac[0] ^ key[0];
    const t1 = mac[1] ^ key[1];
    const t2 = mac[2] ^ key[2];
    const t3 = mac[3] ^ key[3];
    if (opening) return this.#compare(input, end, t0, t1, t2, t3);
    for (let i = 0; i < this.tagLength; i++) output[end + i] = tagByte(i, t0, t1, t2, t3);
    return true;
  }

  /** In a time that does not depend on where the difference is. */
  #compare(sealed: Uint8Array, at: number, t0: number, t1: number, t2: number, t3: number): boolean {
    let difference = 0;
    for (let i = 0; i < this.tagLength; i++) difference |= sealed[at + i] ^ tagByte(i, t0, t1, t2, t3);
    return difference === 0;
  }
}

function tagByte(i: number, t0: number, t1: number, t2: number, t3: number): number {
  return ((i < 4 ? t0 : i < 8 ? t1 : i < 12 ? t2 : t3) >>> ((i & 3) << 3)) & 0xff;
}

/** Four bytes as a little-endian word. */
export function word(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

/** {@link word}, with zeros from `end` on. */
function wordUntil(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return word(bytes, at);
  let value = 0;
  for (let i = at, shift = 0; i < end; i++, shift += 8) value |= bytes[i] << shift;
  return value;
}

/** Writes a word as four little-endian bytes. */
export function put(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** A number below 2^32 whose big-endian bytes, read as a little-endian word, are the result. */
function swap(value: number): number {
  return (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);
}

/** @throws RangeError when `length` bytes from `at` are not in `bytes` */
export function checkRoom(bytes: Uint8Array, at: number, length: number): void {
  if (at < 0 || at + length > bytes.length) {
    throw new RangeError(`${length} bytes from ${at} are not in ${bytes.length}`);
  }
}

/** The first `length` bytes of `out`, or a new array. @throws RangeError when `out` is too short */
export function room(out: Uint8Array | undefined, length: number): Uint8Array {
  if (out === undefined) return new Uint8Array(length);
  if (out.length === length) return out;
  if (out.length < length) throw new RangeError(`${length} bytes do not fit into ${out.length}`);
  return out.subarray(0, length);
}

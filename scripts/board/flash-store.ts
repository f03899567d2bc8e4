/**
 * The board's key-value store (hal/nrf52/native/boardStore.c) as bytes on the desktop: to give a board its identity
 * before its first start, and to see what one has kept. Reads all of the format; writes into a fresh region or behind
 * what is there, and never turns the log.
 */

import type { KeyValueStore } from "../../hal/hal.js";

export const PAGE_BYTES = 4096;
export const STORE_PAGES = 3;
/** Moddable's FSTORAGE region. */
export const STORE_ADDRESS = 0xef000;
export const STORE_BYTES = PAGE_BYTES * STORE_PAGES;

const MAGIC = 0x31534d4f;
const ERASED = 0xffffffff;
const DELETED = 0xffff;
const PAGE_HEADER = 16;
const RECORD_HEADER = 8;
const KEY_MAX = 32;
const VALUE_MAX = 512;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(...parts: Uint8Array[]): number {
  let crc = ERASED;
  for (const part of parts) for (const byte of part) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function pageCheck(sequence: number): number {
  return ~(MAGIC ^ Math.imul(sequence, 0x9e3779b1)) >>> 0;
}

function lengthCheck(keyLength: number, valueLength: number): number {
  return (0xa5 ^ keyLength ^ valueLength ^ (valueLength >> 8)) & 0xff;
}

interface RecordAt {
  readonly key: string;
  /** `undefined` when it says that the key was deleted. */
  readonly value: Uint8Array | undefined;
  readonly size: number;
}

export class FlashStore implements KeyValueStore {
  readonly region: Uint8Array;
  /** Records that a power cut left torn. */
  torn = 0;
  readonly #view: DataView;
  readonly #values = new Map<string, Uint8Array>();
  #head = 0;
  #at = PAGE_BYTES;

  /** @param region the store's pages; a fresh one, all erased, when left out */
  constructor(region: Uint8Array = new Uint8Array(STORE_BYTES).fill(0xff)) {
    if (region.length !== STORE_BYTES) throw new RangeError(`${region.length} bytes are no store region`);
    this.region = region;
    this.#view = new DataView(region.buffer, region.byteOffset, region.byteLength);
    this.#mount();
  }

  /** Erases of all pages together, since they were new. */
  get erases(): number {
    return this.#head - STORE_PAGES + 1;
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)?.slice();
  }

  set(key: string, value: Uint8Array): void {
    if (value.length > VALUE_MAX) throw new RangeError(`value of ${value.length} bytes`);
    this.#append(key, value);
    this.#values.set(key, value.slice());
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return;
    this.#append(key, undefined);
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  #page(sequence: number): number {
    return (sequence % STORE_PAGES) * PAGE_BYTES;
  }

  #word(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #isPage(sequence: number): boolean {
    const at = this.#page(sequence);
    return (
      this.#word(at) === MAGIC &&
      this.#word(at + 4) === sequence &&
      this.#word(at + 8) === pageCheck(sequence) &&
      this.#word(at + 12) === ERASED
    );
  }

  #mount(): void {
    for (let page = 0; page < STORE_PAGES; page++) {
      const sequence = this.#word(page * PAGE_BYTES + 4);
      if (sequence % STORE_PAGES === page && this.#isPage(sequence))
        this.#head = Math.max(this.#head, sequence);
    }
    if (this.#head === 0) {
      this.#head = STORE_PAGES;
      this.#at = PAGE_HEADER;
      const at = this.#page(this.#head);
      this.#view.setUint32(at, MAGIC, true);
      this.#view.setUint32(at + 4, this.#head, true);
      this.#view.setUint32(at + 8, pageCheck(this.#head), true);
      return;
    }
    for (let sequence = this.#head - STORE_PAGES + 1; sequence <= this.#head; sequence++) {
      if (sequence > 0 && this.#isPage(sequence)) this.#at = this.#scan(sequence);
    }
  }

  #scan(sequence: number): number {
    const page = this.#page(sequence);
    let end = PAGE_BYTES;
    while (end > PAGE_HEADER && this.#word(page + end - 4) === ERASED) end -= 4;
    let at = PAGE_HEADER;
    let torn = false;
    while (at < end) {
      const record = this.#record(sequence, at);
      if (record === undefined) {
        if (!torn) this.torn++;
        torn = true;
        at += 4;
        continue;
      }
      torn = false;
      if (record.value === undefined) this.#values.delete(record.key);
      else this.#values.set(record.key, record.value);
      at += record.size;
    }
    return at;
  }

  #record(sequence: number, at: number): RecordAt | undefined {
    const page = this.#page(sequence);
    const [keyLength, check] = this.region.subarray(page + at, page + at + 2) as unknown as [number, number];
    const stored = this.#view.getUint16(page + at + 2, true);
    const valueLength = stored === DELETED ? 0 : stored;
    const size = RECORD_HEADER + ((keyLength + valueLength + 3) & ~3);
    if (keyLength < 1 || keyLength > KEY_MAX || check !== lengthCheck(keyLength, stored)) return undefined;
    if (valueLength > VALUE_MAX || at + size > PAGE_BYTES) return undefined;
    const header = this.region.subarray(page + at, page + at + 4);
    const body = this.region.subarray(
      page + at + RECORD_HEADER,
      page + at + RECORD_HEADER + keyLength + valueLength,
    );
    if (this.#word(page + at + 4) !== recordCrc(sequence, at, header, body)) return undefined;
    return {
      key: new TextDecoder().decode(body.subarray(0, keyLength)),
      value: stored === DELETED ? undefined : body.slice(keyLength),
      size,
    };
  }

  #append(key: string, value: Uint8Array | undefined): void {
    const name = new TextEncoder().encode(key);
    if (name.length < 1 || name.length > KEY_MAX) throw new RangeError(`key of ${name.length} bytes`);
    const body = new Uint8Array(name.length + (value?.length ?? 0));
    body.set(name);
    if (value !== undefined) body.set(value, name.length);
    const size = RECORD_HEADER + ((body.length + 3) & ~3);
    if (this.#at + size > PAGE_BYTES) throw new RangeError("no room: the board turns its log, we do not");
    const at = this.#page(this.#head) + this.#at;
    const stored = value === undefined ? DELETED : value.length;
    // The board pads with zeros; only the words of the record are written.
    this.region.fill(0, at, at + size);
    this.region[at] = name.length;
    this.region[at + 1] = lengthCheck(name.length, stored);
    this.#view.setUint16(at + 2, stored, true);
    this.#view.setUint32(
      at + 4,
      recordCrc(this.#head, this.#at, this.region.subarray(at, at + 4), body),
      true,
    );
    this.region.set(body, at + RECORD_HEADER);
    this.#at += size;
  }
}

function recordCrc(sequence: number, at: number, header: Uint8Array, body: Uint8Array): number {
  const place = new Uint8Array(8);
  const view = new DataView(place.buffer);
  view.setUint32(0, sequence, true);
  view.setUint32(4, at, true);
  // The CRC runs over the parts as one.
  return crc32(place, header, body);
}

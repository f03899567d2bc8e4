import type { KeyValueStore } from "../hal.js";
import { crc32 } from "./crc32.js";
import { FileMedium, type Medium } from "./medium.js";

/** Largest value of {@link KeyValueStore}, bytes. */
const LONGEST_VALUE = 512;
const LONGEST_KEY = 64;

/** Begins every log; the last byte is the version of its format. */
const MAGIC = Uint8Array.of(0x6f, 0x6d, 0x6b, 0x76, 0x01);

/** CRC-32 of the rest of the record, kind, length of the key, length of the value. */
const RECORD_HEADER = 4 + 1 + 1 + 2;
const KIND_SET = 1;
const KIND_DELETE = 2;

/** A log shorter than this is not worth compacting. */
const COMPACT_FROM = 16_384;
/** A log this many times as long as what it says is compacted. */
const COMPACT_RATIO = 8;

/** Why a store could not be opened. Nothing has been changed on the medium. */
export class StoreError extends Error {
  readonly code: "not-a-store" | "newer-version" | "corrupt";

  constructor(code: StoreError["code"], message: string) {
    super(message);
    this.name = "StoreError";
    this.code = code;
  }
}

/** Values in memory, gone with the process. Copies on the way in and out. */
export class MemoryStore implements KeyValueStore {
  readonly #values = new Map<string, Uint8Array>();

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)?.slice();
  }

  set(key: string, value: Uint8Array): void {
    check(key, value);
    this.#values.set(key, copyOf(value));
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }
}

/**
 * Values in a log of checksummed records on a {@link Medium}: durable when `set` returns, and after a power cut at
 * any moment each value is the old or the new one.
 *
 * A record that is torn at the end of the log is what a power cut leaves; it is dropped. A bad record with good ones
 * behind it is damage of another kind: going on without it would give back older counters, so the store refuses.
 */
export class LogStore implements KeyValueStore {
  readonly #medium: Medium;
  readonly #values = new Map<string, Uint8Array>();
  #logLength = 0;
  /** A write failed: what is at the end of the log is unknown, so the next write writes all anew. */
  #unsure = false;

  /** Reads the log. @throws StoreError */
  constructor(medium: Medium, name = "store") {
    this.#medium = medium;
    const log = medium.load();
    const beginning = Math.min(log.length, MAGIC.length);
    for (let i = 0; i < beginning; i++) {
      if (log[i] === MAGIC[i]) continue;
      if (i === MAGIC.length - 1 && log[i] > MAGIC[i]) {
        throw new StoreError("newer-version", `${name} was written by a newer version (format ${log[i]})`);
      }
      throw new StoreError("not-a-store", `${name} is not a store of this program`);
    }
    if (log.length < MAGIC.length) {
      this.#unsure = true;
      return;
    }
    const end = this.#replay(log);
    if (holdsRecord(log, end)) {
      throw new StoreError(
        "corrupt",
        `${name} is damaged at byte ${end}: a bad record has good ones behind it. Restore it from a backup, or provision the device anew`,
      );
    }
    if (end < log.length) medium.truncate(end);
    this.#logLength = end;
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)?.slice();
  }

  set(key: string, value: Uint8Array): void {
    check(key, value);
    const copy = copyOf(value);
    this.#write(encode(KIND_SET, key, copy), (values) => values.set(key, copy));
  }

  delete(key: string): void {
    if (!this.#values.has(key)) return;
    this.#write(encode(KIND_DELETE, key, new Uint8Array(0)), (values) => values.delete(key));
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  close(): void {
    this.#medium.close();
  }

  /** The change becomes visible when it is durable, not before. */
  #write(record: Uint8Array, change: (values: Map<string, Uint8Array>) => void): void {
    const length = this.#logLength + record.length;
    const compact = length >= COMPACT_FROM && length >= COMPACT_RATIO * this.#compactLength();
    const unsure = this.#unsure;
    this.#unsure = true;
    if (compact || unsure) {
      const next = new Map(this.#values);
      change(next);
      const log = encodeAll(next);
      this.#medium.replace(log);
      this.#logLength = log.length;
    } else {
      this.#medium.append(record);
      this.#logLength = length;
    }
    this.#unsure = false;
    change(this.#values);
  }

  #compactLength(): number {
    let length = MAGIC.length;
    for (const [key, value] of this.#values) length += RECORD_HEADER + key.length + value.length;
    return length;
  }

  /** @returns where the first byte lies that is not of a good record */
  #replay(log: Uint8Array): number {
    let at = MAGIC.length;
    for (let length = recordLength(log, at); length > 0; length = recordLength(log, at)) {
      const keyLength = log[at + 5];
      const keyEnd = at + RECORD_HEADER + keyLength;
      const key = String.fromCharCode(...log.subarray(at + RECORD_HEADER, keyEnd));
      if (log[at + 4] === KIND_SET) this.#values.set(key, log.slice(keyEnd, at + length));
      else this.#values.delete(key);
      at += length;
    }
    return at;
  }
}

/** The store in a file of mode 0600, made when it does not exist. @throws StoreError */
export function openFileStore(path: string, options: { readonly sync?: boolean } = {}): LogStore {
  return new LogStore(new FileMedium(path, options.sync ?? true), path);
}

/** Not `slice`: that of Node's Buffer, which callers may hand in, shares its memory. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function check(key: string, value: Uint8Array): void {
  if (!/^[\x21-\x7e]{1,64}$/.test(key)) {
    throw new RangeError(`key "${key}" is not 1 to ${LONGEST_KEY} printable ASCII characters`);
  }
  if (value.length > LONGEST_VALUE) {
    throw new RangeError(`value of "${key}" has ${value.length} bytes, at most ${LONGEST_VALUE}`);
  }
}

function encode(kind: number, key: string, value: Uint8Array): Uint8Array {
  const record = new Uint8Array(RECORD_HEADER + key.length + value.length);
  const view = new DataView(record.buffer);
  record[4] = kind;
  record[5] = key.length;
  view.setUint16(6, value.length);
  for (let i = 0; i < key.length; i++) record[RECORD_HEADER + i] = key.charCodeAt(i);
  record.set(value, RECORD_HEADER + key.length);
  view.setUint32(0, crc32(record.subarray(4)));
  return record;
}

function encodeAll(values: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const records = [MAGIC, ...[...values].map(([key, value]) => encode(KIND_SET, key, value))];
  const log = new Uint8Array(records.reduce((sum, record) => sum + record.length, 0));
  let at = 0;
  for (const record of records) {
    log.set(record, at);
    at += record.length;
  }
  return log;
}

/** Length of the good record at `at`, 0 when there is none. */
function recordLength(log: Uint8Array, at: number): number {
  if (at + RECORD_HEADER > log.length) return 0;
  const view = new DataView(log.buffer, log.byteOffset + at);
  const kind = log[at + 4];
  const keyLength = log[at + 5];
  const valueLength = view.getUint16(6);
  if (kind !== KIND_SET && kind !== KIND_DELETE) return 0;
  if (keyLength === 0 || keyLength > LONGEST_KEY || valueLength > LONGEST_VALUE) return 0;
  const length = RECORD_HEADER + keyLength + valueLength;
  if (at + length > log.length) return 0;
  return crc32(log.subarray(at + 4, at + length)) === view.getUint32(0) ? length : 0;
}

/** Whether a good record begins anywhere behind `from`. */
function holdsRecord(log: Uint8Array, from: number): boolean {
  for (let at = from + 1; at + RECORD_HEADER < log.length; at++) if (recordLength(log, at) > 0) return true;
  return false;
}

/** A reader of pcapng by the draft's text, for tests: little-endian, microseconds, and strict about every length. */

import assert from "node:assert/strict";

export interface Block {
  readonly type: number;
  readonly body: Uint8Array;
}

export interface Packet {
  readonly interface: number;
  /** µs since 1970 */
  readonly time: bigint;
  readonly originalLength: number;
  readonly data: Uint8Array;
  readonly options: ReadonlyMap<number, Uint8Array>;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const padded = (length: number) => Math.ceil(length / 4) * 4;

export function readBlocks(file: Uint8Array): Block[] {
  const view = viewOf(file);
  const blocks: Block[] = [];
  for (let at = 0; at < file.length; ) {
    const length = view.getUint32(at + 4, true);
    assert.equal(length % 4, 0);
    assert.ok(length >= 12 && at + length <= file.length);
    assert.equal(view.getUint32(at + length - 4, true), length);
    blocks.push({ type: view.getUint32(at, true), body: file.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}

export function readOptions(bytes: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  if (bytes.length === 0) return options;
  const view = viewOf(bytes);
  for (let at = 0; ; ) {
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === 0) {
      assert.equal(length, 0);
      assert.equal(at + 4, bytes.length, "nothing behind the end of the options");
      return options;
    }
    options.set(code, Uint8Array.from(bytes.subarray(at + 4, at + 4 + length)));
    for (const byte of bytes.subarray(at + 4 + length, at + 4 + padded(length))) assert.equal(byte, 0);
    at += 4 + padded(length);
  }
}

export function readPacket({ type, body }: Block): Packet {
  assert.equal(type, 6);
  const view = viewOf(body);
  const length = view.getUint32(12, true);
  return {
    interface: view.getUint32(0, true),
    time: (BigInt(view.getUint32(4, true)) << 32n) | BigInt(view.getUint32(8, true)),
    originalLength: view.getUint32(16, true),
    data: Uint8Array.from(body.subarray(20, 20 + length)),
    options: readOptions(body.subarray(20 + padded(length))),
  };
}

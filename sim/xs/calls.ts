/** What a device in XS and the simulator around it say to each other: calls, as CBOR arrays. Used on both sides. */

import { type CborMap, type CborValue, decodeCbor, encodeCbor } from "../../firmware/bytes/cbor.js";
import { Refusal } from "../../firmware/bytes/refusal.js";

/** The HAL as the device calls it. Everything is plain values: keys travel with each call, as they have no names. */
export interface HalCalls {
  send(data: Uint8Array, count: number, interval: number): boolean;
  free(): number;
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): void;
  delete(key: string): void;
  keys(): string[];
  ccmSeal(
    key: Uint8Array,
    tag: number,
    nonce: Uint8Array,
    aad: Uint8Array,
    plaintext: Uint8Array,
  ): Uint8Array;
  ccmOpen(
    key: Uint8Array,
    tag: number,
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined;
  cmac(key: Uint8Array, message: Uint8Array): Uint8Array;
  aesEncrypt(key: Uint8Array, block: Uint8Array): Uint8Array;
  hkdfSha256(salt: Uint8Array, key: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  random(length: number): Uint8Array;
  battery(): number | undefined;
  feed(): void;
  i2cWrite(address: number, data: Uint8Array): void;
  i2cRead(address: number, length: number): Uint8Array;
  serialRead(length: number | undefined): Uint8Array | undefined;
  serialWrite(data: Uint8Array): void;
  serialWritable(): number;
  serialBaud(baud: number): void;
  serialOverruns(): number;
  powerOn(high: boolean): void;
  reset(high: boolean): void;
  vInt(): boolean;
}

/** What a device is told, each time with the virtual time. */
export interface DeviceCalls {
  /**
   * Makes the role of the device whose identity is in the storage.
   * @param gateway a gateway's setting: `apn`, `host`, `port`, and `healthInterval` in ms, 0 for the role's own
   */
  create(kind: string, chipId: Uint8Array, gateway: CborMap): void;
  start(): void;
  stop(): void;
  frame(data: Uint8Array, address: Uint8Array, rssi: number): void;
  alarm(): void;
  readable(bytes: number): void;
  writable(bytes: number): void;
  /** State of a gateway's modem driver. */
  modemState(): string;
  forget(): void;
}

type Plain = CborValue | undefined;

/** What is absent travels as null. */
export function encodeCall(values: readonly Plain[]): Uint8Array {
  return encodeCbor(values.map((value) => (value === undefined ? null : value)));
}

/** @throws Error for what `encodeCall` has not made: the other side is a program of ours */
export function decodeCall(bytes: Uint8Array): Plain[] {
  const values = decodeCbor(bytes);
  if (values instanceof Refusal || !Array.isArray(values)) throw new Error("not a call");
  return values.map((value) => (value === null ? undefined : value));
}

/** Whether an answer is a value, or what was thrown. */
export const ANSWER = { value: 0, range: 1, error: 2 } as const;

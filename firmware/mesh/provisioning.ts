import type { Crypto } from "../../hal/hal.js";
import { concat } from "../bytes/compare.js";
import { ByteReader } from "../bytes/reader.js";
import { Refusal } from "../bytes/refusal.js";
import { ByteWriter } from "../bytes/writer.js";
import { ascii, k1, s1 } from "../crypto/mesh-keys.js";

/** What both sides of the provisioning protocol share (Mesh Profile §5.4): PDUs, and the keys that come of them. */

export const Pdu = {
  INVITE: 0x00,
  CAPABILITIES: 0x01,
  START: 0x02,
  PUBLIC_KEY: 0x03,
  INPUT_COMPLETE: 0x04,
  CONFIRMATION: 0x05,
  RANDOM: 0x06,
  DATA: 0x07,
  COMPLETE: 0x08,
  FAILED: 0x09,
} as const;

/** Length of each PDU without its type. */
const LENGTHS: readonly number[] = [1, 11, 5, 64, 0, 16, 16, 33, 0, 1];

/** Error codes of Provisioning Failed (§5.4.4). */
export const ProvisioningError = {
  PROHIBITED: 0x00,
  INVALID_PDU: 0x01,
  INVALID_FORMAT: 0x02,
  UNEXPECTED_PDU: 0x03,
  CONFIRMATION_FAILED: 0x04,
  OUT_OF_RESOURCES: 0x05,
  DECRYPTION_FAILED: 0x06,
  UNEXPECTED_ERROR: 0x07,
  CANNOT_ASSIGN_ADDRESSES: 0x08,
} as const;
export type ProvisioningError = (typeof ProvisioningError)[keyof typeof ProvisioningError];

/** Authentication methods of Provisioning Start (§5.4.1.3). */
export const AuthMethod = { NONE: 0, STATIC: 1, OUTPUT: 2, INPUT: 3 } as const;

/** Output actions, as numbers in a Start and as bits in Capabilities (§5.4.1.2). */
export const OutputAction = { BLINK: 0, BEEP: 1, VIBRATE: 2, NUMERIC: 3, ALPHANUMERIC: 4 } as const;

/** What a device can do (§5.4.1.2). */
export interface Capabilities {
  readonly elements: number;
  /** Bit 0: P-256. */
  readonly algorithms: number;
  /** Bit 0: its public key is known out of band. */
  readonly publicKeyType: number;
  /** Bit 0: it has a static OOB value. */
  readonly staticOobType: number;
  readonly outputSize: number;
  readonly outputActions: number;
  readonly inputSize: number;
  readonly inputActions: number;
}

/** How a device is authenticated (§5.4.1.3). */
export interface StartParameters {
  readonly algorithm: number;
  readonly publicKeyOob: number;
  readonly method: number;
  readonly action: number;
  readonly size: number;
}

/** What a device gets at the end (§5.4.2.5). */
export interface ProvisioningData {
  readonly netKey: Uint8Array;
  readonly netKeyIndex: number;
  /** A key refresh is in phase 2: the NetKey is the new one. */
  readonly keyRefresh: boolean;
  readonly ivUpdate: boolean;
  readonly ivIndex: number;
  /** Of the primary element. */
  readonly unicastAddress: number;
}

/** Type and parameters of a provisioning PDU, or the error code that it deserves. */
export function splitPdu(
  pdu: Uint8Array,
): { type: number; parameters: Uint8Array } | Refusal<"invalid-pdu" | "invalid-format"> {
  const type = pdu[0];
  const length = pdu.length === 0 ? undefined : LENGTHS[type];
  if (length === undefined) return new Refusal("invalid-pdu");
  if (pdu.length !== 1 + length) return new Refusal("invalid-format", `type ${type}, ${pdu.length} bytes`);
  return { type, parameters: pdu.subarray(1) };
}

/** Parameters of Provisioning Capabilities (§5.4.1.2). */
export function encodeCapabilities(capabilities: Capabilities): Uint8Array {
  return new ByteWriter(11)
    .u8(capabilities.elements)
    .u16(capabilities.algorithms)
    .u8(capabilities.publicKeyType)
    .u8(capabilities.staticOobType)
    .u8(capabilities.outputSize)
    .u16(capabilities.outputActions)
    .u8(capabilities.inputSize)
    .u16(capabilities.inputActions)
    .finish();
}

/**
 * Reads Provisioning Capabilities (§5.4.1.2).
 * @param bytes 11 of them
 */
export function decodeCapabilities(bytes: Uint8Array): Capabilities {
  const reader = new ByteReader(bytes);
  return {
    elements: reader.u8()!,
    algorithms: reader.u16()!,
    publicKeyType: reader.u8()!,
    staticOobType: reader.u8()!,
    outputSize: reader.u8()!,
    outputActions: reader.u16()!,
    inputSize: reader.u8()!,
    inputActions: reader.u16()!,
  };
}

/** Parameters of Provisioning Start (§5.4.1.3). */
export function encodeStart(start: StartParameters): Uint8Array {
  return Uint8Array.of(start.algorithm, start.publicKeyOob, start.method, start.action, start.size);
}

/**
 * Reads Provisioning Start (§5.4.1.3).
 * @param bytes 5 of them
 */
export function decodeStart(bytes: Uint8Array): StartParameters {
  return {
    algorithm: bytes[0],
    publicKeyOob: bytes[1],
    method: bytes[2],
    action: bytes[3],
    size: bytes[4],
  };
}

/** The plaintext of the Provisioning Data (§5.4.2.5). */
export function encodeData(data: ProvisioningData): Uint8Array {
  return new ByteWriter(25)
    .bytes(data.netKey)
    .u16(data.netKeyIndex)
    .u8((data.keyRefresh ? 1 : 0) | (data.ivUpdate ? 2 : 0))
    .u32(data.ivIndex)
    .u16(data.unicastAddress)
    .finish();
}

/**
 * Reads decrypted Provisioning Data (§5.4.2.5).
 * @param bytes 25 of them
 */
export function decodeData(bytes: Uint8Array): ProvisioningData {
  const reader = new ByteReader(bytes);
  const netKey = reader.view(16)!.slice();
  const netKeyIndex = reader.u16()!;
  const flags = reader.u8()!;
  return {
    netKey,
    netKeyIndex,
    keyRefresh: (flags & 1) !== 0,
    ivUpdate: (flags & 2) !== 0,
    ivIndex: reader.u32()!,
    unicastAddress: reader.u16()!,
  };
}

/** AuthValue of a number that a person reads off or counts: big-endian in 16 bytes (§5.4.2.4). */
export function numericAuthValue(value: number): Uint8Array {
  const auth = new Uint8Array(16);
  for (let i = 15, rest = value; i >= 8; i--) {
    auth[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return auth;
}

/** AuthValue of a text: its characters, zeros behind them (§5.4.2.4). */
export function alphanumericAuthValue(text: string): Uint8Array {
  const auth = new Uint8Array(16);
  auth.set(ascii(text).subarray(0, 16));
  return auth;
}

/** The keys of one provisioning session (§5.4.2.4, §5.4.2.5). */
export class SessionKeys {
  readonly #crypto: Crypto;
  readonly #secret: Uint8Array;
  readonly #confirmationSalt: Uint8Array;
  readonly #confirmationKey: Uint8Array;

  /**
   * @param secret ECDH shared secret, 32 bytes; the session's to keep, and to forget
   * @param exchanged Invite ‖ Capabilities ‖ Start ‖ provisioner's ‖ device's public key, without types
   */
  constructor(crypto: Crypto, secret: Uint8Array, exchanged: Uint8Array) {
    this.#crypto = crypto;
    this.#secret = secret;
    this.#confirmationSalt = s1(crypto, exchanged);
    this.#confirmationKey = k1(crypto, secret, this.#confirmationSalt, ascii("prck"));
  }

  /** Zeros: of all keys of a session only the device key outlives it. */
  forget(): void {
    this.#secret.fill(0);
    this.#confirmationKey.fill(0);
  }

  /** What a side commits itself with to its random number, before it tells it. */
  confirmation(random: Uint8Array, authValue: Uint8Array): Uint8Array {
    return this.#crypto.cmac(this.#confirmationKey, concat(random, authValue));
  }

  /** Session key, nonce and the device's key to be, from both random numbers. */
  final(provisionerRandom: Uint8Array, deviceRandom: Uint8Array) {
    const crypto = this.#crypto;
    const salt = s1(crypto, concat(this.#confirmationSalt, provisionerRandom, deviceRandom));
    return {
      sessionKey: k1(crypto, this.#secret, salt, ascii("prsk")),
      nonce: k1(crypto, this.#secret, salt, ascii("prsn")).slice(3),
      deviceKey: k1(crypto, this.#secret, salt, ascii("prdk")),
    };
  }
}

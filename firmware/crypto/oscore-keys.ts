import type { Crypto } from "../../hal/hal.js";
import { CborWriter } from "../bytes/cbor.js";

/** Hash of the HKDF by its COSE algorithm number (RFC 9053 §5.1). */
export const Hkdf = { SHA_256: -10, SHA_512: -11 } as const;
export type Hkdf = (typeof Hkdf)[keyof typeof Hkdf];

/** What every derivation of one security context has in common (RFC 8613 §3.2). */
export interface KeyScheduleInput {
  readonly masterSecret: Uint8Array;
  /** Empty where there is none: the same thing for HKDF. */
  readonly masterSalt: Uint8Array;
  /** `undefined` is nil, and another context than an empty one. */
  readonly idContext: Uint8Array | undefined;
  /** COSE number of the AEAD (RFC 9053 §4). */
  readonly algorithm: number;
  readonly hkdf: Hkdf;
}

/** `info` of RFC 8613 §3.2.1. `id` is empty for the Common IV. */
export function derivationInfo(
  id: Uint8Array,
  idContext: Uint8Array | undefined,
  algorithm: number,
  type: "Key" | "IV",
  length: number,
): Uint8Array {
  const cbor = new CborWriter().array(5).bytes(id);
  if (idContext === undefined) cbor.null();
  else cbor.bytes(idContext);
  return cbor.int(algorithm).text(type).int(length).out.finish();
}

/**
 * One output of OSCORE's key schedule: a Sender or Recipient Key for its ID, or the Common IV (RFC 8613 §3.2.1).
 * @returns `undefined` when this platform lacks the hash
 */
export function deriveOutput(
  crypto: Crypto,
  input: KeyScheduleInput,
  id: Uint8Array,
  type: "Key" | "IV",
  length: number,
): Uint8Array | undefined {
  const info = derivationInfo(id, input.idContext, input.algorithm, type, length);
  if (input.hkdf === Hkdf.SHA_256) {
    return crypto.hkdfSha256(input.masterSalt, input.masterSecret, info, length);
  }
  return crypto.hkdfSha512?.(input.masterSalt, input.masterSecret, info, length);
}

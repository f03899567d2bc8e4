import type { Aead, Crypto } from "../../hal/hal.js";
import { equal } from "../bytes/compare.js";
import { deriveOutput, Hkdf, type KeyScheduleInput } from "../crypto/oscore-keys.js";
import { AadTemplate } from "./aad.js";
import { AEAD_ALGORITHMS, AES_CCM_16_64_128, type AeadAlgorithm, makeAead } from "./algorithms.js";
import { NonceTemplate } from "./nonce.js";

export { Hkdf } from "../crypto/oscore-keys.js";

/** What the two endpoints have agreed on (RFC 8613 §3.2). Bytes are not copied and not changed. */
export interface ContextParameters {
  readonly masterSecret: Uint8Array;
  /** default: empty */
  readonly masterSalt?: Uint8Array | undefined;
  /** Our ID; at most the nonce's length minus 6: 7 bytes with the default algorithm. */
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  /** default: none, which is not the same as an empty one */
  readonly idContext?: Uint8Array | undefined;
  /** COSE number, default 10: AES-CCM-16-64-128 */
  readonly algorithm?: number | undefined;
  /** COSE number, default -10: SHA-256 */
  readonly hkdf?: Hkdf | undefined;
}

/** Parameters from which no context can be made. The message names the field and never shows key material. */
export class ContextParameterError extends RangeError {
  readonly field: keyof ContextParameters;

  constructor(field: keyof ContextParameters, problem: string) {
    super(`OSCORE ${field}: ${problem}`);
    this.name = "ContextParameterError";
    this.field = field;
  }
}

/**
 * The immutable part of a security context (RFC 8613 §3.1): algorithms, IDs, and the derived keys inside their AEADs.
 * The mutable parts, sequence numbers and replay window, are elsewhere (sequence.ts, replay.ts), because their storage
 * is another matter on a node and on a server.
 */
export class SecurityContext {
  readonly algorithm: AeadAlgorithm;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  readonly idContext: Uint8Array | undefined;
  readonly senderAead: Aead;
  readonly recipientAead: Aead;
  /** Nonces of the other endpoint's Partial IVs. */
  readonly recipientNonce: NonceTemplate;
  /** AADs of exchanges that the other endpoint began. */
  readonly recipientAad: AadTemplate;
  readonly #commonIv: Uint8Array;
  #senderNonce: NonceTemplate | undefined = undefined;
  #senderAad: AadTemplate | undefined = undefined;

  constructor(
    algorithm: AeadAlgorithm,
    senderId: Uint8Array,
    recipientId: Uint8Array,
    idContext: Uint8Array | undefined,
    commonIv: Uint8Array,
    senderAead: Aead,
    recipientAead: Aead,
  ) {
    this.algorithm = algorithm;
    this.senderId = senderId;
    this.recipientId = recipientId;
    this.idContext = idContext;
    this.senderAead = senderAead;
    this.recipientAead = recipientAead;
    this.recipientNonce = new NonceTemplate(commonIv, recipientId);
    this.recipientAad = new AadTemplate(algorithm.number, recipientId);
    this.#commonIv = commonIv;
  }

  /** Nonces of our Partial IVs. Made when it is asked for: a server asks few of ten thousand nodes for anything. */
  get senderNonce(): NonceTemplate {
    this.#senderNonce ??= new NonceTemplate(this.#commonIv, this.senderId);
    return this.#senderNonce;
  }

  /** AADs of exchanges that we began. */
  get senderAad(): AadTemplate {
    this.#senderAad ??= new AadTemplate(this.algorithm.number, this.senderId);
    return this.#senderAad;
  }
}

/**
 * Why parameters make no context; `undefined` when they do. For what a person or a file says, where an exception is
 * not the right answer.
 */
export function checkParameters(parameters: ContextParameters): ContextParameterError | undefined {
  const { masterSecret, senderId, recipientId } = parameters;
  const number = parameters.algorithm ?? AES_CCM_16_64_128;
  const algorithm = AEAD_ALGORITHMS.get(number);
  if (algorithm === undefined)
    return new ContextParameterError("algorithm", `${number} is no AEAD that we know`);
  const { hkdf } = parameters;
  if (hkdf !== undefined && hkdf !== Hkdf.SHA_256 && hkdf !== Hkdf.SHA_512) {
    return new ContextParameterError("hkdf", `${hkdf} is no HKDF that we know`);
  }
  if (masterSecret.length === 0) return new ContextParameterError("masterSecret", "empty");
  const longest = algorithm.nonceLength - 6;
  for (const field of ["senderId", "recipientId"] as const) {
    const { length } = parameters[field];
    if (length > longest) {
      return new ContextParameterError(field, `${length} bytes, ${algorithm.name} has room for ${longest}`);
    }
  }
  // With equal IDs both directions would share key and nonces (RFC 8613 §3.3).
  if (equal(senderId, recipientId)) return new ContextParameterError("recipientId", "equal to the Sender ID");
  return undefined;
}

/**
 * Derives a security context (RFC 8613 §3.2).
 * @throws ContextParameterError when the parameters make none ({@link checkParameters}), or need an algorithm that
 * this platform lacks
 */
export function deriveContext(crypto: Crypto, parameters: ContextParameters): SecurityContext {
  const error = checkParameters(parameters);
  if (error !== undefined) throw error;
  const { senderId, recipientId, idContext } = parameters;
  const algorithm = AEAD_ALGORITHMS.get(parameters.algorithm ?? AES_CCM_16_64_128)!;
  const input: KeyScheduleInput = {
    masterSecret: parameters.masterSecret,
    masterSalt: parameters.masterSalt ?? new Uint8Array(0),
    idContext,
    algorithm: algorithm.number,
    hkdf: parameters.hkdf ?? Hkdf.SHA_256,
  };
  const derive = (id: Uint8Array, type: "Key" | "IV", length: number): Uint8Array => {
    const output = deriveOutput(crypto, input, id, type, length);
    if (output === undefined) throw new ContextParameterError("hkdf", "not on this platform");
    return output;
  };
  const aead = (id: Uint8Array): Aead => {
    const made = makeAead(crypto, algorithm, derive(id, "Key", algorithm.keyLength));
    if (made === undefined)
      throw new ContextParameterError("algorithm", `${algorithm.name} is not on this platform`);
    return made;
  };
  const commonIv = derive(new Uint8Array(0), "IV", algorithm.nonceLength);
  return new SecurityContext(
    algorithm,
    senderId,
    recipientId,
    idContext,
    commonIv,
    aead(senderId),
    aead(recipientId),
  );
}

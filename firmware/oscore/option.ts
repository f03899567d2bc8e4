/** The OSCORE option: the compressed COSE object without its ciphertext (RFC 8613 §6.1). */

import { Refusal } from "../bytes/refusal.js";
import { OptionNumber } from "../coap/numbers.js";
import type { HasOptions } from "../coap/options.js";

/** What the option says. A field is absent where its flag is not set; an empty `kid` is not an absent one. */
export interface OscoreOption {
  /** 1 to 5 bytes, big-endian, the shortest form */
  readonly partialIv?: Uint8Array | undefined;
  /** 0 to 255 bytes */
  readonly kidContext?: Uint8Array | undefined;
  readonly kid?: Uint8Array | undefined;
}

/** Flag bits (RFC 8613 §6.1, registry §13.7). */
export const OscoreFlag = {
  PARTIAL_IV_LENGTH: 0x07,
  KID: 0x08,
  KID_CONTEXT: 0x10,
  RESERVED: 0xe0,
} as const;

/** Bytes of the longest Partial IV (RFC 8613 §6.1). */
export const MAX_PARTIAL_IV_LENGTH = 5;
const MAX_KID_CONTEXT_LENGTH = 255;
const NO_BYTES = new Uint8Array(0);

/**
 * Parses the option's value; its fields are views of it.
 *
 * Only the one encoding that §5 and §6.1 prescribe is taken (no leading zeros in the Partial IV, no value for flags
 * that are all zero), so that nobody on the way can write the same thing in another form.
 */
export function decodeOscoreOption(value: Uint8Array): OscoreOption | Refusal<"oscore-option"> {
  const { length } = value;
  if (length === 0) return {};
  const flags = value[0];
  if (flags === 0) return malformed("flags zero in a value that is not empty");
  if ((flags & OscoreFlag.RESERVED) !== 0) return malformed(`reserved flags 0x${flags.toString(16)}`);
  let at = 1;

  let partialIv: Uint8Array | undefined;
  const partialIvLength = flags & OscoreFlag.PARTIAL_IV_LENGTH;
  if (partialIvLength > 0) {
    if (partialIvLength > MAX_PARTIAL_IV_LENGTH) return malformed(`Partial IV length ${partialIvLength}`);
    if (at + partialIvLength > length) return malformed("Partial IV cut");
    if (partialIvLength > 1 && value[at] === 0) return malformed("Partial IV with a leading zero");
    partialIv = value.subarray(at, at + partialIvLength);
    at += partialIvLength;
  }

  let kidContext: Uint8Array | undefined;
  if ((flags & OscoreFlag.KID_CONTEXT) !== 0) {
    if (at >= length) return malformed("kid context cut");
    const end = at + 1 + value[at];
    if (end > length) return malformed("kid context cut");
    kidContext = value.subarray(at + 1, end);
    at = end;
  }

  if ((flags & OscoreFlag.KID) !== 0) return { partialIv, kidContext, kid: value.subarray(at) };
  if (at < length) return malformed(`${length - at} bytes behind the last field`);
  return { partialIv, kidContext, kid: undefined };
}

function malformed(detail: string): Refusal<"oscore-option"> {
  return new Refusal("oscore-option", detail);
}

/** The option's value. @throws RangeError for a Partial IV or kid context of a length that it has no room for */
export function encodeOscoreOption(option: OscoreOption): Uint8Array {
  const { partialIv, kidContext, kid } = option;
  const partialIvLength = partialIv === undefined ? 0 : partialIv.length;
  if (partialIvLength > MAX_PARTIAL_IV_LENGTH || (partialIv !== undefined && partialIvLength === 0)) {
    throw new RangeError(`Partial IV of ${partialIvLength} bytes`);
  }
  if (partialIv === undefined && kidContext === undefined && kid === undefined) return NO_BYTES;
  let length = 1 + partialIvLength;
  let flags = partialIvLength;
  if (kidContext !== undefined) {
    if (kidContext.length > MAX_KID_CONTEXT_LENGTH) {
      throw new RangeError(`kid context of ${kidContext.length} bytes`);
    }
    flags |= OscoreFlag.KID_CONTEXT;
    length += 1 + kidContext.length;
  }
  if (kid !== undefined) {
    flags |= OscoreFlag.KID;
    length += kid.length;
  }
  const value = new Uint8Array(length);
  value[0] = flags;
  if (partialIv !== undefined) value.set(partialIv, 1);
  if (kidContext !== undefined) {
    value[1 + partialIvLength] = kidContext.length;
    value.set(kidContext, 2 + partialIvLength);
  }
  if (kid !== undefined && kid.length > 0) value.set(kid, length - kid.length);
  return value;
}

/**
 * The OSCORE option of a message: `undefined` when it has none, and is a plain CoAP message.
 * An option that stands twice is malformed: it is critical and not repeatable (RFC 8613 §2).
 */
export function oscoreOptionOf(message: HasOptions): OscoreOption | Refusal<"oscore-option"> | undefined {
  const { options } = message;
  for (let i = 0; i < options.length; i++) {
    const { number } = options[i];
    if (number < OptionNumber.OSCORE) continue;
    if (number > OptionNumber.OSCORE) return undefined;
    if (i + 1 < options.length && options[i + 1].number === OptionNumber.OSCORE) {
      return malformed("more than one OSCORE option");
    }
    return decodeOscoreOption(options[i].value);
  }
  return undefined;
}

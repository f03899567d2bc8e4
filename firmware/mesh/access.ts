import { Refusal } from "../bytes/refusal.js";

/** Access payloads: an opcode of 1, 2 or 3 bytes and its parameters (Mesh Profile §3.7.3.1). */

export type AccessReason = "access-length" | "opcode";

const TOO_SHORT = new Refusal<AccessReason>("access-length");
/** 0b01111111 is reserved for future use. */
const RESERVED = new Refusal<AccessReason>("opcode");

/** How many bytes an opcode takes. @throws RangeError for a number that is no opcode */
export function opcodeLength(opcode: number): 1 | 2 | 3 {
  if (opcode >= 0 && opcode < 0x7f) return 1;
  if (opcode >= 0x8000 && opcode < 0xc000) return 2;
  if (opcode >= 0xc00000 && opcode <= 0xffffff) return 3;
  throw new RangeError(`0x${opcode.toString(16)} is no access opcode`);
}

/** Writes an opcode, its bytes in the order of its number. @returns the offset behind it */
export function writeOpcode(bytes: Uint8Array, at: number, opcode: number): number {
  for (let shift = 8 * (opcodeLength(opcode) - 1); shift >= 0; shift -= 8) bytes[at++] = opcode >> shift;
  return at;
}

/** The opcode at the start of an access payload. */
export function readOpcode(access: Uint8Array): number | Refusal<AccessReason> {
  if (access.length === 0) return TOO_SHORT;
  const first = access[0];
  if (first < 0x80) return first === 0x7f ? RESERVED : first;
  const length = first < 0xc0 ? 2 : 3;
  if (access.length < length) return TOO_SHORT;
  const two = (first << 8) | access[1];
  return length === 2 ? two : (two << 8) | access[2];
}

/** An access payload of its own memory. */
export function encodeAccess(opcode: number, parameters: Uint8Array): Uint8Array {
  const length = opcodeLength(opcode);
  const access = new Uint8Array(length + parameters.length);
  writeOpcode(access, 0, opcode);
  access.set(parameters, length);
  return access;
}

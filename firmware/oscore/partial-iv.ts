/** Sender Sequence Numbers as Partial IVs. They reach 2^40 - 1, beyond what bit operations of JavaScript hold. */

/** The last Sender Sequence Number there may be (RFC 8613 §7.2.1, §12). */
export const MAX_SEQUENCE_NUMBER = 2 ** 40 - 1;

/** Big-endian without leading zeros, one zero byte for 0 (RFC 8613 §5). @throws RangeError beyond the maximum */
export function encodePartialIv(number: number): Uint8Array {
  const length = partialIvLength(number);
  const bytes = new Uint8Array(length);
  writePartialIv(number, bytes, 0, length);
  return bytes;
}

/** Bytes of {@link encodePartialIv}. @throws RangeError beyond the maximum, or for anything that is no integer */
export function partialIvLength(number: number): number {
  if (!Number.isInteger(number) || number < 0 || number > MAX_SEQUENCE_NUMBER) {
    throw new RangeError(`Sender Sequence Number ${number}`);
  }
  return number < 0x100 ? 1 : number < 0x10000 ? 2 : number < 0x1000000 ? 3 : number < 0x100000000 ? 4 : 5;
}

/** Writes a number into `length` bytes from `at`. */
export function writePartialIv(number: number, out: Uint8Array, at: number, length: number): void {
  let low = number;
  if (length === 5) {
    const high = Math.floor(number / 0x100000000);
    out[at] = high;
    low = number - high * 0x100000000;
  }
  // From here `low` is below 2^32, and shifts see its 32 bits.
  for (let i = at + length - 1, shift = 0; shift < 32 && i >= at; i--, shift += 8) out[i] = low >>> shift;
}

/** The number of a Partial IV's bytes. */
export function decodePartialIv(bytes: Uint8Array): number {
  let number = 0;
  for (let i = 0; i < bytes.length; i++) number = number * 256 + bytes[i];
  return number;
}

/** IEEE 754 numbers in big-endian bytes, of 16, 32 and 64 bits. */

/** The number in 2, 4 or 8 bytes. */
export function decodeFloat(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 8) return view.getFloat64(0);
  if (bytes.length === 4) return view.getFloat32(0);
  return decodeHalf(view.getUint16(0));
}

function decodeHalf(half: number): number {
  const exponent = (half >> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  let value: number;
  if (exponent === 0) value = mantissa * 2 ** -24;
  else if (exponent !== 31) value = (mantissa + 1024) * 2 ** (exponent - 25);
  else value = mantissa === 0 ? Infinity : NaN;
  return half & 0x8000 ? -value : value;
}

/** The fewest bytes, 2, 4 or 8, that hold the number exactly; one form for all NaN (RFC 8949 §4.2.2). */
export function encodeFloat(value: number): Uint8Array {
  if (Number.isNaN(value)) return Uint8Array.of(0x7e, 0x00);
  if (Math.fround(value) !== value) {
    const double = new Uint8Array(8);
    new DataView(double.buffer).setFloat64(0, value);
    return double;
  }
  const single = new Uint8Array(4);
  const view = new DataView(single.buffer);
  view.setFloat32(0, value);
  const half = encodeHalf(view.getUint32(0));
  return half === undefined ? single : Uint8Array.of(half >> 8, half & 0xff);
}

/** The half with the value of a single, both as bits; `undefined` when there is none. */
function encodeHalf(single: number): number | undefined {
  const sign = (single >>> 16) & 0x8000;
  const exponent = (single >>> 23) & 0xff;
  const mantissa = single & 0x7fffff;
  if (exponent === 0xff) return sign | 0x7c00;
  if (exponent === 0 && mantissa === 0) return sign;
  const biased = exponent - 127 + 15;
  if (biased >= 31 || biased < -10) return undefined;
  if (biased > 0) return (mantissa & 0x1fff) === 0 ? sign | (biased << 10) | (mantissa >> 13) : undefined;
  // Too small for a normal half: the leading one becomes part of the mantissa.
  const whole = mantissa | 0x800000;
  const shift = 14 - biased;
  return (whole & ((1 << shift) - 1)) === 0 ? sign | (whole >> shift) : undefined;
}

import { toHex } from "./hex.js";

/** A few bytes as the key of a Map: a number where it fits, because those need no string to be built. */
export function bytesKey(bytes: Uint8Array): number | string {
  let value = 0;
  if (bytes.length <= 6) {
    for (let i = 0; i < bytes.length; i++) value = value * 256 + bytes[i];
    return value * 8 + bytes.length;
  }
  return toHex(bytes);
}

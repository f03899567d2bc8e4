/**
 * Columns of many rows as one parameter each: arrays in PostgreSQL's binary form (src/backend/utils/adt/arrayfuncs.c,
 * array_recv), which need neither quoting nor parsing. A `Buffer` is what pg sends as it is.
 *
 * Each array: dimensions, whether there are NULLs, type of the elements, length, first index; then for each element its
 * length and bytes, or the length −1 for NULL. Integers are big-endian.
 */

/** Numbers of the types (src/include/catalog/pg_type.dat). */
const Oid = { BYTEA: 17, INT8: 20, TEXT: 25 } as const;

const HEAD = 20;

function head(length: number, oid: number, bytes: number): Buffer {
  const array = Buffer.allocUnsafe(length === 0 ? 12 : HEAD + bytes);
  array.writeInt32BE(length === 0 ? 0 : 1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(oid, 8);
  if (length === 0) return array;
  array.writeInt32BE(length, 12);
  array.writeInt32BE(1, 16);
  return array;
}

/** bigint[] of safe integers; `undefined` becomes NULL. */
export function bigints(values: readonly (number | undefined)[]): Buffer {
  const array = head(values.length, Oid.INT8, 12 * values.length);
  let at = HEAD;
  for (const value of values) {
    if (value === undefined) {
      array.writeInt32BE(-1, at);
      at += 4;
      continue;
    }
    array.writeInt32BE(8, at);
    array.writeInt32BE(Math.floor(value / 2 ** 32), at + 4);
    array.writeUInt32BE(value >>> 0, at + 8);
    at += 12;
  }
  return values.length === 0 ? array : array.subarray(0, at);
}

/** bytea[]; `undefined` becomes NULL. */
export function byteas(values: readonly (Uint8Array | undefined)[]): Buffer {
  return lengthed(values, Oid.BYTEA);
}

/** text[]; `undefined` becomes NULL. What PostgreSQL cannot hold, the character NUL, becomes U+FFFD. */
export function texts(values: readonly (string | undefined)[]): Buffer {
  return lengthed(
    values.map((value) =>
      value === undefined
        ? undefined
        : Buffer.from(value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value),
    ),
    Oid.TEXT,
  );
}

function lengthed(values: readonly (Uint8Array | undefined)[], oid: number): Buffer {
  let bytes = 4 * values.length;
  for (const value of values) if (value !== undefined) bytes += value.length;
  const array = head(values.length, oid, bytes);
  let at = HEAD;
  for (const value of values) {
    array.writeInt32BE(value?.length ?? -1, at);
    at += 4;
    if (value === undefined) continue;
    array.set(value, at);
    at += value.length;
  }
  return array;
}

/**
 * AES's block function (FIPS 197 §5.1) over tables of 5 KB. noble's, whose key schedule this takes, has tables of 640 KB:
 * faster where nothing else runs between two messages, but a server does a lot in between, and then they come from
 * memory. Its time depends on the key as that of noble's does.
 */

/** FIPS 197 §5.1.1: the inverse in GF(2^8), then the affine transformation. */
const SBOX = new Uint8Array(256);
/** SubBytes and MixColumns in one step, a table for each row, little-endian as noble's words. */
const TABLES = new Int32Array(4 * 256);

function double(byte: number): number {
  return (byte << 1) ^ (byte >> 7 === 0 ? 0 : 0x11b);
}

const powers = new Uint8Array(256);
for (let i = 0, power = 1; i < 256; i++, power ^= double(power)) powers[i] = power;
for (let i = 0; i < 256; i++) {
  // {03} generates all but zero: what stands as far from the end as a power from the beginning is its inverse.
  const inverse = i === 0 ? 0 : powers[255 - powers.indexOf(i)];
  const wide = inverse | (inverse << 8);
  SBOX[i] = wide ^ (wide >> 4) ^ (wide >> 5) ^ (wide >> 6) ^ (wide >> 7) ^ 0x63;
}
for (let i = 0; i < 256; i++) {
  const s = SBOX[i];
  let column = ((double(s) ^ s) << 24) | (s << 16) | (s << 8) | double(s);
  for (let row = 0; row < 4; row++) {
    TABLES[256 * row + i] = column;
    column = (column << 8) | (column >>> 24);
  }
}

/**
 * Encrypts one block.
 * @param schedule of noble's `expandKeyLE`
 * @param out gets the block's four words; what it had before does not matter
 */
export function encryptBlock(
  schedule: Uint32Array,
  s0: number,
  s1: number,
  s2: number,
  s3: number,
  out: Int32Array,
): void {
  const t = TABLES;
  const last = schedule.length - 4;
  s0 ^= schedule[0];
  s1 ^= schedule[1];
  s2 ^= schedule[2];
  s3 ^= schedule[3];
  for (let k = 4; k < last; k += 4) {
    const t0 =
      t[s0 & 255] ^ t[256 | ((s1 >>> 8) & 255)] ^ t[512 | ((s2 >>> 16) & 255)] ^ t[768 | (s3 >>> 24)];
    const t1 =
      t[s1 & 255] ^ t[256 | ((s2 >>> 8) & 255)] ^ t[512 | ((s3 >>> 16) & 255)] ^ t[768 | (s0 >>> 24)];
    const t2 =
      t[s2 & 255] ^ t[256 | ((s3 >>> 8) & 255)] ^ t[512 | ((s0 >>> 16) & 255)] ^ t[768 | (s1 >>> 24)];
    const t3 =
      t[s3 & 255] ^ t[256 | ((s0 >>> 8) & 255)] ^ t[512 | ((s1 >>> 16) & 255)] ^ t[768 | (s2 >>> 24)];
    s0 = t0 ^ schedule[k];
    s1 = t1 ^ schedule[k + 1];
    s2 = t2 ^ schedule[k + 2];
    s3 = t3 ^ schedule[k + 3];
  }
  out[0] = schedule[last] ^ substitute(s0, s1, s2, s3);
  out[1] = schedule[last + 1] ^ substitute(s1, s2, s3, s0);
  out[2] = schedule[last + 2] ^ substitute(s2, s3, s0, s1);
  out[3] = schedule[last + 3] ^ substitute(s3, s0, s1, s2);
}

/** The last round has no MixColumns. */
function substitute(s0: number, s1: number, s2: number, s3: number): number {
  return (
    SBOX[s0 & 255] | (SBOX[(s1 >>> 8) & 255] << 8) | (SBOX[(s2 >>> 16) & 255] << 16) | (SBOX[s3 >>> 24] << 24)
  );
}

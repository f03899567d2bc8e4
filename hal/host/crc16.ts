/** CRC-16/CCITT-FALSE, four bits at a time: polynomial 0x1021. */
const TABLE: readonly number[] = [
  0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c,
  0xd1ad, 0xe1ce, 0xf1ef,
];

/** @param text characters up to U+00FF */
export function crc16(text: string): number {
  let crc = 0xffff;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    crc = ((crc << 4) & 0xffff) ^ TABLE[(crc >> 12) ^ (code >> 4)];
    crc = ((crc << 4) & 0xffff) ^ TABLE[(crc >> 12) ^ (code & 15)];
  }
  return crc;
}

/**
 * Frames of the console protocol: lines of printable ASCII that can be told from what people type and boards log.
 *
 *     ~SS TEXT*CCCC
 *
 * SS is a number of two hex digits that an answer repeats, CCCC the CRC-16 (CCITT, initial value 0xFFFF) of all between
 * `~` and `*` in hex. Answers' texts begin with `ok` or `no`; a board's events count their own numbers.
 */

/** Characters of a line without its end, at most. */
export const LINE_MAX = 240;

export interface Frame {
  /** 0 to 255; {@link NOBODY} in the answer to a damaged frame. */
  readonly number: number;
  readonly text: string;
}

/** Stands for the number of a frame that was not understood: `~--`. */
export const NOBODY = -1;

/** CRC-16/CCITT-FALSE of a byte, four bits at a time: polynomial 0x1021. */
const TABLE: readonly number[] = [
  0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c,
  0xd1ad, 0xe1ce, 0xf1ef,
];

/** @param text ASCII */
export function crc16(text: string): number {
  let crc = 0xffff;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    crc = ((crc << 4) & 0xffff) ^ TABLE[(crc >> 12) ^ (code >> 4)];
    crc = ((crc << 4) & 0xffff) ^ TABLE[(crc >> 12) ^ (code & 15)];
  }
  return crc;
}

export function encodeFrame(number: number, text: string): string {
  const body = `${number === NOBODY ? "--" : hexDigits(number, 2)} ${text}`;
  return `~${body}*${hexDigits(crc16(body), 4)}`;
}

/** @returns `undefined` for a line that is no frame, "damaged" for one that was */
export function decodeFrame(line: string): Frame | "damaged" | undefined {
  if (line[0] !== "~") return undefined;
  const star = line.length - 5;
  if (star < 4 || line[star] !== "*" || line[3] !== " ") return "damaged";
  const body = line.slice(1, star);
  if (line.slice(star + 1) !== hexDigits(crc16(body), 4)) return "damaged";
  const number = body.startsWith("--") ? NOBODY : Number.parseInt(body.slice(0, 2), 16);
  return Number.isNaN(number) ? "damaged" : { number, text: body.slice(3) };
}

function hexDigits(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

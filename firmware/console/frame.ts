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

/** CRC-16/CCITT-FALSE of an ASCII text: the HAL's, because the language's loops are slow on the chip. */
export type Crc16 = (text: string) => number;

export function encodeFrame(number: number, text: string, crc: Crc16): string {
  const body = `${number === NOBODY ? "--" : hexDigits(number, 2)} ${text}`;
  return `~${body}*${hexDigits(crc(body), 4)}`;
}

/** @returns `undefined` for a line that is no frame, "damaged" for one that was */
export function decodeFrame(line: string, crc: Crc16): Frame | "damaged" | undefined {
  if (line[0] !== "~") return undefined;
  const star = line.length - 5;
  if (star < 4 || line[star] !== "*" || line[3] !== " ") return "damaged";
  const body = line.slice(1, star);
  if (line.slice(star + 1) !== hexDigits(crc(body), 4)) return "damaged";
  const number = body.startsWith("--") ? NOBODY : Number.parseInt(body.slice(0, 2), 16);
  return Number.isNaN(number) ? "damaged" : { number, text: body.slice(3) };
}

function hexDigits(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

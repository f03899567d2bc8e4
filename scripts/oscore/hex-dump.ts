import { fromHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";

/** `00000000: 4402 5d1f …  D.]…` (xxd, tcpdump -X): the ASCII column stands behind two blanks. */
const COLON_LINE = /^(?:0x)?[0-9a-f]{4,16}:\s+/i;
/** `0000  44 02 5d 1f …   D.]…` (Wireshark, hexdump -C): behind a bar or three blanks; two divide the bytes. */
const COLUMN_LINE = /^[0-9a-f]{4,16}(?: {2,}|\t)/i;
/** The last line of hexdump -C: only where the bytes end. */
const END_LINE = /^[0-9a-f]{7,16}$/i;

/**
 * Bytes of hex as people paste it: plain digits, with blanks, colons, commas or dashes between them, `0x` or `\x` before
 * them, C-style braces, or the lines of xxd, tcpdump -X, hexdump -C and Wireshark with their offsets and ASCII columns.
 */
export function parseHexDump(
  text: string,
): Uint8Array | Refusal<"hex-odd-length" | "hex-digit" | "hex-empty"> {
  let digits = "";
  let columns = false;
  for (const whole of text.split(/\r?\n/)) {
    let line = whole.trim();
    if (COLON_LINE.test(line)) {
      line = line.replace(COLON_LINE, "").split("  ")[0];
    } else if (COLUMN_LINE.test(line)) {
      columns = true;
      line = line.replace(COLUMN_LINE, "").split("|")[0].split(/ {3,}/)[0];
    } else if (columns && END_LINE.test(line)) {
      continue;
    }
    digits += line.replace(/0x|\\x/gi, "").replace(/[\s:,;{}"'<>-]/g, "");
  }
  if (digits === "") return new Refusal("hex-empty");
  return fromHex(digits);
}

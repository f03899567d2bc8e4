import { Refusal } from "./refusal.js";

const DIGITS = "0123456789abcdef";

/** ES2026 has both directions, and XS has them now: on the chip a loop over digits is dear (DESIGN §4.4). */
interface HexBytes {
  toHex?(): string;
}
const fast = Uint8Array as typeof Uint8Array & { fromHex?(text: string): Uint8Array };

/** Lower-case hex, without separators. */
export function toHex(bytes: Uint8Array): string {
  const native = (bytes as HexBytes).toHex?.();
  if (native !== undefined) return native;
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += DIGITS[bytes[i] >> 4] + DIGITS[bytes[i] & 15];
  return text;
}

function digit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** Bytes of an even number of hex digits of either case. */
export function fromHex(text: string): Uint8Array | Refusal<"hex-odd-length" | "hex-digit"> {
  try {
    const native = fast.fromHex?.(text);
    if (native !== undefined) return native;
  } catch {
    // Says where it is wrong.
  }
  if (text.length % 2 !== 0) return new Refusal("hex-odd-length", `${text.length} digits`);
  const bytes = new Uint8Array(text.length >> 1);
  for (let i = 0; i < bytes.length; i++) {
    const high = digit(text.charCodeAt(2 * i));
    const low = digit(text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return new Refusal("hex-digit", `at digit ${high < 0 ? 2 * i : 2 * i + 1}`);
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

/** For literals in code and tests, where a wrong digit is a mistake of the programmer. Blanks are passed over. */
export function hex(literal: string): Uint8Array {
  const bytes = fromHex(literal.replace(/\s+/g, ""));
  if (bytes instanceof Refusal) throw new SyntaxError(`hex literal "${literal}": ${bytes}`);
  return bytes;
}

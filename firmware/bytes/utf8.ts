import { Refusal } from "./refusal.js";

/** A text's bytes in UTF-8. A lone surrogate becomes U+FFFD, as everywhere on the web. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Length(text));
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const code = codePoint(text, i);
    if (code > 0xffff) i++;
    if (code < 0x80) {
      bytes[at++] = code;
    } else if (code < 0x800) {
      bytes[at++] = 0xc0 | (code >> 6);
      bytes[at++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      bytes[at++] = 0xe0 | (code >> 12);
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[at++] = 0x80 | (code & 0x3f);
    } else {
      bytes[at++] = 0xf0 | (code >> 18);
      bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[at++] = 0x80 | (code & 0x3f);
    }
  }
  return bytes;
}

/** How many bytes {@link encodeUtf8} gives. */
export function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = codePoint(text, i);
    if (code > 0xffff) i++;
    length += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return length;
}

// XS and Node disagree about what charCodeAt gives for characters beyond the BMP; codePointAt is the same on both.
function codePoint(text: string, at: number): number {
  const code = text.codePointAt(at) as number;
  return code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
}

/** The text of UTF-8 bytes, refusing overlong forms, surrogates and cut characters (RFC 3629 §3). */
export function decodeUtf8(bytes: Uint8Array): string | Refusal<"utf8"> {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    const first = bytes[at++];
    let code = first;
    if (first >= 0x80) {
      const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
      if (more === 0) return new Refusal("utf8", `at byte ${start}`);
      code = first & (0x3f >> more);
      for (let i = 0; i < more; i++) {
        const next = bytes[at++];
        // Past the end the byte is undefined, which is no continuation either.
        if ((next & 0xc0) !== 0x80) return new Refusal("utf8", `at byte ${start}`);
        code = (code << 6) | (next & 0x3f);
      }
      const smallest = more === 1 ? 0x80 : more === 2 ? 0x800 : 0x10000;
      if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return new Refusal("utf8", `at byte ${start}`);
      }
    }
    text += String.fromCodePoint(code);
  }
  return text;
}

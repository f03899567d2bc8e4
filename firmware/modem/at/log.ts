import type { AtLine } from "./line.js";

/**
 * `<` from the modem, `>` to it, `-` what the driver has to say about them.
 */
export type AtLog = (direction: "<" | ">" | "-", text: string) => void;

/** Commands whose arguments are secrets: PINs and passwords. */
const SECRET = ["+CPIN=", "+CPWD=", "+CLCK=", "+UAUTHREQ=", "+USECPRF=", "+UDELFILE=", "+UMQTT=", "+UHTTP="];

/** Commands and answers that carry a payload as their last quoted string. */
const PAYLOAD = ["+USOST", "+USORF", "+USOWR", "+USORD"];

/** Digits that name a person's SIM or device: all but the last four are hidden. */
const LONGEST_PUBLIC_NUMBER = 10;

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Hides the front of every long run of digits (IMEI, IMSI, ICCID). */
function hideIdentities(text: string): string {
  let out = "";
  let from = 0;
  for (let at = 0; at < text.length; ) {
    let end = at;
    while (end < text.length && isDigit(text.charCodeAt(end))) end++;
    if (end - at > LONGEST_PUBLIC_NUMBER) {
      out += `${text.slice(from, at)}…${text.slice(end - 4, end)}`;
      from = end;
    }
    at = end + 1;
  }
  return from === 0 ? text : out + text.slice(from);
}

/**
 * One AT line as it may be written down: without PINs, passwords and payloads, identities cut to their last digits.
 * A payload is protected by OSCORE anyway; cutting it keeps the log short and lets nobody correlate it.
 */
export function redact(text: string): string {
  const command = text.startsWith("AT") ? text.slice(2) : text;
  for (const prefix of SECRET) {
    if (command.startsWith(prefix)) return `${text.slice(0, text.length - command.length)}${prefix}***`;
  }
  for (const prefix of PAYLOAD) {
    if (!command.startsWith(prefix)) continue;
    // Three quotes and more: an address and a payload. The payload begins at the third.
    let quotes = 0;
    for (let at = 0; at < text.length; at++) {
      if (text.charCodeAt(at) === 34 && ++quotes === (prefix === "+USOST" || prefix === "+USORF" ? 3 : 1))
        return `${text.slice(0, at)}"…"`;
    }
  }
  return hideIdentities(text);
}

/** Enough of a line to see its address and length, and never a whole payload. */
export function redactLine(line: AtLine): string {
  return redact(line.text(0, 120));
}

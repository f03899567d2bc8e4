/** One argument as it was written. */
export interface Argument {
  readonly text: string;
  readonly quoted: boolean;
}

/** The four forms of an extended command (V.250 §5.4). */
export type Form = "execute" | "read" | "test" | "set";

/** One command of a line. */
export interface Call {
  /** `+CSQ`, `E`, `&W`, `S` */
  readonly name: string;
  readonly form: Form;
  readonly arguments: readonly Argument[];
  /** The number behind a basic command; 0 when there is none (V.250 §5.3.1). */
  readonly number: number;
}

/** A part of the line that is no command. */
export const MALFORMED = "malformed";

/** Cuts at `separator` outside of quotes. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let quoted = false;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    else if (text[i] === separator && !quoted) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

function argument(text: string): Argument {
  const trimmed = text.trim();
  const quoted = trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"');
  return { text: quoted ? trimmed.slice(1, -1) : trimmed, quoted };
}

function extended(text: string): Call | typeof MALFORMED {
  const match = /^([+^][A-Za-z0-9]+)\s*(=\?|\?|=(.*))?$/s.exec(text);
  if (match === null) return MALFORMED;
  const name = match[1].toUpperCase();
  const tail = match[2];
  const form: Form = tail === undefined ? "execute" : tail === "=?" ? "test" : tail === "?" ? "read" : "set";
  return { name, form, arguments: form === "set" ? split(match[3], ",").map(argument) : [], number: 0 };
}

/**
 * Parses a command line (V.250 §5.2): what precedes `AT` is ignored, several commands may follow it, extended ones
 * separated by semicolons.
 * @returns `undefined` when there is no `AT` in it: the modem says nothing to that
 */
export function parseLine(line: string): (Call | typeof MALFORMED)[] | undefined {
  const at = line.search(/at/i);
  if (at < 0) return undefined;
  const calls: (Call | typeof MALFORMED)[] = [];
  for (const part of split(line.slice(at + 2), ";")) {
    let rest = part.trim();
    while (rest.length > 0 && rest[0] !== "+" && rest[0] !== "^") {
      const basic = /^(&?[A-Za-z])(\d*)(?:([=?])(\d*))?/.exec(rest);
      if (basic === null || (basic[3] !== undefined && basic[1].toUpperCase() !== "S")) {
        calls.push(MALFORMED);
        rest = "";
        break;
      }
      calls.push({
        name: basic[1].toUpperCase(),
        form: basic[3] === "?" ? "read" : basic[3] === "=" ? "set" : "execute",
        arguments: basic[4] === undefined ? [] : [{ text: basic[4], quoted: false }],
        number: basic[2] === "" ? 0 : Number.parseInt(basic[2], 10),
      });
      rest = rest.slice(basic[0].length).trimStart();
    }
    if (rest.length > 0) calls.push(extended(rest));
  }
  return calls;
}

/** The argument as a non-negative integer; `undefined` when it is left out, NaN when it is something else. */
export function integer(call: Call, index: number): number | undefined {
  const given = call.arguments[index];
  if (given === undefined || (given.text === "" && !given.quoted)) return undefined;
  return /^\d+$/.test(given.text) ? Number.parseInt(given.text, 10) : Number.NaN;
}

/** The argument's text, quoted or not; `undefined` when it is left out. */
export function text(call: Call, index: number): string | undefined {
  const given = call.arguments[index];
  return given === undefined || (given.text === "" && !given.quoted) ? undefined : given.text;
}

/** `0`–`9`, `A`–`F`: upper case, as u-blox's examples have it. Only read, so it may lie in flash. */
const HEX_CODES = new Uint8Array([48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 65, 66, 67, 68, 69, 70]);

/** A value that cannot stand in an AT command: a mistake of whoever configured it. */
export class AtArgumentError extends RangeError {
  /** The argument, without its value: it may be a secret. */
  readonly argument: string;

  constructor(argument: string, why: string) {
    super(`${argument}: ${why}`);
    this.argument = argument;
  }
}

/** Longest command line without its data (u-blox AT manual, "Command line": 1,024 characters). */
export const LONGEST_LINE = 1024;

/**
 * Refuses a string argument that would break out of its quotes (AT manual: no NUL, CR, NAK, `"`, `,` in strings).
 * @throws {AtArgumentError} when it holds such a character, or none at all, or is not printable ASCII
 */
export function checkString(argument: string, value: string): void {
  if (value.length === 0) throw new AtArgumentError(argument, "is empty");
  if (value.length > 256) throw new AtArgumentError(argument, `has ${value.length} characters, at most 256`);
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 32 || code > 126 || code === 34 || code === 44)
      throw new AtArgumentError(argument, `character ${i} cannot stand in an AT string`);
  }
}

/**
 * Writes one command line into a buffer that is reused for all of them. The bytes stay until the next `begin`: the
 * channel compares the echo with them.
 */
export class AtWriter {
  readonly #buffer: Uint8Array;
  #length = 0;

  /** @param longestData bytes of data that a command must be able to carry in hex */
  constructor(longestData = 512) {
    this.#buffer = new Uint8Array(2 * longestData + 128);
  }

  /** Begins a new command. */
  begin(): this {
    this.#length = 0;
    return this;
  }

  /** ASCII text as it is. */
  text(value: string): this {
    const at = this.#length;
    if (at + value.length > this.#buffer.length) throw new AtArgumentError("command", "is too long");
    for (let i = 0; i < value.length; i++) this.#buffer[at + i] = value.charCodeAt(i);
    this.#length = at + value.length;
    return this;
  }

  /** A decimal integer. */
  int(value: number): this {
    return this.text(String(value));
  }

  /** `"value"`. The value has been checked by {@link checkString} where it came in. */
  string(value: string): this {
    return this.text('"').text(value).text('"');
  }

  /** `"…"` with two hex digits for each byte. */
  hex(bytes: Uint8Array): this {
    this.text('"');
    let at = this.#length;
    const buffer = this.#buffer;
    if (at + 2 * bytes.length + 2 > buffer.length) throw new AtArgumentError("data", `${bytes.length} bytes`);
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      buffer[at++] = HEX_CODES[byte >> 4];
      buffer[at++] = HEX_CODES[byte & 15];
    }
    this.#length = at;
    return this.text('"');
  }

  /** Ends the line (V.250 S3: CR). */
  end(): this {
    return this.text("\r");
  }

  /** What was written, valid until the next `begin`. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }
}

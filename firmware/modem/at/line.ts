/** The digit's value, or −1. Either case. */
function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

const COMMA = 44;
const QUOTE = 34;
const MINUS = 45;
const SPACE = 32;

/**
 * One line that the modem sent, as a window on the parser's buffer: no string is made unless somebody asks for one.
 *
 * A cursor walks over the comma-separated fields behind a prefix such as `+USORF: `. The parser has one instance and
 * moves it from line to line, so a line is only valid during the call that hands it over.
 */
export class AtLine {
  readonly #buffer: Uint8Array;
  #start = 0;
  #end = 0;
  #at = 0;

  constructor(buffer: Uint8Array) {
    this.#buffer = buffer;
  }

  /** Moves the window. For the parser and for tests. */
  set(start: number, end: number): this {
    this.#start = start;
    this.#end = end;
    this.#at = start;
    return this;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** Whether `text` (ASCII) stands at `offset`. */
  startsWith(text: string, offset = 0): boolean {
    const from = this.#start + offset;
    if (from + text.length > this.#end) return false;
    for (let i = 0; i < text.length; i++) if (this.#buffer[from + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  /** Whether the line is this ASCII text. */
  equals(text: string): boolean {
    return this.length === text.length && this.startsWith(text);
  }

  /** Whether these bytes stand at `offset` of `other`: how a piece of echo is recognised. */
  matches(other: Uint8Array, offset: number): boolean {
    const length = this.length;
    if (offset + length > other.length) return false;
    for (let i = 0; i < length; i++) if (this.#buffer[this.#start + i] !== other[offset + i]) return false;
    return true;
  }

  /** The line's bytes, valid during the call. */
  view(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** The text from `from` on, at most `limit` characters, one character for each byte. */
  text(from = 0, limit = 200): string {
    const end = Math.min(this.#end, this.#start + from + limit);
    let text = "";
    for (let i = this.#start + from; i < end; i++) text += String.fromCharCode(this.#buffer[i]);
    return text;
  }

  /** Puts the cursor behind `prefix` and the blanks that follow it; false when the line starts otherwise. */
  after(prefix: string): boolean {
    if (!this.startsWith(prefix)) return false;
    this.#at = this.#start + prefix.length;
    this.#skipBlanks();
    return true;
  }

  /** Whether there is another field. */
  get more(): boolean {
    return this.#at < this.#end;
  }

  /** Whether the next field stands in quotes. */
  get quoted(): boolean {
    return this.#at < this.#end && this.#buffer[this.#at] === QUOTE;
  }

  #skipBlanks(): void {
    while (this.#at < this.#end && this.#buffer[this.#at] === SPACE) this.#at++;
  }

  /** Leaves the field: over everything up to and with the next comma, and the blanks behind it. */
  #nextField(): void {
    const comma = this.#at < this.#end ? this.#buffer.indexOf(COMMA, this.#at) : -1;
    this.#at = comma < 0 || comma >= this.#end ? this.#end : comma + 1;
    this.#skipBlanks();
  }

  /** The next field as a decimal integer; `undefined` (the cursor moves all the same) when it is none. */
  int(): number | undefined {
    const negative = this.#at < this.#end && this.#buffer[this.#at] === MINUS;
    if (negative) this.#at++;
    let value: number | undefined;
    while (this.#at < this.#end) {
      const digit = this.#buffer[this.#at] - 48;
      if (digit < 0 || digit > 9) break;
      value = (value ?? 0) * 10 + digit;
      this.#at++;
    }
    this.#skipBlanks();
    if (this.#at < this.#end && this.#buffer[this.#at] !== COMMA) value = undefined;
    this.#nextField();
    return value === undefined ? undefined : negative ? -value : value;
  }

  /** The next field as text, without its quotes if it has them; `undefined` at the end or without a closing quote. */
  string(): string | undefined {
    if (this.#at >= this.#end) return undefined;
    let from = this.#at;
    let to: number;
    if (this.#buffer[from] === QUOTE) {
      from++;
      to = this.#buffer.indexOf(QUOTE, from);
      if (to < 0 || to >= this.#end) {
        this.#at = this.#end;
        return undefined;
      }
      this.#at = to + 1;
    } else {
      to = this.#buffer.indexOf(COMMA, from);
      if (to < 0 || to > this.#end) to = this.#end;
      this.#at = to;
    }
    const text = this.text(from - this.#start, to - from);
    this.#nextField();
    return text;
  }

  /**
   * The next field, quoted and `length` bytes long whatever they are (a datagram read in binary mode).
   * @returns a view, or `undefined` when the closing quote is not where `length` says.
   */
  binary(length: number): Uint8Array | undefined {
    const from = this.#at + 1;
    const to = from + length;
    if (!this.quoted || to >= this.#end || this.#buffer[to] !== QUOTE) return undefined;
    this.#at = to + 1;
    this.#nextField();
    return this.#buffer.subarray(from, to);
  }

  /**
   * The next field, quoted and 2·`length` hex digits of either case, decoded in place: the line's text is gone.
   * @returns a view, or `undefined` when it has another length or other characters.
   */
  hex(length: number): Uint8Array | undefined {
    const buffer = this.#buffer;
    const from = this.#at + 1;
    const to = from + 2 * length;
    if (!this.quoted || to >= this.#end || buffer[to] !== QUOTE) return undefined;
    for (let i = from, out = from; i < to; i += 2) {
      const value = (hexDigit(buffer[i]) << 4) | hexDigit(buffer[i + 1]);
      if (value < 0) return undefined;
      buffer[out++] = value;
    }
    this.#at = to + 1;
    this.#nextField();
    return buffer.subarray(from, from + length);
  }
}

import type { Counters } from "../../bytes/counters.js";
import { AtLine } from "./line.js";

const NUL = 0;
const LF = 10;
const CR = 13;
const QUOTE = 34;
const COMMA = 44;

/** The longest binary string that the modem sends (+USORF, +USORD: 1,024 bytes). */
const LONGEST_DATA = 1024;

/** Room for the echo of a 1,024-digit +USOST, the longest line there is. */
const CAPACITY = 1280;

/**
 * Cuts the byte stream from the modem into lines, prompts and binary data. It knows no command and no answer.
 *
 * Lines end in CR, LF or both; empty ones are passed over, and so are the NULs that a SARA-R4 sends while it boots.
 * The work on single bytes is done by typed-array methods: at 115,200 baud a byte comes every 87 µs and one turn of a
 * loop in XS takes 9 µs of it.
 */
export class AtParser {
  readonly #buffer = new Uint8Array(CAPACITY);
  #length = 0;
  readonly #line = new AtLine(this.#buffer);
  readonly #onLine: (line: AtLine) => void;
  readonly #onPrompt: () => void;
  readonly #counters: Counters;
  #prompt = 0;
  #dataPrefix = "";
  #dataField = 0;
  #skipping = false;

  constructor(onLine: (line: AtLine) => void, onPrompt: () => void, counters: Counters) {
    this.#onLine = onLine;
    this.#onPrompt = onPrompt;
    this.#counters = counters;
  }

  /** From now on `character` at the start of a line is a prompt; 0 ends it, and so does the prompt itself. */
  expectPrompt(character: number): void {
    this.#prompt = character;
  }

  /**
   * From now on a line that starts with `prefix` has a quoted string in field `field` + 1 (counted from 0) that is as
   * long as field `field` says and may hold any bytes, line ends and quotes too. An empty prefix ends it.
   */
  expectData(prefix: string, field = 0): void {
    this.#dataPrefix = prefix;
    this.#dataField = field;
  }

  /** Forgets what has come of a line and what was expected: the modem has restarted or gone silent. */
  reset(): void {
    this.#length = 0;
    this.#skipping = false;
    this.#prompt = 0;
    this.#dataPrefix = "";
  }

  /** Takes bytes in any pieces. The callbacks run inside; they must not feed this parser. */
  feed(bytes: Uint8Array): void {
    let from = 0;
    while (from < bytes.length) {
      const count = Math.min(CAPACITY - this.#length, bytes.length - from);
      this.#buffer.set(
        from === 0 && count === bytes.length ? bytes : bytes.subarray(from, from + count),
        this.#length,
      );
      this.#length += count;
      from += count;
      this.#cut();
      if (this.#length === CAPACITY) {
        // A line that fits no buffer is not from this modem's manual: drop all of it, up to its end.
        this.#counters.add("at-line-too-long");
        this.#length = 0;
        this.#skipping = true;
      }
    }
  }

  #cut(): void {
    let start = 0;
    for (;;) {
      if (!this.#skipping) start = this.#lineStart(start);
      if (start >= this.#length) break;
      const end = this.#dataEnd(start);
      if (end === 0) break;
      if (end > 0) {
        this.#onLine(this.#line.set(start, end));
        start = end;
        continue;
      }
      const stop = this.#lineEnd(start);
      if (stop < 0) {
        if (this.#prompt !== 0 && this.#buffer[start] === this.#prompt && !this.#skipping) {
          this.#prompt = 0;
          start++;
          this.#onPrompt();
          continue;
        }
        break;
      }
      if (this.#skipping) this.#skipping = false;
      else this.#onLine(this.#line.set(start, stop));
      start = stop + 1;
    }
    if (start >= this.#length) this.#length = 0;
    else if (start > 0) {
      this.#buffer.copyWithin(0, start, this.#length);
      this.#length -= start;
    }
  }

  /** Over line ends and NULs. */
  #lineStart(from: number): number {
    let at = from;
    while (at < this.#length) {
      const byte = this.#buffer[at];
      if (byte !== CR && byte !== LF && byte !== NUL) break;
      at++;
    }
    return at;
  }

  /** Where the first CR or LF from `start` on is, or −1. */
  #lineEnd(start: number): number {
    const cr = this.#indexOf(CR, start);
    const lf = this.#indexOf(LF, start);
    if (cr < 0) return lf;
    return lf < 0 || cr < lf ? cr : lf;
  }

  #indexOf(byte: number, from: number): number {
    const at = this.#buffer.indexOf(byte, from);
    return at < this.#length ? at : -1;
  }

  /**
   * The end of a line that holds data counted by length: its closing quote + 1; 0 when not all of it has come;
   * −1 when this line is an ordinary one.
   */
  #dataEnd(start: number): number {
    if (this.#dataPrefix === "" || this.#skipping) return -1;
    if (!this.#line.set(start, this.#length).startsWith(this.#dataPrefix)) return -1;
    const lineEnd = this.#lineEnd(start);
    let comma = start + this.#dataPrefix.length - 1;
    let previous = comma;
    for (let field = 0; field <= this.#dataField; field++) {
      previous = comma;
      comma = this.#indexOf(COMMA, comma + 1);
      if (comma < 0 || (lineEnd >= 0 && comma > lineEnd)) return lineEnd < 0 ? 0 : -1;
    }
    let length = 0;
    for (let at = previous + 1; at < comma; at++) length = length * 10 + (this.#buffer[at] - 48);
    if (!(length >= 0 && length <= LONGEST_DATA)) return -1;
    if (comma + 1 >= this.#length) return 0;
    if (this.#buffer[comma + 1] !== QUOTE) return -1;
    const end = comma + 2 + length + 1;
    return end <= this.#length ? end : 0;
  }
}

import { LINE_MAX } from "./frame.js";

const LF = 10;
const CR = 13;
/** Characters that one call makes a string of: arguments live on the chip's stack. */
const PIECE = 32;

/** Makes lines of bytes: CR, LF or both end one. */
export class LineReader {
  /** Lines that were dropped, because they were too long or had bytes that are no printable ASCII. */
  dropped = 0;
  readonly #onLine: (line: string) => void;
  readonly #line: Uint8Array;
  #length = 0;
  #bad = false;

  constructor(onLine: (line: string) => void, longest = LINE_MAX) {
    this.#onLine = onLine;
    this.#line = new Uint8Array(longest);
  }

  receive(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === LF || byte === CR) this.#end();
      else if (byte < 32 || byte > 126 || this.#length === this.#line.length) this.#bad = true;
      else this.#line[this.#length++] = byte;
    }
  }

  /** Forgets the half of a line that has come. */
  reset(): void {
    this.#length = 0;
    this.#bad = false;
  }

  #end(): void {
    const length = this.#length;
    const bad = this.#bad;
    this.reset();
    if (bad) this.dropped++;
    else if (length > 0) {
      let text = "";
      for (let at = 0; at < length; at += PIECE) {
        text += String.fromCharCode(...this.#line.subarray(at, Math.min(at + PIECE, length)));
      }
      this.#onLine(text);
    }
  }
}

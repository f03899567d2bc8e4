import { LINE_MAX } from "./frame.js";

const LF = 10;
const CR = 13;
const TILDE = 0x7e;
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
    // Searched and copied below the language: a loop over bytes would be most of a bridge's work.
    let at = 0;
    let lf = bytes.indexOf(LF);
    let cr = bytes.indexOf(CR);
    while (lf >= 0 || cr >= 0) {
      const end = lf >= 0 && (cr < 0 || lf < cr) ? lf : cr;
      this.#add(bytes.subarray(at, end));
      this.#end();
      at = end + 1;
      if (lf === end) lf = bytes.indexOf(LF, at);
      else cr = bytes.indexOf(CR, at);
    }
    this.#add(bytes.subarray(at));
  }

  /** Forgets the half of a line that has come. */
  reset(): void {
    this.#length = 0;
    this.#bad = false;
  }

  #add(part: Uint8Array): void {
    if (this.#length + part.length > this.#line.length) this.#bad = true;
    else {
      this.#line.set(part, this.#length);
      this.#length += part.length;
    }
  }

  #end(): void {
    const length = this.#length;
    const bad = this.#bad || !isText(this.#line, length);
    this.reset();
    if (bad) this.dropped++;
    else if (length > 0) {
      let text = "";
      for (let at = 0; at < length; at += PIECE) {
        const piece = this.#line.subarray(at, Math.min(at + PIECE, length));
        // Spread, each of them would be a turn of an iterator.
        text += String.fromCharCode.apply(undefined, piece as unknown as number[]);
      }
      this.#onLine(text);
    }
  }
}

/** Whether all of them are printable ASCII. A frame's checksum says as much of it. */
function isText(bytes: Uint8Array, length: number): boolean {
  if (bytes[0] === TILDE) return true;
  for (let i = 0; i < length; i++) if (bytes[i] < 32 || bytes[i] > 126) return false;
  return true;
}

import { Refusal } from "../bytes/refusal.js";

/** The longest value that a board's storage takes. */
const LONGEST = 512;

/**
 * Some bytes that come in pieces, in order. What has come stays when the line goes dead, so a sender that begins the
 * same transfer again goes on where it was.
 */
export class Transfer {
  #bytes = new Uint8Array(0);
  #received = 0;
  #name = "";

  /**
   * @param name of the content: another one is another transfer
   * @returns how many bytes are here already
   */
  begin(length: number, name: string): number | Refusal<"length"> {
    if (!Number.isInteger(length) || length < 1 || length > LONGEST) {
      return new Refusal("length", `1 to ${LONGEST}`);
    }
    if (name !== this.#name || length !== this.#bytes.length) {
      this.#bytes = new Uint8Array(length);
      this.#received = 0;
      this.#name = name;
    }
    return this.#received;
  }

  /** @returns how many bytes are here now; a piece that is here already changes nothing */
  add(at: number, piece: Uint8Array): number | Refusal<"gap" | "length"> {
    if (!(at >= 0 && at <= this.#received)) return new Refusal("gap", `next is ${this.#received}`);
    if (at + piece.length > this.#bytes.length) return new Refusal("length", `${this.#bytes.length}`);
    if (at === this.#received) {
      this.#bytes.set(piece, at);
      this.#received += piece.length;
    }
    return this.#received;
  }

  /** All of it, once; `undefined` while something is missing. */
  take(name: string): Uint8Array | undefined {
    const bytes = this.#bytes;
    if (name !== this.#name || bytes.length === 0 || this.#received < bytes.length) return undefined;
    this.clear();
    return bytes;
  }

  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#received = 0;
    this.#name = "";
  }
}

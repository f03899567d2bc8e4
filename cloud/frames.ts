/**
 * Datagrams on their way between the server and its UDP workers, many in one message: for each, one byte with the
 * length of its address, the address ("host:port", ASCII), two bytes with its own length, and itself.
 */

const FIRST_SIZE = 1 << 16;

/** What a worker is told, beside frames. */
export type ToWorker = Uint8Array | "stop";
/** What a worker tells, beside frames. */
export type FromWorker =
  | Uint8Array
  | { readonly port: number }
  | { readonly failure: string }
  | { readonly drops: readonly (readonly [reason: string, count: number])[] };

export class FrameWriter {
  #bytes = Buffer.allocUnsafe(FIRST_SIZE);
  #length = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  add(datagram: Uint8Array, address: string): void {
    const more = 3 + address.length + datagram.length;
    if (this.#length + more > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(2 * this.#bytes.length + more);
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = address.length;
    at += bytes.write(address, at, "latin1");
    bytes[at++] = datagram.length >> 8;
    bytes[at++] = datagram.length;
    bytes.set(datagram, at);
    this.#length += more;
  }

  /** What was added since the last time, as bytes of their own. */
  take(): Uint8Array {
    const frame = new Uint8Array(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return frame;
  }
}

/** @param each gets every datagram as a view of the frame */
export function readFrame(frame: Uint8Array, each: (datagram: Uint8Array, address: string) => void): void {
  const { buffer, byteOffset } = frame;
  const text = Buffer.from(buffer, byteOffset, frame.length);
  let at = 0;
  while (at < frame.length) {
    const addressEnd = at + 1 + frame[at];
    const address = text.toString("latin1", at + 1, addressEnd);
    const length = (frame[addressEnd] << 8) | frame[addressEnd + 1];
    const start = addressEnd + 2;
    each(new Uint8Array(buffer, byteOffset + start, length), address);
    at = start + length;
  }
}

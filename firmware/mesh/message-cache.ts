/**
 * The network message cache (Mesh Profile §3.4.6.5): what has been seen lately is neither processed nor relayed again.
 *
 * SRC, SEQ and IVI together name a PDU. Only authenticated ones are added, so that nobody without a key can push
 * entries out. The oldest goes first.
 */
export class MessageCache {
  // One number per entry in a typed array: its indexOf runs in native code on the chip, a loop would not.
  readonly #entries: Float64Array;
  #next = 0;

  constructor(capacity: number) {
    this.#entries = new Float64Array(capacity).fill(-1);
  }

  has(src: number, seq: number, ivi: number): boolean {
    return this.#entries.indexOf(src * 0x2000000 + ivi * 0x1000000 + seq) >= 0;
  }

  add(src: number, seq: number, ivi: number): void {
    this.#entries[this.#next] = src * 0x2000000 + ivi * 0x1000000 + seq;
    this.#next = this.#next + 1 === this.#entries.length ? 0 : this.#next + 1;
  }

  clear(): void {
    this.#entries.fill(-1);
  }
}

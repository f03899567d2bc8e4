import type { Serial } from "../hal/hal.js";
import type { VirtualClock } from "./clock.js";

/** Start bit, eight data bits, stop bit. */
const BITS_PER_BYTE = 10;
/** What the board's driver holds each way (DESIGN §4.5). */
const RING = 2048;

/**
 * A UART cable in virtual time: one end is a HAL `Serial` for the firmware, the other takes and gives bytes for the
 * simulated device. Bytes arrive when the last bit of their chunk would.
 */
export class SimulatedSerial implements Serial {
  onReadable: ((bytes: number) => void) | undefined;
  onWritable: ((bytes: number) => void) | undefined;
  overruns = 0;
  readonly #clock: VirtualClock;
  readonly #toDevice: (bytes: Uint8Array) => void;
  #baud: number;
  #received: number[] = [];
  /** When each direction will be free. */
  #outFree = 0;
  #inFree = 0;
  #outWaiting = 0;
  #closed = false;

  /** @param toDevice gets what the firmware writes, when it has arrived */
  constructor(clock: VirtualClock, toDevice: (bytes: Uint8Array) => void, baud = 115_200) {
    this.#clock = clock;
    this.#toDevice = toDevice;
    this.#baud = baud;
  }

  get writable(): number {
    return RING - this.#outWaiting;
  }

  write(data: Uint8Array): void {
    if (data.length > this.writable)
      throw new RangeError(`write of ${data.length} bytes, ${this.writable} fit`);
    const bytes = data.slice();
    this.#outWaiting += bytes.length;
    this.#outFree = Math.max(this.#outFree, this.#clock.now()) + this.#duration(bytes.length);
    this.#clock.post(this.#outFree, () => {
      this.#outWaiting -= bytes.length;
      if (this.#closed) return;
      this.#toDevice(bytes);
      this.onWritable?.(this.writable);
    });
  }

  read(length = this.#received.length): Uint8Array | undefined {
    if (this.#received.length === 0) return undefined;
    return Uint8Array.from(this.#received.splice(0, length));
  }

  /** Bytes from the device. */
  fromDevice(data: Uint8Array): void {
    const bytes = data.slice();
    this.#inFree = Math.max(this.#inFree, this.#clock.now()) + this.#duration(bytes.length);
    this.#clock.post(this.#inFree, () => {
      if (this.#closed) return;
      for (const byte of bytes) {
        if (this.#received.length < RING) this.#received.push(byte);
        else this.overruns++;
      }
      this.onReadable?.(this.#received.length);
    });
  }

  setBaud(baud: number): void {
    this.#baud = baud;
  }

  get baud(): number {
    return this.#baud;
  }

  close(): void {
    this.#closed = true;
  }

  #duration(bytes: number): number {
    return (bytes * BITS_PER_BYTE * 1000) / this.#baud;
  }
}

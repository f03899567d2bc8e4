import type { Clock, ModemPort, Serial } from "../../hal/hal.js";
import { SaraR4Simulator, type SimulatorOptions } from "./sara-r4-simulator.js";

/** As large as the receive ring of the board's driver (DESIGN §4.5). */
const RECEIVE_RING = 2048;

/** What a transmit takes at once. */
const TRANSMIT_ROOM = 2048;

/** A UART cable between host and simulated modem, in virtual time: bytes arrive in the next event, never in the call. */
class SimulatedSerial implements Serial {
  onReadable: ((bytes: number) => void) | undefined;
  onWritable: ((bytes: number) => void) | undefined;
  overruns = 0;
  readonly #clock: Clock;
  readonly #toModem: (bytes: Uint8Array) => void;
  readonly #setBaud: (baud: number) => void;
  #received: Uint8Array[] = [];
  #waiting = 0;
  #notified = false;
  #closed = false;

  constructor(clock: Clock, toModem: (bytes: Uint8Array) => void, setBaud: (baud: number) => void) {
    this.#clock = clock;
    this.#toModem = toModem;
    this.#setBaud = setBaud;
  }

  get writable(): number {
    return this.#closed ? 0 : TRANSMIT_ROOM;
  }

  write(data: Uint8Array): void {
    if (data.length > this.writable)
      throw new RangeError(`write: ${data.length} bytes, room for ${this.writable}`);
    const copy = Uint8Array.from(data);
    this.#clock.at(this.#clock.now(), () => {
      if (!this.#closed) this.#toModem(copy);
    });
  }

  read(length = this.#waiting): Uint8Array | undefined {
    if (this.#waiting === 0) return undefined;
    const bytes = new Uint8Array(Math.min(length, this.#waiting));
    let at = 0;
    while (at < bytes.length) {
      const first = this.#received[0];
      const count = Math.min(first.length, bytes.length - at);
      bytes.set(first.subarray(0, count), at);
      at += count;
      if (count === first.length) this.#received.shift();
      else this.#received[0] = first.subarray(count);
    }
    this.#waiting -= bytes.length;
    return bytes;
  }

  /** Bytes from the modem. */
  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    if (this.#waiting + bytes.length > RECEIVE_RING) {
      this.overruns += bytes.length;
      return;
    }
    this.#received.push(Uint8Array.from(bytes));
    this.#waiting += bytes.length;
    if (this.#notified) return;
    this.#notified = true;
    this.#clock.at(this.#clock.now(), () => {
      this.#notified = false;
      if (!this.#closed && this.#waiting > 0) this.onReadable?.(this.#waiting);
    });
  }

  setBaud(baud: number): void {
    this.#setBaud(baud);
  }

  close(): void {
    this.#closed = true;
  }
}

/** A simulated modem and the port that a gateway drives it through. */
export interface SimulatedModem {
  readonly port: ModemPort;
  readonly modem: SaraR4Simulator;
}

/** Puts a SARA-R4 behind a {@link ModemPort}: the whole of it in this process. */
export function simulatedModem(options: Omit<SimulatorOptions, "onOutput">): SimulatedModem {
  const modem: SaraR4Simulator = new SaraR4Simulator({ ...options, onOutput: (bytes) => serial.push(bytes) });
  const serial = new SimulatedSerial(
    options.clock,
    (bytes) => modem.receive(bytes),
    (baud) => modem.setHostBaud(baud),
  );
  return { modem, port: { serial, powerOn: modem.powerOn, reset: modem.reset, vInt: modem.vInt } };
}

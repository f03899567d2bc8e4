import { wiring } from "../../hal/nrf52/config.js";
import { BoardSerial } from "../../hal/nrf52/serial.js";

/** Lines of text on the board's console, 115,200 baud. What has no room is dropped: nothing waits here. */
export class Console {
  onBytes: ((bytes: Uint8Array) => void) | undefined;
  #serial: BoardSerial;

  /** @param listen whether to receive, which costs a battery node the high-frequency clock */
  constructor(listen: boolean) {
    this.#serial = this.#open(listen);
  }

  #open(listen: boolean): BoardSerial {
    const { port, transmit, receive } = wiring().console;
    const serial = new BoardSerial({ port, baud: 115200, transmit, ...(listen && { receive }) });
    serial.onReadable = () => {
      const bytes = serial.read();
      if (bytes !== undefined) this.onBytes?.(bytes);
    };
    return serial;
  }

  /** Whether any line that we write fits. */
  get hasRoom(): boolean {
    return this.#serial.writable >= 256;
  }

  /** @returns false when there is no room for it */
  log(line: string): boolean {
    const bytes = new Uint8Array(ArrayBuffer.fromString(`${line}\r\n`));
    if (bytes.length > this.#serial.writable) return false;
    this.#serial.write(bytes);
    return true;
  }

  /** Stops receiving. */
  deafen(): void {
    this.#serial.close();
    this.#serial = this.#open(false);
  }

  close(): void {
    this.#serial.close();
  }
}

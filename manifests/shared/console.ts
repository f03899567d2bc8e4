import { wiring } from "../../hal/nrf52/config.js";
import { BoardSerial } from "../../hal/nrf52/serial.js";

/** Room for the longest command: an identity in hex. */
const LINE_BYTES = 1100;
const LF = 10;
const CR = 13;

/** Lines of text on the board's console, 115,200 baud. What has no room is dropped and counted: nothing waits here. */
export class Console {
  /** Called with each line that comes, without its end. Only when the console listens. */
  onLine: ((line: string) => void) | undefined;
  dropped = 0;
  readonly #serial: BoardSerial;
  readonly #line: Uint8Array;
  #length = 0;

  /** @param listen whether to receive, which costs a battery node the high-frequency clock */
  constructor(listen: boolean) {
    const { port, transmit, receive } = wiring().console;
    this.#line = new Uint8Array(listen ? LINE_BYTES : 0);
    this.#serial = new BoardSerial({ port, baud: 115200, transmit, ...(listen && { receive }) });
    this.#serial.onReadable = () => this.#read();
  }

  /** Whether any line that we write fits. */
  get hasRoom(): boolean {
    return this.#serial.writable >= 256;
  }

  log(line: string): void {
    const bytes = new Uint8Array(ArrayBuffer.fromString(`${line}\r\n`));
    if (bytes.length > this.#serial.writable) this.dropped++;
    else this.#serial.write(bytes);
  }

  close(): void {
    this.#serial.close();
  }

  #read(): void {
    const bytes = this.#serial.read();
    if (bytes === undefined) return;
    for (const byte of bytes) {
      if (byte === LF || byte === CR) this.#end();
      else if (this.#length < this.#line.length) this.#line[this.#length++] = byte;
      // Longer than any command: what follows makes it none.
      else this.#line[0] = 0;
    }
  }

  #end(): void {
    if (this.#length === 0) return;
    const line = this.#line.slice(0, this.#length);
    this.#length = 0;
    this.onLine?.(String.fromArrayBuffer(line.buffer));
  }
}

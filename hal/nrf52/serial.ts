import type { Serial } from "../hal.js";

function open(
  this: void,
  port: number,
  baud: number,
  transmit: number,
  receive: number,
  rts: number,
  cts: number,
  callback: (readable: number, writable: number) => void,
): void {
  native("board_uarte_open").call(this, port, baud, transmit, receive, rts, cts, callback);
}

function readInto(this: void, port: number, buffer: Uint8Array): number {
  return native("board_uarte_read").call(this, port, buffer);
}

function readable(this: void, port: number): number {
  return native("board_uarte_readable").call(this, port);
}

function writable(this: void, port: number): number {
  return native("board_uarte_writable").call(this, port);
}

function write(this: void, port: number, data: Uint8Array): boolean {
  return native("board_uarte_write").call(this, port, data);
}

function setBaud(this: void, port: number, baud: number): void {
  native("board_uarte_baud").call(this, port, baud);
}

function overruns(this: void, port: number): number {
  return native("board_uarte_overruns").call(this, port);
}

function close(this: void, port: number): void {
  native("board_uarte_close").call(this, port);
}

export interface BoardSerialOptions {
  /** UARTE instance. */
  readonly port: 0 | 1;
  readonly baud: number;
  /** Pin numbers, 32 and above for P1; a line that is left out is not used. */
  readonly transmit?: number;
  readonly receive?: number;
  readonly rts?: number;
  readonly cts?: number;
  readonly onReadable?: (bytes: number) => void;
  readonly onWritable?: (bytes: number) => void;
}

/** A UARTE: 4 KB for input, 2 KB for output (DESIGN §4.5). */
export class BoardSerial implements Serial {
  onReadable: ((bytes: number) => void) | undefined;
  onWritable: ((bytes: number) => void) | undefined;
  readonly #port: number;

  /** @throws Error when the port is open already, RangeError for a speed that it does not have */
  constructor(options: BoardSerialOptions) {
    this.#port = options.port;
    this.onReadable = options.onReadable;
    this.onWritable = options.onWritable;
    open(
      options.port,
      options.baud,
      options.transmit ?? -1,
      options.receive ?? -1,
      options.rts ?? -1,
      options.cts ?? -1,
      (readable, writable) => {
        if (readable > 0) this.onReadable?.(readable);
        if (writable > 0) this.onWritable?.(writable);
      },
    );
  }

  get format(): "buffer" {
    return "buffer";
  }

  read(length = Number.POSITIVE_INFINITY): Uint8Array | undefined {
    const available = readable(this.#port);
    const count = Math.min(available, length);
    if (count === 0) return undefined;
    const bytes = new Uint8Array(count);
    readInto(this.#port, bytes);
    return bytes;
  }

  get writable(): number {
    return writable(this.#port);
  }

  write(data: Uint8Array): void {
    if (!write(this.#port, data)) {
      throw new RangeError(`${data.length} bytes to write, room for ${this.writable}`);
    }
  }

  setBaud(baud: number): void {
    setBaud(this.#port, baud);
  }

  get overruns(): number {
    return overruns(this.#port);
  }

  close(): void {
    close(this.#port);
  }
}

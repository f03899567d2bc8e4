import type { AdvertisingBearer } from "../hal.js";

function start(this: void, callback: () => void, types: Uint8Array): void {
  native("board_bearer_start").call(this, callback, types);
}

function send(this: void, data: Uint8Array, count: number, interval: number): boolean {
  return native("board_bearer_send").call(this, data, count, interval);
}

function free(this: void): number {
  return native("board_bearer_free").call(this);
}

function listen(this: void, on: boolean): void {
  native("board_bearer_listen").call(this, on);
}

function next(this: void, record: Uint8Array): number {
  return native("board_bearer_next").call(this, record);
}

function counter(this: void, which: number): number {
  return native("board_bearer_counter").call(this, which);
}

/** AD types of mesh bearers: PB-ADV, Mesh Message, Mesh Beacon (Bluetooth Assigned Numbers §2.3). */
const MESH_AD_TYPES: readonly number[] = [0x29, 0x2a, 0x2b];

/** A record of board_bearer_next: address, RSSI, AD structure. */
const ADDRESS_BYTES = 6;
const STRUCTURE_AT = 7;
const RECORD_BYTES = 38;

export interface BearerCounters {
  /** Runs of the advertising set that ended. */
  readonly sent: number;
  /** Runs that the SoftDevice did not take. */
  readonly refused: number;
  readonly received: number;
  /** Advertisements without an AD structure for us. */
  readonly other: number;
  /** Frames lost because the machine was too slow. */
  readonly overruns: number;
}

/** The SoftDevice's advertiser and scanner. There is one per chip; it listens from the beginning. */
export class BoardBearer implements AdvertisingBearer {
  onReceive: ((data: Uint8Array, address: Uint8Array, rssi: number) => void) | undefined;
  /** The instance's own, so that a bridge can put itself before it: what a preloaded class has is read-only. */
  send: AdvertisingBearer["send"] = send;

  readonly #record = new Uint8Array(RECORD_BYTES);
  readonly #address = this.#record.subarray(0, ADDRESS_BYTES);
  readonly #rssi = new Int8Array(this.#record.buffer, ADDRESS_BYTES, 1);
  /** Views on the record by length, made when first needed: no allocation per frame. */
  readonly #structures: (Uint8Array | undefined)[] = [];

  /** @throws Error when the SoftDevice does not start */
  constructor(types: readonly number[] = MESH_AD_TYPES) {
    start(() => this.#deliver(), Uint8Array.from(types));
    listen(true);
  }

  get free(): number {
    return free();
  }

  /** Switches the receiver, which takes most of a battery node's current. */
  listen(on: boolean): void {
    listen(on);
  }

  get counters(): BearerCounters {
    return {
      sent: counter(0),
      refused: counter(1),
      received: counter(2),
      other: counter(3),
      overruns: counter(4),
    };
  }

  #deliver(): void {
    const record = this.#record;
    for (let length = next(record); length > 0; length = next(record)) {
      let structure = this.#structures[length];
      if (structure === undefined) {
        structure = record.subarray(STRUCTURE_AT, STRUCTURE_AT + length);
        this.#structures[length] = structure;
      }
      this.onReceive?.(structure, this.#address, this.#rssi[0]);
    }
  }
}

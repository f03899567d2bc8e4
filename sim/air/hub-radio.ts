import { createSocket, type Socket } from "node:dgram";
import type { AdvertisingBearer } from "../../hal/hal.js";
import type { PacedClock } from "../paced-clock.js";
import { decodeAir, encodeAirFrame, encodeAirJoin } from "./hub.js";
import { ADV_NONCONN_IND } from "./phy.js";

/** Frames that wait to be sent at most, as in a board's bearer. */
const QUEUE = 16;

/** A radio that is a member of an air hub on this machine: of the emulator's, or of `listenAirHub`. */
export class HubRadio implements AdvertisingBearer {
  onReceive: AdvertisingBearer["onReceive"];
  readonly #clock: PacedClock;
  readonly #socket: Socket;
  readonly #port: number;
  readonly #address: Uint8Array;
  #waiting = 0;
  /** When what is queued has left, ms. */
  #busyUntil = 0;

  /** @param address 6 bytes, of this radio alone */
  constructor(clock: PacedClock, port: number, address: Uint8Array) {
    this.#clock = clock;
    this.#port = port;
    this.#address = address;
    this.#socket = createSocket("udp4");
    // A hub that is not there, or not yet, is an air without others.
    this.#socket.on("error", () => {});
    this.#socket.on("message", (bytes) => {
      const message = decodeAir(bytes);
      if (message?.kind !== "frame") return;
      const { data, address: from, rssi } = message;
      clock.enter(() => this.onReceive?.(data, from, rssi));
    });
    this.#datagram(encodeAirJoin(address));
  }

  get free(): number {
    return QUEUE - this.#waiting;
  }

  send(data: Uint8Array, count: number, interval: number): boolean {
    if (this.free <= 0) return false;
    const frame = encodeAirFrame(this.#address, ADV_NONCONN_IND, -40, data);
    let at = Math.max(this.#clock.now(), this.#busyUntil);
    this.#waiting++;
    for (let i = 0; i < count; i++) {
      this.#clock.at(at, () => this.#datagram(frame));
      at += interval + Math.random() * 10;
    }
    this.#busyUntil = at;
    this.#clock.at(at, () => {
      this.#waiting--;
    });
    return true;
  }

  close(): void {
    this.#socket.close();
  }

  #datagram(bytes: Uint8Array): void {
    this.#socket.send(bytes, this.#port, "127.0.0.1", () => {});
  }
}

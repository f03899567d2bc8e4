/**
 * The air between emulated boards, by the emulator's protocol: UDP datagrams on this machine. A frame of one member
 * goes to all others; simulated devices of the same process can be members too.
 */

import { createSocket, type Socket } from "node:dgram";
import type { AddressInfo } from "node:net";

const JOIN = "AIR1J";
const FRAME = "AIR1F";
const ADDRESS_AT = 5;
const DATA_AT = 14;
/** Non-connectable, non-scannable: what meshes send. */
export const ADV_NONCONN_IND = 2;

export interface Frame {
  /** The advertiser's, little-endian as on the air. */
  readonly address: Uint8Array;
  /** The advertising PDU's type. */
  readonly type: number;
  readonly rssi: number;
  readonly data: Uint8Array;
}

export interface AirHubOptions {
  /** Probability that a frame is lost on the way to one member. */
  readonly loss?: number;
  /** 0 to 1; default Math.random. */
  readonly random?: () => number;
  /** Whether one member hears another, by the names that {@link AirHub.expect} gave them. Default: everybody. */
  readonly hears?: (listener: string, sender: string) => boolean;
}

export function encodeFrame({ address, type, rssi, data }: Frame): Uint8Array {
  const bytes = new Uint8Array(DATA_AT + data.length);
  for (let i = 0; i < FRAME.length; i++) bytes[i] = FRAME.charCodeAt(i);
  bytes.set(address, ADDRESS_AT);
  bytes[11] = type;
  bytes[12] = rssi;
  bytes[13] = data.length;
  bytes.set(data, DATA_AT);
  return bytes;
}

/** @returns `undefined` for what is no frame */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.length < DATA_AT || String.fromCharCode(...bytes.subarray(0, 5)) !== FRAME) return undefined;
  const length = bytes[13]!;
  if (length > 31 || bytes.length < DATA_AT + length) return undefined;
  return {
    address: bytes.subarray(ADDRESS_AT, ADDRESS_AT + 6),
    type: bytes[11]!,
    rssi: (bytes[12]! << 24) >> 24,
    data: bytes.subarray(DATA_AT, DATA_AT + length),
  };
}

export class AirHub {
  /** Called with each frame of a board and its name, for members of this process. `data` is only valid during the call. */
  onFrame: ((frame: Frame, sender: string) => void) | undefined;
  frames = 0;
  readonly #socket: Socket;
  /** Names by UDP port. */
  readonly #members = new Map<number, string>();
  readonly #loss: number;
  readonly #random: () => number;
  readonly #hears: (listener: string, sender: string) => boolean;
  #expected: { readonly name: string; readonly joined: () => void } | undefined;

  private constructor(socket: Socket, options: AirHubOptions) {
    const { loss = 0, random = Math.random, hears = () => true } = options;
    this.#socket = socket;
    this.#loss = loss;
    this.#random = random;
    this.#hears = hears;
    socket.on("message", (message, from) => this.#take(message, from.port));
    // A board that has gone leaves its port closed; that is not the hub's affair.
    socket.on("error", () => {});
  }

  static async open(options: AirHubOptions = {}): Promise<AirHub> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, "127.0.0.1", () => resolve());
    });
    return new AirHub(socket, options);
  }

  get port(): number {
    return (this.#socket.address() as AddressInfo).port;
  }

  /** Gives the next board that joins its name. Resolves when it has joined. */
  expect(name: string): Promise<void> {
    return new Promise((resolve) => {
      this.#expected = { name, joined: resolve };
    });
  }

  /** Sends a frame of this process to every board that hears the sender. */
  send(frame: Frame, sender = ""): void {
    this.frames++;
    this.#forward(encodeFrame(frame), sender);
  }

  close(): void {
    this.#socket.close();
  }

  #take(message: Uint8Array, port: number): void {
    const frame = decodeFrame(message);
    if (frame === undefined) {
      if (String.fromCharCode(...message.subarray(0, 5)) === JOIN) this.#join(port);
      return;
    }
    const name = this.#members.get(port) ?? this.#join(port);
    this.frames++;
    this.#forward(message, name, port);
    this.onFrame?.(frame, name);
  }

  #join(port: number): string {
    const name = this.#expected?.name ?? String(port);
    this.#members.set(port, name);
    this.#expected?.joined();
    this.#expected = undefined;
    return name;
  }

  #forward(bytes: Uint8Array, sender: string, from?: number): void {
    for (const [member, name] of this.#members) {
      if (member === from || !this.#hears(name, sender)) continue;
      if (this.#random() >= this.#loss) this.#socket.send(bytes, member, "127.0.0.1");
    }
  }
}

import { createSocket, type Socket } from "node:dgram";
import { toHex } from "../../firmware/bytes/hex.js";
import type { PacedClock } from "../paced-clock.js";
import type { Air } from "./air.js";
import { ADV_NONCONN_IND, MAXIMUM_ADVERTISING_DATA } from "./phy.js";
import type { RadioOptions, SimulatedRadio } from "./radio.js";

/** "AIR1J": a member joins, "AIR1F": a frame. */
const MAGIC = [0x41, 0x49, 0x52, 0x31] as const;
const JOIN = 0x4a;
const FRAME = 0x46;
const ADDRESS = 6;
/** Magic, kind, address, PDU type, RSSI, length. */
const FRAME_HEADER = 14;
const MEMBERS = 256;

/** What a member says to the hub. */
export type AirMessage =
  | { readonly kind: "join"; readonly address: Uint8Array }
  | {
      readonly kind: "frame";
      readonly address: Uint8Array;
      readonly pduType: number;
      readonly rssi: number;
      readonly data: Uint8Array;
    };

/** @returns `undefined` for a datagram that is none of the emulator's air protocol. Byte fields are copies. */
export function decodeAir(bytes: Uint8Array): AirMessage | undefined {
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return undefined;
  if (bytes.length < 5 + ADDRESS) return undefined;
  const address = new Uint8Array(bytes.subarray(5, 5 + ADDRESS));
  if (bytes[4] === JOIN) return { kind: "join", address };
  if (bytes[4] !== FRAME || bytes.length < FRAME_HEADER) return undefined;
  const length = bytes[13];
  if (length > MAXIMUM_ADVERTISING_DATA || bytes.length < FRAME_HEADER + length) return undefined;
  const data = new Uint8Array(bytes.subarray(FRAME_HEADER, FRAME_HEADER + length));
  return { kind: "frame", address, pduType: bytes[11], rssi: (bytes[12] << 24) >> 24, data };
}

export function encodeAirJoin(address: Uint8Array): Uint8Array {
  return Uint8Array.of(...MAGIC, JOIN, ...address);
}

export function encodeAirFrame(
  address: Uint8Array,
  pduType: number,
  rssi: number,
  data: Uint8Array,
): Uint8Array {
  return Uint8Array.of(...MAGIC, FRAME, ...address, pduType, rssi & 0xff, data.length, ...data);
}

export interface AirHubOptions {
  readonly air: Air;
  /** Sends a datagram to a member. `peer` is what {@link AirHub.receive} got. */
  readonly send: (bytes: Uint8Array, peer: string) => void;
  /** Where a member stands and how well it hears, by its address and number. Default: at the origin. */
  readonly place?: (address: Uint8Array, index: number) => RadioOptions;
}

/**
 * The simulated air as hub for emulated boards: each member gets a radio in it, so that boards and simulated devices
 * hear each other with the same ranges, losses and collisions. An emulator has its own controller, which decides when
 * to advertise and whether its window was open; so its frames go out at once, and its radio here always scans.
 */
export class AirHub {
  /** Datagrams that were no air protocol. */
  malformed = 0;
  /** Members that found no place. */
  refused = 0;
  readonly #options: AirHubOptions;
  readonly #members = new Map<string, SimulatedRadio>();
  #joined = 0;

  constructor(options: AirHubOptions) {
    this.#options = options;
  }

  /** The members' radios, by what they were called in `receive`. */
  get members(): ReadonlyMap<string, SimulatedRadio> {
    return this.#members;
  }

  /** Takes a datagram of any content from `peer`. */
  receive(bytes: Uint8Array, peer: string): void {
    const message = decodeAir(bytes);
    if (message === undefined) {
      this.malformed++;
      return;
    }
    const radio = this.#member(peer, message.address);
    if (radio !== undefined && message.kind === "frame") radio.sendEvent(message.pduType, message.data);
  }

  /** Takes the members that `which` names out of the air. They may join again. */
  leave(which: (radio: SimulatedRadio) => boolean): void {
    for (const [name, radio] of this.#members) {
      if (!which(radio)) continue;
      radio.detach();
      this.#members.delete(name);
    }
  }

  /** Takes all members out of the air. */
  clear(): void {
    this.leave(() => true);
  }

  #member(peer: string, address: Uint8Array): SimulatedRadio | undefined {
    const known = this.#members.get(peer);
    if (known !== undefined && toHex(known.address) === toHex(address)) return known;
    // A board that was started again comes from another port; another board may come from the same one.
    for (const [name, radio] of this.#members) {
      if (name !== peer && toHex(radio.address) !== toHex(address)) continue;
      radio.detach();
      this.#members.delete(name);
    }
    if (this.#members.size >= MEMBERS) {
      this.refused++;
      return undefined;
    }
    const { air, send, place } = this.#options;
    const radio = air.attach({
      name: `board ${toHex(address)}`,
      reportPause: 0,
      ...place?.(address, this.#joined++),
      address,
    });
    radio.onReceive = (data, from, rssi) => send(encodeAirFrame(from, ADV_NONCONN_IND, rssi, data), peer);
    this.#members.set(peer, radio);
    return radio;
  }
}

/** A hub that listens. */
export interface ListeningHub {
  readonly hub: AirHub;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Opens the hub on 127.0.0.1. @param port 0 for any free one
 * @throws the socket's error, when the port is taken
 */
export async function listenAirHub(
  port: number,
  options: Omit<AirHubOptions, "send"> & { readonly clock: PacedClock },
): Promise<ListeningHub> {
  const { clock, ...rest } = options;
  const socket: Socket = createSocket("udp4");
  const hub = new AirHub({
    ...rest,
    // A member that has ended is told by ICMP; it will join again or not.
    send: (bytes, peer) => socket.send(bytes, Number(peer), "127.0.0.1", () => {}),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, "127.0.0.1", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve();
    });
  });
  socket.on("message", (bytes, from) => clock.enter(() => hub.receive(bytes, String(from.port))));
  return {
    hub,
    port: socket.address().port,
    close: () =>
      new Promise((resolve) => {
        hub.clear();
        socket.close(() => resolve());
      }),
  };
}

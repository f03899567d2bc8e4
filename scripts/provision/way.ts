/**
 * The ways to a board: what provisioning needs of a connection, whichever it is. `serial-way.ts` goes through the
 * board's console, `air-way.ts` over the air through the console of a gateway that is a bridge.
 */

import type { Identity } from "../../firmware/roles/identity.js";
import type { KeyValueStore } from "../../hal/hal.js";
import type { DeviceKind } from "../../sim/network.js";

/** What a board says of itself. */
export interface BoardInfo {
  readonly kind: DeviceKind;
  /** 8 bytes, unique (FICR DEVICEID). */
  readonly chipId: Uint8Array;
  /** Device UUID of the mesh, 16 bytes: holds kind and chip id (firmware/console/label.ts). */
  readonly uuid: Uint8Array;
  /** Of the firmware; over the air it is not told. */
  readonly version?: string;
  /** Of the stored identity, 8 bytes; `undefined` when the board is not provisioned. */
  readonly fingerprint?: Uint8Array;
  /** Of the stored identity. */
  readonly name?: string;
  /** Whether the board has proved that it knows the secret of its label. False when none was given to compare with. */
  readonly proven: boolean;
}

/** What is printed on the board: who it is, and the secret that proves it. No key of the network. */
export interface Label {
  readonly uuid: Uint8Array;
  /** Static OOB value, 16 bytes. */
  readonly oob: Uint8Array;
}

export interface Progress {
  readonly step: "connect" | "identify" | "provision" | "configure" | "write" | "restart" | "verify";
  /** Of `of`; a step begins with 0 and ends with `of`. */
  readonly done: number;
  readonly of: number;
  /** For a person: "cable pulled, waiting for it". */
  readonly note?: string;
}
export type OnProgress = (progress: Progress) => void;

export type WayReason =
  /** The port cannot be opened. */
  | "no-port"
  /** The optional library for serial ports is not installed. */
  | "no-serial-library"
  /** The cable was pulled, and did not come back in time. */
  | "cable-gone"
  /** Nothing answers, or not in this protocol. */
  | "silent"
  /** The board could not prove that it is the one of the label, or has become another one under way. */
  | "wrong-board"
  /** The board refuses; `detail` has its reason. */
  | "refused"
  /** The board has restarted and its identity is not the one that was written. */
  | "not-written"
  /** Over the air: no beacon of this board, and no answer of it as a node. */
  | "not-heard"
  /** Over the air: the provisioning protocol failed, `detail` says where. */
  | "provisioning-failed"
  /** Over the air: the board does not answer any more. */
  | "unreachable";

/** What ends a way's work. The board has its old identity or its new one; `verify` tells which. */
export class WayError extends Error {
  readonly reason: WayReason;
  readonly detail: string;

  constructor(reason: WayReason, detail: string) {
    super(`${reason}: ${detail}`);
    this.name = "WayError";
    this.reason = reason;
    this.detail = detail;
  }
}

/** A connection to one board. Every method resumes after a pulled cable or rejects with a {@link WayError}. */
export interface Way {
  /** Asks the board who it is, and challenges it where its label's secret is known. */
  inspect(): Promise<BoardInfo>;
  /** The label of a board that is not provisioned, to be printed. Over the air it is the one that was given. */
  label(): Promise<Label>;
  /**
   * Atomic on the board: it has its old identity or this one. Resolves when the board runs with it.
   * A gateway's identity says where its datagrams go to (`identity.uplink`).
   */
  write(identity: Identity): Promise<void>;
  /** By fingerprint and challenge, never by the keys: they do not leave the board. */
  verify(identity: Identity): Promise<"same" | "other" | "none">;
  /** Takes the identity away; the sequence numbers that were used with it stay. */
  erase(identity?: Identity): Promise<void>;
  close(): Promise<void>;
}

export interface SerialOptions {
  readonly onProgress?: OnProgress;
  /** The secret of the label, 16 bytes: the board must prove that it knows it before anything is written. */
  readonly oob?: Uint8Array;
  /** What the board prints besides the protocol. */
  readonly onLog?: (line: string) => void;
  /** How long a pulled cable is waited for, ms. Default 60 000. */
  readonly patience?: number;
}

/** The network as the provisioner's own mesh stack knows it. */
export interface AirNetwork {
  readonly netKey: Uint8Array;
  readonly appKey: Uint8Array;
  readonly ivIndex: number;
  /** Unicast address of the provisioner: of this network file and this machine alone. */
  readonly address: number;
  /** Where the provisioner's sequence numbers and replay list outlive it: of this address alone, and never copied. */
  readonly storage: KeyValueStore;
  /** Initial TTL. */
  readonly ttl: number;
}

export interface OverTheAirOptions {
  /** Port of the console of the gateway that is the bridge, as in {@link Ways.openSerial}. */
  readonly bridge: string;
  readonly network: AirNetwork;
  /** Both from the board's label. */
  readonly uuid: Uint8Array;
  readonly oob: Uint8Array;
  /** Of the board as a node, where the network knows it already: to verify or erase it. */
  readonly known?: Identity;
  readonly onProgress?: OnProgress;
  /** How long the board is waited for, ms. Default 60 000. */
  readonly patience?: number;
}

/** A serial port of this machine. */
export interface PortInfo {
  readonly path: string;
  readonly manufacturer?: string;
  readonly serialNumber?: string;
  readonly vendorId?: string;
  readonly productId?: string;
}

/** The ways as one value, so that tests can put others in their place. */
export interface Ways {
  /** @param port a path, or `tcp:HOST:PORT` */
  openSerial(port: string, options?: SerialOptions): Promise<Way>;
  openOverTheAir(options: OverTheAirOptions): Promise<Way>;
  listPorts(): Promise<PortInfo[]>;
}

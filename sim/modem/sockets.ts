import type { ModemNetwork } from "./modem-network.js";

/** A SARA-R4 has seven, ids 0 to 6. */
export const SOCKETS = 7;

/** What one socket keeps at most before it drops the newest. */
const BUFFER = 8192;

interface Waiting {
  readonly address: string;
  readonly port: number;
  readonly bytes: Uint8Array;
  /** Bytes that were read already. */
  read: number;
}

/** What a read gives: a datagram or a part of one. */
export interface ReadPart {
  readonly address: string;
  readonly port: number;
  readonly bytes: Uint8Array;
}

export class ModemSocket {
  readonly id: number;
  readonly protocol: number;
  localPort: number | undefined;
  /** +USOCO */
  remote: { readonly address: string; readonly port: number } | undefined;
  lastError = 0;
  sent = 0;
  received = 0;
  readonly #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(id: number, protocol: number) {
    this.id = id;
    this.protocol = protocol;
  }

  /** Bytes that wait: those of the next datagram, or all. */
  pending(counts: "next" | "total"): number {
    if (this.#waiting.length === 0) return 0;
    return counts === "total" ? this.#bytes : this.#waiting[0].bytes.length - this.#waiting[0].read;
  }

  /** @returns false when there was no room for it */
  push(address: string, port: number, bytes: Uint8Array): boolean {
    if (this.#bytes + bytes.length > BUFFER) return false;
    this.#waiting.push({ address, port, bytes: Uint8Array.from(bytes), read: 0 });
    this.#bytes += bytes.length;
    this.received += bytes.length;
    return true;
  }

  /** Up to `length` bytes of one datagram. */
  read(length: number): ReadPart | undefined {
    const first = this.#waiting[0];
    if (first === undefined) return undefined;
    const bytes = first.bytes.subarray(first.read, first.read + length);
    first.read += bytes.length;
    this.#bytes -= bytes.length;
    if (first.read === first.bytes.length) this.#waiting.shift();
    return { address: first.address, port: first.port, bytes };
  }
}

/** The modem's sockets and their other ends in the network. */
export class SocketTable {
  readonly #sockets: (ModemSocket | undefined)[] = new Array(SOCKETS).fill(undefined);
  readonly #network: ModemNetwork;
  /** +USOER */
  lastError = 0;

  constructor(network: ModemNetwork) {
    this.#network = network;
  }

  get(id: number | undefined): ModemSocket | undefined {
    return id === undefined ? undefined : this.#sockets[id];
  }

  get open(): ModemSocket[] {
    return this.#sockets.filter((socket) => socket !== undefined);
  }

  /** The lowest free id, or `undefined` when all are taken. */
  create(protocol: number, localPort?: number): ModemSocket | undefined {
    const id = this.#sockets.indexOf(undefined);
    if (id < 0) return undefined;
    const socket = new ModemSocket(id, protocol);
    socket.localPort = localPort;
    this.#sockets[id] = socket;
    this.#network.open(id, localPort);
    return socket;
  }

  bind(socket: ModemSocket, port: number): void {
    socket.localPort = port;
    this.#network.open(socket.id, port);
  }

  close(id: number): boolean {
    if (this.#sockets[id] === undefined) return false;
    this.#sockets[id] = undefined;
    this.#network.close(id);
    return true;
  }

  closeAll(): void {
    for (let id = 0; id < SOCKETS; id++) this.close(id);
  }
}

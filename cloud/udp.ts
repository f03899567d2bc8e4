import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { Allowances } from "./allowance.js";
import { StartupError } from "./errors.js";
import type { Metrics } from "./metrics.js";
import { type Ticking, Turns } from "./turns.js";
import { UdpBatch } from "./udp-batch.js";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What takes datagrams: CloudEndpoint. */
export interface DatagramHandler extends Ticking {
  /** @param source "host:port", for the answer */
  handle(datagram: Uint8Array, source: string, now: number): void;
  /** To be called when the deadline has moved outside of `handle` and `tick`. */
  onWake: () => void;
}

/** A UDP port, of this process alone or of several. */
export interface UdpPort {
  readonly address: Address;
  /** Begins to pass datagrams on. */
  start(endpoint: DatagramHandler): void;
  send(datagram: Uint8Array, destination: string): void;
  /** Takes no further datagrams; what was sent already leaves. */
  close(): Promise<void>;
}

/** Room for what arrives while a commit is under way; the kernel may give less. */
const RECEIVE_BUFFER = 4 << 20;
/** A gateway of the fastest radio here sends a few hundred a second. */
export const DEFAULT_SOURCE_LIMIT = 5000;
/** Times that all that waits is taken in one turn of the event loop, before others have theirs. */
const BATCHES = 4;

/** A real UDP socket under a CloudEndpoint: datagrams, time, and one commit per turn of the event loop. */
export class UdpDriver implements UdpPort {
  readonly #socket: Socket;
  /** The same socket, for many datagrams at once, where the machine can. */
  readonly #batch: UdpBatch | undefined;
  readonly #metrics: Metrics;
  #endpoint: DatagramHandler | undefined;
  #turns: Turns | undefined;
  readonly #allowances: Allowances;
  #batches = 0;
  #closed = false;

  private constructor(socket: Socket, batch: UdpBatch | undefined, metrics: Metrics, sourceLimit: number) {
    this.#socket = socket;
    this.#batch = batch;
    this.#metrics = metrics;
    this.#allowances = new Allowances(2 * sourceLimit, sourceLimit);
  }

  /**
   * @param sourceLimit datagrams of one address each second, twice as many at once; what exceeds it is dropped unread
   * @param shared others may have a socket on this port too; where the machine can
   * @throws StartupError naming the address and the way to another
   */
  static async open(
    wanted: Address,
    metrics: Metrics,
    sourceLimit = DEFAULT_SOURCE_LIMIT,
    shared = false,
  ): Promise<UdpDriver> {
    const { host, port } = wanted;
    let address: { address: string; family: number };
    try {
      address = await lookup(host);
    } catch (error) {
      throw new StartupError(
        `the CoAP address ${host} is not known: ${(error as Error).message}; choose another with --coap HOST:PORT`,
      );
    }
    const { family } = address;
    const socket = createSocket({
      type: family === 6 ? "udp6" : "udp4",
      // Destinations are addresses already: no detour through the resolver for each answer.
      lookup: (destination, _options, callback) => callback(null, destination, family),
    });
    let batch: UdpBatch | undefined;
    try {
      batch = await UdpBatch.open({ host: address.address, port }, shared);
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        if (batch === undefined) socket.bind(port, address.address, resolve);
        else socket.bind({ fd: batch.fd }, resolve);
      });
    } catch (error) {
      socket.close();
      throw new StartupError(bindError(error as NodeJS.ErrnoException, host, port));
    }
    if (shared && batch === undefined) {
      socket.close();
      throw new StartupError(
        "--workers takes 64-bit Linux, an IPv4 address for CoAP, and the optional package koffi (npm install)",
      );
    }
    socket.removeAllListeners("error");
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER);
    } catch {
      // The system's own size does too.
    }
    return new UdpDriver(socket, batch, metrics, sourceLimit);
  }

  get address(): Address {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  start(endpoint: DatagramHandler): void {
    this.#endpoint = endpoint;
    const turns = new Turns(endpoint, () => {
      this.#batches = 0;
      this.#flush();
    });
    this.#turns = turns;
    endpoint.onWake = () => turns.arm();
    this.#socket.on("message", ({ buffer, byteOffset, byteLength }, { address, port, family }) => {
      // The port behind the last colon, also for IPv6.
      const source = `${family === "IPv6" ? `[${address}]` : address}:${port}`;
      // A plain array of the same memory: views of a Buffer cost a multiple.
      this.#take(new Uint8Array(buffer, byteOffset, byteLength), source, address);
      // dgram has told that something is there; the rest of it comes at once.
      for (let more = this.#batch !== undefined; more && this.#batches < BATCHES; this.#batches++) {
        more = this.#batch?.receive(this.#take, this.#cut) === true;
      }
      turns.due();
    });
    // E.g. an ICMP "port unreachable" of somebody we answered: not the socket's fault.
    this.#socket.on("error", () => this.#metrics.drop("udp", "socket-error"));
    turns.arm();
  }

  readonly #take = (datagram: Uint8Array, source: string, host: string): void => {
    const now = performance.now();
    if (this.#allowances.take(host, now)) this.#endpoint?.handle(datagram, source, now);
    else this.#metrics.drop("udp", "source-limit");
  };

  readonly #cut = (): void => this.#metrics.drop("udp", "too-long");

  /** Datagrams of one turn of the event loop leave together. */
  send(datagram: Uint8Array, destination: string): void {
    if (this.#closed) return;
    if (this.#batch?.full) this.#flush();
    if (this.#batch?.add(datagram, destination) !== true) this.#sendOne(datagram, destination);
    else this.#turns?.due();
  }

  #flush(): void {
    if (!this.#closed) this.#batch?.flush(this.#sendOne);
  }

  readonly #sendOne = (datagram: Uint8Array, destination: string): void => {
    const colon = destination.lastIndexOf(":");
    const host = destination.startsWith("[") ? destination.slice(1, colon - 1) : destination.slice(0, colon);
    this.#socket.send(datagram, Number(destination.slice(colon + 1)), host, (error) => {
      if (error !== null) this.#metrics.drop("udp", "send-failed");
    });
  };

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    this.#turns?.stop();
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

/** Why a CoAP port could not be opened, and the way to another. */
export function bindError(error: NodeJS.ErrnoException, host: string, port: number): string {
  const way = "choose another with --coap HOST:PORT or COAP_PORT";
  if (error.code === "EADDRINUSE") return `the CoAP port ${port} (UDP, ${host}) is in use already; ${way}`;
  if (error.code === "EACCES") return `this user may not open the CoAP port ${port}; ${way}`;
  if (error.code === "EADDRNOTAVAIL") return `this machine has no address ${host}; ${way}`;
  return `the CoAP port ${port} cannot be opened on ${host}: ${error.message}; ${way}`;
}

import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { Allowances } from "./allowance.js";
import type { CloudEndpoint } from "./endpoint.js";
import { StartupError } from "./errors.js";
import type { Metrics } from "./metrics.js";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Room for what arrives while a commit is under way; the kernel may give less. */
const RECEIVE_BUFFER = 4 << 20;
/** A gateway of the fastest radio here sends a few hundred a second. */
const DEFAULT_SOURCE_LIMIT = 5000;
/** setTimeout takes no more. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** A real UDP socket under a {@link CloudEndpoint}: datagrams, time, and one commit per turn of the event loop. */
export class UdpDriver {
  readonly #socket: Socket;
  readonly #metrics: Metrics;
  #endpoint: CloudEndpoint | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turn: NodeJS.Immediate | undefined;
  readonly #sourceLimit: number;
  #closed = false;

  private constructor(socket: Socket, metrics: Metrics, sourceLimit: number) {
    this.#socket = socket;
    this.#metrics = metrics;
    this.#sourceLimit = sourceLimit;
  }

  /**
   * @param sourceLimit datagrams of one address each second, twice as many at once; what exceeds it is dropped unread
   * @throws StartupError naming the address and the way to another
   */
  static async open(
    wanted: Address,
    metrics: Metrics,
    sourceLimit = DEFAULT_SOURCE_LIMIT,
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
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error: NodeJS.ErrnoException) => {
        socket.close();
        reject(new StartupError(explain(error, host, port)));
      });
      socket.bind(port, address.address, resolve);
    });
    socket.removeAllListeners("error");
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER);
    } catch {
      // The system's own size does too.
    }
    return new UdpDriver(socket, metrics, sourceLimit);
  }

  get address(): Address {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  /** Begins to pass datagrams on. */
  start(endpoint: CloudEndpoint): void {
    this.#endpoint = endpoint;
    endpoint.onWake = () => this.#arm();
    const allowances = new Allowances(2 * this.#sourceLimit, this.#sourceLimit);
    this.#socket.on("message", ({ buffer, byteOffset, byteLength }, { address, port, family }) => {
      const now = performance.now();
      if (!allowances.take(address, now)) {
        this.#metrics.drop("udp", "source-limit");
        return;
      }
      // The port behind the last colon, also for IPv6.
      const source = `${family === "IPv6" ? `[${address}]` : address}:${port}`;
      // A plain array of the same memory: views of a Buffer cost a multiple.
      endpoint.handle(new Uint8Array(buffer, byteOffset, byteLength), source, now);
      this.#arm();
    });
    // E.g. an ICMP "port unreachable" of somebody we answered: not the socket's fault.
    this.#socket.on("error", () => this.#metrics.drop("udp", "socket-error"));
    this.#arm();
  }

  send(datagram: Uint8Array, destination: string): void {
    if (this.#closed) return;
    const colon = destination.lastIndexOf(":");
    const host = destination.startsWith("[") ? destination.slice(1, colon - 1) : destination.slice(0, colon);
    this.#socket.send(datagram, Number(destination.slice(colon + 1)), host, (error) => {
      if (error !== null) this.#metrics.drop("udp", "send-failed");
    });
  }

  /** What is due now is done behind all datagrams that wait already, so that they share a commit. */
  #arm(): void {
    if (this.#closed || this.#endpoint === undefined) return;
    const wait = this.#endpoint.deadline - performance.now();
    if (wait <= 0) {
      this.#turn ??= setImmediate(() => {
        this.#turn = undefined;
        this.#tick();
      });
      return;
    }
    clearTimeout(this.#timer);
    if (wait !== Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(() => this.#tick(), Math.min(wait, LONGEST_TIMER));
    }
  }

  #tick(): void {
    if (this.#closed) return;
    this.#endpoint?.tick(performance.now());
    this.#arm();
  }

  /** Takes no further datagrams; what was sent already leaves. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  const way = "choose another with --coap HOST:PORT or COAP_PORT";
  if (error.code === "EADDRINUSE") return `the CoAP port ${port} (UDP, ${host}) is in use already; ${way}`;
  if (error.code === "EACCES") return `this user may not open the CoAP port ${port}; ${way}`;
  if (error.code === "EADDRNOTAVAIL") return `this machine has no address ${host}; ${way}`;
  return `the CoAP port ${port} cannot be opened on ${host}: ${error.message}; ${way}`;
}

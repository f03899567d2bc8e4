import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { performance } from "node:perf_hooks";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A sans-IO core that a socket can drive. */
export interface TimedCore {
  readonly deadline: number;
  tick(now: number): void;
}

/** "host:port", IPv6 in brackets; the port may be left out. `undefined` when it is none. */
export function parseAddress(text: string, defaultPort = 5683): Address | undefined {
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const port = match[2] === undefined ? defaultPort : Number(match[2]);
  return port > 0 && port <= 0xffff ? { host: match[1].replace(/^\[|\]$/g, ""), port } : undefined;
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Milliseconds of a clock that does not go back. */
export const now = (): number => performance.now();

/** A UDP socket that feeds a core with datagrams and time. */
export class UdpSocket {
  readonly #socket: Socket;
  #core: TimedCore | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** @throws the system's error, with its code */
  static async open(host: string, port: number): Promise<UdpSocket> {
    const { address, family } = await lookup(host);
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, address, resolve);
    });
    socket.removeAllListeners("error");
    // An ICMP error of an earlier datagram: the retransmission will tell.
    socket.on("error", () => {});
    return new UdpSocket(socket);
  }

  get address(): Address {
    const { address, port } = this.#socket.address();
    return { host: address, port };
  }

  send(to: Address, bytes: Uint8Array): void {
    if (!this.#closed) this.#socket.send(bytes, to.port, to.host);
  }

  /** Begins to feed a core. */
  run(core: TimedCore, receive: (from: string, bytes: Uint8Array) => void): void {
    this.#core = core;
    this.#socket.on("message", (bytes: Uint8Array, { address, port }: RemoteInfo) => {
      receive(formatAddress({ host: address, port }), bytes);
      this.wake();
    });
    this.wake();
  }

  /** To be called when the core was given something to do: its deadline may have changed. */
  wake(): void {
    clearTimeout(this.#timer);
    const core = this.#core;
    if (core === undefined || this.#closed || core.deadline === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        core.tick(now());
        this.wake();
      },
      Math.max(0, core.deadline - now()),
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }
}

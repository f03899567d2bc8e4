import { createSocket, type Socket } from "node:dgram";
import { isIpv4, type ModemNetwork } from "./modem-network.js";

export interface UdpNetworkOptions {
  /** The address that sockets are bound to. Default 127.0.0.1: the simulator reaches this machine only. */
  readonly bind?: string;
  /** Names besides `localhost` and the addresses that they have. */
  readonly names?: Readonly<Record<string, string>>;
  /** Runs what arrives: `PacedClock.enter`, so that it happens at its own time. Default: at once. */
  readonly enter?: (callback: () => void) => void;
  /** Told of errors of the operating system; they reach the modem as loss. */
  readonly onError?: (error: Error) => void;
}

/**
 * The machine's own UDP as the network behind the modem: each modem socket is a socket of the machine.
 *
 * Nothing is asked of any name server: names are `localhost` and those that the options give.
 */
export class UdpNetwork implements ModemNetwork {
  onDatagram: ((socket: number, address: string, port: number, datagram: Uint8Array) => void) | undefined;
  readonly #sockets = new Map<number, Socket>();
  readonly #bind: string;
  readonly #names: Readonly<Record<string, string>>;
  readonly #enter: (callback: () => void) => void;
  readonly #onError: (error: Error) => void;
  #closed = false;

  constructor(options: UdpNetworkOptions = {}) {
    this.#bind = options.bind ?? "127.0.0.1";
    this.#names = { localhost: "127.0.0.1", ...options.names };
    this.#enter = options.enter ?? ((callback) => callback());
    this.#onError = options.onError ?? (() => {});
  }

  open(socket: number, localPort = 0): void {
    if (this.#closed) return;
    this.close(socket);
    const udp = createSocket("udp4");
    this.#sockets.set(socket, udp);
    udp.on("error", this.#onError);
    udp.on("message", (message, from) => {
      this.#enter(() => {
        // A late message of a socket that has been opened anew is nobody's.
        if (this.#sockets.get(socket) === udp) this.onDatagram?.(socket, from.address, from.port, message);
      });
    });
    udp.bind(localPort, this.#bind);
  }

  send(socket: number, address: string, port: number, datagram: Uint8Array): void {
    const udp = this.#sockets.get(socket);
    if (udp === undefined) return;
    // dgram waits for the binding by itself, and keeps the bytes until then: hence the copy.
    udp.send(Uint8Array.from(datagram), port, address, (error) => {
      if (error !== null) this.#onError(error);
    });
  }

  close(socket: number): void {
    const udp = this.#sockets.get(socket);
    if (udp === undefined) return;
    this.#sockets.delete(socket);
    udp.close();
  }

  resolve(name: string, done: (address: string | undefined) => void): void {
    done(isIpv4(name) ? name : this.#names[name.toLowerCase()]);
  }

  /** Closes all sockets for good. */
  shutDown(): void {
    this.#closed = true;
    for (const socket of [...this.#sockets.keys()]) this.close(socket);
  }
}

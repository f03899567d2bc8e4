import type { Clock } from "../../hal/hal.js";
import { isIpv4, type ModemNetwork } from "./modem-network.js";

/** A UDP service in the simulation: gets a datagram, and a way to answer it, now or later. */
export type VirtualService = (
  datagram: Uint8Array,
  from: { readonly address: string; readonly port: number },
  reply: (datagram: Uint8Array) => void,
) => void;

/** UDP without sockets, for tests: services by address and port, all in virtual time. */
export class VirtualInternet {
  readonly #clock: Clock;
  readonly #services = new Map<string, VirtualService>();
  readonly #endpoints = new Map<string, (address: string, port: number, datagram: Uint8Array) => void>();
  /** Names and their addresses. */
  readonly names = new Map<string, string>();
  #hosts = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts a service at an address and port, in the place of whatever was there. */
  listen(address: string, port: number, service: VirtualService): void {
    this.#services.set(`${address}:${port}`, service);
  }

  /** A host of its own, with an address that no other has. */
  host(): VirtualNetwork {
    this.#hosts++;
    return new VirtualNetwork(this, `10.64.${this.#hosts >> 8}.${this.#hosts & 255}`);
  }

  /** Sockets that are open. */
  get sockets(): number {
    return this.#endpoints.size;
  }

  /** A datagram from a service to an endpoint. */
  sendTo(
    from: { address: string; port: number },
    to: { address: string; port: number },
    datagram: Uint8Array,
  ): void {
    const bytes = Uint8Array.from(datagram);
    this.#clock.at(this.#clock.now(), () =>
      this.#endpoints.get(`${to.address}:${to.port}`)?.(from.address, from.port, bytes),
    );
  }

  /** For {@link VirtualNetwork}. */
  bind(
    endpoint: string,
    receiver: ((address: string, port: number, datagram: Uint8Array) => void) | undefined,
  ): void {
    if (receiver === undefined) this.#endpoints.delete(endpoint);
    else this.#endpoints.set(endpoint, receiver);
  }

  /** For {@link VirtualNetwork}. */
  transmit(
    from: { address: string; port: number },
    to: { address: string; port: number },
    datagram: Uint8Array,
  ): void {
    const bytes = Uint8Array.from(datagram);
    this.#clock.at(this.#clock.now(), () => {
      const service = this.#services.get(`${to.address}:${to.port}`);
      service?.(bytes, from, (answer) => this.sendTo(to, from, answer));
    });
  }
}

/** One modem's way into a {@link VirtualInternet}. */
export class VirtualNetwork implements ModemNetwork {
  onDatagram: ((socket: number, address: string, port: number, datagram: Uint8Array) => void) | undefined;
  readonly address: string;
  readonly #internet: VirtualInternet;
  readonly #ports = new Map<number, number>();
  #nextPort = 49152;

  constructor(internet: VirtualInternet, address: string) {
    this.#internet = internet;
    this.address = address;
  }

  /** The local port of a socket, `undefined` while it is closed. */
  portOf(socket: number): number | undefined {
    return this.#ports.get(socket);
  }

  open(socket: number, localPort?: number): void {
    this.close(socket);
    const port = localPort ?? this.#nextPort++;
    if (this.#nextPort > 65535) this.#nextPort = 49152;
    this.#ports.set(socket, port);
    this.#internet.bind(`${this.address}:${port}`, (from, fromPort, datagram) =>
      this.onDatagram?.(socket, from, fromPort, datagram),
    );
  }

  send(socket: number, address: string, port: number, datagram: Uint8Array): void {
    const local = this.#ports.get(socket);
    if (local === undefined) return;
    this.#internet.transmit({ address: this.address, port: local }, { address, port }, datagram);
  }

  /** The modem is gone: nothing in the internet knows it any more. */
  leave(): void {
    for (const socket of [...this.#ports.keys()]) this.close(socket);
  }

  close(socket: number): void {
    const port = this.#ports.get(socket);
    if (port === undefined) return;
    this.#ports.delete(socket);
    this.#internet.bind(`${this.address}:${port}`, undefined);
  }

  resolve(name: string, done: (address: string | undefined) => void): void {
    done(isIpv4(name) ? name : this.#internet.names.get(name));
  }
}

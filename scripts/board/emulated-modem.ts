/** The simulated modem at an emulated gateway's UARTE. */

import { connect, type Socket } from "node:net";
import { SaraR4Simulator } from "../../sim/modem/sara-r4-simulator.js";
import { FAST_SETTINGS } from "../../sim/modem/settings.js";
import { UdpNetwork, type UdpNetworkOptions } from "../../sim/modem/udp-network.js";
import type { PacedClock } from "../../sim/paced-clock.js";
import { Random } from "../../sim/random.js";
import type { Audit } from "./audit.js";

export interface EmulatedModemOptions {
  /** TCP port of the board's UARTE. */
  readonly port: number;
  readonly clock: PacedClock;
  readonly audit: Audit;
  readonly seed: number;
  /** It has sent something to the board. */
  readonly onOutput: () => void;
}

/** A SARA-R4 that is switched on, with sockets of its own in this machine's network. */
export class EmulatedModem {
  readonly #options: EmulatedModemOptions;
  readonly #network: AuditedNetwork;
  readonly #modem: SaraR4Simulator;
  #socket: Socket | undefined;
  #stopped = false;

  constructor(options: EmulatedModemOptions) {
    const { clock, audit, seed, onOutput } = options;
    this.#options = options;
    this.#network = new AuditedNetwork({ enter: (callback) => clock.enter(callback) }, audit);
    this.#modem = new SaraR4Simulator({
      clock,
      network: this.#network,
      random: new Random(seed),
      settings: FAST_SETTINGS,
      onOutput: (bytes) => {
        this.#socket?.write(Uint8Array.from(bytes));
        onOutput();
      },
    });
    clock.enter(() => this.#modem.switchOn());
    this.#attach();
  }

  setCoverage(coverage: boolean): void {
    this.#options.clock.enter(() => this.#modem.cellular.setCoverage(coverage));
  }

  /** Takes it away, with its sockets. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#socket?.destroy();
    this.#network.shutDown();
  }

  #attach(): void {
    if (this.#stopped) return;
    const { port, clock } = this.#options;
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.on("connect", () => {
      this.#socket = socket;
    });
    socket.on("data", (data) => clock.enter(() => this.#modem.receive(Uint8Array.from(data))));
    socket.on("error", () => {});
    // The emulator listens some moments after it has started, and is gone after a power cut.
    socket.on("close", () => {
      this.#socket = undefined;
      setTimeout(() => this.#attach(), 100);
    });
  }
}

/** The modem's network, and what the audit makes of what leaves by it. */
class AuditedNetwork extends UdpNetwork {
  readonly #audit: Audit;

  constructor(options: UdpNetworkOptions, audit: Audit) {
    super(options);
    this.#audit = audit;
  }

  override send(socket: number, address: string, port: number, datagram: Uint8Array): void {
    this.#audit.datagram(datagram);
    super.send(socket, address, port, datagram);
  }
}

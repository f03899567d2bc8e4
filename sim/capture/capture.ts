import type { Cancel } from "../../hal/hal.js";
import type { Air } from "../air/air.js";
import { FIRST_CHANNEL } from "../air/phy.js";
import type { ModemNetwork } from "../modem/modem-network.js";
import { udpPacket } from "./ipv4-udp.js";
import { linkLayerPacket } from "./link-layer.js";
import {
  type Direction,
  enhancedPacket,
  interfaceDescription,
  interfaceStatistics,
  LinkType,
  sectionHeader,
} from "./pcapng.js";

export interface CaptureOptions {
  /** Takes one block of the file after another; the bytes are its own. @returns false when it has no room for it */
  readonly write: (block: Uint8Array) => boolean;
  /** The present, ms since 1970-01-01T00:00:00Z. */
  readonly time: () => number;
}

interface Counted {
  received: number;
  dropped: number;
}

/** First and last of the ports that are nobody's (RFC 6335 §6). */
const FIRST_PORT = 49_152;
const LAST_PORT = 65_535;

/**
 * What goes through the air and over the modems' UDP, as one pcapng file: interface 0 is the air, each gateway's modem
 * has one of its own. There is nothing in it that a stranger with an antenna and a tap would not get: no key, and
 * nothing decrypted.
 *
 * An advertising event is written once, by its PDU on channel 37, because the other two have the same bytes. A packet's
 * time is that of its end, so that a file is in the order of time.
 */
export class Capture {
  /** By interface. */
  readonly #counted: Counted[] = [];
  readonly #options: CaptureOptions;
  readonly #air: number;

  constructor(options: CaptureOptions) {
    this.#options = options;
    options.write(sectionHeader({ application: "oscore-mesh" }));
    this.#air = this.#describe(
      LinkType.BLUETOOTH_LE_LL_WITH_PHDR,
      "air",
      "The simulated air, each advertising event once",
    );
  }

  /** Packets written. */
  get packets(): number {
    return this.#counted.reduce((sum, { received, dropped }) => sum + received - dropped, 0);
  }

  /** Packets that `write` had no room for. */
  get dropped(): number {
    return this.#counted.reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** Begins to write what `air` carries; each packet's comment is the name of the radio that sent it. */
  listen(air: Air): Cancel {
    return air.onFrame((frame) => {
      if (frame.channel === FIRST_CHANNEL) this.#packet(this.#air, linkLayerPacket(frame), frame.radio.name);
    });
  }

  /**
   * Puts itself between a gateway's modem and the network behind it. Addresses and ports of the modem's side are made
   * up, as a mobile operator's network gives them: what the server sees is behind the operator's NAT.
   */
  tap(gateway: string, network: ModemNetwork): ModemNetwork {
    const id = this.#describe(LinkType.RAW_IP, gateway, `IP between the modem of ${gateway} and the server`);
    // Interface 0 is the air, so the first gateway is host 1.
    const address = `10.64.${id >> 8}.${id & 255}`;
    const ports = new Map<number, number>();
    let nextPort = FIRST_PORT;
    let identification = 0;
    const write = (socket: number, far: string, farPort: number, payload: Uint8Array, to: Direction) => {
      const port = ports.get(socket);
      if (port === undefined) return;
      identification = (identification + 1) & 0xffff;
      const near = { address, port };
      const remote = { address: far, port: farPort };
      const [source, destination] = to === "outbound" ? [near, remote] : [remote, near];
      this.#packet(id, udpPacket(source, destination, payload, identification), gateway, to);
    };
    const tapped: ModemNetwork = {
      onDatagram: undefined,
      open(socket, localPort) {
        ports.set(socket, localPort ?? nextPort++);
        if (nextPort > LAST_PORT) nextPort = FIRST_PORT;
        network.open(socket, localPort);
      },
      send(socket, to, port, datagram) {
        write(socket, to, port, datagram, "outbound");
        network.send(socket, to, port, datagram);
      },
      close(socket) {
        ports.delete(socket);
        network.close(socket);
      },
      resolve: (name, done) => network.resolve(name, done),
    };
    network.onDatagram = (socket, from, port, datagram) => {
      write(socket, from, port, datagram, "inbound");
      tapped.onDatagram?.(socket, from, port, datagram);
    };
    return tapped;
  }

  /** Writes how much each interface saw, and how much of it is missing. */
  finish(): void {
    const { write, time } = this.#options;
    const now = time();
    for (const [id, counted] of this.#counted.entries()) {
      write(interfaceStatistics({ interface: id, time: now, ...counted }));
    }
  }

  #describe(linkType: number, name: string, description: string): number {
    this.#options.write(interfaceDescription({ linkType, name, description }));
    return this.#counted.push({ received: 0, dropped: 0 }) - 1;
  }

  #packet(id: number, data: Uint8Array, comment: string, direction?: Direction): void {
    const { time, write } = this.#options;
    const written = write(
      enhancedPacket({
        interface: id,
        time: time(),
        data,
        comment,
        ...(direction !== undefined && { direction }),
      }),
    );
    this.#counted[id].received++;
    if (!written) this.#counted[id].dropped++;
  }
}

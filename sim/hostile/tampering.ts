import { hostCrypto } from "#hal/crypto.js";
import type { Air } from "../air/air.js";
import type { VirtualClock } from "../clock.js";
import type { ModemNetwork } from "../modem/modem-network.js";
import type { Device } from "../network.js";
import { Random } from "../random.js";
import type { AttackKind, Attempt, Choice } from "./attack.js";
import { HostileGateway } from "./gateway.js";
import { HostileRelay } from "./relay.js";

export interface TamperingOptions extends Choice {
  readonly clock: VirtualClock;
  readonly seed: number;
  /** Name of the gateway that is in hostile hands; it is a gateway of the network like any other. */
  readonly gateway: string;
  /** ms between two attacks of each actor. Default 2,000. */
  readonly interval?: number;
  readonly onAttempt?: (attempt: Attempt & { readonly actor: "relay" | "gateway" }) => void;
}

/**
 * A stolen relay on the air and a stolen gateway in front of the internet, at work together (`npm start -- --tamper`).
 */
export class Tampering {
  readonly gateway: string;
  readonly #options: TamperingOptions;
  readonly #random: Random;
  readonly #hostileGateway: HostileGateway;
  #hostileRelay: HostileRelay | undefined;

  constructor(options: TamperingOptions) {
    const { seed, interval = 2000 } = options;
    this.#options = options;
    this.gateway = options.gateway;
    this.#random = new Random(seed).fork("hostile");
    this.#hostileGateway = new HostileGateway({
      random: this.#random.fork("gateway"),
      interval,
      ...choiceOf(options),
    });
    this.#hostileGateway.log.onAttempt = (attempt) => options.onAttempt?.({ ...attempt, actor: "gateway" });
  }

  /** What was tried, by both. */
  get attempts(): number {
    return this.#hostileGateway.log.total + (this.#hostileRelay?.log.total ?? 0);
  }

  count(kind: AttackKind): number {
    return this.#hostileGateway.log.count(kind) + (this.#hostileRelay?.log.count(kind) ?? 0);
  }

  /** Messages that either could read: stays 0. */
  get understood(): number {
    return this.#hostileGateway.log.understood + (this.#hostileRelay?.log.understood ?? 0);
  }

  /** Puts the stolen relay into the middle of the network, with what a relay holds. */
  joinAir(air: Air, devices: readonly Device[]): void {
    const { clock, interval = 2000, onAttempt } = this.#options;
    const { netKey, ivIndex } = devices[0].identity.mesh;
    const middle = devices.find(({ kind }) => kind === "relay") ?? devices[0];
    const bearer = air.attach({
      name: "hostile relay",
      position: { x: middle.position.x + 5, y: middle.position.y + 5 },
      random: this.#random.fork("radio"),
    });
    const relay = new HostileRelay({
      clock,
      bearer,
      crypto: hostCrypto,
      netKey,
      ivIndex,
      random: this.#random.fork("relay"),
      interval,
      ...choiceOf(this.#options),
    });
    relay.log.onAttempt = (attempt) => onAttempt?.({ ...attempt, actor: "relay" });
    this.#hostileRelay = relay;
    relay.start();
  }

  stop(): void {
    this.#hostileRelay?.stop();
  }

  /** What stands between a gateway's modem and the internet: nothing, unless it is the stolen one. */
  wrapNetwork(gateway: string, network: ModemNetwork): ModemNetwork {
    return gateway === this.gateway ? this.#wrap(network) : network;
  }

  #wrap(network: ModemNetwork): ModemNetwork {
    const { clock } = this.#options;
    const hostile = this.#hostileGateway;
    const wrapped: ModemNetwork = {
      onDatagram: undefined,
      open: (socket, localPort) => network.open(socket, localPort),
      send: (socket, address, port, datagram) => {
        for (const bytes of hostile.up(datagram, clock.now())) network.send(socket, address, port, bytes);
      },
      close: (socket) => network.close(socket),
      resolve: (name, done) => network.resolve(name, done),
    };
    network.onDatagram = (socket, address, port, datagram) => {
      for (const bytes of hostile.down(datagram, clock.now()))
        wrapped.onDatagram?.(socket, address, port, bytes);
    };
    return wrapped;
  }
}

function choiceOf({ kinds, only }: Choice): Choice {
  return { ...(kinds !== undefined && { kinds }), ...(only !== undefined && { only }) };
}

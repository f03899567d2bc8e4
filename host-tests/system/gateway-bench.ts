/** One gateway with its simulated modem, plain CoAP in the mesh and plain CoAP behind the modem: no OSCORE but its own. */

import { hostCrypto } from "#hal/crypto.js";
import type { Exchange, MessageLayerOptions } from "../../firmware/coap/message-layer.js";
import { MessageLayer } from "../../firmware/coap/message-layer.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import type { MeshStack } from "../../firmware/mesh/stack.js";
import { type GatewayHal, type GatewayOptions, GatewayRole } from "../../firmware/roles/gateway.js";
import { DEFAULT_SETTINGS, type Identity } from "../../firmware/roles/identity.js";
import { makeMeshStack } from "../../firmware/roles/mesh.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { Pump } from "../../firmware/roles/pump.js";
import type { Crypto, Hal } from "../../hal/hal.js";
import { HostBoard } from "../../hal/host/board.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { VirtualClock } from "../../sim/clock.js";
import type { SaraR4Simulator } from "../../sim/modem/sara-r4-simulator.js";
import type { SimulatorSettings } from "../../sim/modem/settings.js";
import { simulatedModem } from "../../sim/modem/simulated-port.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import { type Device, newKeyRing, planNetwork } from "../../sim/network.js";
import { Random } from "../../sim/random.js";
import { IdealMesh } from "../../sim/soak/ideal-mesh.js";

export const SERVER = { host: "192.0.2.1", port: 5683 } as const;

/** What an endpoint does with a request; default: nothing at all. */
export type Serve = (exchange: Exchange, layer: MessageLayer, now: number) => void;

/** A node of the mesh that speaks CoAP and no OSCORE. */
export class PlainNode {
  readonly identity: Identity;
  readonly stack: MeshStack;
  readonly layer: MessageLayer;
  /** CoAP messages that came over the mesh, as they were. */
  readonly received: Uint8Array[] = [];
  readonly #pump: Pump;
  readonly #clock: VirtualClock;

  constructor(
    bench: GatewayBench,
    identity: Identity,
    serve: Serve | undefined,
    options: Partial<MessageLayerOptions>,
  ) {
    const { clock, crypto, mesh } = bench;
    this.identity = identity;
    this.#clock = clock;
    const bearer = mesh.join("node");
    const hal: Hal = { clock, crypto, bearer, storage: new MemoryStore(), board: new HostBoard() };
    this.stack = makeMeshStack(hal, identity.mesh);
    this.layer = new MessageLayer({
      send: (_endpoint, bytes) => {
        this.stack.send(identity.mesh.publish!, OPCODE_COAP_STATUS, bytes);
      },
      random: (length) => crypto.random(length),
      ...(serve !== undefined && { onRequest: (exchange, now) => serve(exchange, this.layer, now) }),
      ...options,
    });
    this.#pump = new Pump(clock, this.stack, this.layer);
    this.stack.onMessage = ({ parameters }) => {
      this.received.push(parameters.slice());
      this.layer.receive("gateway", parameters.slice(), clock.now());
    };
    bearer.onReceive = (data, _address, rssi) => {
      this.stack.receive(data, rssi, clock.now());
      this.#pump.settle();
    };
    this.#pump.settle();
  }

  get address(): number {
    return this.identity.mesh.address;
  }

  /** The name by which the server asks for this node. */
  get host(): string {
    return `${this.address.toString(16).padStart(4, "0")}.mesh`;
  }

  /** Does something with the layer now, and what follows from it. */
  act(what: (layer: MessageLayer, now: number) => void): void {
    what(this.layer, this.#clock.now());
    this.#pump.settle();
  }
}

/** The server's side of the modem's datagrams. */
export class PlainServer {
  readonly layer: MessageLayer;
  /** CoAP messages of whom ever, as they came. */
  readonly received: { readonly from: string; readonly bytes: Uint8Array; readonly at: number }[] = [];
  /** Where the newest datagram came from: the gateway. */
  gateway = "";
  readonly #pump: Pump;
  readonly #clock: VirtualClock;

  constructor(bench: GatewayBench, serve: Serve | undefined) {
    const { clock, crypto, internet } = bench;
    this.#clock = clock;
    this.layer = new MessageLayer({
      send: (endpoint, bytes) => {
        const [address, port] = endpoint.split(":");
        internet.sendTo({ address: SERVER.host, port: SERVER.port }, { address, port: Number(port) }, bytes);
      },
      random: (length) => crypto.random(length),
      onRequest: (exchange, now) => serve?.(exchange, this.layer, now),
    });
    this.#pump = new Pump(clock, this.layer);
    internet.listen(SERVER.host, SERVER.port, (datagram, { address, port }) => {
      this.gateway = `${address}:${port}`;
      this.received.push({ from: this.gateway, bytes: datagram.slice(), at: clock.now() });
      this.layer.receive(this.gateway, datagram, clock.now());
      this.#pump.settle();
    });
  }

  act(what: (layer: MessageLayer, now: number) => void): void {
    what(this.layer, this.#clock.now());
    this.#pump.settle();
  }
}

export interface GatewayBenchOptions {
  readonly nodes?: number;
  readonly seed?: number;
  /** What the server does with requests; default: an empty 2.04. */
  readonly serve?: Serve;
  readonly modem?: Partial<SimulatorSettings>;
  readonly gateway?: Partial<Omit<GatewayOptions, "modem">>;
  readonly modemConfig?: Partial<GatewayOptions["modem"]>;
}

const CHANGED: Content = { code: 0x44, options: [], payload: new Uint8Array(0) };

export class GatewayBench {
  readonly clock = new VirtualClock();
  readonly internet = new VirtualInternet(this.clock);
  readonly mesh: IdealMesh;
  readonly crypto: Crypto;
  readonly store = new MemoryStore();
  readonly server: PlainServer;
  readonly devices: Device[];
  readonly nodes: PlainNode[] = [];
  role!: GatewayRole;
  hal!: GatewayHal;
  modem!: SaraR4Simulator;
  readonly #options: GatewayBenchOptions;
  readonly #random: Random;

  constructor(options: GatewayBenchOptions = {}) {
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
    const chance = this.#random.fork("crypto");
    this.crypto = { ...hostCrypto, random: (length) => chance.bytes(length) };
    this.mesh = new IdealMesh(this.clock, this.#random.fork("mesh"));
    const keys = this.#random.fork("keys");
    const bytes = (length: number) => keys.bytes(length);
    this.devices = planNetwork(newKeyRing(bytes), {
      nodes: options.nodes ?? 1,
      relays: 0,
      gateways: 1,
      settings: DEFAULT_SETTINGS,
      random: bytes,
    });
    this.server = new PlainServer(
      this,
      options.serve ?? ((exchange, layer, now) => layer.respond(exchange, CHANGED, now)),
    );
    provision(this.store, this.#gatewayDevice.identity);
    this.switchOn();
  }

  get #gatewayDevice(): Device {
    return this.devices.find(({ kind }) => kind === "gateway")!;
  }

  /** Makes a new gateway on the same storage. */
  switchOn(): void {
    const { modem: settings, gateway, modemConfig } = this.#options;
    const { modem, port } = simulatedModem({
      clock: this.clock,
      network: this.internet.host(),
      random: this.#random.fork(`modem ${this.clock.now()}`),
      ...(settings !== undefined && { settings }),
    });
    this.modem = modem;
    this.hal = {
      clock: this.clock,
      crypto: this.crypto,
      bearer: this.mesh.join("gateway"),
      storage: this.store,
      board: new HostBoard({ resetReason: "watchdog" }),
      modem: port,
      queueStore: this.store,
    };
    this.role = new GatewayRole(this.hal, this.#gatewayDevice.identity, {
      healthInterval: 1e9,
      ...gateway,
      modem: { apn: "iot.example", server: SERVER, ...modemConfig },
    });
    this.role.start();
  }

  cutPower(): void {
    this.role.halt();
    this.mesh.leave(this.hal.bearer);
  }

  /** The next node of the plan. */
  addNode(serve?: Serve, options: Partial<MessageLayerOptions> = {}): PlainNode {
    const device = this.devices.filter(({ kind }) => kind === "node")[this.nodes.length];
    const node = new PlainNode(this, device.identity, serve, options);
    this.nodes.push(node);
    return node;
  }

  run(seconds: number, done?: () => boolean): boolean {
    return this.clock.run(this.clock.now() + seconds * 1000, done);
  }

  /**
   * Until the gateway's first health report has come: the server then knows where the gateway is. It is given up, too,
   * since nobody here opens it.
   */
  connect(): this {
    if (!this.run(120, () => this.server.gateway !== "")) throw new Error("the gateway does not connect");
    this.run(150);
    return this;
  }
}

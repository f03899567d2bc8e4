/**
 * Nodes, gateways with their modems, and the real server on one virtual clock, over an ideal mesh or the simulated air:
 * for runs of weeks, and for tests of what lies between mesh and server.
 */

import { hostCrypto } from "#hal/crypto.js";
import type { Cloud } from "../../cloud/cloud.js";
import type { EventJson, ReadingJson } from "../../cloud/model.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { type GatewayOptions, GatewayRole } from "../../firmware/roles/gateway.js";
import { DEFAULT_SETTINGS, type Settings } from "../../firmware/roles/identity.js";
import { type Listens, NodeRole } from "../../firmware/roles/node.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { RelayRole } from "../../firmware/roles/relay.js";
import type { AdvertisingBearer, Crypto, Hal, KeyValueStore, ModemPort, ResetReason } from "../../hal/hal.js";
import { HostBoard } from "../../hal/host/board.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { Air } from "../../sim/air/air.js";
import { fixedRange } from "../../sim/air/propagation.js";
import type { SimulatedRadio } from "../../sim/air/radio.js";
import { VirtualClock } from "../../sim/clock.js";
import { PowerCut } from "../../sim/flash.js";
import type { FirmwareVariant } from "../../sim/modem/firmware.js";
import type { ModemNetwork } from "../../sim/modem/modem-network.js";
import type { SaraR4Simulator } from "../../sim/modem/sara-r4-simulator.js";
import type { SimulatorSettings } from "../../sim/modem/settings.js";
import { simulatedModem } from "../../sim/modem/simulated-port.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import { type Device, type DeviceKind, newKeyRing, planNetwork, RANGE } from "../../sim/network.js";
import { Random } from "../../sim/random.js";
import { type Guard, guardedBearer, guardedClock, guardedPort } from "../../sim/soak/guarded.js";
import { IdealMesh } from "../../sim/soak/ideal-mesh.js";
import { Ledger, numberOf } from "../../sim/soak/ledger.js";
import { NumberedSensor } from "../../sim/soak/numbered-sensor.js";
import { FieldServer, SERVER } from "./field-server.js";

export { EPOCH, SERVER, STORE_KEY } from "./field-server.js";

export interface FieldOptions {
  readonly seed?: number;
  readonly nodes?: number;
  readonly gateways?: number;
  /** Only with {@link air}. */
  readonly relays?: number;
  /** The whole simulated air instead of an ideal mesh: three times as slow and more. */
  readonly air?: boolean;
  readonly settings?: Partial<Settings>;
  /** Seconds over which the nodes are switched on; default 0: all at once. */
  readonly spread?: number;
  /** Readings that a node keeps, default 64. */
  readonly outbox?: number;
  /** Each gateway hears its share of the nodes, and a tenth of the next gateway's; with the ideal mesh only. */
  readonly cells?: boolean;
  /** When nodes' receivers are on; default: always. */
  readonly listens?: Listens;
  /** Probability that a mesh frame is missed. */
  readonly meshLoss?: number;
  readonly modem?: Partial<SimulatorSettings>;
  readonly firmware?: FirmwareVariant;
  readonly gateway?: Partial<Omit<GatewayOptions, "modem">> & {
    readonly modem?: Partial<GatewayOptions["modem"]>;
  };
  /** A device's storage, by its name; default in memory. */
  readonly store?: (name: string) => KeyValueStore;
  /**
   * Told when a device's storage throws {@link PowerCut}: it has lost its power by then. Without this it is the
   * caller's error.
   */
  readonly onPowerCut?: (name: string) => void;
  /** Whether the power of a device's storage is off: the firmware may have taken the error for one of the storage's. */
  readonly isPowerCut?: (name: string) => boolean;
  /** The server's SQLite file; default in memory. */
  readonly storeFile?: string;
  /** Stands between the server and its store. */
  readonly wrapStore?: (store: Store) => Store;
  /** {@link Field.readings} and {@link Field.events} are kept; default true. Long runs have too many. */
  readonly remember?: boolean;
  /** Told of each event that the server shows. */
  readonly onEvent?: (event: EventJson) => void;
  /** What the devices compute with; default the host's primitives. */
  readonly crypto?: Crypto;
  /** Between a gateway's modem and the internet. */
  readonly wrapNetwork?: (gateway: string, network: ModemNetwork) => ModemNetwork;
}

export interface FieldNode {
  readonly device: Device;
  readonly sensor: NumberedSensor;
  readonly role: NodeRole;
  readonly bearer: AdvertisingBearer;
}

export interface FieldRelay {
  readonly role: RelayRole;
  readonly bearer: AdvertisingBearer;
}

export interface FieldGateway {
  readonly device: Device;
  readonly role: GatewayRole;
  readonly bearer: AdvertisingBearer;
  readonly modem: SaraR4Simulator;
  readonly port: ModemPort;
  /** Takes the modem's power too. */
  readonly leave: () => void;
  /** Told of every datagram that the modem sends. */
  onUplink: ((datagram: Uint8Array) => void) | undefined;
}

export class Field {
  readonly clock = new VirtualClock();
  readonly internet = new VirtualInternet(this.clock);
  readonly ledger = new Ledger();
  readonly crypto: Crypto;
  readonly server: FieldServer;
  readonly devices: Device[];
  readonly stores = new Map<string, KeyValueStore>();
  readonly nodes = new Map<string, FieldNode>();
  readonly gateways = new Map<string, FieldGateway>();
  readonly relays = new Map<string, FieldRelay>();
  readonly readings: ReadingJson[] = [];
  readonly events: EventJson[] = [];
  readonly #mesh: IdealMesh | Air;
  readonly #radios = new Map<string, AdvertisingBearer>();
  readonly #options: FieldOptions;
  readonly #random: Random;

  constructor(options: FieldOptions = {}) {
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
    const chance = this.#random.fork("crypto");
    // One seed, one history: also what the devices draw.
    this.crypto = { ...(options.crypto ?? hostCrypto), random: (length) => chance.bytes(length) };
    const loss = options.meshLoss ?? 0;
    const random = this.#random.fork("mesh");
    this.#mesh = options.air
      ? new Air({ clock: this.clock, random, propagation: fixedRange(RANGE), loss })
      : new IdealMesh(this.clock, random, loss);
    const keys = this.#random.fork("keys");
    const bytes = (length: number) => keys.bytes(length);
    this.devices = planNetwork(newKeyRing(bytes), {
      nodes: options.nodes ?? 3,
      relays: options.relays ?? 0,
      gateways: options.gateways ?? 1,
      settings: { ...DEFAULT_SETTINGS, ...options.settings },
      random: bytes,
    });
    const { remember = true, onEvent } = options;
    this.server = new FieldServer({
      clock: this.clock,
      internet: this.internet,
      crypto: this.crypto,
      onReading: (reading) => {
        if (remember) this.readings.push(reading);
        this.#stored(reading);
      },
      onEvent: (event) => {
        if (remember) this.events.push(event);
        onEvent?.(event);
      },
    });
    for (const { name, identity } of this.devices) {
      const store = options.store?.(name) ?? new MemoryStore();
      this.stores.set(name, store);
      provision(store, identity);
    }
  }

  get cloud(): Cloud {
    return this.server.cloud;
  }

  /** With {@link FieldOptions.air} only. */
  get air(): Air {
    if (this.#mesh instanceof Air) return this.#mesh;
    throw new Error("the field has an ideal mesh and no air");
  }

  /** The only gateway, or the first one. */
  get gateway(): FieldGateway {
    for (const gateway of this.gateways.values()) return gateway;
    throw new Error("no gateway is on");
  }

  /** Starts the server and switches every device on. */
  async start(): Promise<this> {
    const store = openSqlite({ file: this.#options.storeFile ?? ":memory:" });
    await this.server.start(this.#options.wrapStore?.(store) ?? store, this.devices);
    const { spread = 0 } = this.#options;
    const moments = this.#random.fork("spread");
    for (const { name, kind } of this.devices) {
      if (kind !== "node" || spread === 0) this.switchOn(name);
      else this.clock.post(moments.between(0, spread * 1000), () => this.switchOn(name));
    }
    return this;
  }

  #stored({ node, time, received, temperature = 0, humidity = 0 }: ReadingJson): void {
    const number = numberOf(Math.round(temperature * 100), Math.round(humidity * 100));
    this.ledger.stored(node, number, this.server.measuredAt(Date.parse(time), Date.parse(received)));
  }

  switchOn(name: string, resetReason: ResetReason = "power-on"): void {
    const device = this.devices.find((one) => one.name === name)!;
    const guard = this.#guard(name);
    const radio = this.#join(device);
    this.#radios.set(name, radio);
    const hal: Hal = {
      clock: guard === undefined ? this.clock : guardedClock(this.clock, guard),
      crypto: this.crypto,
      bearer: guard === undefined ? radio : guardedBearer(radio, guard),
      storage: this.stores.get(name)!,
      board: new HostBoard({ resetReason }),
    };
    if (device.kind === "gateway") this.#switchOnGateway(device, hal, guard);
    else if (device.kind === "node") this.#switchOnNode(device, hal);
    else {
      const role = new RelayRole(hal, device.identity);
      this.relays.set(name, { role, bearer: hal.bearer });
      role.start();
    }
  }

  #guard(name: string): Guard | undefined {
    const { onPowerCut, isPowerCut = () => false } = this.#options;
    if (onPowerCut === undefined) return undefined;
    return (callback) =>
      (...values) => {
        try {
          callback(...values);
          if (!isPowerCut(name)) return;
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
        }
        this.cutPower(name);
        onPowerCut(name);
      };
  }

  #join({ name, kind, position }: Device): AdvertisingBearer {
    if (this.#mesh instanceof IdealMesh) {
      return this.#mesh.join(kind === "gateway" ? "gateway" : "node", this.#cellsOf(name, kind));
    }
    const random = this.#random.fork(`radio ${name} ${this.clock.now()}`);
    return this.#mesh.attach({ name, position, random });
  }

  #cellsOf(name: string, kind: DeviceKind): number[] | undefined {
    const { cells, gateways = 1 } = this.#options;
    if (cells !== true) return undefined;
    const index = this.devices.filter((device) => device.kind === kind).findIndex((one) => one.name === name);
    const cell = index % gateways;
    const isAtTheEdge = kind === "node" && Math.floor(index / gateways) % 10 === 0;
    return isAtTheEdge ? [cell, (cell + 1) % gateways] : [cell];
  }

  #switchOnNode(device: Device, hal: Hal): void {
    const { name } = device;
    const sensor = new NumberedSensor();
    // The number goes on where the former life of the node has ended.
    sensor.next = this.ledger.countOf(name);
    const outbox = this.#options.outbox ?? 64;
    const role = new NodeRole({ ...hal, sensor }, device.identity, {
      outbox,
      listens: this.#options.listens ?? "always",
      onMeasured: ({ temperature = 0, humidity = 0 }, now) =>
        this.ledger.measured(name, numberOf(temperature, humidity), now),
      onDropped: ({ temperature = 0, humidity = 0 }) =>
        this.ledger.lost(name, numberOf(temperature, humidity), "outbox full"),
    });
    this.nodes.set(name, { device, sensor, role, bearer: hal.bearer });
    role.start();
  }

  #switchOnGateway(device: Device, hal: Hal, guard: Guard | undefined): void {
    const { name } = device;
    const { modem: settings, gateway: options, wrapNetwork, firmware } = this.#options;
    const host = this.internet.host();
    const network = tapped(wrapNetwork?.(name, host) ?? host, (datagram) =>
      this.gateways.get(name)?.onUplink?.(datagram),
    );
    const { modem, port } = simulatedModem({
      clock: this.clock,
      network,
      settings: { strictPause: true, noFlowControl: true, ...settings },
      ...(firmware !== undefined && { firmware }),
      random: this.#random.fork(`modem ${name} ${this.clock.now()}`),
    });
    const guarded = guard === undefined ? port : guardedPort(port, guard);
    const role = new GatewayRole({ ...hal, modem: guarded, queueStore: hal.storage }, device.identity, {
      healthInterval: 300_000,
      ...options,
      modem: { apn: "iot.example", server: SERVER, ...options?.modem },
    });
    this.gateways.set(name, {
      device,
      role,
      bearer: hal.bearer,
      modem,
      port,
      leave: () => host.leave(),
      onUplink: undefined,
    });
    role.start();
  }

  /**
   * Takes a device's power away at this moment: nothing is stored, nothing is said. What a node had measured and the
   * server had not acknowledged is lost with its memory.
   */
  cutPower(name: string): void {
    const node = this.nodes.get(name);
    const running = node ?? this.gateways.get(name) ?? this.relays.get(name);
    if (running === undefined) return;
    if (node !== undefined) {
      const { outbox } = node.role;
      for (const { temperature = 0, humidity = 0 } of outbox.take(outbox.length, this.clock.now())) {
        this.ledger.lost(name, numberOf(temperature, humidity), "power cut");
      }
    }
    running.role.halt();
    this.gateways.get(name)?.leave();
    const radio = this.#radios.get(name);
    if (radio === undefined) return;
    if (this.#mesh instanceof IdealMesh) this.#mesh.leave(radio);
    else (radio as SimulatedRadio).detach();
    this.nodes.delete(name);
    this.gateways.delete(name);
    this.relays.delete(name);
  }

  /** Lets `seconds` of virtual time pass, or fewer when `done` comes true. @returns whether it did */
  run(seconds: number, done?: () => boolean): boolean {
    return this.clock.run(this.clock.now() + seconds * 1000, done);
  }

  setCoverage(coverage: boolean): void {
    for (const { modem } of this.gateways.values()) modem.cellular.setCoverage(coverage);
  }

  /** From now on nothing is measured any more; what waits is still sent. */
  stopMeasuring(): void {
    for (const { sensor } of this.nodes.values()) sensor.present = false;
  }

  /** Whether every node has the server's word for all that it measured. */
  get settled(): boolean {
    for (const { role } of this.nodes.values()) if (role.outbox.length > 0) return false;
    return true;
  }

  /** The ledger, compared with the store itself. */
  async balance(): Promise<ReturnType<Ledger["balance"]>> {
    const rows = await this.cloud.store.readings({ limit: Number.MAX_SAFE_INTEGER });
    const { registry } = this.cloud;
    this.ledger.recount(
      rows.map(({ node, temperature = 0, humidity = 0, time, received }) => ({
        node: registry.nameOf(node) ?? `node ${node}`,
        number: numberOf(temperature, humidity),
        time: this.server.measuredAt(time, received),
      })),
    );
    return this.ledger.balance();
  }
}

/** A network that shows a copy of every datagram on its way out. */
function tapped(network: ModemNetwork, onSend: (datagram: Uint8Array) => void): ModemNetwork {
  const tap: ModemNetwork = {
    onDatagram: undefined,
    open: (socket, localPort) => network.open(socket, localPort),
    send: (socket, address, port, datagram) => {
      onSend(datagram.slice());
      network.send(socket, address, port, datagram);
    },
    close: (socket) => network.close(socket),
    resolve: (name, done) => network.resolve(name, done),
  };
  network.onDatagram = (socket, address, port, datagram) => tap.onDatagram?.(socket, address, port, datagram);
  return tap;
}

/**
 * Emulated boards that do the main job: sensor nodes, relays and a gateway on one lossy air, the gateway's modem and
 * the cloud server in this process, in wall time.
 */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { DEFAULT_SETTINGS } from "../../firmware/roles/identity.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { SaraR4Simulator } from "../../sim/modem/sara-r4-simulator.js";
import { FAST_SETTINGS } from "../../sim/modem/settings.js";
import { UdpNetwork, type UdpNetworkOptions } from "../../sim/modem/udp-network.js";
import { type Device, type DeviceKind, newKeyRing, planNetwork } from "../../sim/network.js";
import { PacedClock } from "../../sim/paced-clock.js";
import { Random } from "../../sim/random.js";
import { AirHub } from "./air-hub.js";
import { Audit } from "./audit.js";
import { type Complaint, EmulatedBoard, keepTime } from "./emulator.js";
import { FlashStore, STORE_ADDRESS } from "./flash-store.js";

const FLASH_BYTES = 0x100000;

export interface EmulatedNetworkOptions {
  readonly emulator: string;
  /** The images. */
  readonly elf: Readonly<Record<DeviceKind, string>>;
  readonly nodes: number;
  readonly relays: number;
  readonly gateways: number;
  /** Probability that a frame is lost on a link. */
  readonly loss: number;
  readonly seed: number;
  /** Seconds between a node's readings. */
  readonly interval: number;
  /** Where flash files and the server's data are kept. */
  readonly directory: string;
  readonly httpPort?: number;
  /** Kinds that wait to be switched on. */
  readonly off?: readonly DeviceKind[];
  readonly onLine?: (device: string, line: string) => void;
}

/** A reading that a node's console told of. */
export interface Measured {
  readonly node: string;
  /** °C and %RH, rounded to 1/100. */
  readonly temperature: number;
  readonly humidity: number;
  /** Of this process, ms. */
  readonly at: number;
}

/** When a board ends by itself: in the middle of a flash operation, or after some seconds; and what it tells. */
export interface Limits {
  readonly cut?: number;
  readonly seconds?: number;
  /** Whether it tells of calls of the SoftDevice. */
  readonly calls?: boolean;
}

interface Running {
  readonly device: Device;
  readonly board: EmulatedBoard;
}

export class EmulatedNetwork {
  readonly measured: Measured[] = [];
  /** Bytes of JavaScript heap that a board needed at the most, where its image reports it. */
  readonly heapPeak = new Map<string, number>();
  readonly complaints: (Complaint & { readonly device: string })[] = [];
  readonly boards = new Map<string, Running>();
  readonly server: RunningServer;
  readonly hub: AirHub;
  readonly devices: readonly Device[];
  readonly audit: Audit;
  readonly #options: EmulatedNetworkOptions;
  readonly #modems: { network: UdpNetwork; socket: Socket | undefined }[] = [];
  readonly #clock = new PacedClock();
  readonly #stopping: (() => void)[] = [];
  /** How often each board was switched on. */
  readonly #lives = new Map<string, number>();
  #switching: Promise<unknown> = Promise.resolve();

  private constructor(
    options: EmulatedNetworkOptions,
    server: RunningServer,
    hub: AirHub,
    devices: readonly Device[],
  ) {
    this.#options = options;
    this.server = server;
    this.hub = hub;
    this.devices = devices;
    const { netKey, ivIndex } = devices[0]!.identity.mesh;
    this.audit = new Audit(netKey, ivIndex);
    const addresses = new Map(devices.map(({ name, identity }) => [name, identity.mesh.address]));
    hub.onFrame = ({ data }, sender) => this.audit.frame(sender, addresses.get(sender) ?? 0, data);
  }

  static async start(options: EmulatedNetworkOptions): Promise<EmulatedNetwork> {
    const { directory, seed, loss, nodes, relays, gateways, interval } = options;
    mkdirSync(directory, { recursive: true });
    keepTime();
    const random = new Random(seed);
    const kinds = new Map<string, DeviceKind>();
    // Where there is a relay, it is needed: nodes and gateways do not hear each other.
    const far = (a: DeviceKind | undefined, b: DeviceKind | undefined) => a === "node" && b === "gateway";
    const hub = await AirHub.open({
      loss,
      random: () => random.next(),
      hears: (listener, sender) => {
        const [a, b] = [kinds.get(listener), kinds.get(sender)];
        return relays === 0 || !(far(a, b) || far(b, a));
      },
    });
    const server = await startServer({
      dataDir: join(directory, "server"),
      http: { port: options.httpPort ?? 0 },
      coap: { host: "127.0.0.1", port: 0 },
    });
    const bytes = (length: number) => hostCrypto.random(length);
    const devices = planNetwork(newKeyRing(bytes), {
      nodes,
      relays,
      gateways,
      settings: { ...DEFAULT_SETTINGS, interval },
      random: bytes,
    });
    for (const { name, kind } of devices) kinds.set(name, kind);
    const network = new EmulatedNetwork(options, server, hub, devices);
    network.#clock.start();
    for (const device of devices) {
      await network.#register(device);
      network.#provision(device);
    }
    for (const { name, kind } of devices) if (!options.off?.includes(kind)) await network.switchOn(name);
    return network;
  }

  /** Starts a board, with what its flash kept. @param limits when it ends by itself */
  switchOn(name: string, limits: Limits = {}): Promise<EmulatedBoard> {
    // One after the other: the hub tells them apart by the order in which they join.
    const started = this.#switching.then(() => this.#start(name, limits));
    this.#switching = started.catch(() => undefined);
    return started;
  }

  async #start(name: string, limits: Limits): Promise<EmulatedBoard> {
    const { emulator, elf, seed, onLine } = this.#options;
    const index = this.devices.findIndex((device) => device.name === name);
    const device = this.devices[index]!;
    const port = device.kind === "gateway" ? await freePort() : undefined;
    const life = this.#lives.get(name) ?? 0;
    this.#lives.set(name, life + 1);
    const joined = this.hub.expect(name);
    const board = new EmulatedBoard(emulator, elf[device.kind], {
      seed: seed * 100 + index + 1,
      air: this.hub.port,
      flash: this.#flashFile(name),
      ...(device.kind === "node" && { sensor: `@${this.#sensorFile(index, life)}` }),
      ...(port !== undefined && { uart: [undefined, port] }),
      ...limits,
    });
    this.boards.set(name, { device, board });
    board.onLine = (_uart, line) => {
      onLine?.(name, line);
      const heap = /^heap (\d+)\+(\d+) B/.exec(line);
      if (heap !== null) {
        const bytes = Number(heap[1]) + Number(heap[2]);
        this.heapPeak.set(name, Math.max(bytes, this.heapPeak.get(name) ?? 0));
      }
      const values = /^measured (-?\d+) (\d+)$/.exec(line);
      if (values !== null) {
        this.measured.push({
          node: name,
          temperature: Number(values[1]) / 100,
          humidity: Number(values[2]) / 100,
          at: performance.now(),
        });
      }
    };
    board.onComplaint = (complaint) => this.complaints.push({ ...complaint, device: name });
    await joined;
    if (port !== undefined) this.#attachModem(port, index);
    return board;
  }

  /** What the server has of a node, as its page shows it: `temperature humidity`, each as often as it is stored. */
  async readings(node: string): Promise<string[]> {
    const response = await fetch(`${this.server.httpUrl}/api/readings?node=${node}&limit=1000`);
    const body = (await response.json()) as { temperature: number; humidity: number }[];
    return body.map(({ temperature, humidity }) => `${temperature} ${humidity}`);
  }

  /** Counters of the server that speak of replays, with what they count. */
  async replays(): Promise<string[]> {
    const metrics = await (await fetch(`${this.server.httpUrl}/metrics`)).text();
    return metrics.split("\n").filter((line) => /^[^#].*replay.* [1-9]/.test(line));
  }

  async stop(): Promise<void> {
    for (const stop of this.#stopping) stop();
    for (const { board } of this.boards.values()) board.kill();
    await Promise.all([...this.boards.values()].map(({ board }) => board.ended));
    this.#clock.stop();
    this.hub.close();
    await this.server.stop();
  }

  #flashFile(name: string): string {
    return join(this.#options.directory, `${name}.flash`);
  }

  async #register({ name, kind, identity: { mesh, oscore } }: Device): Promise<void> {
    await this.server.registry.upsert({
      name,
      kind,
      meshAddress: mesh.address,
      ...(oscore !== undefined && {
        oscore: {
          used: false,
          masterSecret: oscore.masterSecret,
          masterSalt: oscore.masterSalt,
          nodeId: oscore.senderId,
          serverId: oscore.recipientId,
        },
      }),
    });
  }

  #provision({ name, kind, identity }: Device): void {
    const file = this.#flashFile(name);
    if (existsSync(file)) return;
    const store = new FlashStore();
    const uplink = { ...this.server.coapAddress, apn: "iot.example" };
    provision(store, kind === "gateway" ? { ...identity, uplink } : identity);
    const flash = new Uint8Array(FLASH_BYTES).fill(0xff);
    flash.set(store.region, STORE_ADDRESS);
    writeFileSync(file, flash);
  }

  /** Another value at each measurement, also after a restart, so that none can stand in for another. */
  #sensorFile(index: number, life: number): string {
    const file = join(this.#options.directory, `sensor-${index}.csv`);
    const row = (i: number) =>
      `${(18 + (i % 500) * 0.01).toFixed(2)},${(40 + ((i * 7) % 400) * 0.05).toFixed(2)}`;
    writeFileSync(file, `${Array.from({ length: 1000 }, (_, i) => row(life * 40 + i)).join("\n")}\n`);
    return file;
  }

  #attachModem(port: number, index: number): void {
    const clock = this.#clock;
    const network = new AuditedNetwork({ enter: (callback) => clock.enter(callback) }, this.audit);
    const modem = new SaraR4Simulator({
      clock,
      network,
      random: new Random(this.#options.seed + index),
      settings: FAST_SETTINGS,
      onOutput: (bytes) => entry.socket?.write(Uint8Array.from(bytes)),
    });
    const entry: { network: UdpNetwork; socket: Socket | undefined } = { network, socket: undefined };
    this.#modems.push(entry);
    let stopped = false;
    this.#stopping.push(() => {
      stopped = true;
      entry.socket?.destroy();
      network.shutDown();
    });
    const attach = () => {
      if (stopped) return;
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.on("connect", () => {
        entry.socket = socket;
      });
      socket.on("data", (data) => clock.enter(() => modem.receive(Uint8Array.from(data))));
      socket.on("error", () => {});
      // The emulator listens some moments after it has started, and is gone after a power cut.
      socket.on("close", () => {
        entry.socket = undefined;
        setTimeout(attach, 100);
      });
    };
    clock.enter(() => modem.switchOn());
    attach();
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

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/**
 * Emulated boards that do the main job, and simulated nodes among them: one simulated air, the gateway's modem and the
 * cloud server are in this process, in lockstep.
 */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { DEFAULT_SETTINGS } from "../../firmware/roles/identity.js";
import { provision } from "../../firmware/roles/provisioning.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { type ListeningHub, listenAirHub } from "../../sim/air/hub.js";
import { FIRST_CHANNEL } from "../../sim/air/phy.js";
import type { RadioOptions, SimulatedRadio } from "../../sim/air/radio.js";
import { type Device, type DeviceKind, newKeyRing, planNetwork } from "../../sim/network.js";
import { PacedClock } from "../../sim/paced-clock.js";
import { World } from "../../sim/world.js";
import { Audit } from "./audit.js";
import { EmulatedModem } from "./emulated-modem.js";
import { type Complaint, EmulatedBoard, freePort } from "./emulator.js";
import { isOwnEmulator } from "./find-emulator.js";
import { Lockstep } from "./lockstep.js";
import { provisionedFlash } from "./provisioned-flash.js";

export interface EmulatedNetworkOptions {
  readonly emulator: string;
  /** The images. */
  readonly elf: Readonly<Record<DeviceKind, string>>;
  readonly nodes: number;
  /** Nodes that are simulated, in the same air. Default: none. */
  readonly simulatedNodes?: number;
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
  /** Whether time is no faster than the wall's. Default: yes; else it is as fast as all can follow. */
  readonly paced?: boolean;
  /** Kinds that wait to be switched on. */
  readonly off?: readonly DeviceKind[];
  readonly onLine?: (device: string, line: string) => void;
}

/** What a job of emulated boards is given, whatever they do in it. */
export type JobOptions = Pick<EmulatedNetworkOptions, "emulator" | "elf" | "directory" | "loss">;

/** A reading that an emulated node's console told of, or that a simulated node's sensor gave. */
export interface Measured {
  readonly node: string;
  /** °C and %RH, rounded to 1/100. */
  readonly temperature: number;
  readonly humidity: number;
  /** Of the network, ms. */
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

/** A reading that has not come, in a line. */
export function lostLine({ node, temperature, humidity }: Measured): string {
  return `lost: ${node} ${temperature} °C ${humidity} %`;
}

export class EmulatedNetwork {
  readonly measured: Measured[] = [];
  /** Bytes of JavaScript heap that a board needs, where its image reports it. */
  readonly heap = new Map<string, number>();
  /** The most that it ever needed. */
  readonly heapPeak = new Map<string, number>();
  /** Milliseconds from power-on until a board says that it runs. */
  readonly boot = new Map<string, number>();
  readonly complaints: (Complaint & { readonly device: string })[] = [];
  readonly boards = new Map<string, Running>();
  /** Of the gateways that are switched on, by their names. */
  readonly modems = new Map<string, EmulatedModem>();
  readonly server: RunningServer;
  /** The air, with the simulated nodes in it. */
  readonly world: World;
  /** Emulated and simulated ones. */
  readonly devices: readonly Device[];
  readonly audit: Audit;
  readonly #options: EmulatedNetworkOptions;
  readonly #lockstep: Lockstep | undefined;
  readonly #clock: PacedClock;
  readonly #stopping: (() => void)[] = [];
  /** How often each board was switched on. */
  readonly #lives = new Map<string, number>();
  #switching: Promise<unknown> = Promise.resolve();
  /** The boards' air addresses, as hex. */
  readonly #addresses = new Map<string, Device>();
  #stopped = false;
  #hub: ListeningHub | undefined;
  #expected: { readonly device: Device; readonly joined: () => void } | undefined;

  private constructor(options: EmulatedNetworkOptions, server: RunningServer, devices: readonly Device[]) {
    this.#options = options;
    this.#lockstep = Lockstep.library() === undefined ? undefined : new Lockstep(options.paced ?? true);
    this.#clock = new PacedClock(this.#lockstep && { wall: this.#lockstep });
    this.server = server;
    this.devices = devices;
    const { netKey, ivIndex } = devices[0]!.identity.mesh;
    this.audit = new Audit(netKey, ivIndex);
    this.world = this.#makeWorld();
    const addresses = new Map(devices.map(({ name, identity }) => [name, identity.mesh.address]));
    this.world.air.onFrame(({ channel, data, radio: { name } }) => {
      // Each frame is on three of them.
      if (channel === FIRST_CHANNEL) this.audit.frame(name, addresses.get(name) ?? 0, data);
    });
  }

  static async start(options: EmulatedNetworkOptions): Promise<EmulatedNetwork> {
    const { directory, nodes, simulatedNodes = 0, relays, gateways, interval } = options;
    mkdirSync(directory, { recursive: true });
    const server = await startServer({
      dataDir: join(directory, "server"),
      http: { port: options.httpPort ?? 0 },
      coap: { host: "127.0.0.1", port: 0 },
    });
    const bytes = (length: number) => hostCrypto.random(length);
    const devices = planNetwork(newKeyRing(bytes), {
      nodes: nodes + simulatedNodes,
      relays,
      gateways,
      settings: { ...DEFAULT_SETTINGS, interval },
      random: bytes,
    });
    const network = new EmulatedNetwork(options, server, behindRelays(devices));
    try {
      await network.#switchAllOn();
    } catch (error) {
      await network.stop();
      throw error;
    }
    return network;
  }

  async #switchAllOn(): Promise<void> {
    const clock = this.#clock;
    clock.start();
    this.#lockstep?.start();
    this.#hub = await listenAirHub(0, {
      air: this.world.air,
      clock,
      place: (address) => this.#place(address),
    });
    for (const device of this.devices) await this.#register(device);
    for (const device of this.devices) {
      if (this.#isSimulated(device)) continue;
      this.#provision(device);
      if (!this.#options.off?.includes(device.kind)) await this.switchOn(device.name);
    }
    clock.enter(() => this.world.start());
  }

  /** The last ones of the nodes. */
  #isSimulated({ kind, name }: Device): boolean {
    return kind === "node" && Number(name.slice("node-".length)) > this.#options.nodes;
  }

  #makeWorld(): World {
    const { seed, loss, interval } = this.#options;
    const devices = this.devices.filter((device) => this.#isSimulated(device));
    return new World({
      clock: this.#clock,
      devices,
      seed,
      loss,
      storage: (name) => {
        const store = new MemoryStore();
        provision(store, devices.find((device) => device.name === name)!.identity);
        return store;
      },
      internet: (name) => {
        throw new Error(`${name}: gateways are not simulated here`);
      },
      server: this.server.coapAddress,
      timeScale: 60 / interval,
      onMeasured: ({ node, temperature, humidity }) => {
        if (temperature !== undefined && humidity !== undefined)
          this.measured.push({ node, temperature, humidity, at: this.#clock.now() });
      },
    });
  }

  /** UDP port of the air's hub. */
  get airPort(): number {
    return this.#hub?.port ?? 0;
  }

  /** A device's radio, while it is in the air. */
  radio(name: string): SimulatedRadio | undefined {
    for (const radio of this.world.air.radios) if (radio.name === name) return radio;
    return undefined;
  }

  /** Where a board stands that joins the air. */
  #place(address: Uint8Array): RadioOptions {
    const known = toHex(address);
    const device = this.#addresses.get(known) ?? this.#expected?.device;
    if (device === undefined) return {};
    this.#addresses.set(known, device);
    if (device === this.#expected?.device) {
      this.#expected.joined();
      this.#expected = undefined;
    }
    return { name: device.name, position: device.position };
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
    const hub = this.#hub!;
    // One that is started again comes with the same address.
    hub.hub.leave((radio) => radio.name === name);
    const joined = new Promise<void>((resolve) => {
      this.#expected = { device, joined: resolve };
    });
    const board = new EmulatedBoard(emulator, elf[device.kind], {
      seed: seed * 100 + index + 1,
      air: hub.port,
      flash: this.#flashFile(name),
      ...(device.kind === "node" && { sensor: `@${this.#sensorFile(index, life)}` }),
      ...(port !== undefined && { uart: [undefined, port] }),
      ...(this.#lockstep !== undefined && { lockstep: this.#lockstep }),
      ...(isOwnEmulator(emulator) && { stateEvery: 1 }),
      ...limits,
    });
    this.boards.set(name, { device, board });
    board.onLine = (_uart, line, ms) => {
      onLine?.(name, line);
      if (line.startsWith(`${name} runs`)) this.boot.set(name, ms);
      const heap = /^heap (\d+)\+(\d+) B/.exec(line);
      if (heap !== null) {
        const bytes = Number(heap[1]) + Number(heap[2]);
        this.heap.set(name, bytes);
        this.heapPeak.set(name, Math.max(bytes, this.heapPeak.get(name) ?? 0));
      }
      const values = /^measured (-?\d+) (\d+)$/.exec(line);
      if (values !== null) {
        this.measured.push({
          node: name,
          temperature: Number(values[1]) / 100,
          humidity: Number(values[2]) / 100,
          at: this.#clock.now(),
        });
      }
    };
    board.onComplaint = (complaint) => this.complaints.push({ ...complaint, device: name });
    // A board that ends before it has a radio says why in its complaints.
    await Promise.race([joined, board.ended]);
    if (port !== undefined) {
      const modem = this.#attachModem(name, port, index);
      void board.ended.then(() => modem.stop());
    }
    return board;
  }

  /** What the server has of a node, as its page shows it: `temperature humidity`, each as often as it is stored. */
  async readings(node: string): Promise<string[]> {
    const response = await fetch(`${this.server.httpUrl}/api/readings?node=${node}&limit=1000`);
    const body = (await response.json()) as { temperature: number; humidity: number }[];
    return body.map(({ temperature, humidity }) => `${temperature} ${humidity}`);
  }

  /** Those that the server does not have, as measured. */
  async missing(due: readonly Measured[]): Promise<Measured[]> {
    const stored = new Set<string>();
    for (const node of new Set(due.map((reading) => reading.node))) {
      for (const reading of await this.readings(node)) stored.add(`${node} ${reading}`);
    }
    return due.filter(({ node, temperature, humidity }) => !stored.has(`${node} ${temperature} ${humidity}`));
  }

  /** What must not be, in lines: complaints of boards, numbers used twice, replays. */
  async faults(): Promise<string[]> {
    return [
      ...this.complaints.map(({ device, line }) => `${device}: ${line}`),
      ...this.audit.reused,
      ...(await this.replays()),
    ];
  }

  /** Counters of the server that speak of replays, with what they count. */
  async replays(): Promise<string[]> {
    const metrics = await (await fetch(`${this.server.httpUrl}/metrics`)).text();
    return metrics.split("\n").filter((line) => /^[^#].*replay.* [1-9]/.test(line));
  }

  /** Milliseconds of the network's time. */
  async wait(ms: number): Promise<void> {
    if (this.#lockstep !== undefined) await this.#lockstep.wait(ms);
    else await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /**
   * Takes a board's power away at once, and gives it back.
   * @param off seconds without power
   */
  async cutPower(name: string, off: number): Promise<void> {
    const running = this.boards.get(name);
    if (running === undefined || this.#stopped) return;
    running.board.kill();
    await running.board.ended;
    await this.wait(off * 1000);
    if (!this.#stopped) await this.switchOn(name);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stopping) stop();
    for (const { board } of this.boards.values()) board.kill();
    await Promise.all([...this.boards.values()].map(({ board }) => board.ended));
    this.#clock.enter(() => this.world.stop());
    await this.#hub?.close();
    this.#clock.stop();
    await this.#lockstep?.stop();
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
    const uplink = { ...this.server.coapAddress, apn: "iot.example" };
    writeFileSync(file, provisionedFlash(kind === "gateway" ? { ...identity, uplink } : identity));
  }

  /** Another value at each measurement, also after a restart, so that none can stand in for another. */
  #sensorFile(index: number, life: number): string {
    const file = join(this.#options.directory, `sensor-${index}.csv`);
    const row = (i: number) =>
      `${(18 + (i % 500) * 0.01).toFixed(2)},${(40 + ((i * 7) % 400) * 0.05).toFixed(2)}`;
    writeFileSync(file, `${Array.from({ length: 1000 }, (_, i) => row(life * 40 + i)).join("\n")}\n`);
    return file;
  }

  #attachModem(name: string, port: number, index: number): EmulatedModem {
    const modem = new EmulatedModem({
      port,
      clock: this.#clock,
      audit: this.audit,
      seed: this.#options.seed + index,
      onOutput: () => this.#lockstep?.touch(),
    });
    this.#stopping.push(() => modem.stop());
    this.modems.set(name, modem);
    return modem;
  }
}

/** Metres from a relay to its nodes: more than the gateway hears. */
const BEHIND = 50;

/** Where there is a relay, it is needed: nodes stand behind one, out of reach of the gateways. */
function behindRelays(devices: readonly Device[]): Device[] {
  const relays = devices.filter(({ kind }) => kind === "relay");
  if (relays.length === 0) return [...devices];
  let count = 0;
  return devices.map((device) => {
    if (device.kind !== "node") return device;
    const { x, y } = relays[count % relays.length]!.position;
    // Within 60° of straight on, each somewhere else.
    const turn = Math.floor(count / relays.length) * 0.618034;
    const angle = Math.atan2(y, x) + (((turn + 0.5) % 1) - 0.5) * ((2 * Math.PI) / 3);
    count++;
    return { ...device, position: { x: x + BEHIND * Math.cos(angle), y: y + BEHIND * Math.sin(angle) } };
  });
}

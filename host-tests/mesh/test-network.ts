import { hex, toHex } from "../../firmware/bytes/hex.js";
import { ConfigClient, type ConfigResult } from "../../firmware/mesh/config-client.js";
import type { ConfigRequest } from "../../firmware/mesh/config-messages.js";
import { type AccessMessage, type MeshConfig, MeshStack } from "../../firmware/mesh/stack.js";
import type { MeshMessage } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Medium, type MediumOptions, MemoryStore, type Station, seeded } from "./medium.js";
import { APP_KEY, NET_KEY } from "./vectors.js";

/** A node of a test: its stack, a Configuration Client over it, and what its application heard. */
export class Node implements Station {
  stack!: MeshStack;
  client!: ConfigClient;
  store = new MemoryStore();
  readonly heard: string[] = [];
  readonly messages: MeshMessage[] = [];
  readonly accesses: AccessMessage[] = [];
  readonly index: number;
  readonly address: number;
  readonly #network: Network;
  readonly #transmit: (bytes: Uint8Array, count: number, intervalMs: number) => boolean;
  readonly #config: Partial<MeshConfig>;

  constructor(network: Network, address: number, config: Partial<MeshConfig>) {
    const { index, transmit } = network.medium.reserve();
    this.index = index;
    this.address = address;
    this.#network = network;
    this.#transmit = transmit;
    this.#config = config;
    this.on();
  }

  /** Power on: with what is in storage. */
  on(config: Partial<MeshConfig> = {}): void {
    const { medium, random } = this.#network;
    this.stack = new MeshStack({
      crypto: hostCrypto,
      storage: this.store,
      random,
      now: () => medium.now,
      transmit: this.#transmit,
      config: {
        unicastAddress: this.address,
        netKeys: [{ index: 0, key: hex(NET_KEY) }],
        appKeys: [{ index: 0, key: hex(APP_KEY) }],
        ivIndex: 1,
        beacon: false,
        ...this.#config,
        ...config,
      },
    });
    this.client = new ConfigClient({
      send: (destination, opcode, parameters, options) =>
        this.stack.send(destination, opcode, parameters, options),
      now: () => medium.now,
    });
    this.stack.onMessage = (message) => {
      this.heard.push(toHex(message.parameters));
      this.messages.push({ ...message, parameters: message.parameters.slice() });
    };
    this.stack.onAccess = (message) => {
      this.accesses.push({ ...message, parameters: message.parameters.slice() });
      this.client.handle(message);
    };
    medium.attach(this.index, this);
  }

  /** Power off, without any warning. */
  off(): void {
    this.#network.medium.attach(this.index, undefined);
  }

  /** A power cut and a new start. */
  reboot(config: Partial<MeshConfig> = {}): void {
    this.off();
    this.store = new MemoryStore(this.store.image());
    this.on(config);
  }

  receive(adStructure: Uint8Array, rssi: number, now: number): void {
    this.stack.receive(adStructure, rssi, now);
  }

  tick(now: number): void {
    this.stack.tick(now);
    this.client.tick(now);
  }

  get deadline(): number {
    return Math.min(this.stack.deadline, this.client.deadline);
  }

  /** Asks a node for a configuration, and lets time pass until the answer is here. */
  configure(address: number, request: ConfigRequest): { status: number | undefined; parameters: string } {
    let result: ConfigResult | undefined;
    this.client.request(address, request, (end) => {
      result = end;
    });
    for (let i = 0; i < 1000 && result === undefined; i++) this.#network.medium.run(100);
    if (result === undefined || result.kind === "timed-out") throw new Error("no answer");
    return { status: result.status, parameters: toHex(result.parameters) };
  }
}

/** Nodes with the keys of the sample data, on a {@link Medium}. */
export class Network {
  readonly medium: Medium;
  readonly nodes: Node[] = [];
  readonly random: () => number;

  constructor(seed: number, options: Omit<MediumOptions, "random"> = {}) {
    this.random = seeded(seed);
    this.medium = new Medium({ random: this.random, ...options });
  }

  add(address: number, config: Partial<MeshConfig> = {}): Node {
    const node = new Node(this, address, config);
    this.nodes.push(node);
    return node;
  }

  run(milliseconds: number): void {
    this.medium.run(milliseconds);
  }
}

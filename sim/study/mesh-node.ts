/** A node of a mesh study: the firmware's whole mesh stack on a simulated radio, with storage that outlives its power. */

import { hostCrypto } from "#hal/crypto.js";
import { MemoryStore } from "#hal/storage.js";
import { type MeshConfig, MeshStack } from "../../firmware/mesh/stack.js";
import { Pump, type Timed } from "../../firmware/roles/pump.js";
import type { KeyValueStore } from "../../hal/hal.js";
import type { Air } from "../air/air.js";
import type { Position } from "../air/interference.js";
import type { SimulatedRadio } from "../air/radio.js";
import { CutStore, PowerCut } from "../flash.js";
import type { Random } from "../random.js";

/** Keys of the studies: they protect nothing. */
export const STUDY_NET_KEY = new Uint8Array(16).fill(0x11);
export const STUDY_APP_KEY = new Uint8Array(16).fill(0x22);

export interface MeshNodeOptions {
  readonly air: Air;
  readonly address: number;
  readonly position: Position;
  readonly random: Random;
  /** Beyond address and the keys of the studies. */
  readonly config?: Partial<MeshConfig>;
  /** Called with the new stack at every power-on. */
  readonly onStart?: (node: MeshNode) => void;
  /** Sees every AD structure that the stack hands to the bearer, whether or not there is room for it. */
  readonly onTransmit?: (node: MeshNode, adStructure: Uint8Array) => void;
}

export class MeshNode {
  readonly address: number;
  readonly radio: SimulatedRadio;
  readonly random: Random;
  /** The stack of this power-on; the one before, after a cut, is never called again. */
  stack!: MeshStack;
  readonly #options: MeshNodeOptions;
  readonly #flash: CutStore;
  #core!: Timed;
  #pump: Pump | undefined;
  #powerOns = 0;

  constructor(options: MeshNodeOptions) {
    this.#options = options;
    this.address = options.address;
    this.random = options.random;
    this.#flash = new CutStore(new MemoryStore(), options.random.fork("flash"));
    this.radio = options.air.attach({
      name: `mesh ${options.address}`,
      position: options.position,
      random: options.random.fork("radio"),
    });
    this.#start();
  }

  get powered(): boolean {
    return this.radio.powered;
  }

  get powerOns(): number {
    return this.#powerOns;
  }

  /** Writes to storage in the node's whole life. */
  get writes(): number {
    return this.#flash.operations;
  }

  /** Has a core run beside the stack until the power goes. */
  run(core: Timed): void {
    this.#pump?.stop();
    this.#pump = new Pump(this.#options.air.clock, this.#core, core);
    this.settle();
  }

  /** To be called after any input to a core. */
  settle(): void {
    this.#pump?.settle();
  }

  /** The power goes now. */
  cutPower(): void {
    this.radio.powered = false;
    this.#pump?.stop();
    this.#pump = undefined;
  }

  /** The power goes in the middle of the `write`th write to storage from now: it has happened, or it has not. */
  cutPowerInWrite(write: number): void {
    this.#flash.cutAt(write);
  }

  powerOn(): void {
    if (this.radio.powered) throw new Error(`node ${this.address} is on`);
    this.#flash.restore();
    this.radio.powered = true;
    this.#start();
  }

  #start(): void {
    const { air, config, onStart, onTransmit } = this.#options;
    const { clock } = air;
    const life = ++this.#powerOns;
    const random = this.random.fork(`power-on ${life}`);
    // What is in the middle of something when the power goes comes back from it, but has no more say.
    const alive = () => life === this.#powerOns && this.radio.powered;
    const stack = new MeshStack({
      crypto: hostCrypto,
      storage: this.#storage(alive),
      random: () => random.next(),
      now: () => clock.now(),
      transmit: (adStructure, count, interval) => {
        if (!alive()) return false;
        onTransmit?.(this, adStructure);
        return this.radio.send(adStructure, count, interval);
      },
      config: {
        unicastAddress: this.address,
        netKeys: [{ index: 0, key: STUDY_NET_KEY }],
        appKeys: [{ index: 0, key: STUDY_APP_KEY }],
        ivIndex: 0,
        ...config,
      },
    });
    this.stack = stack;
    this.#core = {
      get deadline() {
        return alive() ? stack.deadline : Number.POSITIVE_INFINITY;
      },
      tick: (now) => stack.tick(now),
    };
    this.#pump = new Pump(clock, this.#core);
    stack.onWake = () => {
      if (alive()) this.settle();
    };
    this.radio.onReceive = (data, _address, rssi) => {
      stack.receive(data, rssi, clock.now());
      this.settle();
    };
    onStart?.(this);
    this.settle();
  }

  /** A write in which the power goes is the last thing that happens: the radio is off before the stack knows. */
  #storage(alive: () => boolean): KeyValueStore {
    const write = (work: () => void) => {
      if (!alive()) throw new PowerCut();
      try {
        work();
      } catch (error) {
        if (error instanceof PowerCut) this.cutPower();
        throw error;
      }
    };
    return {
      get: (key) => this.#flash.get(key),
      keys: () => this.#flash.keys(),
      set: (key, value) => write(() => this.#flash.set(key, value)),
      delete: (key) => write(() => this.#flash.delete(key)),
    };
  }
}

/** A technician's desk in virtual time: a simulated board, and a cable to it that is pulled when a test says so. */

import { hostCrypto } from "#hal/crypto.js";
import type { Kind } from "../../firmware/console/label.js";
import { DEFAULT_SETTINGS, type Identity } from "../../firmware/roles/identity.js";
import type { AdvertisingBearer, KeyValueStore } from "../../hal/hal.js";
import { MemoryStore } from "../../hal/host/storage.js";
import type { Port } from "../../scripts/provision/port.js";
import { SerialWay } from "../../scripts/provision/serial-way.js";
import { type SerialOptions, WayError } from "../../scripts/provision/way.js";
import { SimulatedBoard } from "../../sim/board.js";
import { VirtualClock } from "../../sim/clock.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import { Random } from "../../sim/random.js";
import type { Surroundings } from "../../sim/roles.js";

export const CHIP = Uint8Array.of(0xa0, 0xb1, 0xc2, 0xd3, 0xe4, 0xf5, 0x06, 0x17);

/** Lets virtual time pass until a promise is settled. */
export async function inTime<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  for (let event = 0; ; event++) {
    // What awaits within promises is through after some turns of their queue; what the loop itself carries, sometimes.
    for (let turn = 0; turn < 10; turn++) await null;
    if (event % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (settled) return promise;
    if (!clock.runNext()) throw new Error("nothing happens any more");
  }
}

export interface Cut {
  /** Counted over both directions, from 1. In its middle the cable is pulled. */
  readonly line: number;
  /** Whether the board gets its power by this cable. */
  readonly power: boolean;
}

export interface DeskOptions {
  readonly kind?: Kind;
  readonly chipId?: Uint8Array;
  readonly storage?: KeyValueStore;
  readonly bearer?: AdvertisingBearer;
  readonly clock?: VirtualClock;
  readonly around?: Surroundings;
  /** Spoils bytes on the line, in either direction. */
  readonly noise?: (bytes: Uint8Array) => Uint8Array;
}

/** ms until a pulled cable is in again. */
const REPLUG = 2000;

export class Desk {
  readonly clock: VirtualClock;
  readonly storage: KeyValueStore;
  board: SimulatedBoard;
  /** Lines that have begun to cross, both ways. */
  lines = 0;
  cut: Cut | undefined;
  pulls = 0;
  readonly #options: DeskOptions;
  #plugged = true;
  #port: Port | undefined;

  constructor(options: DeskOptions = {}) {
    this.#options = options;
    this.clock = options.clock ?? new VirtualClock();
    this.storage = options.storage ?? new MemoryStore();
    this.board = this.#makeBoard(options.chipId ?? CHIP);
    this.board.powerOn();
  }

  #makeBoard(chipId: Uint8Array): SimulatedBoard {
    const { kind = "node", bearer } = this.#options;
    const { clock, storage } = this;
    const internet = new VirtualInternet(clock);
    const around = this.#options.around ?? {
      clock,
      random: new Random(1),
      internet: () => internet.host(),
      server: { host: "192.0.2.1", port: 5683 },
      timeScale: 6,
    };
    return new SimulatedBoard({
      kind,
      chipId,
      storage,
      around,
      ...(bearer !== undefined && { bearer }),
      onOutput: (bytes) => {
        if (this.#crosses(bytes)) this.#port?.onData?.(this.#spoil(bytes));
      },
    });
  }

  /** Another board on the same cable. */
  swap(chipId: Uint8Array): void {
    this.board.powerOff();
    this.board = this.#makeBoard(chipId);
    this.board.powerOn();
  }

  open(options: SerialOptions = {}): Promise<SerialWay> {
    return SerialWay.open(() => this.openPort(), options, this.clock);
  }

  pull(power: boolean, back = REPLUG): void {
    this.pulls++;
    this.#plugged = false;
    const port = this.#port;
    this.#port = undefined;
    if (power) this.board.powerOff();
    port?.onGone?.();
    this.clock.at(this.clock.now() + back, () => {
      this.#plugged = true;
      if (power) this.board.powerOn();
    });
  }

  async openPort(): Promise<Port> {
    if (!this.#plugged) throw new WayError("no-port", "no such file or directory");
    const port: Port = {
      onData: undefined,
      onGone: undefined,
      write: (bytes) => {
        if (port !== this.#port) return;
        const copy = this.#spoil(bytes);
        this.clock.at(this.clock.now(), () => {
          if (this.#crosses(copy)) this.board.receive(copy);
          else if (this.pulls > 0 && copy.length > 1) this.board.receive(copy.subarray(0, copy.length >> 1));
        });
      },
      close: () => {
        if (this.#port === port) this.#port = undefined;
      },
    };
    this.#port = port;
    return port;
  }

  #spoil(bytes: Uint8Array): Uint8Array {
    return this.#options.noise?.(bytes.slice()) ?? bytes;
  }

  /** @returns false when the cable is out, or is pulled just now */
  #crosses(bytes: Uint8Array): boolean {
    if (!this.#plugged) return false;
    if (bytes.length > 1) this.lines++;
    if (this.cut !== undefined && this.lines >= this.cut.line) {
      const { power } = this.cut;
      this.cut = undefined;
      this.pull(power);
      return false;
    }
    return true;
  }
}

export function someIdentity(kind: Kind, name = `${kind}-1`): Identity {
  const random = (length: number) => hostCrypto.random(length);
  return {
    name,
    mesh: {
      address: 0x0123,
      netKey: random(16),
      ...(kind !== "relay" && { appKey: random(16), publish: 0xc001 }),
      deviceKey: random(16),
      ivIndex: 7,
      ttl: 6,
      subscriptions: kind === "gateway" ? [0xc001] : [],
      relay: kind === "relay",
    },
    ...(kind !== "relay" && {
      oscore: {
        masterSecret: random(16),
        masterSalt: random(8),
        senderId: Uint8Array.of(5),
        recipientId: new Uint8Array(0),
      },
    }),
    settings: { ...DEFAULT_SETTINGS, interval: 30 },
    ...(kind === "gateway" && { uplink: { host: "192.0.2.7", port: 5684, apn: "iot.test" } }),
  };
}

/** Boards on real pseudo-terminals: what a technician's computer has plugged in, for commands that run as processes. */

import { rmSync } from "node:fs";
import { hostCrypto } from "#hal/crypto.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { Kind } from "../../firmware/console/label.js";
import { loadIdentity } from "../../firmware/roles/identity.js";
import type { AdvertisingBearer } from "../../hal/hal.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { SimulatedBoard } from "../../sim/board.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import type { PacedClock } from "../../sim/paced-clock.js";
import { openPty, type Pty } from "../../sim/pty.js";
import { Random } from "../../sim/random.js";

const NEWLINE = 0x0a;

export interface BoardOptions {
  readonly kind?: Kind;
  readonly chipId?: Uint8Array;
  readonly storage?: MemoryStore;
  /** Its radio; default: it is on no air. */
  readonly bearer?: AdvertisingBearer;
}

export class PtyBoard {
  readonly path: string;
  readonly chipId: Uint8Array;
  readonly storage: MemoryStore;
  /** Lines that have crossed, both ways. */
  lines = 0;
  /** At these lines the cable is pulled, the next one first. */
  pullAt: number[] = [];
  pulls = 0;
  /** At this line the cable is pulled, and stays out until {@link plugInAgain}. */
  cut: { readonly line: number; readonly power: boolean } | undefined;
  readonly #clock: PacedClock;
  readonly #board: SimulatedBoard;
  #pty: Pty | undefined;
  #back: NodeJS.Timeout | undefined;

  private constructor(path: string, clock: PacedClock, options: BoardOptions) {
    const { kind = "node", chipId = hostCrypto.random(8), storage = new MemoryStore(), bearer } = options;
    this.path = path;
    this.chipId = chipId;
    this.storage = storage;
    this.#clock = clock;
    const internet = new VirtualInternet(clock);
    this.#board = new SimulatedBoard({
      kind,
      chipId,
      storage: this.storage,
      around: {
        clock,
        random: new Random(1),
        internet: () => internet.host(),
        server: { host: "192.0.2.1", port: 5683 },
        timeScale: 6,
      },
      ...(bearer !== undefined && { bearer }),
      onOutput: (bytes) => {
        if (this.#crosses(bytes)) this.#pty?.write(bytes);
      },
    });
  }

  /** @param path where its console is to be */
  static async plugIn(path: string, clock: PacedClock, options: BoardOptions = {}): Promise<PtyBoard> {
    const board = new PtyBoard(path, clock, options);
    clock.enter(() => board.#board.powerOn());
    await board.#connect();
    return board;
  }

  async #connect(): Promise<void> {
    rmSync(this.path, { force: true });
    this.#pty = await openPty(
      this.path,
      (bytes) => {
        if (!this.#crosses(bytes)) return;
        const copy = new Uint8Array(bytes);
        this.#clock.enter(() => this.#board.receive(copy));
      },
      () => {},
    );
  }

  /** Whether it has an identity, and its role runs. */
  get runs(): boolean {
    return this.#board.device?.runs !== undefined && !(loadIdentity(this.storage) instanceof Refusal);
  }

  /** The cable is out for a moment. @param power whether the board has its power by it */
  pull(power: boolean): void {
    this.pulls++;
    this.#pty?.close();
    this.#pty = undefined;
    if (power) this.#clock.enter(() => this.#board.powerOff());
    this.#back = setTimeout(() => {
      if (power) this.#clock.enter(() => this.#board.powerOn());
      void this.#connect();
    }, 100);
  }

  /** After a {@link cut}. */
  async plugInAgain(): Promise<void> {
    this.cut = undefined;
    if (this.#board.device === undefined) this.#clock.enter(() => this.#board.powerOn());
    await this.#connect();
  }

  unplug(): void {
    clearTimeout(this.#back);
    this.#pty?.close();
    this.#pty = undefined;
    this.#clock.enter(() => this.#board.powerOff());
  }

  #crosses(bytes: Uint8Array): boolean {
    if (this.#pty === undefined) return false;
    for (const byte of bytes) if (byte === NEWLINE) this.lines++;
    if (this.cut !== undefined && this.lines >= this.cut.line) {
      this.pulls++;
      this.#pty.close();
      this.#pty = undefined;
      if (this.cut.power) this.#clock.enter(() => this.#board.powerOff());
      return false;
    }
    if (this.pullAt.length === 0 || this.lines < this.pullAt[0]) return true;
    this.pullAt.shift();
    this.pull(this.pulls % 2 === 1);
    return false;
  }
}

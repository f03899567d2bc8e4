import { encodeUtf8 } from "../firmware/bytes/utf8.js";
import type { Kind } from "../firmware/console/label.js";
import { Commissioning } from "../firmware/roles/commissioning.js";
import { Device } from "../firmware/roles/device.js";
import type { AdvertisingBearer, Crypto, KeyValueStore, ResetReason } from "../hal/hal.js";
import { HostBoard } from "../hal/host/board.js";
import { hostCrypto } from "../hal/host/crypto.js";
import { type FirmwareRole, nodeEngine } from "./engine.js";
import { type SimulatedRole, type Surroundings, simulatedRole } from "./roles.js";

/** A board that is not on any air. */
export class NoAir implements AdvertisingBearer {
  onReceive: AdvertisingBearer["onReceive"];
  readonly free = 16;

  send(): boolean {
    return true;
  }
}

export interface SimulatedBoardOptions {
  readonly kind: Kind;
  /** 8 bytes. */
  readonly chipId: Uint8Array;
  readonly storage: KeyValueStore;
  readonly around: Surroundings;
  /** Default: {@link NoAir}. */
  readonly bearer?: AdvertisingBearer;
  /** Default: the machine's. */
  readonly crypto?: Crypto;
  /** Bytes of the console, in the next event of the clock. */
  readonly onOutput?: (bytes: Uint8Array) => void;
  /** It has started with an identity. */
  readonly onRole?: (role: SimulatedRole<FirmwareRole>) => void;
}

/** How long the chip is away when it restarts, ms. */
const RESET = 150;

/**
 * A board as a technician holds it: power, a console, a radio, and the firmware's own {@link Device} in it, from out of
 * the box to its role.
 */
export class SimulatedBoard {
  device: Device | undefined;
  starts = 0;
  readonly #options: SimulatedBoardOptions;

  constructor(options: SimulatedBoardOptions) {
    this.#options = options;
  }

  powerOn(reason: ResetReason = "power-on"): void {
    const {
      kind,
      chipId,
      storage,
      around,
      bearer = new NoAir(),
      crypto = hostCrypto,
      onRole,
    } = this.#options;
    const { clock } = around;
    this.powerOff();
    this.starts++;
    const hal = {
      clock,
      crypto,
      bearer,
      storage,
      board: new HostBoard({ chipId, resetReason: reason, restart: () => this.#restart() }),
    };
    const device = new Device({
      kind,
      version: "0.1.0-sim",
      hal,
      print: (line) => this.#print(line),
      makeRole: (identity) => {
        const made = simulatedRole(nodeEngine, kind, hal, identity, around);
        onRole?.(made);
        return made.role;
      },
      commission: (commissioning) => new Commissioning(commissioning),
    });
    this.device = device;
    device.terminal.command("status", () => `simulated, start ${this.starts}`);
    device.terminal.log(`oscore-mesh ${kind}, reset by ${reason}`);
    device.start();
  }

  /** At this moment: nothing is stored, nothing is said. */
  powerOff(): void {
    this.device?.halt();
    this.device = undefined;
  }

  /** Bytes for its console; nobody reads them while it has no power. */
  receive(bytes: Uint8Array): void {
    this.device?.terminal.receive(bytes);
  }

  #restart(): void {
    this.powerOff();
    const { clock } = this.#options.around;
    const starts = this.starts;
    clock.at(clock.now() + RESET, () => {
      // Somebody may have been faster with the switch.
      if (this.starts === starts && this.device === undefined) this.powerOn("software");
    });
  }

  #print(line: string): boolean {
    const { around, onOutput } = this.#options;
    if (onOutput === undefined) return true;
    const bytes = encodeUtf8(`${line}\r\n`);
    around.clock.at(around.clock.now(), () => onOutput(bytes));
    return true;
  }
}

import type { Board, ResetReason } from "../hal.js";
import { crc16 } from "./crc16.js";

export interface HostBoardOptions {
  /** 8 bytes. Default: all zero. */
  readonly chipId?: Uint8Array;
  /** Default "power-on". */
  readonly resetReason?: ResetReason;
  /** Millivolts; default: cannot be measured. */
  readonly batteryVoltage?: () => number | undefined;
  /** What starts the firmware again; without it `restart` throws. */
  readonly restart?: () => void;
}

/** A board that is a program. */
export class HostBoard implements Board {
  readonly chipId: Uint8Array;
  readonly resetReason: ResetReason;
  /** How often the watchdog was fed. */
  fed = 0;
  readonly #batteryVoltage: (() => number | undefined) | undefined;
  readonly #restart: (() => void) | undefined;

  constructor(options: HostBoardOptions = {}) {
    this.chipId = options.chipId?.slice() ?? new Uint8Array(8);
    if (this.chipId.length !== 8) throw new RangeError(`chipId has ${this.chipId.length} bytes, not 8`);
    this.resetReason = options.resetReason ?? "power-on";
    this.#batteryVoltage = options.batteryVoltage;
    this.#restart = options.restart;
  }

  batteryVoltage(): number | undefined {
    return this.#batteryVoltage?.();
  }

  feedWatchdog(): void {
    this.fed++;
  }

  restart(): void {
    if (this.#restart === undefined)
      throw new Error("restart: this board was made without a restart function");
    this.#restart();
  }

  crc16(text: string): number {
    return crc16(text);
  }
}

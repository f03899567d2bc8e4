/**
 * Sensirion SHT30/31/35: relative humidity and temperature over I2C, in the shape of an ECMA-419 sensor.
 *
 * Section numbers are those of the data sheet (SHT3x-DIS, version 6).
 */

import type { HumidityTemperatureSample, HumidityTemperatureSensor, I2C } from "../../hal/hal.js";
import { Counters } from "../bytes/counters.js";

/** I2C address with ADDR at VSS; 0x45 with ADDR at VDD (§3.4). */
export const SHT3X_ADDRESS = 0x44;

export type Repeatability = "low" | "medium" | "high";

/** Commands (§4): single shot without clock stretching, so that the bus is free during the measurement. */
const COMMAND = {
  measure: { low: 0x2416, medium: 0x240b, high: 0x2400 },
  reset: 0x30a2,
  heaterOn: 0x306d,
  heaterOff: 0x3066,
  readStatus: 0xf32d,
  clearStatus: 0x3041,
} as const;

/** Longest measuring times, ms (table 4, at 2.4 V and below: 15.5; rounded up for a coarse timer). */
const MEASURING_TIME = { low: 5, medium: 7, high: 16 } as const;

/** Longest time until commands are taken after a reset, ms (table 4: 1.5). */
const RESET_TIME = 2;

/** Temperature, its CRC, humidity, its CRC (§4.4). */
const RESULT_LENGTH = 6;

/** CRC-8 with polynomial x⁸+x⁵+x⁴+1 (§4.12), four bits at a time: the CRC of each high nibble. */
const CRC_OF_NIBBLE = [
  0x00, 0x31, 0x62, 0x53, 0xc4, 0xf5, 0xa6, 0x97, 0xb9, 0x88, 0xdb, 0xea, 0x7d, 0x4c, 0x1f, 0x2e,
] as const;

/** CRC-8 of the two bytes at `offset`, initialised with 0xFF (§4.12): 0xBE 0xEF gives 0x92. */
export function sht3xCrc(bytes: Uint8Array, offset: number): number {
  let crc = 0xff;
  for (let i = offset; i < offset + 2; i++) {
    crc ^= bytes[i];
    crc = ((crc << 4) & 0xff) ^ CRC_OF_NIBBLE[crc >> 4];
    crc = ((crc << 4) & 0xff) ^ CRC_OF_NIBBLE[crc >> 4];
  }
  return crc;
}

export interface Sht3xOptions {
  /** The bus: ECMA-419's I2C constructor and what it needs. `address` is 0x44 and `hz` 400,000 unless given. */
  readonly sensor: {
    readonly io: new (options: { readonly address: number; readonly hz: number }) => I2C;
    readonly address?: number;
    readonly hz?: number;
  };
  /** Lets `ms` milliseconds pass; needed for {@link Sht3x.sample} only. */
  readonly wait?: (ms: number) => void;
}

export interface Sht3xConfiguration {
  /** Default "high". */
  readonly repeatability?: Repeatability;
  /** Drives off condensation and shows that the sensor lives; measures too high meanwhile. Default off. */
  readonly heater?: boolean;
}

/** The status register (§4.11). */
export interface Sht3xStatus {
  readonly alert: boolean;
  readonly heater: boolean;
  /** A reset happened since the register was cleared. */
  readonly reset: boolean;
  /** The last command was invalid or came with a wrong checksum. */
  readonly commandFailed: boolean;
}

/**
 * The driver. Two ways to measure:
 * - {@link sample}, which waits for the sensor;
 * - {@link start} and, at {@link deadline}, {@link read}: nothing waits, the caller owns the time.
 *
 * A sensor that does not answer is reset, so that one bus error does not end its service; counted as `missing`, wrong
 * checksums as `crc`.
 */
export class Sht3x implements HumidityTemperatureSensor {
  readonly counters = new Counters();
  readonly #bus: I2C;
  readonly #wait: ((ms: number) => void) | undefined;
  /** In RAM: the nRF52's I2C reads what it sends by DMA, which cannot reach constants in flash. */
  readonly #command = new Uint8Array(2);
  #repeatability: Repeatability = "high";
  #heater = false;
  #deadline = Number.POSITIVE_INFINITY;
  /** What the chip was last told; a reset turns the heater off. */
  #heaterInChip = false;

  constructor(options: Sht3xOptions) {
    const { io, address = SHT3X_ADDRESS, hz = 400_000, ...pins } = options.sensor;
    this.#bus = new io({ ...pins, address, hz });
    this.#wait = options.wait;
  }

  /** Takes effect with the next measurement, the heater at once if the sensor answers, else with the next one. */
  configure(configuration: Sht3xConfiguration): void {
    this.#repeatability = configuration.repeatability ?? this.#repeatability;
    this.#heater = configuration.heater ?? this.#heater;
    this.#setHeater();
  }

  /** When {@link read} will have the result, ms; `Infinity` when nothing was started. */
  get deadline(): number {
    return this.#deadline;
  }

  /**
   * Starts a measurement. @param now ms
   * @returns false when the sensor did not answer
   */
  start(now: number): boolean {
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#setHeater();
    if (!this.#send(COMMAND.measure[this.#repeatability])) {
      this.#missed();
      return false;
    }
    this.#deadline = now + MEASURING_TIME[this.#repeatability];
    return true;
  }

  /**
   * Fetches the result once {@link deadline} has come.
   * @returns a sample without the fields whose checksum was wrong; `undefined` when there is nothing to read yet, or
   * the sensor did not answer
   */
  read(now: number): HumidityTemperatureSample | undefined {
    if (now < this.#deadline) return undefined;
    this.#deadline = Number.POSITIVE_INFINITY;
    const result = this.#receive(RESULT_LENGTH);
    if (result === undefined) {
      this.#missed();
      return undefined;
    }
    const temperature = this.#word(result, 0);
    const humidity = this.#word(result, 3);
    // Conversion of signal output (§4.13).
    return {
      ...(temperature !== undefined && {
        thermometer: { temperature: -45 + (175 * temperature) / 65535 },
      }),
      ...(humidity !== undefined && { hygrometer: { humidity: (100 * humidity) / 65535 } }),
    };
  }

  /** As {@link HumidityTemperatureSensor.sample}: {@link start}, wait, {@link read}. */
  sample(): HumidityTemperatureSample | undefined {
    if (this.#wait === undefined) throw new Error("sample: made without a wait function; use start and read");
    if (!this.start(0)) {
      // #missed has reset the sensor; if it hears again it measures in the second try.
      this.#wait(RESET_TIME);
      if (!this.start(0)) return undefined;
    }
    const { deadline } = this;
    this.#wait(deadline);
    return this.read(deadline);
  }

  /** The status register, `undefined` when the sensor does not answer or the checksum is wrong. Not while measuring. */
  status(): Sht3xStatus | undefined {
    if (!this.#send(COMMAND.readStatus)) return undefined;
    const bytes = this.#receive(3);
    const word = bytes && this.#word(bytes, 0);
    if (word === undefined) return undefined;
    return {
      alert: (word & 0x8000) !== 0,
      heater: (word & 0x2000) !== 0,
      reset: (word & 0x0010) !== 0,
      commandFailed: (word & 0x0002) !== 0,
    };
  }

  /** Clears the alert and reset flags of the status register. */
  clearStatus(): boolean {
    return this.#send(COMMAND.clearStatus);
  }

  /** Soft reset (§4.9); commands are taken 1.5 ms later. @returns whether the sensor answered */
  reset(): boolean {
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#heaterInChip = false;
    return this.#send(COMMAND.reset);
  }

  close(): void {
    this.#bus.close();
  }

  #setHeater(): void {
    if (this.#heater === this.#heaterInChip) return;
    if (this.#send(this.#heater ? COMMAND.heaterOn : COMMAND.heaterOff)) this.#heaterInChip = this.#heater;
  }

  #missed(): void {
    this.counters.add("missing");
    this.reset();
  }

  /** The word at `offset`, when the CRC behind it fits. */
  #word(bytes: Uint8Array, offset: number): number | undefined {
    if (sht3xCrc(bytes, offset) === bytes[offset + 2]) return (bytes[offset] << 8) | bytes[offset + 1];
    this.counters.add("crc");
    return undefined;
  }

  #send(command: number): boolean {
    this.#command[0] = command >> 8;
    this.#command[1] = command;
    try {
      this.#bus.write(this.#command);
      return true;
    } catch {
      // ECMA-419 buses throw when the address is not acknowledged: for a sensor that is a result like others.
      return false;
    }
  }

  #receive(length: number): Uint8Array | undefined {
    try {
      const bytes = this.#bus.read(length);
      return bytes.length === length ? bytes : undefined;
    } catch {
      return undefined;
    }
  }
}

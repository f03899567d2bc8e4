/** Humidity and temperature sensors other than the SHT3x, by Moddable's ECMA-419 drivers. */

import I2C from "embedded:io/i2c";
import SHTC3 from "embedded:sensor/Humidity-Temperature/SHTC3";
import SI7020 from "embedded:sensor/Humidity-Temperature/SI7020";
import type { HumidityTemperatureSample, SteppedHumidityTemperatureSensor } from "../hal.js";

interface Driver {
  sample(): HumidityTemperatureSample | undefined;
}

/**
 * A driver that waits for its sensor, in the form of one that does not: it measures when it is read. The machine
 * stands still for that time (some 20 ms), the radio and the serial ports do not.
 */
class Blocking implements SteppedHumidityTemperatureSensor {
  readonly #open: (onError: () => void) => Driver;
  #driver: Driver | undefined;
  /** Of the drivers only one leaves out what came with a wrong checksum. */
  #wrong = false;
  #deadline = Number.POSITIVE_INFINITY;

  constructor(open: (onError: () => void) => Driver) {
    this.#open = open;
  }

  get deadline(): number {
    return this.#deadline;
  }

  start(now: number): boolean {
    try {
      // The drivers' constructors talk to the sensor, and throw when there is none.
      this.#driver ??= this.#open(() => {
        this.#wrong = true;
      });
      this.#deadline = now;
      return true;
    } catch {
      return false;
    }
  }

  read(): HumidityTemperatureSample | undefined {
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#wrong = false;
    try {
      const sample = this.#driver?.sample();
      return this.#wrong ? undefined : sample;
    } catch {
      this.#driver = undefined;
      return undefined;
    }
  }
}

/** @returns `undefined` for a name without a driver here */
export function moddableSensor(
  name: unknown,
  pins: { readonly data: number; readonly clock: number },
): SteppedHumidityTemperatureSensor | undefined {
  const sensor = { ...pins, io: I2C };
  switch (name) {
    case "shtc3":
      return new Blocking((onError) => new SHTC3({ sensor, onError }));
    case "si7021":
      return new Blocking((onError) => new SI7020({ sensor, onError }));
    default:
      return undefined;
  }
}

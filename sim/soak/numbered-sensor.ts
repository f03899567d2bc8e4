import type { HumidityTemperatureSample, SteppedHumidityTemperatureSensor } from "../../hal/hal.js";
import { valuesOf } from "./ledger.js";

/** As long as an SHT3x with high repeatability needs, ms. */
const MEASURING = 15;

/** A sensor that counts: no two of its measurements are alike. */
export class NumberedSensor implements SteppedHumidityTemperatureSensor {
  deadline = Number.POSITIVE_INFINITY;
  /** Whether it answers. */
  present = true;
  /** Of the next measurement. */
  next = 0;

  start(now: number): boolean {
    if (!this.present) return false;
    this.deadline = now + MEASURING;
    return true;
  }

  read(_now: number): HumidityTemperatureSample {
    this.deadline = Number.POSITIVE_INFINITY;
    const { temperature, humidity } = valuesOf(this.next++);
    return {
      thermometer: { temperature: temperature / 100 },
      hygrometer: { humidity: humidity / 100 },
    };
  }
}

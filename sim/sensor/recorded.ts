import { readFileSync } from "node:fs";
import type { Environment } from "./sht3x-model.js";

/** Rows further apart than this, in minutes, are not one stretch: what lay between was not recorded. */
const LONGEST_STEP = 10;

/** The step that stands in for a gap, and for the seam between the end and the beginning, in minutes. */
const SEAM_STEP = 1;

/** 1/φ: multiples of it modulo 1 lie as far apart as they can, for any number of them. */
const GOLDEN = 0.6180339887498949;

export interface ReplayOptions {
  /** Which node this is: decides where in the recording it begins. */
  readonly node: number;
  /** Recorded milliseconds in one millisecond of the simulation. Default 1. */
  readonly timeScale?: number;
}

/**
 * A recorded series of temperature and humidity as environments for sensors.
 *
 * Between two rows values are interpolated. Gaps are left out, not filled: the series goes on with the next row one
 * minute later. After the last row it begins again.
 */
export class RecordedSeries {
  /** Length of the series without gaps, ms. */
  readonly duration: number;
  readonly #times: Float64Array;
  readonly #temperatures: Float64Array;
  readonly #humidities: Float64Array;

  /** @param csv a heading, then rows of `YYYY-MM-DD HH:MM,temperature,humidity` in the order of time */
  constructor(csv: string) {
    const rows = csv.trim().split("\n").slice(1);
    if (rows.length < 2)
      throw new RangeError(`a recorded series needs two rows, this one has ${rows.length}`);
    this.#times = new Float64Array(rows.length);
    this.#temperatures = new Float64Array(rows.length);
    this.#humidities = new Float64Array(rows.length);
    let previous = 0;
    rows.forEach((row, i) => {
      const [time, temperature, humidity] = row.split(",");
      const minute = Date.parse(`${time.replace(" ", "T")}:00Z`) / 60_000;
      const step = minute - previous;
      if (!(i === 0 || step > 0) || Number.isNaN(Number(temperature) + Number(humidity))) {
        throw new RangeError(`recorded series, row ${i + 2}: "${row}"`);
      }
      this.#times[i] = i === 0 ? 0 : this.#times[i - 1] + 60_000 * (step > LONGEST_STEP ? SEAM_STEP : step);
      this.#temperatures[i] = Number(temperature);
      this.#humidities[i] = Number(humidity);
      previous = minute;
    });
    this.duration = this.#times[rows.length - 1] + 60_000 * SEAM_STEP;
  }

  /** Values at `time` ms from the beginning; beyond the end, and before the beginning, the series repeats. */
  at(time: number): { temperature: number; humidity: number } {
    const times = this.#times;
    const wrapped = time - Math.floor(time / this.duration) * this.duration;
    let low = 0;
    let high = times.length;
    // the last row at or before the time
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= wrapped) low = middle;
      else high = middle;
    }
    const next = high === times.length ? 0 : high;
    const nextTime = next === 0 ? this.duration : times[next];
    const share = (wrapped - times[low]) / (nextTime - times[low]);
    return {
      temperature: between(this.#temperatures[low], this.#temperatures[next], share),
      humidity: between(this.#humidities[low], this.#humidities[next], share),
    };
  }

  /** Each node at another place in the series, spread widely: neighbours in number are hours or days apart. */
  environment(options: ReplayOptions): Environment {
    const { node, timeScale = 1 } = options;
    const offset = ((node * GOLDEN) % 1) * this.duration;
    return (now) => this.at(offset + now * timeScale);
  }
}

function between(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

/** The office of `sim/data`. Read and parsed anew at each call: keep it. */
export function officeSeries(): RecordedSeries {
  const file = new URL("../data/office-temperature-humidity.csv", import.meta.url);
  return new RecordedSeries(readFileSync(file, "utf8"));
}

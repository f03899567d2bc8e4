import type { SeriesPoint } from "./client.js";

/** Seconds since 1970, °C, %RH: columns as the chart takes them. */
export type Columns = [times: number[], temperatures: (number | null)[], humidities: (number | null)[]];

/** One node's points over the time shown, ascending. */
export class Series {
  #times: number[] = [];
  #temperatures: (number | null)[] = [];
  #humidities: (number | null)[] = [];

  get length(): number {
    return this.#times.length;
  }

  /** Time of the oldest point, in seconds. */
  get first(): number | undefined {
    return this.#times[0];
  }

  load(points: readonly SeriesPoint[]): void {
    // What came live while the history was under way is newer than the history.
    const last = points.length === 0 ? 0 : Date.parse(points.at(-1)!.time) / 1000;
    const newer = this.#times.findIndex((time) => time > last);
    const from = newer < 0 ? this.#times.length : newer;
    this.#times = [...points.map((point) => Date.parse(point.time) / 1000), ...this.#times.slice(from)];
    this.#temperatures = [...points.map((point) => point.temperature), ...this.#temperatures.slice(from)];
    this.#humidities = [...points.map((point) => point.humidity), ...this.#humidities.slice(from)];
  }

  clear(): void {
    this.#times = [];
    this.#temperatures = [];
    this.#humidities = [];
  }

  /** Puts a reading where its time belongs: late ones travel in batches. */
  add(time: number, temperature: number | null, humidity: number | null): void {
    let at = this.#times.length;
    while (at > 0 && this.#times[at - 1] > time) at--;
    if (at > 0 && this.#times[at - 1] === time) return;
    this.#times.splice(at, 0, time);
    this.#temperatures.splice(at, 0, temperature);
    this.#humidities.splice(at, 0, humidity);
  }

  /** Lets go of what is older than `from` (seconds). */
  trim(from: number): void {
    let old = 0;
    while (old < this.#times.length && this.#times[old] < from) old++;
    if (old === 0) return;
    this.#times.splice(0, old);
    this.#temperatures.splice(0, old);
    this.#humidities.splice(0, old);
  }

  /** The usual time between points, in seconds. */
  get interval(): number | undefined {
    const gaps = this.#times.slice(1).map((time, index) => time - this.#times[index]);
    if (gaps.length === 0) return undefined;
    return gaps.sort((a, b) => a - b)[gaps.length >> 1];
  }

  /** With a hole where the node was silent for much longer than usual: a line there would be a guess. */
  columns(): Columns {
    const limit = 6 * (this.interval ?? Number.POSITIVE_INFINITY);
    const columns: Columns = [[], [], []];
    this.#times.forEach((time, index) => {
      const before = this.#times[index - 1];
      if (index > 0 && time - before > limit) {
        columns[0].push((time + before) / 2);
        columns[1].push(null);
        columns[2].push(null);
      }
      columns[0].push(time);
      columns[1].push(this.#temperatures[index]);
      columns[2].push(this.#humidities[index]);
    });
    return columns;
  }

  /** Least and most of both, for a text that says what the chart shows. */
  extremes(): { temperature: [number, number]; humidity: [number, number] } | undefined {
    const temperatures = this.#temperatures.filter((value) => value !== null);
    const humidities = this.#humidities.filter((value) => value !== null);
    if (temperatures.length === 0 || humidities.length === 0) return undefined;
    return { temperature: extreme(temperatures), humidity: extreme(humidities) };
  }
}

function extreme(values: readonly number[]): [number, number] {
  let least = values[0];
  let most = values[0];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}

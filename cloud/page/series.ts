import type { SeriesPoint as Point, HealthPoint as Report } from "../store/store.js";

/** A point of `GET /api/series`. */
export type SeriesPoint = Omit<Point, "time"> & { readonly time: string };

/** A point of `GET /api/health`. */
export type HealthPoint = Omit<Report, "time"> & { readonly time: string };

/** Seconds since 1970, then values: columns as uPlot takes them. */
export interface Track {
  readonly times: readonly number[];
  readonly mean: readonly (number | null)[];
  readonly min?: readonly (number | null)[];
  readonly max?: readonly (number | null)[];
}

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
}

/** Points of the history as charts take them, with holes where the node was silent. */
export function tracksOf(
  points: readonly SeriesPoint[],
): Readonly<Record<"temperature" | "humidity" | "battery", Track>> {
  const all = withHoles(points);
  const times = all.map(({ time }) => time);
  const column = (key: Exclude<keyof SeriesPoint, "time" | "count">) =>
    all.map(({ point }) => point?.[key] ?? null);
  return {
    temperature: {
      times,
      mean: column("temperature"),
      min: column("temperatureMin"),
      max: column("temperatureMax"),
    },
    humidity: { times, mean: column("humidity"), min: column("humidityMin"), max: column("humidityMax") },
    battery: { times, mean: column("battery") },
  };
}

/** A line over a gap much longer than usual would be a guess. */
const HOLE = 6;

function withHoles<Point extends { readonly time: string }>(
  points: readonly Point[],
): { time: number; point?: Point }[] {
  const times = points.map(({ time }) => Date.parse(time) / 1000);
  const gaps = times.slice(1).map((time, index) => time - times[index]);
  const usual = gaps.toSorted((a, b) => a - b)[gaps.length >> 1] ?? 0;
  return points.flatMap((point, index) => {
    const time = times[index];
    const here = { time, point };
    const before = times[index - 1];
    return index > 0 && time - before > HOLE * usual ? [{ time: (time + before) / 2 }, here] : [here];
  });
}

/** Signal, queue, what was dropped and who is heard, of a gateway. */
export function healthTracks(points: readonly HealthPoint[]): readonly Track[] {
  const all = withHoles(points);
  const times = all.map(({ time }) => time);
  const column = (key: Exclude<keyof HealthPoint, "time" | "count">) =>
    all.map(({ point }) => point?.[key] ?? null);
  return [
    { times, mean: column("rsrp"), min: column("rsrpMin"), max: column("rsrpMax") },
    { times, mean: column("queue"), min: column("queue"), max: column("queueMax") },
    { times, mean: column("dropped") },
    { times, mean: column("heard") },
    { times, mean: column("battery") },
  ];
}

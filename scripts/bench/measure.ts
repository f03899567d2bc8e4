/** Measuring: warm-up, repetitions, the median and how far the others were from it. */

/** One measured value: a line of the table. */
export interface BenchRow {
  readonly name: string;
  /** The median, where it was measured more than once. */
  readonly value: number;
  readonly unit: string;
  /** What was measured, for a person. */
  readonly note: string;
  /** A tenth of the repetitions was below the first, a tenth above the second; all of them between, where they are few. */
  readonly spread?: readonly [low: number, high: number];
  readonly repetitions?: number;
  /** Whose value it is when not ours: to be compared with our row of the same name. */
  readonly peer?: string;
}

/** What a suite is: measures, and says what. `scale` is 1 for figures to be quoted, less for a quick look. */
export type Suite = (scale: number) => BenchRow[] | Promise<BenchRow[]>;

/** Rates grow when things get better, times and sizes shrink. */
export function moreIsBetter(unit: string): boolean {
  return unit.endsWith("/s") || unit.startsWith("×") || unit === "%";
}

/** How many times as good as `other` a value is, in its unit's sense. */
export function timesAsGood(value: number, other: number, unit: string): number {
  return moreIsBetter(unit) ? value / other : other / value;
}

export interface MeasureOptions {
  /**
   * calls in one repetition, default 400: short enough to be over, most times, before the system gives the processor to
   * somebody else
   */
  readonly calls?: number;
  /** default 1001 */
  readonly repetitions?: number;
}

export interface Measured {
  /** In the unit of what was measured; µs for one call where {@link measure} did. */
  readonly median: number;
  /** A tenth of the repetitions was below, a tenth above. */
  readonly low: number;
  readonly high: number;
  readonly repetitions: number;
}

/** Median and spread of some values, which it sorts. */
export function summarise(values: number[]): Measured {
  values.sort((a, b) => a - b);
  const at = (share: number) => values[Math.round(share * (values.length - 1))];
  const few = values.length < 10;
  return {
    median: at(0.5),
    low: at(few ? 0 : 0.1),
    high: at(few ? 1 : 0.9),
    repetitions: values.length,
  };
}

/** A row of several measurements of one thing. */
export function rowOf(name: string, unit: string, measured: Measured, note = ""): BenchRow {
  const { median, low, high, repetitions } = measured;
  return { name, value: median, unit, note, spread: [low, high], repetitions };
}

/**
 * Times several things in turn, repetition by repetition, so that what disturbs the machine disturbs all of them.
 * @param work what is called with the number of the call
 */
export function measure(
  work: { readonly [name: string]: (call: number) => void },
  { calls = 400, repetitions = 1001 }: MeasureOptions = {},
): Map<string, Measured> {
  const times = new Map<string, number[]>(Object.keys(work).map((name) => [name, []]));
  // Warm-up: until the compiler has done what it does.
  for (const run of Object.values(work)) for (let call = 0; call < 100 * calls; call++) run(call);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const [name, run] of Object.entries(work)) {
      const start = process.hrtime.bigint();
      for (let call = 0; call < calls; call++) run(call);
      times.get(name)?.push(Number(process.hrtime.bigint() - start) / calls / 1000);
    }
  }
  return new Map([...times].map(([name, list]) => [name, summarise(list)]));
}

/** A row of a measured time. */
export function timeRow(name: string, measured: Measured, note = ""): BenchRow {
  return rowOf(name, "µs", measured, note);
}

/** The same work several times, once before that does not count. @returns what it returned each time, summarised */
export async function repeat(
  repetitions: number,
  work: (repetition: number) => number | Promise<number>,
): Promise<Measured> {
  await work(-1);
  const values: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) values.push(await work(repetition));
  return summarise(values);
}

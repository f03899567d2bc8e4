/** Measuring what takes microseconds: warm-up, repetitions, the median and how far the others were from it. */

/** One measured value: a line of the table. */
export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What was measured, for a person. */
  readonly note: string;
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
  /** µs for one call */
  readonly median: number;
  /** µs: a tenth of the repetitions was faster, a tenth slower */
  readonly fast: number;
  readonly slow: number;
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
  const result = new Map<string, Measured>();
  for (const [name, list] of times) {
    list.sort((a, b) => a - b);
    const at = (share: number) => list[Math.round(share * (list.length - 1))];
    result.set(name, { median: at(0.5), fast: at(0.1), slow: at(0.9) });
  }
  return result;
}

/** A row of a measured time, with its spread in the note. */
export function timeRow(name: string, { median, fast, slow }: Measured, note = ""): BenchRow {
  const spread = `${fast.toFixed(2)}–${slow.toFixed(2)}`;
  return { name, value: median, unit: "µs", note: note === "" ? spread : `${spread}; ${note}` };
}

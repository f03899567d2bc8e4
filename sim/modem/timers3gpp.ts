/** T3324 (active time): seconds of one step by the top three bits (3GPP TS 24.008 table 10.5.172). */
const ACTIVE_STEPS: Readonly<Record<number, number>> = { 0: 2, 1: 60, 2: 360 };

/** T3412 extended (periodic update): likewise (3GPP TS 24.008 table 10.5.163a). */
const PERIODIC_STEPS: Readonly<Record<number, number>> = {
  0: 600,
  1: 3600,
  2: 36000,
  3: 2,
  4: 30,
  5: 60,
  6: 1152000,
};

function seconds(bits: string, steps: Readonly<Record<number, number>>): number | undefined {
  if (!/^[01]{8}$/.test(bits)) return undefined;
  const step = steps[Number.parseInt(bits.slice(0, 3), 2)];
  return step === undefined ? undefined : step * Number.parseInt(bits.slice(3), 2);
}

function bits(value: number, steps: Readonly<Record<number, number>>): string {
  let best = "11111111";
  let bestStep = Number.POSITIVE_INFINITY;
  for (const [code, step] of Object.entries(steps)) {
    const count = Math.round(value / step);
    if (count > 31 || count * step !== value || step >= bestStep) continue;
    bestStep = step;
    best = Number(code).toString(2).padStart(3, "0") + count.toString(2).padStart(5, "0");
  }
  return best;
}

/** Seconds of T3324, `undefined` when it is deactivated or malformed. */
export function activeSeconds(text: string): number | undefined {
  return seconds(text, ACTIVE_STEPS);
}

/** Seconds of T3412 extended. */
export function periodicSeconds(text: string): number | undefined {
  return seconds(text, PERIODIC_STEPS);
}

/** The eight bits of T3324; `11111111` when the value cannot be said exactly. */
export function activeBits(value: number): string {
  return bits(value, ACTIVE_STEPS);
}

/** The eight bits of T3412 extended. */
export function periodicBits(value: number): string {
  return bits(value, PERIODIC_STEPS);
}

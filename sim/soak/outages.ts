import type { Random } from "../random.js";

/** A stretch of time without coverage, ms. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

/** Every fifth outage is of the long kind; together they are this long on average. */
const LONG_SHARE = 0.2;
const SHORT = 10 * 60_000;
const LONG = 180 * 60_000;
const MEAN = (1 - LONG_SHARE) * SHORT + LONG_SHARE * LONG;

/**
 * Outages that take exactly `share` of the time: most of them minutes long, some hours, at random moments, never at
 * the very beginning.
 * @param duration ms
 */
export function drawOutages(random: Random, duration: number, share: number): Outage[] {
  const total = duration * share;
  if (total <= 0) return [];
  const count = Math.max(2, Math.round(total / MEAN));
  const draw = (mean: (i: number) => number) =>
    Array.from({ length: count }, (_, i) => random.exponential(mean(i)));
  // Drawn lengths say how the time is divided; their sum is what was asked for.
  const outages = scaled(
    draw(() => (random.chance(LONG_SHARE) ? LONG : SHORT)),
    total,
  );
  const gaps = scaled(
    draw(() => 1),
    duration - total,
  );
  const result: Outage[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const from = at + gaps[i];
    at = from + outages[i];
    result.push({ from, to: at });
  }
  return result;
}

function scaled(lengths: readonly number[], sum: number): number[] {
  const drawn = lengths.reduce((a, b) => a + b, 0);
  return lengths.map((length) => (length * sum) / drawn);
}

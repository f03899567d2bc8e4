import type { Keep } from "./store/store.js";

const UNITS = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000, y: 366 * 86_400_000 } as const;
const WHAT = ["raw", "hourly", "daily", "sealed"] as const;

/** What is wrong with a text that should say how long to keep what. */
export class KeepError extends Error {}

/**
 * Reads "raw=30d,hourly=2y": units h, d, w, y; what is not named is kept for ever.
 * @throws KeepError saying which part is wrong
 */
export function parseKeep(text: string): Keep {
  const keep: { -readonly [Key in keyof Keep]: Keep[Key] } = {};
  for (const part of text.split(",")) {
    const match = /^(\w+)=(\d{1,6})([hdwy])$/.exec(part.trim());
    const what = WHAT.find((name) => name === match?.[1]);
    if (match === null || what === undefined) {
      throw new KeepError(`"${part}": expected ${WHAT.join(", ")} with a time such as raw=30d (h, d, w, y)`);
    }
    keep[what] = Number(match[2]) * UNITS[match[3] as keyof typeof UNITS];
  }
  return keep;
}

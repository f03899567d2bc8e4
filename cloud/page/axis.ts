/** What a chart's axis shows of values: all of them, with some room. */

/** Of the axis, below zero where nothing is below zero: the line is seen to lie on it. */
const EDGE = 0.04;

/**
 * @param bottom @param top of the values; null when there are none
 * @param least so much is shown in any case
 * @param counts whether there is nothing below zero
 * @returns the axis' ends
 */
export function rangeOf(
  bottom: number | null,
  top: number | null,
  least: number,
  counts: boolean,
): [number, number] {
  if (bottom === null || top === null) return [0, least];
  const middle = (bottom + top) / 2;
  const half = (Math.max(least, top - bottom) / 2) * 1.15;
  if (!counts || middle >= half) return [middle - half, middle + half];
  const end = Math.max(least, top) * 1.15;
  return [-EDGE * end, end];
}

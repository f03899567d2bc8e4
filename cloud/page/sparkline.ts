/** A small line without axes: how something went lately. Pure: the element is made of what comes out. */

export interface Box {
  readonly width: number;
  readonly top: number;
  readonly bottom: number;
}

export interface Spark {
  /** The line, as an SVG path; a gap where a value is missing. */
  readonly line: string;
  /** The same, closed at the bottom. */
  readonly area: string;
  /** Where the newest value is. */
  readonly last: readonly [x: number, y: number] | undefined;
}

/**
 * @param from @param to what the width stands for, in the units of `times`
 * @param least so much is always shown, so that the noise of a calm room does not look like weather
 */
export function sparkline(
  times: readonly number[],
  values: readonly (number | null)[],
  from: number,
  to: number,
  box: Box,
  least: number,
): Spark {
  let bottom = Number.POSITIVE_INFINITY;
  let top = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value === null) continue;
    bottom = Math.min(bottom, value);
    top = Math.max(top, value);
  }
  const middle = (bottom + top) / 2;
  const span = Math.max(least, top - bottom);
  const x = (time: number) => round(((time - from) / Math.max(1, to - from)) * box.width);
  const y = (value: number) => round(box.bottom - (0.5 + (value - middle) / span) * (box.bottom - box.top));
  let line = "";
  let area = "";
  let last: [number, number] | undefined;
  let start: number | undefined;
  const close = () => {
    if (last !== undefined && start !== undefined)
      area += `L${last[0]} ${box.bottom}L${start} ${box.bottom}Z`;
    start = undefined;
  };
  times.forEach((time, index) => {
    const value = values[index];
    if (value === null) {
      close();
      return;
    }
    const point: [number, number] = [x(time), y(value)];
    const step = `${start === undefined ? "M" : "L"}${point[0]} ${point[1]}`;
    start ??= point[0];
    line += step;
    area += step;
    last = point;
  });
  close();
  return { line, area, last };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

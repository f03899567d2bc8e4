/** Line charts as SVG text: a row of panels with a common horizontal axis and one legend. */

export interface Series {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
  /** Largest value of the axis; default: that of the data. */
  readonly max?: number;
}

export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  /** Drawn at equal distances, whatever their values. */
  readonly x: readonly (number | string)[];
  readonly panels: readonly Panel[];
}

/** Told apart by people who see colours differently (after Okabe and Ito). */
const COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
const PANEL = { width: 300, height: 190, left: 52, top: 34, gap: 14, bottom: 40 };

/** @returns an SVG document; values that are not finite leave a gap in their line */
export function lineChart({ title, xTitle, x, panels }: Chart): string {
  const names = panels[0].series.map(({ name }) => name);
  const step = PANEL.left + PANEL.width + PANEL.gap;
  const width = panels.length * step;
  const legendTop = PANEL.top + PANEL.height + PANEL.bottom + 16;
  // One line needs no legend: its panel's title names it.
  const legend = names.length > 1 ? names : [];
  // By the longest name: a sign of this font is some 6 wide.
  const column = 44 + 6 * Math.max(0, ...legend.map(({ length }) => length));
  const columns = Math.max(1, Math.floor((width - PANEL.left) / column));
  const height = legendTop + 18 * Math.ceil(legend.length / columns) + (legend.length > 0 ? 4 : -12);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
  ];
  for (const [i, panel] of panels.entries()) {
    parts.push(drawPanel(panel, i * step + PANEL.left, x, xTitle));
  }
  legend.forEach((name, i) => {
    const left = PANEL.left + (i % columns) * column;
    const top = legendTop + 18 * Math.floor(i / columns);
    parts.push(
      `<path d="M${left} ${top}h22" stroke="${colour(i)}" stroke-width="2.5"/>`,
      `<text x="${left + 28}" y="${top + 4}">${escapeText(name)}</text>`,
    );
  });
  parts.push("</svg>");
  return `${parts.join("\n")}\n`;
}

function drawPanel(panel: Panel, left: number, x: Chart["x"], xTitle: string): string {
  const { width, height, top } = PANEL;
  const values = panel.series.flatMap((series) => series.values).filter(Number.isFinite);
  const max = panel.max ?? niceAbove(Math.max(...values, 1e-9));
  const across = (i: number) => round(left + (width * (i + 0.5)) / x.length);
  const up = (value: number) => round(top + height - (height * Math.min(value, max)) / max);
  const parts = [`<text x="${left}" y="${top - 14}" font-size="13">${escapeText(panel.title)}</text>`];
  for (let tick = 0; tick <= 4; tick++) {
    const value = (max * tick) / 4;
    parts.push(
      `<path d="M${left} ${up(value)}h${width}" stroke="#ddd"/>`,
      `<text x="${left - 6}" y="${up(value) + 4}" text-anchor="end">${label(value)}</text>`,
    );
  }
  x.forEach((value, i) => {
    parts.push(`<text x="${across(i)}" y="${top + height + 16}" text-anchor="middle">${value}</text>`);
  });
  parts.push(
    `<text x="${left + width / 2}" y="${top + height + 34}" text-anchor="middle">${escapeText(xTitle)}</text>`,
  );
  panel.series.forEach((series, s) => {
    let path = "";
    series.values.forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      const joined = i > 0 && Number.isFinite(series.values[i - 1]);
      path += `${joined ? "L" : "M"}${across(i)} ${up(value)}`;
      parts.push(`<circle cx="${across(i)}" cy="${up(value)}" r="2.6" fill="${colour(s)}"/>`);
    });
    if (path !== "") parts.push(`<path d="${path}" fill="none" stroke="${colour(s)}" stroke-width="1.8"/>`);
  });
  return parts.join("\n");
}

/** The next of 1, 2, 4, 8 × 10ⁿ, which have quarters that are easy to read. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  for (const factor of [1, 2, 4, 8]) if (value <= factor * power) return factor * power;
  return 10 * power;
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length];
}

function label(value: number): string {
  return value >= 10_000 ? `${round(value / 1000)}k` : String(round(value));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

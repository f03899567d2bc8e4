import uPlot from "uplot";
import { rangeOf } from "./axis.js";
import { h } from "./dom.js";
import { fixed, moment } from "./format.js";
import type { Track } from "./series.js";

/** What a chart shows: a line, and a band around it from the least to the most. */
export interface Quantity {
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
  /** The property of the style sheet that has its colour. */
  readonly colour: string;
  /** So much is always shown, so that the noise of a calm room does not look like weather. */
  readonly least: number;
  /** Nothing of it is below zero, and so is no axis. */
  readonly counts?: boolean;
}

/** The page's colours, which the canvas cannot inherit. */
function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A quantity over time, with the values under the pointer; a span drawn with the pointer is zoomed into. */
export class Chart {
  readonly element: HTMLElement;
  readonly #quantity: Quantity;
  readonly #group: string;
  readonly #onZoom: (from: number, to: number) => void;
  readonly #height: number;
  readonly #tip = h("div", { class: "tip", hidden: true });
  readonly #plotted = h("div", { class: "plot" });
  #plot: uPlot | undefined;
  #track: Track = { times: [], mean: [] };
  #from = 0;
  #to = 0;
  readonly #resized: ResizeObserver;

  /** @param group charts of one group have one pointer @param onZoom seconds */
  constructor(quantity: Quantity, group: string, onZoom: (from: number, to: number) => void, height = 170) {
    this.#quantity = quantity;
    this.#group = group;
    this.#onZoom = onZoom;
    this.#height = height;
    this.#plotted.setAttribute("role", "img");
    this.#plotted.setAttribute("aria-label", `${quantity.name}: still loading`);
    this.element = h(
      "figure",
      {
        class: "chart",
        "data-testid": "chart",
        "data-quantity": quantity.name.toLowerCase(),
        "data-points": 0,
      },
      h("figcaption", {}, h("span", {}, quantity.name), h("small", {}, quantity.unit)),
      this.#plotted,
      this.#tip,
    );
    this.#plotted.style.minHeight = `${height}px`;
    this.#resized = new ResizeObserver(() => this.#resize());
    this.#resized.observe(this.#plotted);
  }

  close(): void {
    this.#resized.disconnect();
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  /** @param from @param to seconds: what the time axis shows */
  show(track: Track, from: number, to: number): void {
    this.#track = track;
    this.#from = from;
    this.#to = to;
    const filled = track.mean.filter((value) => value !== null);
    this.#plotted.setAttribute("aria-label", this.#describe(filled));
    this.element.dataset.points = `${filled.length}`;
    this.element.toggleAttribute("data-empty", filled.length === 0);
    if (filled.length === 0) {
      this.#plot?.destroy();
      this.#plot = undefined;
    } else if (this.#plot === undefined) this.recolour(true);
    else this.#plot.setData(this.#columns());
  }

  #columns(): uPlot.AlignedData {
    const { times, mean, min = mean, max = mean } = this.#track;
    return [times, mean, max, min] as unknown as uPlot.AlignedData;
  }

  #describe(values: readonly number[]): string {
    const { name, unit, digits } = this.#quantity;
    if (values.length === 0) return `${name}: nothing in this time`;
    const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => fixed(value, digits));
    const span = [this.#from, this.#to].map((time) => moment(time * 1000, 0)).join(" to ");
    return `${name} ${least} to ${most} ${unit}, newest ${fixed(values.at(-1), digits)} ${unit}; ${span}`;
  }

  #resize(): void {
    const { clientWidth } = this.#plotted;
    if (clientWidth > 0) this.#plot?.setSize({ width: clientWidth, height: this.#height });
  }

  /** Draws anew with the colours of another theme. */
  recolour(always = false): void {
    if (this.#plot === undefined && !always) return;
    this.#plot?.destroy();
    const { least, counts = false, colour: name } = this.#quantity;
    const stroke = colour(name);
    const axis = {
      font: `11px ${colour("--font")}`,
      ticks: { show: false },
      gap: 6,
      stroke: colour("--soft"),
    };
    const edge = { stroke: "transparent", width: 0, points: { show: false } };
    this.#plot = new uPlot(
      {
        width: Math.max(200, this.#plotted.clientWidth),
        height: this.#height,
        legend: { show: false },
        padding: [8, 6, 0, 0],
        cursor: {
          y: false,
          points: { size: 8 },
          drag: { x: true, y: false, setScale: false },
          sync: { key: this.#group, scales: ["x", null] },
        },
        scales: {
          x: { range: () => [this.#from, this.#to] },
          y: { range: (_plot, bottom, top) => rangeOf(bottom, top, least, counts) },
        },
        series: [{}, { stroke, width: 1.6, points: { size: 4, width: 0, fill: stroke } }, edge, edge],
        bands: [{ series: [2, 3], fill: `${stroke}2b` }],
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 70, values: timeLabels },
          { ...axis, grid: { stroke: colour("--grid"), width: 1 }, size: 44, space: 30 },
        ],
        hooks: {
          setCursor: [(plot) => this.#point(plot)],
          setSelect: [(plot) => this.#select(plot)],
          draw: [(plot) => markNewest(plot, stroke)],
        },
      },
      this.#columns(),
      this.#plotted,
    );
  }

  #select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 5) return;
    this.#onZoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  #point(plot: uPlot): void {
    const { idx, left = -1 } = plot.cursor;
    const { times, mean, min, max } = this.#track;
    const value = idx === null || idx === undefined || left < 0 ? null : mean[idx];
    if (value === null || value === undefined) {
      this.#tip.hidden = true;
      return;
    }
    const at = idx as number;
    const { digits, unit } = this.#quantity;
    const [least, most] = [min?.[at] ?? value, max?.[at] ?? value];
    const spread = least === most ? "" : `${fixed(least, digits)} to ${fixed(most, digits)}`;
    this.#tip.replaceChildren(
      h("b", {}, `${fixed(value, digits)} ${unit}`),
      ...(spread === "" ? [] : [h("span", {}, spread)]),
      h("span", {}, moment(times[at] * 1000, Date.now())),
    );
    this.#tip.hidden = false;
    const x = plot.bbox.left / devicePixelRatio + left;
    const flip = x > this.element.clientWidth / 2;
    this.#tip.style.transform = `translateX(${Math.round(flip ? x - this.#tip.offsetWidth - 10 : x + 10)}px)`;
  }
}

/** A dot at the end of the line: where things stand now. */
function markNewest(plot: uPlot, fill: string): void {
  const { ctx, data } = plot;
  const values = data[1];
  let last = values.length - 1;
  while (last >= 0 && (values[last] === null || values[last] === undefined)) last--;
  if (last < 0) return;
  ctx.beginPath();
  const [x, y] = [plot.valToPos(data[0][last], "x", true), plot.valToPos(values[last] as number, "y", true)];
  ctx.arc(x, y, 3.5 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fillStyle = fill;
  ctx.fill();
}

/** Hours and minutes, with the day where it begins; days where they are all that is told apart. */
function timeLabels(_plot: uPlot, ticks: number[], _axis: number, _space: number, step: number): string[] {
  const clock = new Intl.DateTimeFormat(
    "en-GB",
    step < 60
      ? { hour: "2-digit", minute: "2-digit", second: "2-digit" }
      : { hour: "2-digit", minute: "2-digit" },
  );
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
  const month = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric" });
  return ticks.map((time) => {
    const date = new Date(time * 1000);
    if (step >= 27 * 86_400) return month.format(date);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && step >= 3600;
    return (midnight || step >= 86_400 ? day : clock).format(date);
  });
}

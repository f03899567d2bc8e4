import uPlot from "uplot";
import { h } from "./dom.js";
import { fixed, moment } from "./format.js";
import type { Columns } from "./series.js";

const HEIGHT = 148;
/** Temperature is drawn in the upper part of the chart, humidity in the lower: two lines that never cross. */
const PART = 0.43;
const MARGIN = 0.12;

/** The page's colours, which the canvas cannot inherit. */
function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A part of the chart's height: what values it holds, and the scale of the whole height that puts them there. */
class Part {
  readonly #upper: boolean;
  /** So much is always shown, so that the noise of a calm room does not look like weather. */
  readonly #least: number;
  bottom = 0;
  top = 0;

  constructor(upper: boolean, least: number) {
    this.#upper = upper;
    this.#least = least;
  }

  scale(from: number | null, to: number | null): [number, number] {
    const middle = from === null || to === null ? 0 : (from + to) / 2;
    const span = from === null || to === null ? this.#least : Math.max(this.#least, to - from);
    this.bottom = middle - (0.5 + MARGIN) * span;
    this.top = middle + (0.5 + MARGIN) * span;
    const whole = (this.top - this.bottom) / PART;
    return this.#upper ? [this.top - whole, this.top] : [this.bottom, this.bottom + whole];
  }

  /** Ticks outside of the part belong to nobody. */
  readonly filter = (_plot: uPlot, ticks: number[]): (number | null)[] =>
    ticks.map((tick) => (tick >= this.bottom && tick <= this.top ? tick : null));

  readonly floor = (): number => this.bottom;
}

/** Temperature and humidity over time, with the values under the pointer. */
export class Chart {
  readonly element: HTMLElement;
  readonly #tip = h("div", { class: "tip", hidden: true });
  readonly #upper = new Part(true, 0.8);
  readonly #lower = new Part(false, 3);
  #plot: uPlot | undefined;
  #columns: Columns = [[], [], []];
  #from = 0;
  #to = 0;

  constructor() {
    this.element = h("div", { class: "chart", role: "img", "data-testid": "chart", "data-points": 0 });
    this.element.append(this.#tip);
    new ResizeObserver(() => this.#resize()).observe(this.element);
  }

  /** @param from @param to seconds: what the time axis shows */
  show(columns: Columns, from: number, to: number, description: string): void {
    this.#columns = columns;
    this.#from = from;
    this.#to = to;
    const { length } = columns[0];
    this.element.setAttribute("aria-label", description);
    this.element.dataset.points = `${length}`;
    this.element.toggleAttribute("data-empty", length === 0);
    if (length === 0) {
      this.#plot?.destroy();
      this.#plot = undefined;
    } else if (this.#plot === undefined) this.#draw();
    else this.#plot.setData(columns);
  }

  /** Draws anew with the colours of another theme. */
  recolour(): void {
    if (this.#plot !== undefined) this.#draw();
  }

  #resize(): void {
    const { clientWidth } = this.element;
    if (clientWidth > 0) this.#plot?.setSize({ width: clientWidth, height: HEIGHT });
  }

  #draw(): void {
    this.#plot?.destroy();
    const warm = colour("--warm");
    const cool = colour("--cool");
    const grid = { stroke: colour("--grid"), width: 1 };
    const axis = { font: `11px ${colour("--font")}`, ticks: { show: false }, gap: 6, space: 20 };
    const line = (stroke: string, part: Part) => ({
      stroke,
      width: 1.5,
      fill: `${stroke}12`,
      fillTo: part.floor,
      points: { size: 5, width: 0, fill: stroke },
    });
    const scaleAxis = (scale: string, part: Part, stroke: string, side: 1 | 3) => ({
      ...axis,
      scale,
      side,
      stroke,
      grid: { ...grid, filter: part.filter },
      size: 34,
      filter: part.filter,
      values: (_plot: uPlot, ticks: (number | null)[]) => ticks.map(tick),
    });
    this.#plot = new uPlot(
      {
        width: Math.max(200, this.element.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        padding: [4, 4, 0, 0],
        cursor: { y: false, points: { size: 8 }, drag: { x: false, y: false } },
        scales: {
          x: { range: () => [this.#from, this.#to] },
          temperature: { range: (_plot, from, to) => this.#upper.scale(from, to) },
          humidity: { range: (_plot, from, to) => this.#lower.scale(from, to) },
        },
        series: [
          {},
          { ...line(warm, this.#upper), scale: "temperature" },
          { ...line(cool, this.#lower), scale: "humidity" },
        ],
        axes: [
          {
            ...axis,
            stroke: colour("--faint"),
            grid: { show: false },
            size: 26,
            space: 64,
            values: timeLabels,
          },
          scaleAxis("temperature", this.#upper, warm, 3),
          scaleAxis("humidity", this.#lower, cool, 1),
        ],
        hooks: { setCursor: [(plot) => this.#point(plot)], draw: [markNewest] },
      },
      this.#columns,
      this.element,
    );
  }

  #point(plot: uPlot): void {
    const { idx, left = -1 } = plot.cursor;
    const [times, temperatures, humidities] = this.#columns;
    if (idx === null || idx === undefined || left < 0 || temperatures[idx] === null) {
      this.#tip.hidden = true;
      return;
    }
    this.#tip.replaceChildren(
      h("b", { class: "tip-time" }, moment(times[idx] * 1000, Date.now())),
      h("span", { class: "warm" }, `${fixed(temperatures[idx], 2)} °C`),
      h("span", { class: "cool" }, `${fixed(humidities[idx], 1)} %`),
    );
    this.#tip.hidden = false;
    const x = plot.bbox.left / devicePixelRatio + left;
    const flip = x > this.element.clientWidth / 2;
    this.#tip.style.transform = `translateX(${Math.round(flip ? x - this.#tip.offsetWidth - 10 : x + 10)}px)`;
  }
}

/** A dot at the end of each line: where things stand now. */
function markNewest(plot: uPlot): void {
  const { ctx, data } = plot;
  for (const [index, scale] of [
    [1, "temperature"],
    [2, "humidity"],
  ] as const) {
    const values = data[index];
    let last = values.length - 1;
    while (last >= 0 && values[last] === null) last--;
    if (last < 0) continue;
    ctx.beginPath();
    ctx.arc(
      plot.valToPos(data[0][last], "x", true),
      plot.valToPos(values[last] as number, scale, true),
      3 * devicePixelRatio,
      0,
      2 * Math.PI,
    );
    ctx.fillStyle = colour(index === 1 ? "--warm" : "--cool");
    ctx.fill();
  }
}

function tick(value: number | null): string {
  return value === null ? "" : fixed(value, Number.isInteger(value) ? 0 : 1);
}

/** Hours and minutes, with the day where it begins. */
function timeLabels(_plot: uPlot, ticks: number[], _axis: number, _space: number, step: number): string[] {
  const clock = new Intl.DateTimeFormat(
    "en-GB",
    step < 60
      ? { hour: "2-digit", minute: "2-digit", second: "2-digit" }
      : { hour: "2-digit", minute: "2-digit" },
  );
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
  return ticks.map((time) => {
    const date = new Date(time * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && step >= 3600;
    return (midnight ? day : clock).format(date);
  });
}

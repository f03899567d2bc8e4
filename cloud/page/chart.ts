import uPlot from "uplot";
import { h } from "./dom.js";
import { fixed, moment } from "./format.js";
import type { Columns } from "./series.js";

const HEIGHT = 132;

/** The page's colours, which the canvas cannot inherit. */
function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** At least `least` wide, so that the noise of a calm room does not look like weather. */
function padded(from: number | null, to: number | null, least: number): [number, number] {
  if (from === null || to === null) return [0, least];
  const middle = (from + to) / 2;
  const half = Math.max(least, (to - from) * 1.2) / 2;
  return [middle - half, middle + half];
}

/** Temperature and humidity over time, on their own scales, with the values under the pointer. */
export class Chart {
  readonly element: HTMLElement;
  readonly #tip = h("div", { class: "tip", hidden: true });
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
    this.element.setAttribute("aria-label", description);
    this.element.dataset.points = `${columns[0].length}`;
    if (this.#plot === undefined) this.#draw();
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
    const { clientWidth } = this.element;
    const warm = colour("--warm");
    const cool = colour("--cool");
    const font = `11px ${colour("--font")}`;
    const axis = { stroke: colour("--faint"), font, ticks: { show: false }, gap: 6 };
    const grid = { stroke: colour("--grid"), width: 1 };
    const line = { width: 1.5, points: { size: 5, width: 0 } };
    this.#plot = new uPlot(
      {
        width: Math.max(200, clientWidth),
        height: HEIGHT,
        legend: { show: false },
        padding: [8, 0, 0, 0],
        cursor: { y: false, points: { size: 8 }, drag: { x: false, y: false } },
        scales: {
          x: { range: () => [this.#from, this.#to] },
          temperature: { range: (_plot, from, to) => padded(from, to, 1) },
          humidity: { range: (_plot, from, to) => padded(from, to, 4) },
        },
        series: [
          {},
          { ...line, scale: "temperature", stroke: warm, points: { ...line.points, fill: warm } },
          { ...line, scale: "humidity", stroke: cool, points: { ...line.points, fill: cool } },
        ],
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 64, values: timeLabels },
          {
            ...axis,
            grid,
            scale: "temperature",
            size: 40,
            space: 34,
            values: (_plot, ticks) => ticks.map(tick),
          },
          {
            ...axis,
            grid: { show: false },
            scale: "humidity",
            side: 1,
            size: 34,
            space: 34,
            values: (_plot, ticks) => ticks.map(tick),
          },
        ],
        hooks: { setCursor: [(plot) => this.#point(plot)] },
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

function tick(value: number): string {
  return fixed(value, Number.isInteger(value) ? 0 : 1);
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
    return date.getHours() === 0 && date.getMinutes() === 0 && step >= 3600
      ? day.format(date)
      : clock.format(date);
  });
}

import type { NodeInfo, ReadingJson } from "../model.js";
import { Chart } from "./chart.js";
import { fetchSeries, now } from "./client.js";
import { h, setText } from "./dom.js";
import { ago, duration, fixed, plural } from "./format.js";
import { Series } from "./series.js";

/** Below this a lithium cell of a node is at its end. */
const LOW_BATTERY = 2.4;
/** A node is silent when it missed this many of its usual intervals, but not before `QUIET_MS`. */
const MISSED = 4;
const QUIET_MS = 90_000;
/** Seconds that a chart shows at least. */
const SHORTEST_SPAN = 60;

export type Health = "fresh" | "silent" | "waiting";

/** A node with its current values, its chart and how it is reached. */
export class NodeCard {
  readonly element: HTMLElement;
  readonly series = new Series();
  #node: NodeInfo;
  #visible = false;
  #loaded = false;
  #spanMs: number;
  /** Of the last request for history: an answer that comes late is not the one that is wanted. */
  #asked = 0;
  readonly #chart = new Chart();
  readonly #title = h("h3");
  readonly #label = h("p", { class: "label" });
  readonly #temperature = h(
    "span",
    { class: "number", "data-testid": "temperature", "data-none": true },
    "–",
  );
  readonly #humidity = h("span", { class: "number", "data-testid": "humidity", "data-none": true }, "–");
  readonly #seen = h("span", { "data-testid": "last-seen" });
  readonly #way = h("span", { "data-testid": "hops" });
  readonly #battery = h("span", { "data-testid": "battery" });
  readonly #refused = h("a", { href: "#events", class: "refused", "data-testid": "refused", hidden: true });

  constructor(node: NodeInfo, spanMs: number) {
    this.#node = node;
    this.#spanMs = spanMs;
    this.element = h(
      "article",
      { class: "card", "data-testid": "node-card", "data-node": node.name },
      h(
        "header",
        {},
        h("span", { class: "dot", "aria-hidden": true }),
        h("div", {}, this.#title, this.#label),
      ),
      h(
        "div",
        { class: "values" },
        h(
          "p",
          { class: "warm" },
          h("span", { class: "unseen" }, "Temperature "),
          this.#temperature,
          h("small", {}, "°C"),
        ),
        h(
          "p",
          { class: "cool" },
          h("span", { class: "unseen" }, "Humidity "),
          this.#humidity,
          h("small", {}, "%"),
        ),
      ),
      this.#chart.element,
      h("footer", {}, this.#seen, this.#way, this.#battery, this.#refused),
    );
    this.update(node);
  }

  get node(): NodeInfo {
    return this.#node;
  }

  /** History is fetched when the card first comes into view: a page with hundreds of nodes loads like one with five. */
  set visible(visible: boolean) {
    this.#visible = visible;
    if (!visible) return;
    if (this.#loaded) this.draw();
    else void this.reload();
  }

  set span(milliseconds: number) {
    this.#spanMs = milliseconds;
    this.#loaded = false;
    this.series.clear();
    if (this.#visible) void this.reload();
  }

  async reload(): Promise<void> {
    if (!this.#visible) {
      this.#loaded = false;
      return;
    }
    this.#loaded = true;
    const asked = ++this.#asked;
    const to = now();
    try {
      const points = await fetchSeries(this.#node.name, to - this.#spanMs, to, 240);
      if (asked !== this.#asked) return;
      this.series.load(points);
      this.draw();
    } catch {
      // Asked again when the stream is back, or the card comes into view.
      this.#loaded = false;
    }
  }

  update(node: NodeInfo): void {
    this.#node = node;
    const named = node.place ?? node.name;
    setText(this.#title, named);
    const parts = node.place === undefined ? [] : [node.name];
    if (node.meshAddress !== undefined) parts.push(node.meshAddress);
    setText(this.#label, parts.join(" · "));
    if (node.last !== undefined) this.#values(node.last);
    this.age();
  }

  #values(reading: ReadingJson): void {
    for (const [element, value] of [
      [this.#temperature, reading.temperature],
      [this.#humidity, reading.humidity],
    ] as const) {
      setText(element, fixed(value, 1));
      element.toggleAttribute("data-none", value === undefined);
    }
    if (reading.battery !== undefined) {
      setText(this.#battery, `${fixed(reading.battery, 2)} V`);
      this.#battery.title = "Battery";
      this.#battery.classList.toggle("low", reading.battery < LOW_BATTERY);
    }
  }

  add(reading: ReadingJson): void {
    const { last } = this.#node;
    const newest = last === undefined || reading.time >= last.time ? reading : last;
    this.update({
      ...this.#node,
      last: newest,
      lastSeen: reading.received,
      ...(reading.hops !== undefined && { hops: reading.hops }),
      ...(reading.gateway !== undefined && { gateway: reading.gateway }),
    });
    this.series.add(Date.parse(reading.time) / 1000, reading.temperature ?? null, reading.humidity ?? null);
  }

  /** Bound, so that it can stand for itself among what is to be drawn. */
  readonly draw = (): void => {
    if (!this.#visible) return;
    const to = now() / 1000;
    const from = to - this.#spanMs / 1000;
    this.series.trim(from);
    // A node that is new has a short history: it fills the chart, instead of hiding at its edge.
    const start = Math.min(to - SHORTEST_SPAN, Math.max(from, this.series.first ?? from));
    this.#chart.show(this.series.columns(), start, to, this.#describe());
  };

  recolour(): void {
    this.#chart.recolour();
  }

  #describe(): string {
    const span = duration(this.#spanMs / 1000);
    const extremes = this.series.extremes();
    if (extremes === undefined) return `No readings in the last ${span}`;
    const { temperature, humidity } = extremes;
    return (
      `Last ${span}: temperature ${fixed(temperature[0], 1)} to ${fixed(temperature[1], 1)} °C, ` +
      `humidity ${fixed(humidity[0], 1)} to ${fixed(humidity[1], 1)} %`
    );
  }

  get health(): Health {
    const { lastSeen } = this.#node;
    if (lastSeen === undefined) return "waiting";
    // Down-sampled history stretches the interval, so it only ever makes the judgement milder.
    const limit = Math.max(QUIET_MS, MISSED * 1000 * (this.series.interval ?? 0));
    return now() - Date.parse(lastSeen) > limit ? "silent" : "fresh";
  }

  /** What changes by itself as time goes on. */
  age(): void {
    const { lastSeen, hops, gateway, refused } = this.#node;
    const { health } = this;
    this.element.dataset.health = health;
    setText(
      this.#seen,
      lastSeen === undefined
        ? "waiting for its first reading"
        : `${health === "silent" ? "silent, last seen " : ""}${ago(Date.parse(lastSeen), now())}`,
    );
    const way = [
      ...(hops === undefined ? [] : [plural(hops, "hop")]),
      ...(gateway === undefined ? [] : [gateway]),
    ];
    setText(this.#way, way.join(" → "));
    this.#refused.hidden = refused === 0;
    setText(this.#refused, `${refused} refused`);
  }
}

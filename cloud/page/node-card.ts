import type { NodeInfo, ReadingJson } from "../model.js";
import { LOW_BATTERY } from "../watch.js";
import { api, now } from "./client.js";
import { h, link, s, setText } from "./dom.js";
import { ago, fixed, plural, volts } from "./format.js";
import { deviceHref } from "./router.js";
import { Series } from "./series.js";
import { sparkline } from "./sparkline.js";
import { deviceState, vitalsOf } from "./vitals.js";

const WIDTH = 300;
/** Temperature in the upper half, humidity in the lower: two lines that never cross. */
const UPPER = { width: WIDTH, top: 6, bottom: 42 };
const LOWER = { width: WIDTH, top: 54, bottom: 90 };
const POINTS = 90;
/** Seconds that a line shows at least. */
const SHORTEST_SPAN = 60;

/** A node with its current values, how they went lately, and how it is reached. */
export class NodeCard {
  readonly element: HTMLElement;
  readonly #series = new Series();
  #node: NodeInfo;
  #spanMs: number;
  /** Of the last request for history: an answer that comes late is not the one that is wanted. */
  #asked = 0;
  readonly #title = link("", "");
  readonly #label = h("p", { class: "label" });
  readonly #temperature = h(
    "span",
    { class: "number", "data-testid": "temperature", "data-none": true },
    "–",
  );
  readonly #humidity = h("span", { class: "number", "data-testid": "humidity", "data-none": true }, "–");
  readonly #lines = s("svg", {
    class: "spark",
    viewBox: `0 0 ${WIDTH} 96`,
    preserveAspectRatio: "none",
    "aria-hidden": true,
    "data-testid": "spark",
    "data-points": 0,
  });
  readonly #seen = h("span", { "data-testid": "last-seen" });
  readonly #way = h("span", { "data-testid": "hops" });
  readonly #battery = h("span", { "data-testid": "battery", title: "Battery" });
  readonly #refused = link("", "", { class: "refused", "data-testid": "refused" });

  constructor(node: NodeInfo, spanMs: number) {
    this.#node = node;
    this.#spanMs = spanMs;
    this.element = h(
      "li",
      { class: "card", "data-testid": "node-card", "data-node": node.name },
      h(
        "header",
        {},
        h("span", { class: "dot", "aria-hidden": true }),
        h("div", {}, h("h3", {}, this.#title), this.#label),
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
      this.#lines,
      h("footer", {}, this.#seen, this.#way, this.#battery, this.#refused),
    );
    this.#title.href = deviceHref(node.name);
    this.#refused.href = `#/events?node=${encodeURIComponent(node.name)}&kind=security`;
    this.update(node);
  }

  get node(): NodeInfo {
    return this.#node;
  }

  set span(milliseconds: number) {
    this.#spanMs = milliseconds;
    this.#series.clear();
    void this.reload();
  }

  async reload(): Promise<void> {
    const asked = ++this.#asked;
    const to = now();
    try {
      const points = await api.series(this.#node.name, to - this.#spanMs, to, POINTS);
      if (asked !== this.#asked) return;
      this.#series.load(points);
      this.draw();
    } catch {
      // Asked again when the stream is back.
    }
  }

  update(node: NodeInfo): void {
    this.#node = node;
    setText(this.#title, node.place ?? node.name);
    const parts = [node.place === undefined ? undefined : node.name, node.meshAddress];
    setText(this.#label, parts.filter((part) => part !== undefined).join(" · "));
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
      setText(this.#battery, volts(reading.battery));
      this.#battery.classList.toggle("low", reading.battery < LOW_BATTERY);
    }
  }

  add(reading: ReadingJson): void {
    this.update(withReading(this.#node, reading));
    // Its point is there already, at another time; the next look at the history puts it right.
    if (reading.corrected) return;
    this.#series.add(Date.parse(reading.time) / 1000, reading.temperature ?? null, reading.humidity ?? null);
  }

  /** Bound, so that it can stand for itself among what is to be drawn. */
  readonly draw = (): void => {
    const to = now() / 1000;
    const from = to - this.#spanMs / 1000;
    this.#series.trim(from);
    // A node that is new has a short history: it fills the width, instead of hiding at its edge.
    const start = Math.min(to - SHORTEST_SPAN, Math.max(from, this.#series.first ?? from));
    const [times, temperatures, humidities] = this.#series.columns();
    this.#lines.dataset.points = `${this.#series.length}`;
    const upper = sparkline(times, temperatures, start, to, UPPER, 0.8);
    const lower = sparkline(times, humidities, start, to, LOWER, 3);
    this.#lines.replaceChildren(
      ...[[upper, "warm"] as const, [lower, "cool"] as const].flatMap(([{ line, area }, kind]) => [
        s("path", { d: area, class: `${kind} area` }),
        s("path", { d: line, class: `${kind} line` }),
      ]),
    );
  };

  /** What changes by itself as time goes on. */
  age(): void {
    const { lastSeen, hops, gateway, refused } = this.#node;
    const state = deviceState(this.#node);
    this.element.dataset.state = state;
    const seen = vitalsOf(this.#node).lastSeen;
    setText(
      this.#seen,
      lastSeen === undefined
        ? "waiting for its first reading"
        : `${state === "silent" ? "silent, last seen " : ""}${ago(seen ?? 0, now())}`,
    );
    const way = [hops === undefined ? undefined : plural(hops, "hop"), gateway];
    setText(this.#way, way.filter((part) => part !== undefined).join(" → "));
    this.#refused.hidden = refused === 0;
    setText(this.#refused, `${refused} refused`);
  }
}

/** What is known of a node when a reading of it has come. */
export function withReading(node: NodeInfo, reading: ReadingJson): NodeInfo {
  const { last } = node;
  return {
    ...node,
    last: last === undefined || reading.time >= last.time ? reading : last,
    lastSeen: reading.received,
    ...(reading.hops !== undefined && { hops: reading.hops }),
    ...(reading.gateway !== undefined && { gateway: reading.gateway }),
  };
}

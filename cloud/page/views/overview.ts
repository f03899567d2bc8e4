import type { EventJson, NodeInfo, ReadingJson } from "../../model.js";
import { alarmText } from "../alarm-rows.js";
import { api, now } from "../client.js";
import { h, link, segments, setText, throttled } from "../dom.js";
import { EventRows } from "../event-rows.js";
import { ago, count, fixed, plural } from "../format.js";
import { MeshMap } from "../map.js";
import { NodeCard } from "../node-card.js";
import { deviceHref, hrefOf } from "../router.js";
import type { Context, View } from "../view.js";

const MINUTE = 60_000;
const SPANS = [
  ["15m", "15 min", 15 * MINUTE],
  ["1h", "1 h", 60 * MINUTE],
  ["6h", "6 h", 360 * MINUTE],
  ["1d", "1 day", 1440 * MINUTE],
  ["7d", "7 days", 10_080 * MINUTE],
] as const;
/** Cards that are drawn; the list has all nodes. */
const CARDS = 24;
const EVENTS = 5;
/** Alarms that the strip names. */
const NAMED = 3;
const MESH_MS = 3000;

/** Of this tab, for as long as it is open. */
let chosen: string = "1h";

function spanMs(): number {
  return SPANS.find(([name]) => name === chosen)?.[2] ?? 60 * MINUTE;
}

/** How it is with everything, at a glance. */
export class OverviewView implements View {
  readonly title = "Overview";
  readonly element: HTMLElement;
  readonly #context: Context;
  readonly #strip = h("section", {
    class: "strip",
    "aria-label": "Alarms",
    "data-testid": "strip",
    hidden: true,
  });
  readonly #figures = h("section", { class: "summary", "aria-label": "Summary", "data-testid": "summary" });
  readonly #map = new MeshMap();
  readonly #unknown = h("p", { class: "note", "data-testid": "unknown", hidden: true });
  readonly #cards = h("ul", { class: "cards" });
  readonly #all = h("p", { class: "after" });
  readonly #feed = new EventRows(EVENTS);
  readonly #byName = new Map<string, NodeCard>();
  #total = 0;
  readonly #loadMesh = throttled(MESH_MS, () => {
    api.mesh().then(
      (mesh) => this.#map.show(mesh),
      () => {},
    );
  });
  /** Parts that changed are drawn together, once per frame, however fast readings come. */
  readonly #dirty = new Set<NodeCard>();

  constructor(context: Context) {
    this.#context = context;
    const span = segments(
      "span",
      "Time shown on the cards",
      SPANS.map(([name, label]) => [name, label] as const),
      chosen,
      (name) => {
        chosen = name;
        for (const card of this.#byName.values()) card.span = spanMs();
      },
    );
    this.element = h(
      "div",
      {},
      h("h1", { class: "unseen", tabindex: -1 }, "Overview"),
      this.#strip,
      this.#figures,
      h(
        "div",
        { class: "columns" },
        h(
          "section",
          { "aria-labelledby": "map-title" },
          heading("map-title", "Mesh"),
          h("div", { class: "panel" }, this.#map.element),
          this.#unknown,
        ),
        h(
          "section",
          { "aria-labelledby": "events-title" },
          heading("events-title", "Events", link(hrefOf("events"), "All events", { class: "more" })),
          this.#feed.element,
        ),
      ),
      h(
        "section",
        { "aria-labelledby": "nodes-title" },
        heading("nodes-title", "Nodes", span),
        this.#cards,
        this.#all,
      ),
    );
  }

  async load(): Promise<void> {
    const [nodes, events, mesh] = await Promise.all([
      api.nodes({ kind: "node", sort: "name", limit: CARDS }),
      api.events({ limit: EVENTS }),
      api.mesh(),
    ]);
    this.#total = nodes.total;
    const names = new Set(nodes.items.map(({ name }) => name));
    for (const name of this.#byName.keys()) if (!names.has(name)) this.#byName.delete(name);
    for (const node of nodes.items) this.#put(node);
    this.#drawCards();
    this.#feed.put(events);
    this.#feed.draw();
    this.#map.show(mesh);
    this.onPulse();
    await Promise.all([...this.#byName.values()].map((card) => card.reload()));
  }

  #put(node: NodeInfo): NodeCard {
    const known = this.#byName.get(node.name);
    if (known !== undefined) {
      known.update(node);
      return known;
    }
    const card = new NodeCard(node, spanMs());
    this.#byName.set(node.name, card);
    return card;
  }

  #drawCards(): void {
    const cards = [...this.#byName.values()].sort((a, b) => natural.compare(a.node.name, b.node.name));
    this.#cards.replaceChildren(...cards.map(({ element }) => element));
    this.#cards.hidden = cards.length === 0;
    this.#all.replaceChildren(
      this.#total === 0
        ? "No nodes are registered yet."
        : link(
            hrefOf("nodes"),
            this.#total > cards.length ? `All ${count(this.#total)} nodes` : "Nodes as a list",
          ),
    );
  }

  onReading(reading: ReadingJson): void {
    this.#map.pulse(reading);
    const card = this.#byName.get(reading.node);
    if (card === undefined) return;
    card.add(reading);
    if (this.#dirty.size === 0) {
      requestAnimationFrame(() => {
        for (const one of this.#dirty) one.draw();
        this.#dirty.clear();
      });
    }
    this.#dirty.add(card);
  }

  onEvent(event: EventJson): void {
    this.#feed.put([event]);
    this.#feed.draw();
  }

  onNode(node: NodeInfo): void {
    if (node.kind !== "node") this.#loadMesh();
    else if (this.#byName.has(node.name)) this.#put(node);
    else if (this.#byName.size < CARDS) {
      this.#total++;
      void this.#put(node).reload();
      this.#drawCards();
      this.#loadMesh();
    }
  }

  onRemoved(name: string): void {
    this.#loadMesh();
    if (!this.#byName.delete(name)) return;
    this.#total--;
    this.#drawCards();
  }

  onPulse(): void {
    this.#drawStrip();
    this.#drawFigures();
    this.#loadMesh();
  }

  #drawStrip(): void {
    const { open, alarms } = this.#context;
    this.#strip.hidden = open.length === 0;
    if (open.length === 0) return;
    const more = alarms.total - alarms.items.length + open.length - NAMED;
    this.#strip.replaceChildren(
      link(hrefOf("alarms"), plural(open.length + alarms.total - alarms.items.length, "alarm"), {
        class: "strip-count",
      }),
      h(
        "ul",
        {},
        ...open
          .slice(0, NAMED)
          .map((alarm) =>
            h("li", {}, link(deviceHref(alarm.node), alarm.place ?? alarm.node), ` ${alarmText(alarm)}`),
          ),
        more > 0 && h("li", {}, link(hrefOf("alarms"), `${count(more)} more`)),
      ),
    );
  }

  #drawFigures(): void {
    const { summary } = this.#context;
    if (summary === undefined) return;
    const { nodes, gateways, relays, refused, temperature, unknown } = summary;
    const figure = (name: string, href: string, number: string, label: string, alarming = false) =>
      h(
        "a",
        { href, "data-figure": name, class: alarming ? "alarming" : undefined },
        h("b", { class: "figure-number", "data-testid": `count-${name}` }, number),
        h("span", { class: "figure-label" }, label),
      );
    const rows = [
      figure(
        "reporting",
        hrefOf("nodes"),
        count(nodes.fresh),
        `of ${plural(nodes.total, "node")} reporting`,
        nodes.silent > 0,
      ),
      figure(
        "gateways",
        hrefOf("nodes", { kind: "gateway" }),
        count(gateways.connected),
        `of ${plural(gateways.total, "gateway")} connected`,
        gateways.connected < gateways.total,
      ),
      figure(
        "relays",
        hrefOf("nodes", { kind: "relay" }),
        count(relays),
        relays === 1 ? "relay, blind" : "relays, all blind",
      ),
      ...(temperature === undefined
        ? []
        : [
            figure(
              "range",
              hrefOf("nodes", { sort: "temperature", order: "desc" }),
              temperature.map((value) => fixed(value, 1)).join(" – "),
              "°C across all nodes",
            ),
          ]),
      figure(
        "refused",
        hrefOf("events", { kind: "security" }),
        count(refused),
        "attempts refused",
        refused > 0,
      ),
    ];
    const texts = rows.map(({ outerHTML }) => outerHTML).join();
    if (texts !== [...this.#figures.children].map(({ outerHTML }) => outerHTML).join())
      this.#figures.replaceChildren(...rows);
    this.#unknown.hidden = unknown === undefined;
    if (unknown !== undefined) {
      setText(
        this.#unknown,
        `${plural(unknown.senders, "unknown device")} spoke ${unknown.messages === 1 ? "once" : `${count(unknown.messages)} times`}, ` +
          `last ${ago(Date.parse(unknown.last), now())}${unknown.gateway === undefined ? "" : ` through ${unknown.gateway}`} ` +
          `(kid ${unknown.kids.map((kid) => (kid === "" ? "empty" : kid)).join(", ")}). Nothing of it is taken before it is registered.`,
      );
    }
  }

  age(): void {
    for (const card of this.#byName.values()) card.age();
    this.#feed.age();
  }

  close(): void {
    this.#loadMesh.cancel();
  }
}

const natural = new Intl.Collator("en", { numeric: true });

export function heading(id: string, text: string, ...beside: HTMLElement[]): HTMLElement {
  return h("div", { class: "heading" }, h("h2", { id }, text), ...beside);
}

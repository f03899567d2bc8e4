import type { ReadingJson } from "../model.js";
import type { MeshJson } from "../overview-json.js";
import { h, link, s } from "./dom.js";
import { count, plural, shortened } from "./format.js";
import { type Layout, layOut, type PlacedNode, type System } from "./map-layout.js";
import { deviceHref, hrefOf } from "./router.js";

/** More than these are not each a stop of the keyboard: the list below the map has them all. */
const STOPS = 40;

/** The live map of the mesh: who is heard through which gateway, over how many hops. */
export class MeshMap {
  readonly element: HTMLElement;
  readonly #drawing = h("div", { class: "map-drawing" });
  readonly #list = h("details", { class: "map-list" }, h("summary", {}, "The same as a list"));
  #mesh: MeshJson | undefined;
  #width = 0;
  readonly #lines = new Map<string, SVGElement>();

  constructor() {
    this.element = h("div", { class: "map", "data-testid": "map" }, this.#drawing, this.#list);
    new ResizeObserver(() => {
      if (this.#drawing.clientWidth !== this.#width) this.#draw();
    }).observe(this.#drawing);
    // Ends what `pulse` began.
    this.#drawing.addEventListener("animationend", ({ target }) => (target as Element).remove());
  }

  show(mesh: MeshJson): void {
    // The same drawing again would only take the focus away.
    if (JSON.stringify(mesh) === JSON.stringify(this.#mesh)) return;
    this.#mesh = mesh;
    this.#draw();
    this.#list.replaceChildren(this.#list.firstElementChild!, ...lists(mesh));
  }

  /** A reading came this way. */
  pulse({ node }: ReadingJson): void {
    const line = this.#lines.get(node);
    if (line === undefined || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const pulse = line.cloneNode() as SVGElement;
    pulse.setAttribute("class", "pulse");
    line.after(pulse);
  }

  #draw(): void {
    const width = this.#drawing.clientWidth;
    if (this.#mesh === undefined || width === 0) return;
    this.#width = width;
    const focused = (document.activeElement as HTMLElement | null)?.closest<SVGElement>(".map-drawing a")
      ?.dataset.name;
    const layout = layOut(this.#mesh, width);
    this.#lines.clear();
    this.#drawing.replaceChildren(
      ...(layout.systems.length === 0
        ? [h("p", { class: "empty" }, "No gateway is registered yet.")]
        : [this.#svg(layout)]),
    );
    if (focused !== undefined) {
      this.#drawing.querySelector<SVGElement>(`a[data-name=${CSS.escape(focused)}]`)?.focus();
    }
  }

  #svg(layout: Layout): SVGElement {
    const { width, height, systems, bridges, named } = layout;
    const stops = systems.reduce((sum, { nodes }) => sum + nodes.length, 0) <= STOPS;
    return s(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": describe(layout) },
      ...systems.flatMap(({ x, y, rings }) =>
        rings.map(({ rx, ry, crowded }) =>
          s("ellipse", { cx: x, cy: y, rx, ry, class: crowded ? "ring crowded" : "ring" }),
        ),
      ),
      ...bridges.map(({ from, to }) =>
        s("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y, class: "bridge" }),
      ),
      ...systems.flatMap((system) => system.nodes.map((node) => this.#spoke(system, node))),
      ...systems.flatMap((system) => ringNames(system)),
      ...systems.map((system) => gatewayMark(system)),
      ...systems.flatMap((system) => system.nodes.map((node) => nodeMark(node, named, stops))),
    );
  }

  #spoke({ x, y }: System, { node, x: endX, y: endY }: PlacedNode): SVGElement {
    // From the node to its gateway: the way that a pulse runs.
    const line = s("line", {
      x1: endX,
      y1: endY,
      x2: x,
      y2: y,
      class: "spoke",
      "data-state": node.state,
      pathLength: 100,
    });
    this.#lines.set(node.name, line);
    return line;
  }
}

function ringNames({ x, y, rings, gateway }: System): SVGElement[] {
  return rings.map(({ hops, count: nodes, ry, crowded }) => {
    const text = s(
      "text",
      { x, y: y - ry + 4, class: "ring-name" },
      crowded ? `${plural(hops, "hop")} · ${count(nodes)}` : plural(hops, "hop"),
    );
    if (!crowded) return text;
    return s("a", { href: hrefOf("nodes", { gateway: gateway.name, hops }) }, text);
  });
}

function gatewayMark({ gateway, x, y }: System): SVGElement {
  const label = gateway.place ?? gateway.name;
  const state = gateway.connected ? "connected" : "not connected";
  return s(
    "a",
    {
      href: deviceHref(gateway.name),
      class: "map-gateway",
      "data-name": gateway.name,
      "data-state": gateway.connected ? "fresh" : "silent",
    },
    s("title", {}, `Gateway ${label}: ${state}`),
    s("rect", { x: x - 9, y: y - 9, width: 18, height: 18, rx: 5 }),
    s("text", { x, y: y + 25, class: "map-name" }, shortened(label, 16)),
  );
}

function nodeMark(
  { node, x, y, anchor, hops, gateway }: PlacedNode,
  named: boolean,
  stop: boolean,
): SVGElement {
  const label = node.place ?? node.name;
  const words = { fresh: "heard", silent: "silent", waiting: "waiting for its first reading" }[node.state];
  const offset = anchor === "start" ? 10 : anchor === "end" ? -10 : 0;
  return s(
    "a",
    {
      href: deviceHref(node.name),
      class: "map-node",
      "data-name": node.name,
      "data-state": node.state,
      tabindex: stop ? undefined : -1,
    },
    s("title", {}, `${label}: ${plural(hops, "hop")} from ${gateway}, ${words}`),
    s("circle", { cx: x, cy: y, r: 12, class: "hit" }),
    s("circle", { cx: x, cy: y, r: named ? 5.5 : 4 }),
    named &&
      s(
        "text",
        { x: x + offset, y: y + (anchor === "middle" ? 19 : 4), class: `map-name ${anchor}` },
        shortened(label, 11),
      ),
  );
}

function describe({ systems }: Layout): string {
  const parts = systems.map(({ gateway, rings }) => {
    const nodes = rings.map(
      ({ hops, count: nodes }) => `${plural(nodes, "node")} over ${plural(hops, "hop")}`,
    );
    return `${gateway.name} hears ${nodes.length === 0 ? "nobody" : nodes.join(", ")}`;
  });
  return `Map of the mesh: ${parts.join("; ")}`;
}

/** Who is how far away, in words. */
function lists({ gateways, unheard }: MeshJson): HTMLElement[] {
  const row = (
    name: string,
    nodes: readonly { name: string; place?: string }[],
    total: number,
    all: string,
  ) =>
    h(
      "div",
      {},
      h("dt", {}, name),
      h(
        "dd",
        {},
        ...nodes.map(({ name: node, place }) => link(deviceHref(node), place ?? node, { class: "chip" })),
        total > nodes.length && link(all, `${count(total - nodes.length)} more`, { class: "chip" }),
      ),
    );
  const found = gateways.map(({ name, place, rings }) =>
    h(
      "section",
      {},
      h("h3", {}, place ?? name),
      rings.length === 0
        ? h("p", { class: "quiet" }, "Hears nobody.")
        : h(
            "dl",
            { class: "rings", "data-testid": "heard" },
            ...rings.map(({ hops, count: total, nodes }) =>
              row(plural(hops, "hop"), nodes, total, hrefOf("nodes", { gateway: name, hops })),
            ),
          ),
    ),
  );
  if (unheard.count === 0) return found;
  const all = hrefOf("nodes");
  return [
    ...found,
    h(
      "section",
      {},
      h("h3", {}, "Heard by no gateway"),
      h("dl", { class: "rings" }, row(plural(unheard.count, "node"), unheard.nodes, unheard.count, all)),
    ),
  ];
}

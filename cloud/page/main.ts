import "./page.css";
import type { EventKind, NodeInfo } from "../model.js";
import { type Connection, fetchEvents, fetchNodes, listen } from "./client.js";
import { arrange, byId, h, segments, setText } from "./dom.js";
import { EventFeed } from "./event-feed.js";
import { count, fixed, plural } from "./format.js";
import { gatewayCard, isConnected } from "./gateway-card.js";
import { NodeCard } from "./node-card.js";

const MINUTE = 60_000;
const SPANS = {
  "15m": 15 * MINUTE,
  "1h": 60 * MINUTE,
  "6h": 360 * MINUTE,
  "1d": 1440 * MINUTE,
  "7d": 10_080 * MINUTE,
};
type Span = keyof typeof SPANS;
const LABELS: readonly (readonly [Span, string])[] = [
  ["15m", "15 min"],
  ["1h", "1 h"],
  ["6h", "6 h"],
  ["1d", "1 day"],
  ["7d", "7 days"],
];

const cards = new Map<string, NodeCard>();
/** Gateways and relays. */
const others = new Map<string, NodeInfo>();
const feed = new EventFeed(byId("feed"), byId("more"));
let span: Span = savedSpan();
let arrived = 0;

function savedSpan(): Span {
  const saved = location.hash.slice(1);
  return saved in SPANS ? (saved as Span) : "1h";
}

// Parts that changed are drawn together, once per frame, however fast readings come.
const dirty = new Set<() => void>();
function soon(draw: () => void): void {
  if (dirty.size === 0) {
    requestAnimationFrame(() => {
      const draws = [...dirty];
      dirty.clear();
      for (const one of draws) one();
    });
  }
  dirty.add(draw);
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const card = cards.get((target as HTMLElement).dataset.node ?? "");
      if (card !== undefined) card.visible = isIntersecting;
    }
  },
  { rootMargin: "200px" },
);

function putNode(node: NodeInfo): void {
  if (node.kind !== "node") {
    others.set(node.name, node);
    soon(drawGateways);
    soon(drawSummary);
    return;
  }
  const known = cards.get(node.name);
  if (known !== undefined) known.update(node);
  else {
    const card = new NodeCard(node, SPANS[span]);
    cards.set(node.name, card);
    seen.observe(card.element);
  }
  soon(drawCards);
  soon(drawSummary);
}

function remove(name: string): void {
  const card = cards.get(name);
  if (card !== undefined) seen.unobserve(card.element);
  cards.delete(name);
  others.delete(name);
  soon(drawCards);
  soon(drawGateways);
  soon(drawSummary);
}

const natural = new Intl.Collator("en", { numeric: true });

function drawCards(): void {
  const sorted = [...cards.values()].sort((a, b) => natural.compare(a.node.name, b.node.name));
  if (sorted.length > 0) {
    arrange(
      byId("cards"),
      sorted.map(({ element }) => element),
    );
  } else byId("cards").replaceChildren(h("p", { class: "empty" }, "No nodes are registered yet."));
}

function nameOf(meshAddress: string): string | undefined {
  for (const { node } of cards.values()) if (node.meshAddress === meshAddress) return node.name;
  for (const node of others.values()) if (node.meshAddress === meshAddress) return node.name;
  return undefined;
}

function drawGateways(): void {
  const gateways = [...others.values()].filter(({ kind }) => kind === "gateway");
  const open = new Set(
    [...byId("gateways").querySelectorAll("details[open]")].map(
      (details) => details.closest<HTMLElement>("[data-node]")?.dataset.node,
    ),
  );
  const elements = gateways
    .sort((a, b) => natural.compare(a.name, b.name))
    .map((gateway) => {
      const element = gatewayCard(gateway, nameOf);
      if (open.has(gateway.name)) element.querySelector("details")?.setAttribute("open", "");
      return element;
    });
  byId("gateways").replaceChildren(
    ...(elements.length > 0 ? elements : [h("p", { class: "empty" }, "No gateway is registered yet.")]),
  );
}

const figures = new Map<string, { element: HTMLElement; number: HTMLElement; label: HTMLElement }>();

/** A number that leads to where it comes from. */
function figure(name: string, target: string, number: string, label: string, alarming = false): void {
  let parts = figures.get(name);
  if (parts === undefined) {
    parts = {
      number: h("b", { class: "figure-number", "data-testid": `count-${name}` }),
      label: h("span", { class: "figure-label" }),
      element: h("a", { href: target, "data-figure": name }),
    };
    parts.element.append(parts.number, parts.label);
    figures.set(name, parts);
    byId("summary").append(parts.element);
  }
  setText(parts.number, number);
  setText(parts.label, label);
  parts.element.classList.toggle("alarming", alarming);
}

function drawSummary(): void {
  const all = [...cards.values()];
  const fresh = all.filter(({ health }) => health === "fresh");
  const silent = all.some(({ health }) => health === "silent");
  figure("reporting", "#nodes", `${fresh.length}`, `of ${plural(all.length, "node")} reporting`, silent);
  const temperatures = fresh.map(({ node }) => node.last?.temperature).filter((value) => value !== undefined);
  if (temperatures.length > 0) {
    const [least, most] = [Math.min(...temperatures), Math.max(...temperatures)];
    figure("range", "#nodes", `${fixed(least, 1)} – ${fixed(most, 1)} °C`, "across all nodes now");
  }
  const gateways = [...others.values()].filter(({ kind }) => kind === "gateway");
  const connected = gateways.filter(isConnected).length;
  const label = `of ${plural(gateways.length, "gateway")} connected`;
  figure("gateways", "#gateways-title", `${connected}`, label, connected < gateways.length);
  figure("arrived", "#nodes", count(arrived), "readings since you opened this");
  figure("refused", "#events", count(feed.refused), "attempts refused", feed.refused > 0);
}

function showConnection(state: Connection): void {
  const element = byId("connection");
  element.dataset.state = state;
  setText(
    element,
    { connecting: "Connecting…", live: "Live", lost: "Connection lost, trying again…" }[state],
  );
}

async function refresh(): Promise<void> {
  const [nodes, events] = await Promise.all([fetchNodes(), fetchEvents(100)]);
  const names = new Set(nodes.map(({ name }) => name));
  for (const name of [...cards.keys(), ...others.keys()]) if (!names.has(name)) remove(name);
  for (const node of nodes) putNode(node);
  for (const event of events) feed.put(event);
  for (const card of cards.values()) void card.reload();
  soon(drawCards);
  soon(drawGateways);
  soon(drawSummary);
  soon(drawFeed);
}

function drawFeed(): void {
  feed.draw();
}

showConnection("connecting");
segments(byId("span"), LABELS, span, (value) => {
  span = value;
  history.replaceState(null, "", `#${value}`);
  for (const card of cards.values()) card.span = SPANS[value];
});
segments<EventKind | "all">(
  byId("filter"),
  [
    ["all", "All"],
    ["security", "Security"],
    ["system", "System"],
  ],
  "all",
  (kind) => {
    feed.shown = kind;
  },
);

listen({
  onConnection(state) {
    showConnection(state);
    // Whatever was missed in between: the stream itself has no memory.
    if (state === "live") refresh().catch(() => showConnection("lost"));
  },
  onReading(reading) {
    arrived++;
    const card = cards.get(reading.node);
    if (card !== undefined) {
      card.add(reading);
      soon(card.draw);
    }
    soon(drawSummary);
  },
  onEvent(event) {
    feed.put(event);
    soon(drawFeed);
    soon(drawSummary);
  },
  onNode: putNode,
  onRemoved: remove,
});

// Ages go on without the server.
setInterval(() => {
  for (const card of cards.values()) card.age();
  feed.age();
  drawSummary();
}, 1000);
setInterval(() => {
  for (const card of cards.values()) card.draw();
  soon(drawGateways);
}, 10_000);

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const card of cards.values()) card.recolour();
});

import type { NodeInfo } from "../model.js";
import { now } from "./client.js";
import { h } from "./dom.js";
import { ago, count, duration, plural } from "./format.js";

/** dBm of RSRP from which each bar is lit (as phones show LTE). */
const BARS = [-125, -115, -105, -95] as const;

/** Without a report for so long, nothing is known of it: a few of its usual intervals of a minute. */
const SILENT_MS = 240_000;

const STATES: Readonly<Record<string, string>> = {
  ready: "connected",
  asleep: "asleep, wakes to send",
  registering: "looking for the network",
  opening: "opening its socket",
  starting: "starting",
  recovering: "recovering",
  stopping: "stopping",
  off: "off",
};

/** A gateway as it described itself in its last protected report. Made anew for each: reports come once a minute or less. */
export function gatewayCard(
  gateway: NodeInfo,
  nameOf: (meshAddress: string) => string | undefined,
): HTMLElement {
  const { health } = gateway;
  return h(
    "article",
    {
      class: "card gateway",
      "data-testid": "gateway-card",
      "data-node": gateway.name,
      "data-health": health === undefined ? "waiting" : isConnected(gateway) ? "fresh" : "silent",
    },
    h(
      "header",
      {},
      h("span", { class: "dot", "aria-hidden": true }),
      h("div", {}, h("h3", {}, gateway.place ?? gateway.name), h("p", { class: "label" }, label(gateway))),
      ...(health?.rsrp === undefined ? [] : [signal(health.rsrp)]),
    ),
    ...(health === undefined
      ? [h("p", { class: "quiet" }, "It has not reported yet.")]
      : [facts(gateway), heard(health.heard ?? {}, nameOf), drops(health.drops ?? {})]),
  );
}

/** It reported lately, and was not looking for the network then. */
export function isConnected({ health }: NodeInfo): boolean {
  if (health === undefined || now() - Date.parse(health.time) > SILENT_MS) return false;
  return health.modem === undefined || health.modem === "ready" || health.modem === "asleep";
}

function label(gateway: NodeInfo): string {
  const parts = gateway.place === undefined ? [] : [gateway.name];
  if (gateway.meshAddress !== undefined) parts.push(gateway.meshAddress);
  const { health } = gateway;
  if (health !== undefined && now() - Date.parse(health.time) > SILENT_MS) parts.push("silent");
  else if (health?.modem !== undefined) parts.push(STATES[health.modem] ?? health.modem);
  return parts.join(" · ");
}

function signal(rsrp: number): HTMLElement {
  const lit = BARS.filter((least) => rsrp >= least).length;
  return h(
    "div",
    { class: "signal", title: `RSRP ${rsrp} dBm` },
    h(
      "span",
      { class: "bars", "aria-hidden": true },
      ...BARS.map((_, index) => h("i", index < lit ? { class: "lit" } : {})),
    ),
    h(
      "span",
      { "data-testid": "rsrp" },
      h("span", { class: "unseen" }, "Signal "),
      `${rsrp} dBm`.replace("-", "−"),
    ),
  );
}

function facts({ health }: NodeInfo): HTMLElement {
  const rows: [string, string][] = [];
  if (health?.rat !== undefined) rows.push(["Radio", health.rat]);
  if (health?.queue !== undefined) rows.push(["Waiting", count(health.queue)]);
  if (health?.uptime !== undefined) rows.push(["Up for", duration(health.uptime)]);
  if (health?.resetReason !== undefined) rows.push(["Started by", health.resetReason]);
  if (health?.battery !== undefined) rows.push(["Supply", `${health.battery.toFixed(2)} V`]);
  rows.push(["Reported", ago(Date.parse(health!.time), now())]);
  return h(
    "dl",
    { class: "facts" },
    ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/** Who is how far away. */
function heard(
  hops: Readonly<Record<string, number>>,
  nameOf: (address: string) => string | undefined,
): HTMLElement {
  const rings = new Map<number, string[]>();
  for (const [address, distance] of Object.entries(hops).sort(([a], [b]) => a.localeCompare(b))) {
    rings.set(distance, [...(rings.get(distance) ?? []), nameOf(address) ?? address]);
  }
  const rows = [...rings].sort(([a], [b]) => a - b);
  if (rows.length === 0) return h("p", { class: "quiet" }, "Hears nobody.");
  return h(
    "dl",
    { class: "rings", "data-testid": "heard" },
    ...rows.map(([distance, names]) =>
      h(
        "div",
        {},
        h("dt", {}, plural(distance, "hop")),
        h("dd", {}, ...names.map((name) => h("span", { class: "chip" }, name))),
      ),
    ),
  );
}

function drops(counts: Readonly<Record<string, number>>): HTMLElement {
  const rows = Object.entries(counts)
    .filter(([, value]) => value > 0)
    .sort(([, a], [, b]) => b - a);
  if (rows.length === 0) return h("p", { class: "quiet" }, "Nothing dropped.");
  const total = rows.reduce((sum, [, value]) => sum + value, 0);
  return h(
    "details",
    { class: "drops" },
    h("summary", {}, `${count(total)} dropped since its start`),
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        ...rows.map(([reason, value]) =>
          h("tr", {}, h("th", { scope: "row" }, reason), h("td", {}, count(value))),
        ),
      ),
    ),
  );
}

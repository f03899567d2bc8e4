import type { NodeInfo } from "../model.js";
import { api, now } from "./client.js";
import { facts, h, throttled } from "./dom.js";
import { ago, count, duration, signed, volts } from "./format.js";
import { MeshMap } from "./map.js";

/** dBm of RSRP from which each bar is lit (as phones show LTE). */
const BARS = [-125, -115, -105, -95] as const;
const MESH_MS = 5000;

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

/** A gateway as it described itself in its last protected report, and whom it hears. */
export class GatewayPanel {
  readonly element: HTMLElement;
  readonly #state = h("div", { class: "panel", "data-testid": "gateway-state" });
  readonly #map = new MeshMap();
  readonly #name: string;
  #open = false;
  readonly #loadMesh = throttled(MESH_MS, () => {
    api.mesh(this.#name).then(
      (mesh) => this.#map.show({ ...mesh, unheard: { count: 0, nodes: [] } }),
      () => {},
    );
  });

  constructor(gateway: NodeInfo) {
    this.#name = gateway.name;
    this.element = h(
      "div",
      { class: "columns" },
      h(
        "section",
        { "aria-labelledby": "heard-title" },
        h("div", { class: "heading" }, h("h2", { id: "heard-title" }, "Heard")),
        h("div", { class: "panel" }, this.#map.element),
      ),
      h(
        "section",
        { "aria-labelledby": "state-title" },
        h("div", { class: "heading" }, h("h2", { id: "state-title" }, "State")),
        this.#state,
      ),
    );
    this.update(gateway);
  }

  update({ health }: NodeInfo): void {
    this.#loadMesh();
    if (health === undefined) {
      this.#state.replaceChildren(h("p", { class: "quiet" }, "It has not reported yet."));
      return;
    }
    const rows: [string, Node | string][] = [];
    if (health.rsrp !== undefined) rows.push(["Signal (RSRP)", signal(health.rsrp)]);
    if (health.modem !== undefined) rows.push(["Modem", STATES[health.modem] ?? health.modem]);
    if (health.rat !== undefined) rows.push(["Registered by", health.rat]);
    if (health.queue !== undefined) rows.push(["Waiting", count(health.queue)]);
    if (health.uptime !== undefined) rows.push(["Up for", duration(health.uptime)]);
    if (health.resetReason !== undefined) rows.push(["Started by", health.resetReason]);
    if (health.battery !== undefined) rows.push(["Supply", volts(health.battery)]);
    rows.push(["Reported", ago(Date.parse(health.time), now())]);
    const details = this.#state.querySelector("details");
    if (details !== null) this.#open = details.open;
    this.#state.replaceChildren(facts(rows), drops(health.drops ?? {}, this.#open));
  }

  close(): void {
    this.#loadMesh.cancel();
  }
}

export function signal(rsrp: number): HTMLElement {
  const lit = BARS.filter((least) => rsrp >= least).length;
  return h(
    "span",
    { class: "signal" },
    h(
      "span",
      { class: "bars", "aria-hidden": true },
      ...BARS.map((_, index) => h("i", index < lit ? { class: "lit" } : {})),
    ),
    h("span", { "data-testid": "rsrp" }, `${signed(rsrp)} dBm`),
  );
}

function drops(counts: Readonly<Record<string, number>>, open: boolean): HTMLElement {
  const rows = Object.entries(counts)
    .filter(([, value]) => value > 0)
    .sort(([, a], [, b]) => b - a);
  if (rows.length === 0) return h("p", { class: "quiet" }, "Nothing dropped.");
  const total = rows.reduce((sum, [, value]) => sum + value, 0);
  return h(
    "details",
    { class: "drops", open },
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

import type { NodeInfo, ReadingJson } from "../../model.js";
import { LOW_BATTERY } from "../../watch.js";
import { api, now } from "../client.js";
import { arrange, button, h, link, select, setText, textField, throttled } from "../dom.js";
import { ago, count, fixed, plural, volts } from "../format.js";
import { withReading } from "../node-card.js";
import { deviceHref, hrefOf, type Query } from "../router.js";
import type { Context, View } from "../view.js";
import { deviceState, gatewayConnected } from "../vitals.js";

const ROWS = 50;
const AGAIN_MS = 5000;

const KINDS = [
  ["node", "Nodes"],
  ["gateway", "Gateways"],
  ["relay", "Relays"],
] as const;
const STATES = [
  ["", "Any state"],
  ["fresh", "Heard lately"],
  ["silent", "Silent"],
  ["waiting", "Never heard"],
] as const;

/** Columns: how the server sorts by them, what they are called, whether a larger value interests first. */
const COLUMNS = [
  ["name", "Name", false],
  ["temperature", "Temperature", true],
  ["humidity", "Humidity", true],
  ["battery", "Battery", false],
  ["hops", "Way", true],
  ["seen", "Last heard", true],
  ["refused", "Refused", true],
] as const;

/** All devices, by pages: as many as there are. */
export class NodesView implements View {
  readonly title = "Nodes";
  readonly element: HTMLElement;
  readonly #context: Context;
  readonly #query: Record<string, string>;
  readonly #body = h("tbody");
  readonly #head = h("tr");
  readonly #place = h("p", { class: "quiet", role: "status", "data-testid": "place" });
  readonly #unknown = h("p", { class: "note", hidden: true });
  readonly #back = button("Previous", () => this.#turn(-1));
  readonly #on = button("Next", () => this.#turn(1));
  readonly #rows = new Map<string, { node: NodeInfo; readonly element: HTMLTableRowElement }>();
  #total = 0;
  #asked = 0;
  readonly #again = throttled(AGAIN_MS, () => void this.load().catch(() => {}));

  constructor(context: Context, query: Query) {
    this.#context = context;
    this.#query = { kind: "node", sort: "name", order: "asc", ...query };
    this.element = h(
      "div",
      {},
      h("h1", { tabindex: -1 }, "Nodes"),
      h(
        "div",
        { class: "filters", role: "search" },
        textField("Search", this.#query.search ?? "", (search) => this.#change({ search }), {
          placeholder: "Name, place or address",
          "data-testid": "search",
          maxlength: 128,
        }),
        select("Kind", KINDS, this.#query.kind, (kind) => this.#change({ kind })),
        select("State", STATES, this.#query.state ?? "", (state) => this.#change({ state })),
        (this.#query.gateway !== undefined || this.#query.hops !== undefined) &&
          h(
            "p",
            { class: "chosen" },
            `${this.#query.hops === undefined ? "Heard" : plural(Number(this.#query.hops), "hop")} through ${this.#query.gateway ?? "any gateway"} `,
            button("Show all", () => this.#change({ gateway: "", hops: "" })),
          ),
      ),
      h(
        "div",
        { class: "panel scroll", role: "region", "aria-label": "Devices", tabindex: 0 },
        h("table", { class: "list" }, h("thead", {}, this.#head), this.#body),
      ),
      this.#unknown,
      h("nav", { class: "pages", "aria-label": "Pages of the list" }, this.#place, this.#back, this.#on),
    );
    this.#drawHead();
  }

  get #page(): number {
    return Math.max(1, Math.floor(Number(this.#query.page ?? 1)) || 1);
  }

  async load(): Promise<void> {
    const asked = ++this.#asked;
    const { page: _, ...parameters } = this.#query;
    const { items, total } = await api.nodes({ ...parameters, limit: ROWS, offset: (this.#page - 1) * ROWS });
    if (asked !== this.#asked) return;
    this.#total = total;
    const former = new Map(this.#rows);
    this.#rows.clear();
    for (const node of items) {
      const element =
        former.get(node.name)?.element ?? h("tr", { "data-testid": "node-row", "data-node": node.name });
      this.#rows.set(node.name, { node, element });
      drawRow(element, node);
    }
    const rows = [...this.#rows.values()].map(({ element }) => element);
    if (rows.length > 0) arrange(this.#body, rows);
    else
      this.#body.replaceChildren(h("tr", {}, h("td", { colspan: COLUMNS.length, class: "quiet" }, "None.")));
    const first = (this.#page - 1) * ROWS;
    setText(
      this.#place,
      rows.length === 0 ? "0" : `${count(first + 1)} – ${count(first + rows.length)} of ${count(total)}`,
    );
    this.#back.disabled = this.#page === 1;
    this.#on.disabled = first + rows.length >= total;
    this.onPulse();
  }

  /** Into the address, without a new view: what one types stays where it is. */
  #change(change: Record<string, string>): void {
    Object.assign(this.#query, { page: "" }, change);
    for (const [name, value] of Object.entries(this.#query)) if (value === "") delete this.#query[name];
    history.replaceState(null, "", hrefOf("nodes", this.#query));
    if ("gateway" in change) this.element.querySelector(".chosen")?.remove();
    this.#drawHead();
    this.load().catch((error: Error) => this.#context.say(error.message));
  }

  #turn(by: number): void {
    const last = Math.max(1, Math.ceil(this.#total / ROWS));
    this.#change({ page: `${Math.min(last, Math.max(1, this.#page + by))}` });
    this.element.querySelector(".scroll")?.scrollIntoView({ block: "nearest" });
  }

  #drawHead(): void {
    const { sort, order } = this.#query;
    const focused = [...this.#head.children].findIndex((cell) => cell.contains(document.activeElement));
    this.#head.replaceChildren(
      ...COLUMNS.map(([name, label, largest]) => {
        const current = sort === name;
        const next = current ? (order === "asc" ? "desc" : "asc") : largest ? "desc" : "asc";
        return h(
          "th",
          {
            scope: "col",
            "data-column": name,
            "aria-sort": current ? (order === "asc" ? "ascending" : "descending") : undefined,
          },
          button(label, () => this.#change({ sort: name, order: next }), { class: "sort" }),
        );
      }),
    );
    this.#head.children[focused]?.querySelector("button")?.focus();
  }

  onReading(reading: ReadingJson): void {
    const row = this.#rows.get(reading.node);
    if (row === undefined) return;
    row.node = withReading(row.node, reading);
    drawRow(row.element, row.node);
  }

  onNode(node: NodeInfo): void {
    const row = this.#rows.get(node.name);
    if (row === undefined) this.#again();
    else {
      row.node = node;
      drawRow(row.element, node);
    }
  }

  onRemoved(): void {
    this.#again();
  }

  onPulse(): void {
    const unknown = this.#context.summary?.unknown;
    this.#unknown.hidden = unknown === undefined || this.#query.kind !== "node";
    if (unknown === undefined) return;
    setText(
      this.#unknown,
      `Unknown: ${plural(unknown.senders, "device")} that nobody has registered, ${plural(unknown.messages, "message")}, last ${ago(Date.parse(unknown.last), now())}.`,
    );
  }

  age(): void {
    for (const { node, element } of this.#rows.values()) drawRow(element, node);
  }

  close(): void {
    this.#again.cancel();
  }
}

function drawRow(row: HTMLTableRowElement, node: NodeInfo): void {
  if (row.children.length === 0) {
    const cells = COLUMNS.slice(1).map(([name]) => h("td", { "data-column": name }));
    const heading = h(
      "th",
      { scope: "row" },
      h(
        "div",
        {},
        h("span", { class: "dot", "aria-hidden": true }),
        h("span", {}, link(deviceHref(node.name), ""), h("small")),
      ),
    );
    row.append(heading, ...cells);
  }
  const { last, hops, gateway, lastSeen, refused, health } = node;
  const state = deviceState(node);
  row.dataset.state =
    node.kind === "gateway" && !gatewayConnected(node) && state === "fresh" ? "silent" : state;
  const text = (column: string, value: string) => {
    const cell = row.querySelector(`[data-column=${column}]`);
    if (cell !== null) setText(cell, value);
  };
  setText(row.querySelector("a")!, node.place ?? node.name);
  setText(
    row.querySelector("small")!,
    [node.place === undefined ? "" : node.name, node.meshAddress ?? ""].filter(Boolean).join(" · "),
  );
  text("temperature", last?.temperature === undefined ? "–" : `${fixed(last.temperature, 1)} °C`);
  text("humidity", last?.humidity === undefined ? "–" : `${fixed(last.humidity, 1)} %`);
  const battery = last?.battery ?? health?.battery;
  text("battery", battery === undefined ? "–" : volts(battery));
  row.querySelector("[data-column=battery]")?.classList.toggle("low", (battery ?? LOW_BATTERY) < LOW_BATTERY);
  text(
    "hops",
    hops === undefined ? (gateway ?? "–") : [plural(hops, "hop"), gateway].filter(Boolean).join(" → "),
  );
  const seen = lastSeen === undefined ? "never" : ago(Date.parse(lastSeen), now());
  text("seen", state === "silent" ? `silent, ${seen}` : seen);
  text("refused", refused === 0 ? "" : count(refused));
}

import type { HealthJson, NodeInfo, RequestJson } from "../model.js";
import { api, now } from "./client.js";
import { arrange, button, facts, h, setText } from "./dom.js";
import { ago, count, duration, volts } from "./format.js";
import type { Context } from "./view.js";

/** Requests shown, the newest first. */
const SHOWN = 6;

/** What a node can be told and asked: its settings, its statistics, and what became of each request. */
export class DownlinkPanel {
  readonly element: HTMLElement;
  readonly #context: Context;
  #node: NodeInfo;
  readonly #interval = h("input", {
    type: "number",
    min: 0.5,
    max: 86_400,
    step: 0.5,
    inputmode: "decimal",
    "data-testid": "interval",
  });
  readonly #batch = h("input", { type: "number", min: 1, max: 10, step: 1, inputmode: "numeric" });
  readonly #confirmable = h(
    "select",
    {},
    h("option", { value: "" }, "as it is"),
    h("option", { value: "true" }, "confirmed by the server (CON)"),
    h("option", { value: "false" }, "sent once, unconfirmed (NON)"),
  );
  readonly #known = h("p", { class: "quiet", "data-testid": "settings-known" });
  readonly #stats = h("div", { "data-testid": "stats" });
  readonly #list = h("ol", { class: "requests", "data-testid": "requests" });
  readonly #none = h("p", { class: "quiet" }, "Nothing was sent to it lately.");
  readonly #requests = new Map<string, { request: RequestJson; readonly row: HTMLElement }>();
  /** Settings as they were last put into the form. */
  #filled = "";

  constructor(context: Context, node: NodeInfo) {
    this.#context = context;
    this.#node = node;
    const form = h(
      "form",
      { class: "settings", "data-testid": "settings" },
      h("label", { class: "field" }, h("span", {}, "Seconds between measurements"), this.#interval),
      h("label", { class: "field" }, h("span", {}, "Readings in one message"), this.#batch),
      h("label", { class: "field" }, h("span", {}, "Messages"), this.#confirmable),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "submit", class: "button primary" }, "Send to the node"),
        button("Read from the node", () => void this.#ask("settings"), { "data-testid": "read-settings" }),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    this.element = h(
      "div",
      { class: "two" },
      h(
        "section",
        { "aria-labelledby": "settings-title" },
        h("div", { class: "heading" }, h("h2", { id: "settings-title" }, "Settings")),
        h("div", { class: "panel" }, this.#known, form),
      ),
      h(
        "section",
        { "aria-labelledby": "requests-title" },
        h(
          "div",
          { class: "heading" },
          h("h2", { id: "requests-title" }, "Asked and told"),
          button("Ask for statistics", () => void this.#ask("stats"), { "data-testid": "ask-stats" }),
        ),
        h("div", { class: "panel" }, this.#list, this.#none, this.#stats),
      ),
    );
    this.update(node);
  }

  async load(): Promise<void> {
    for (const request of await api.requests(this.#node.name)) this.put(request);
  }

  update(node: NodeInfo): void {
    this.#node = node;
    const { settings } = node;
    setText(
      this.#known,
      settings === undefined
        ? "The node has not said its settings since the server started."
        : `As the node said ${ago(Date.parse(settings.time), now())}.`,
    );
    if (settings === undefined) return;
    const filled = JSON.stringify(settings);
    // What somebody types is not taken away.
    if (filled === this.#filled || [this.#interval, this.#batch, this.#confirmable].some(isFocused)) return;
    this.#filled = filled;
    this.#interval.value = `${settings.interval}`;
    this.#batch.value = `${settings.batch}`;
    this.#confirmable.value = `${settings.confirmable}`;
  }

  /** A request to this node is new, or has come further. */
  put(request: RequestJson): void {
    if (request.node !== this.#node.name) return;
    const known = this.#requests.get(request.id);
    if (known !== undefined && isOlder(request, known.request)) return;
    const row = known?.row ?? h("li", { "data-testid": "request", "data-id": request.id });
    this.#requests.set(request.id, { request, row });
    drawRequest(row, request, this.#node, () => void this.#cancel(request.id));
    if (known !== undefined && known.request.state !== request.state) {
      this.#context.say(`${request.request}: ${stateText(request, this.#node)}`);
    }
    const { result } = request;
    if (result !== undefined && "stats" in result) this.#showStats(result.stats, request.ended);
    if (result !== undefined && "settings" in result && known?.request.result === undefined) {
      this.update({
        ...this.#node,
        settings: { ...result.settings, time: request.ended ?? new Date(now()).toISOString() },
      });
    }
    const newest = [...this.#requests.values()].sort((a, b) =>
      a.request.created < b.request.created ? 1 : -1,
    );
    arrange(
      this.#list,
      newest.slice(0, SHOWN).map((entry) => entry.row),
    );
    this.#none.hidden = true;
  }

  #showStats(stats: HealthJson, time: string | undefined): void {
    const rows: [string, string][] = [];
    if (stats.uptime !== undefined) rows.push(["Up for", duration(stats.uptime)]);
    if (stats.resetReason !== undefined) rows.push(["Started by", stats.resetReason]);
    if (stats.battery !== undefined) rows.push(["Battery", volts(stats.battery)]);
    if (stats.queue !== undefined) rows.push(["Waiting", count(stats.queue)]);
    for (const [reason, value] of Object.entries(stats.drops ?? {})) rows.push([reason, count(value)]);
    this.#stats.replaceChildren(
      h("h3", {}, `Statistics${time === undefined ? "" : `, ${ago(Date.parse(time), now())}`}`),
      facts(rows),
    );
  }

  async #send(): Promise<void> {
    const change = {
      ...(this.#interval.value !== "" && { interval: Number(this.#interval.value) }),
      ...(this.#batch.value !== "" && { batch: Number(this.#batch.value) }),
      ...(this.#confirmable.value !== "" && { confirmable: this.#confirmable.value === "true" }),
    };
    if (Object.keys(change).length === 0) return this.#context.say("Nothing to change was said.");
    await this.#ask("settings", change);
  }

  async #ask(resource: "settings" | "stats", change?: object): Promise<void> {
    const { name } = this.#node;
    const what = change === undefined ? `Asking ${name}` : `Changing the settings of ${name}`;
    const done = await this.#context.authorized(what, () => api.ask(name, resource, change));
    if (done) await this.load().catch(() => {});
  }

  async #cancel(id: string): Promise<void> {
    const done = await this.#context.authorized("Taking a request back", () => api.cancel(id));
    if (!done) return;
    this.#requests.get(id)?.row.remove();
    this.#requests.delete(id);
    await this.load().catch(() => {});
  }

  age(): void {
    for (const { request, row } of this.#requests.values()) {
      if (request.state === "waiting" || request.state === "sent")
        setText(row.querySelector("p")!, stateText(request, this.#node));
    }
  }
}

function drawRequest(row: HTMLElement, request: RequestJson, node: NodeInfo, cancel: () => void): void {
  const { state } = request;
  row.dataset.state = state;
  row.replaceChildren(
    h(
      "div",
      { class: "line" },
      h("h3", {}, request.request),
      h("span", { class: "chip" }, STATES[state]),
      state === "waiting" && request.attempts === 0 && button("Take back", cancel, { class: "button small" }),
    ),
    h("p", {}, stateText(request, node)),
  );
}

const STATES = { waiting: "waiting", sent: "sent", answered: "answered", failed: "failed" } as const;

function isFocused(element: HTMLElement): boolean {
  return element === document.activeElement;
}

/** A list that was asked for may arrive behind what the stream has told since. */
function isOlder(request: RequestJson, known: RequestJson): boolean {
  return request.attempts < known.attempts || (request.ended === undefined && known.ended !== undefined);
}

/** What is going on with a request, in a sentence. */
export function stateText(
  { state, created, attempts, ended, failure, answer }: RequestJson,
  { name, interval }: NodeInfo,
): string {
  const since = ago(Date.parse(created), now());
  switch (state) {
    case "waiting":
      return (
        `Since ${since}. ${name} listens when it has spoken` +
        (interval === undefined ? "." : `, about every ${duration(interval)}.`)
      );
    case "sent":
      return `On its way${attempts > 1 ? `, attempt ${attempts}` : ""}, asked ${since}.`;
    case "answered": {
      const took =
        ended === undefined ? "" : ` after ${duration((Date.parse(ended) - Date.parse(created)) / 1000)}`;
      return `Answered ${answer?.code ?? ""}${took}.`.replace("  ", " ");
    }
    case "failed":
      return `No answer: ${failure ?? "it was given up"}.`;
  }
}

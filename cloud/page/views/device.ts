import type { EventJson, NodeInfo, ReadingJson, RequestJson } from "../../model.js";
import { LOW_BATTERY } from "../../watch.js";
import type { Quantity } from "../chart.js";
import { ApiError, api, now } from "../client.js";
import { button, h, link, setText } from "../dom.js";
import { DownlinkPanel } from "../downlink-panel.js";
import { EventRows } from "../event-rows.js";
import { ago, count, duration, fixed, plural, volts } from "../format.js";
import { GatewayPanel } from "../gateway-panel.js";
import { HistoryPanel, type Source, saveAs } from "../history-panel.js";
import { withReading } from "../node-card.js";
import { deviceHref, hrefOf } from "../router.js";
import { healthTracks, tracksOf } from "../series.js";
import type { Context, View } from "../view.js";
import { deviceState, gatewayConnected } from "../vitals.js";
import { heading } from "./overview.js";

const EVENTS = 8;

const TEMPERATURE: Quantity = { name: "Temperature", unit: "°C", digits: 2, colour: "--warm", least: 0.8 };
const HUMIDITY: Quantity = { name: "Humidity", unit: "%", digits: 1, colour: "--cool", least: 3 };
const BATTERY: Quantity = { name: "Battery", unit: "V", digits: 2, colour: "--ink", least: 0.2 };

/** A node, a gateway or a relay: what it says, how it is reached, what it can be told. */
export class DeviceView implements View {
  readonly element: HTMLElement;
  readonly #context: Context;
  readonly #name: string;
  readonly #heading = h("h1", { tabindex: -1 });
  readonly #label = h("p", { class: "label", "data-testid": "device-label" });
  readonly #values = h("div", { class: "values large" });
  readonly #body = h("div", { class: "parts" });
  readonly #feed = new EventRows(EVENTS);
  #node: NodeInfo | undefined;
  #history: HistoryPanel | undefined;
  #downlink: DownlinkPanel | undefined;
  #gateway: GatewayPanel | undefined;

  constructor(context: Context, name: string) {
    this.#context = context;
    this.#name = name;
    setText(this.#heading, name);
    this.element = h(
      "div",
      { class: "device" },
      h("p", { class: "crumb" }, link(hrefOf("nodes"), "Nodes")),
      h(
        "header",
        { class: "device-head" },
        h(
          "div",
          {},
          h("div", { class: "named" }, h("span", { class: "dot", "aria-hidden": true }), this.#heading),
          this.#label,
        ),
        this.#values,
      ),
      this.#body,
    );
  }

  get title(): string {
    return this.#node?.place ?? this.#name;
  }

  async load(): Promise<void> {
    let node: NodeInfo;
    try {
      node = await api.node(this.#name);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      this.#body.replaceChildren(h("p", { class: "empty" }, "There is no device of this name."));
      return;
    }
    if (this.#node === undefined) this.#build(node);
    this.onNode(node);
    const events = await api.events({ node: this.#name, limit: EVENTS });
    this.#feed.put(events);
    this.#feed.draw();
    await Promise.all([this.#history?.load(), this.#downlink?.load()]);
  }

  #build(node: NodeInfo): void {
    const parts: HTMLElement[] = [];
    if (node.kind === "node") {
      this.#history = new HistoryPanel(this.#context, readings(node.name));
      parts.push(this.#history.element);
      if (node.protected) {
        this.#downlink = new DownlinkPanel(this.#context, node);
        parts.push(this.#downlink.element);
      }
    } else if (node.kind === "gateway") {
      this.#gateway = new GatewayPanel(node);
      this.#history = new HistoryPanel(this.#context, reports(node.name));
      parts.push(this.#gateway.element, this.#history.element);
    } else {
      parts.push(
        h(
          "p",
          { class: "note" },
          "A relay passes on what it can neither read nor change. It holds no key that would let it speak to the server.",
        ),
      );
    }
    parts.push(
      h(
        "section",
        { "aria-labelledby": "device-events" },
        heading(
          "device-events",
          "Events",
          link(hrefOf("events", { node: node.name }), "All of them", { class: "more" }),
        ),
        this.#feed.element,
      ),
      h(
        "p",
        { class: "after" },
        button("Remove this device", () => void this.#remove(), {
          class: "button danger",
          "data-testid": "remove",
        }),
      ),
    );
    this.#body.replaceChildren(...parts);
  }

  onNode(node: NodeInfo): void {
    if (node.name !== this.#name) return;
    this.#node = node;
    setText(this.#heading, node.place ?? node.name);
    this.#gateway?.update(node);
    if (node.kind === "gateway") this.#history?.touch();
    this.#downlink?.update(node);
    this.age();
  }

  onReading(reading: ReadingJson): void {
    if (reading.node !== this.#name || this.#node === undefined) return;
    this.#node = withReading(this.#node, reading);
    this.#history?.touch();
    this.age();
  }

  onEvent(event: EventJson): void {
    if (event.node !== this.#name && event.gateway !== this.#name) return;
    this.#feed.put([event]);
    this.#feed.draw();
  }

  onRequest(request: RequestJson): void {
    this.#downlink?.put(request);
  }

  onRemoved(name: string): void {
    if (name !== this.#name) return;
    this.#context.say(`${name} was removed.`);
    location.hash = hrefOf("nodes");
  }

  async #remove(): Promise<void> {
    const sure = await confirmed(
      `Remove ${this.title}?`,
      "Its readings are kept; its keys are forgotten, and nothing of it is taken any more.",
    );
    if (!sure) return;
    await this.#context.authorized(`Removing ${this.#name}`, () => api.remove(this.#name));
  }

  age(): void {
    const node = this.#node;
    if (node === undefined) return;
    const { kind, last, hops, gateway, lastSeen, meshAddress, interval, refused } = node;
    const state = kind === "gateway" && !gatewayConnected(node) ? "silent" : deviceState(node);
    this.element.dataset.state = kind === "relay" ? "" : state;
    const seen =
      lastSeen === undefined
        ? "never heard"
        : `${state === "silent" && kind === "node" ? "silent, " : ""}last heard ${ago(Date.parse(lastSeen), now())}`;
    const parts: (HTMLElement | string | undefined)[] = [
      node.place === undefined ? undefined : node.name,
      kind === "node" ? undefined : kind,
      meshAddress === undefined ? undefined : `mesh address ${meshAddress}`,
      kind === "relay" ? undefined : seen,
      interval === undefined ? undefined : `about every ${duration(Math.max(1, interval))}`,
      hops === undefined ? undefined : plural(hops, "hop"),
      gateway === undefined ? undefined : link(deviceHref(gateway), gateway),
      refused === 0
        ? undefined
        : link(hrefOf("events", { node: node.name, kind: "security" }), `${count(refused)} refused`, {
            class: "refused",
          }),
    ];
    const shown = parts.filter((part) => part !== undefined);
    const text = shown.map((part) => (typeof part === "string" ? part : part.outerHTML)).join();
    if (this.#label.dataset.text !== text) {
      this.#label.dataset.text = text;
      this.#label.replaceChildren(...shown.flatMap((part, index) => (index === 0 ? [part] : [" · ", part])));
    }
    if (last !== undefined) this.#drawValues(last);
    this.#feed.age();
    this.#downlink?.age();
  }

  #drawValues({ temperature, humidity, battery }: ReadingJson): void {
    const value = (name: string, kind: string, text: string, unit: string) =>
      h(
        "p",
        { class: kind },
        h("span", { class: "unseen" }, `${name} `),
        h("span", { class: "number", "data-testid": name.toLowerCase() }, text),
        h("small", {}, unit),
      );
    const rows = [
      value("Temperature", "warm", fixed(temperature, 1), "°C"),
      value("Humidity", "cool", fixed(humidity, 1), "%"),
      ...(battery === undefined
        ? []
        : [value("Battery", battery < LOW_BATTERY ? "low" : "plain", volts(battery).replace(" V", ""), "V")]),
    ];
    const text = rows.map(({ textContent }) => textContent).join();
    if ([...this.#values.children].map(({ textContent }) => textContent).join() !== text)
      this.#values.replaceChildren(...rows);
  }

  recolour(): void {
    this.#history?.recolour();
  }

  close(): void {
    this.#history?.close();
    this.#gateway?.close();
  }
}

function readings(node: string): Source {
  const save = (format: "csv" | "senml", from: number, to: number) => async () => {
    const blob = await api.download(api.exportPath(node, from, to, format));
    saveAs(blob, `${node.replace(/[^\w.-]+/g, "_")}.${format === "csv" ? "csv" : "senml.json"}`);
  };
  return {
    quantities: [TEMPERATURE, HUMIDITY, BATTERY],
    async load(from, to, points) {
      const series = await api.series(node, from, to, points);
      const { temperature, humidity, battery } = tracksOf(series);
      return {
        tracks: [temperature, humidity, battery],
        count: series.reduce((sum, { count: readings }) => sum + readings, 0),
      };
    },
    exports: (from, to) => [
      { label: "Save as CSV", save: save("csv", from, to) },
      { label: "Save as SenML", save: save("senml", from, to) },
    ],
  };
}

function reports(gateway: string): Source {
  return {
    quantities: [
      { name: "Signal", unit: "dBm", digits: 0, colour: "--cool", least: 10 },
      { name: "Waiting", unit: "datagrams", digits: 1, colour: "--warm", least: 4, counts: true },
      { name: "Dropped", unit: "since its start", digits: 0, colour: "--alarm", least: 10, counts: true },
      { name: "Heard", unit: "nodes", digits: 0, colour: "--good", least: 4, counts: true },
      { ...BATTERY, name: "Supply" },
    ],
    async load(from, to, points) {
      const series = await api.health(gateway, from, to, points);
      return {
        tracks: healthTracks(series),
        count: series.reduce((sum, { count: told }) => sum + told, 0),
      };
    },
  };
}

/** A question that takes a yes. */
function confirmed(question: string, consequence: string): Promise<boolean> {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "confirm-title" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "confirm-title" }, question),
      h("p", { class: "quiet" }, consequence),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "submit", value: "yes", class: "button danger", "data-testid": "yes" }, "Remove"),
        h("button", { type: "submit", value: "no", class: "button" }, "Keep"),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

import type { AlarmJson } from "../../overview-json.js";
import { ALARM_TITLES, alarmText } from "../alarm-rows.js";
import { button, h, link, setText } from "../dom.js";
import { count, plural } from "../format.js";
import { deviceHref } from "../router.js";
import type { Context, View } from "../view.js";

/** What somebody should look after. */
export class AlarmsView implements View {
  readonly title = "Alarms";
  readonly element: HTMLElement;
  readonly #context: Context;
  readonly #open = h("ul", { class: "feed", "data-testid": "open-alarms" });
  readonly #seen = h("ul", { class: "feed", "data-testid": "seen-alarms" });
  readonly #seenPart: HTMLElement;
  readonly #all: HTMLButtonElement;
  readonly #more = h("p", { class: "quiet" });
  #drawn = "";

  constructor(context: Context) {
    this.#context = context;
    this.#all = button("Acknowledge all", () => {
      context.acknowledge(context.open, true);
      this.element.querySelector<HTMLElement>("h1")?.focus();
    });
    this.#seenPart = h(
      "section",
      { "aria-labelledby": "seen-title" },
      h("div", { class: "heading" }, h("h2", { id: "seen-title" }, "Acknowledged here")),
      this.#seen,
    );
    this.element = h(
      "div",
      { class: "narrow" },
      h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "Alarms"), this.#all),
      h("h2", { class: "unseen" }, "Open"),
      this.#open,
      this.#more,
      this.#seenPart,
      h(
        "p",
        { class: "quiet" },
        "A node is silent when it has missed four of its usual intervals. Acknowledging is for this browser: the alarm counts again when it ends and comes back.",
      ),
    );
  }

  async load(): Promise<void> {
    this.onPulse();
  }

  onPulse(): void {
    const { alarms, acknowledged, open } = this.#context;
    const seen = alarms.items.filter((alarm) => acknowledged.has(alarm));
    const drawn = JSON.stringify([open.map(({ id }) => id), seen.map(({ id }) => id)]);
    if (drawn === this.#drawn) {
      this.age();
      return;
    }
    this.#drawn = drawn;
    const focused = (document.activeElement as HTMLElement | null)
      ?.closest("[data-alarm]")
      ?.getAttribute("data-alarm");
    this.#open.replaceChildren(
      ...(open.length === 0
        ? [h("li", { class: "quiet" }, "All is well.")]
        : open.map((alarm) => this.#row(alarm, "Acknowledge", true))),
    );
    this.#seen.replaceChildren(...seen.map((alarm) => this.#row(alarm, "Take back", false)));
    this.#seenPart.hidden = seen.length === 0;
    this.#all.hidden = open.length === 0;
    const hidden = alarms.total - alarms.items.length;
    this.#more.hidden = hidden === 0;
    this.#more.textContent = `and ${plural(hidden, "older alarm")} of ${count(alarms.total)}`;
    if (focused === undefined || focused === null) return;
    const same = this.element.querySelector<HTMLElement>(`[data-alarm=${CSS.escape(focused)}] button`);
    (same ?? this.element.querySelector<HTMLElement>("h1"))?.focus();
  }

  #row(alarm: AlarmJson, label: string, acknowledged: boolean): HTMLElement {
    const named = alarm.place ?? alarm.node;
    return h(
      "li",
      { class: "event alarm", "data-testid": "alarm", "data-alarm": alarm.id, "data-kind": alarm.kind },
      h(
        "div",
        { class: "line" },
        h("h3", {}, ALARM_TITLES[alarm.kind]),
        link(deviceHref(alarm.node), named),
        button(label, () => this.#context.acknowledge([alarm], acknowledged), {
          class: "button small",
          "aria-label": `${label}: ${ALARM_TITLES[alarm.kind]}, ${named}`,
        }),
      ),
      h("p", {}, alarmText(alarm)),
    );
  }

  age(): void {
    const byId = new Map(this.#context.alarms.items.map((alarm) => [alarm.id, alarm]));
    for (const row of this.element.querySelectorAll<HTMLElement>("[data-alarm]")) {
      const alarm = byId.get(row.dataset.alarm ?? "");
      const text = row.querySelector("p");
      if (alarm !== undefined && text !== null) setText(text, alarmText(alarm));
    }
  }
}

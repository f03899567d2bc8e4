import type { EventJson } from "../../model.js";
import { api } from "../client.js";
import { button, h, select, setText, textField } from "../dom.js";
import { type EventFilter, eventFilter, matchesEvent } from "../event-filter.js";
import { EventRows } from "../event-rows.js";
import { plural } from "../format.js";
import { hrefOf, type Query } from "../router.js";
import type { Context, View } from "../view.js";

const PAGE = 50;
/** Rows that are kept however long one looks. */
const MOST = 1000;

const KINDS = [
  ["", "Any kind"],
  ["security", "Security"],
  ["system", "System"],
] as const;
const SEVERITIES = [
  ["", "Any severity"],
  ["info", "Info"],
  ["warning", "Warning"],
  ["critical", "Critical"],
] as const;

/** Everything that has happened, as far back as it is kept. */
export class EventsView implements View {
  readonly title = "Events";
  readonly element: HTMLElement;
  readonly #context: Context;
  #filter: EventFilter;
  readonly #rows = new EventRows(MOST);
  readonly #older = button("Older", () => void this.#page(), { "data-testid": "older" });
  readonly #pause: HTMLButtonElement;
  readonly #state = h("p", { class: "quiet", role: "status", "data-testid": "paused" });
  /** What came while paused; `undefined` when not paused. */
  #held: Map<string, EventJson> | undefined;
  #asked = 0;

  constructor(context: Context, query: Query) {
    this.#context = context;
    this.#filter = eventFilter(query);
    this.#pause = button("Pause", () => this.#togglePause(), {
      "aria-pressed": "false",
      "data-testid": "pause",
    });
    const { kind = "", severity = "", node = "", text = "" } = this.#filter;
    this.element = h(
      "div",
      { class: "narrow" },
      h("div", { class: "heading" }, h("h1", { tabindex: -1 }, "Events"), this.#pause),
      h(
        "div",
        { class: "filters", role: "search" },
        textField("Text", text, (value) => this.#change({ text: value }), {
          "data-testid": "event-text",
          maxlength: 128,
        }),
        textField("Node or gateway", node, (value) => this.#change({ node: value }), { maxlength: 128 }),
        select("Severity", SEVERITIES, severity, (value) => this.#change({ severity: value }), {
          "data-testid": "severity",
        }),
        select("Kind", KINDS, kind, (value) => this.#change({ kind: value }), { "data-testid": "kind" }),
      ),
      this.#state,
      h("h2", { class: "unseen" }, "Newest first"),
      this.#rows.element,
      h("p", { class: "after" }, this.#older),
    );
  }

  async load(): Promise<void> {
    const asked = ++this.#asked;
    const events = await api.events({ ...this.#filter, limit: PAGE });
    if (asked !== this.#asked) return;
    // What was paged to stays: the newest are put above it.
    this.#rows.put(events);
    this.#rows.draw();
    this.#older.hidden = events.length < PAGE && this.#rows.size <= PAGE;
  }

  async #page(): Promise<void> {
    const { oldest } = this.#rows;
    if (oldest === undefined) return;
    const asked = this.#asked;
    this.#older.disabled = true;
    try {
      const events = await api.events({
        ...this.#filter,
        limit: PAGE,
        before: oldest.last,
        beforeId: oldest.id,
      });
      if (asked !== this.#asked) return;
      this.#rows.put(events);
      this.#rows.draw();
      this.#older.hidden = events.length < PAGE || this.#rows.size >= MOST;
      this.#context.say(
        events.length === 0 ? "There are no older events." : `${plural(events.length, "older event")} below.`,
      );
    } catch (error) {
      this.#context.say((error as Error).message);
    } finally {
      this.#older.disabled = false;
    }
  }

  #change(change: Record<string, string>): void {
    this.#filter = eventFilter({ ...(this.#filter as Query), ...change });
    history.replaceState(null, "", hrefOf("events", { ...this.#filter }));
    this.#rows.clear();
    this.load().catch((error: Error) => this.#context.say(error.message));
  }

  #togglePause(): void {
    const held = this.#held;
    this.#held = held === undefined ? new Map() : undefined;
    this.#pause.setAttribute("aria-pressed", `${this.#held !== undefined}`);
    setText(this.#pause, this.#held === undefined ? "Pause" : "Go on");
    if (held !== undefined) {
      this.#rows.put([...held.values()]);
      this.#rows.draw();
    }
    this.#sayHeld();
  }

  #sayHeld(): void {
    if (this.#held === undefined) setText(this.#state, "");
    else setText(this.#state, `Paused: ${this.#held.size === 0 ? "nothing new" : `${this.#held.size} new`}`);
  }

  onEvent(event: EventJson): void {
    if (!matchesEvent(event, this.#filter)) return;
    if (this.#held !== undefined) {
      if (this.#held.size < MOST) this.#held.set(event.id, event);
      this.#sayHeld();
      return;
    }
    this.#rows.put([event]);
    this.#rows.draw();
  }

  age(): void {
    this.#rows.age();
  }
}

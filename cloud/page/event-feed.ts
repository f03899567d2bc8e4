import type { EventJson, EventKind } from "../model.js";
import { now } from "./client.js";
import { arrange, h, setText } from "./dom.js";
import { ago, count, moment, title } from "./format.js";

/** Rows kept on the page; older ones are in `/api/events`. */
const MAXIMUM = 200;
/** Rows shown until somebody wants to see more. */
const FIRST = 5;

/** What a reason is called here, where its name alone would say little. */
const TITLES: Readonly<Record<string, string>> = {
  "oscore-decrypt": "Changed or forged message",
  "oscore-replay": "Replayed message",
  "oscore-reordered": "Message out of order",
  "oscore-context": "Unknown sender",
  "oscore-option": "Malformed OSCORE option",
  "oscore-no-payload": "Cut message",
  "oscore-unprotected": "Unprotected request",
  "coap-critical-option": "Option added on the way",
  "mesh-mic": "Forged mesh packet",
  "mesh-app-mic": "Changed mesh message",
  "mesh-replay": "Replayed mesh message",
  "mesh-malformed": "Malformed mesh packet",
  "answer-decrypt": "Changed or forged answer",
  "answer-option": "Malformed answer",
  "answer-response": "Misplaced answer",
  "answer-unprotected": "Unprotected answer",
};

function titleOf(reason: string): string {
  return TITLES[reason] ?? (reason.startsWith("coap-") ? "Malformed datagram" : title(reason));
}

interface Row {
  event: EventJson;
  readonly element: HTMLElement;
  readonly detail: HTMLElement;
  readonly count: HTMLElement;
  readonly time: HTMLTimeElement;
}

/** Security and system events, newest first. */
export class EventFeed {
  readonly #feed: HTMLElement;
  readonly #more: HTMLElement;
  readonly #rows = new Map<string, Row>();
  #shown: EventKind | "all" = "all";
  #all = false;

  constructor(feed: HTMLElement, more: HTMLElement) {
    this.#feed = feed;
    this.#more = more;
    more.addEventListener("click", () => {
      this.#all = !this.#all;
      this.draw();
    });
  }

  set shown(kind: EventKind | "all") {
    this.#shown = kind;
    this.draw();
  }

  /** How many refusals the events here stand for. */
  get refused(): number {
    let sum = 0;
    for (const { event } of this.#rows.values()) if (event.kind === "security") sum += event.count;
    return sum;
  }

  put(event: EventJson): void {
    const row = this.#rows.get(event.id) ?? makeRow(event);
    row.event = event;
    setText(row.detail, event.detail);
    setText(row.count, event.count > 1 ? `× ${count(event.count)}` : "");
    row.time.dateTime = event.last;
    this.#rows.delete(event.id);
    this.#rows.set(event.id, row);
  }

  draw(): void {
    const rows = [...this.#rows.values()].sort((a, b) => (a.event.last < b.event.last ? 1 : -1));
    for (const { event } of rows.splice(MAXIMUM)) this.#rows.delete(event.id);
    const shown = rows.filter(({ event }) => this.#shown === "all" || event.kind === this.#shown);
    this.age();
    this.#more.hidden = shown.length <= FIRST;
    setText(this.#more, this.#all ? "Show fewer" : `Show ${shown.length - FIRST} more`);
    if (shown.length > 0) {
      const visible = this.#all ? shown : shown.slice(0, FIRST);
      arrange(
        this.#feed,
        visible.map(({ element }) => element),
      );
    } else this.#feed.replaceChildren(h("li", { class: "quiet" }, "Nothing has happened."));
  }

  age(): void {
    const time = now();
    for (const row of this.#rows.values()) {
      const last = Date.parse(row.event.last);
      setText(row.time, ago(last, time));
      row.time.title = moment(last, time);
    }
  }
}

function makeRow(event: EventJson): Row {
  const detail = h("p");
  const counter = h("b", { class: "count" });
  const time = h("time");
  const about = [event.node, event.gateway].filter((name) => name !== undefined);
  const element = h(
    "li",
    {
      class: "event",
      "data-testid": "event-row",
      "data-kind": event.kind,
      "data-severity": event.severity,
      "data-reason": event.reason,
    },
    h("div", { class: "line" }, h("h3", {}, titleOf(event.reason)), counter, time),
    detail,
    ...(about.length === 0
      ? []
      : [h("p", { class: "about" }, ...about.map((name) => h("span", { class: "chip" }, name)))]),
  );
  return { event, element, detail, count: counter, time };
}

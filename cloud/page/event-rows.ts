import type { EventJson } from "../model.js";
import { now } from "./client.js";
import { arrange, h, link, setText } from "./dom.js";
import { ago, count, moment, title } from "./format.js";
import { deviceHref } from "./router.js";

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

export function eventTitle(reason: string): string {
  return TITLES[reason] ?? (reason.startsWith("coap-") ? "Malformed datagram" : title(reason));
}

interface Row {
  event: EventJson;
  readonly element: HTMLElement;
  readonly detail: HTMLElement;
  readonly count: HTMLElement;
  readonly time: HTMLTimeElement;
}

/** A list of events, newest first. */
export class EventRows {
  readonly element = h("ol", { class: "feed", "data-testid": "feed" });
  readonly #rows = new Map<string, Row>();
  readonly #most: number;

  /** @param most rows that are kept; older ones are let go of */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** The last one in the list. */
  get oldest(): EventJson | undefined {
    return this.#sorted().at(-1)?.event;
  }

  clear(): void {
    this.#rows.clear();
  }

  put(events: readonly EventJson[]): void {
    for (const event of events) {
      const row = this.#rows.get(event.id) ?? makeRow(event);
      // What the history says of it may be older than what the stream has said.
      if (row.event.count > event.count) continue;
      row.event = event;
      setText(row.detail, event.detail);
      setText(row.count, event.count > 1 ? `× ${count(event.count)}` : "");
      row.time.dateTime = event.last;
      this.#rows.set(event.id, row);
    }
  }

  #sorted(): Row[] {
    return [...this.#rows.values()].sort(({ event: a }, { event: b }) =>
      a.last === b.last ? (a.id < b.id ? 1 : -1) : a.last < b.last ? 1 : -1,
    );
  }

  draw(): void {
    const rows = this.#sorted();
    for (const { event } of rows.splice(this.#most)) this.#rows.delete(event.id);
    this.age();
    if (rows.length > 0) {
      arrange(
        this.element,
        rows.map(({ element }) => element),
      );
    } else this.element.replaceChildren(h("li", { class: "quiet" }, "Nothing has happened."));
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
    h("div", { class: "line" }, h("h3", {}, eventTitle(event.reason)), counter, time),
    detail,
    about.length > 0 &&
      h("p", { class: "about" }, ...about.map((name) => link(deviceHref(name), name, { class: "chip" }))),
  );
  return { event, element, detail, count: counter, time };
}

import "./css/base.css";
import "./css/parts.css";
import "./css/overview.css";
import "./css/lists.css";
import "./css/device.css";
import { TokenDialog } from "./access.js";
import { Acknowledged } from "./alarm-rows.js";
import { ApiError, api, type Connection, listen } from "./client.js";
import { button, byId, h, link, setText, throttled } from "./dom.js";
import { count } from "./format.js";
import { hrefOf, parseRoute, type Route } from "./router.js";
import type { Context, View } from "./view.js";
import { AlarmsView } from "./views/alarms.js";
import { DeviceView } from "./views/device.js";
import { EventsView } from "./views/events.js";
import { NodesView } from "./views/nodes.js";
import { OverviewView } from "./views/overview.js";
import { noteStart } from "./vitals.js";

const NAME = "oscore-mesh";
/** Counts and alarms are asked for so often, and sooner when something has happened. */
const PULSE_MS = 5000;
const SOON_MS = 1000;

const dialog = new TokenDialog();
const main = byId("main");
const status = byId("status");
let view: View | undefined;
let connected = false;

const context: { -readonly [Key in keyof Context]: Context[Key] } = {
  summary: undefined,
  alarms: { items: [], total: 0 },
  acknowledged: new Acknowledged(),
  open: [],
  acknowledge(alarms, acknowledged) {
    context.acknowledged.put(alarms, acknowledged);
    drawCounts();
    view?.onPulse?.();
  },
  async authorized(what, act) {
    for (let why = ""; ; ) {
      try {
        await act();
        return true;
      } catch (error) {
        if (!(error instanceof ApiError)) {
          context.say("The server was not reached.");
          return false;
        }
        if (!error.wantsToken) {
          context.say(`${error.message}.`);
          return false;
        }
        why = `${what} takes an access token: ${error.message}.`;
      }
      if (!(await dialog.ask(why))) return false;
    }
  },
  say(text) {
    setText(status, text);
    status.classList.toggle("shown", text !== "");
    clearTimeout(saying);
    saying = setTimeout(() => status.classList.remove("shown"), 6000);
  },
};
let saying: ReturnType<typeof setTimeout> | undefined;

// ── Where one is ──────────────────────────────────────────────────────────────────────────────────────────────────

const LINKS = [
  ["overview", "Overview", hrefOf("")],
  ["nodes", "Nodes", hrefOf("nodes")],
  ["alarms", "Alarms", hrefOf("alarms")],
  ["events", "Events", hrefOf("events")],
] as const;
const badge = h("b", { class: "badge", hidden: true, "data-testid": "badge" });
const links = new Map(
  LINKS.map(([page, label, href]) => [page as string, link(href, label, { "data-testid": `nav-${page}` })]),
);
links.get("alarms")?.append(badge);
byId("nav").append(...links.values());

function viewOf(route: Route): View {
  switch (route.page) {
    case "overview":
      return new OverviewView(context);
    case "nodes":
      return new NodesView(context, route.query);
    case "node":
      return new DeviceView(context, route.name);
    case "alarms":
      return new AlarmsView(context);
    case "events":
      return new EventsView(context, route.query);
    case "nowhere":
      return {
        title: "Not found",
        element: h(
          "div",
          {},
          h("h1", { tabindex: -1 }, "Not found"),
          h("p", { class: "empty" }, "There is no such page."),
        ),
        load: async () => {},
      };
  }
}

function go(moved: boolean): void {
  const route = parseRoute(location.hash);
  view?.close?.();
  view = viewOf(route);
  const current = route.page === "node" ? "nodes" : route.page;
  for (const [page, element] of links) {
    if (page === current) element.setAttribute("aria-current", "page");
    else element.removeAttribute("aria-current");
  }
  main.replaceChildren(view.element);
  if (moved) {
    scrollTo(0, 0);
    // A screen reader goes on at the new page, and so does the keyboard.
    view.element.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }
  drawCounts();
  void load();
}

async function load(): Promise<void> {
  const loading = view;
  try {
    await loading?.load();
    if (loading === view) drawCounts();
  } catch (error) {
    if (error instanceof ApiError && error.wantsToken) showConnection("locked");
    else if (error instanceof ApiError) context.say(`${error.message}.`);
  }
}

// ── How it is ─────────────────────────────────────────────────────────────────────────────────────────────────────

function drawCounts(): void {
  const { items, total } = context.alarms;
  context.open = items.filter((alarm) => !context.acknowledged.has(alarm));
  const alarms = context.open.length + total - items.length;
  badge.hidden = alarms === 0;
  setText(badge, count(alarms));
  badge.setAttribute("aria-label", `${alarms} open`);
  const place = view === undefined || view instanceof OverviewView ? NAME : `${view.title} · ${NAME}`;
  document.title = alarms === 0 ? place : `(${count(alarms)}) ${place}`;
}

async function pulse(): Promise<void> {
  const [summary, alarms] = await Promise.all([api.summary(), api.alarms()]);
  noteStart(summary.started);
  context.summary = summary;
  context.alarms = alarms;
  if (alarms.items.length === alarms.total) context.acknowledged.keep(alarms.items);
  drawCounts();
  view?.onPulse?.();
}

const pulseSoon = throttled(SOON_MS, () => {
  if (connected) pulse().catch(() => {});
});

/** Who we are here: what a token is worth, or being on the server's own machine. */
const access = button(
  "Token",
  () => void dialog.ask("With a token, this page can change things: for as long as this tab is open."),
  {
    "data-testid": "open-token",
    "aria-haspopup": "dialog",
  },
);

async function showRole(): Promise<void> {
  const { name, role } = await api.session();
  setText(access, `${role[0].toUpperCase()}${role.slice(1)}`);
  access.title = `${name}: change the access token`;
}

function showConnection(state: Connection): void {
  const element = byId("connection");
  if (element.dataset.state === state) return;
  element.dataset.state = state;
  setText(
    element,
    {
      connecting: "Connecting…",
      live: "Live",
      lost: "Connection lost, trying again…",
      locked: "Looking from here takes a token",
    }[state],
  );
  if (state !== "locked") return;
  setText(access, "Token");
  void dialog.ask("Looking at this server from here takes an access token.");
}

const reconnect = listen({
  onConnection(state) {
    showConnection(state);
    connected = state === "live";
    // Whatever was missed in between: the stream itself has no memory.
    if (connected) {
      pulse().catch(() => {});
      showRole().catch(() => {});
      void load();
    }
  },
  onReading: (reading) => {
    view?.onReading?.(reading);
    pulseSoon();
  },
  onEvent: (event) => {
    view?.onEvent?.(event);
    pulseSoon();
  },
  onNode: (node) => {
    view?.onNode?.(node);
    pulseSoon();
  },
  onRemoved: (name) => {
    view?.onRemoved?.(name);
    pulseSoon();
  },
  onRequest: (request) => view?.onRequest?.(request),
});

byId("access").append(access);
dialog.onChange = () => {
  showConnection("connecting");
  reconnect();
};

// The part behind "#" is ours, so that the link cannot just point there.
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => go(true));
setInterval(() => view?.age?.(), 1000);
setInterval(() => {
  if (document.visibilityState === "visible") pulseSoon();
}, PULSE_MS);
document.addEventListener("visibilitychange", pulseSoon);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view?.recolour?.());

showConnection("connecting");
go(false);

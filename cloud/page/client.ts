import type { EventJson, NodeInfo, ReadingJson } from "../model.js";

/** A point of `GET /api/series`. */
export interface SeriesPoint {
  readonly time: string;
  readonly count: number;
  readonly temperature: number | null;
  readonly humidity: number | null;
}

export type Connection = "connecting" | "live" | "lost";

export interface StreamListener {
  onConnection(state: Connection): void;
  onReading(reading: ReadingJson): void;
  onEvent(event: EventJson): void;
  onNode(node: NodeInfo): void;
  onRemoved(name: string): void;
}

/** How far the server's clock is ahead of ours: ages are told by the server's. */
let ahead = 0;

export function now(): number {
  return Date.now() + ahead;
}

async function get<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
  const query = new URLSearchParams(parameters).toString();
  const response = await fetch(query === "" ? path : `${path}?${query}`);
  const date = Date.parse(response.headers.get("date") ?? "");
  // The header has whole seconds: smaller differences are noise.
  if (!Number.isNaN(date)) ahead = Math.abs(date - Date.now()) > 3000 ? date - Date.now() : 0;
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json() as Promise<T>;
}

export function fetchNodes(): Promise<NodeInfo[]> {
  return get("/api/nodes");
}

export function fetchEvents(limit: number): Promise<EventJson[]> {
  return get("/api/events", { limit: `${limit}` });
}

export function fetchSeries(node: string, from: number, to: number, points: number): Promise<SeriesPoint[]> {
  return get("/api/series", {
    node,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    points: `${points}`,
  });
}

/** Listens until the page is closed; the browser connects again by itself. */
export function listen(listener: StreamListener): void {
  const source = new EventSource("/api/stream");
  const on = <T>(name: string, handle: (value: T) => void) =>
    source.addEventListener(name, (event) => handle(JSON.parse((event as MessageEvent<string>).data) as T));
  source.addEventListener("open", () => listener.onConnection("live"));
  source.addEventListener("error", () => {
    listener.onConnection("lost");
    // A server that answers with an error ends the stream for good; it may only be starting.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(listener), 3000);
  });
  on<ReadingJson>("reading", (reading) => listener.onReading(reading));
  on<EventJson>("event", (event) => listener.onEvent(event));
  on<NodeInfo>("node", (node) => listener.onNode(node));
  on<string>("removed", (name) => listener.onRemoved(name));
}

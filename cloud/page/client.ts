import type { EventJson, NodeInfo, ReadingJson, RequestJson } from "../model.js";
import type { AlarmJson, MeshJson, SummaryJson } from "../overview-json.js";
import { token } from "./access.js";
import type { HealthPoint, SeriesPoint } from "./series.js";
import { EventStreamParser } from "./sse.js";

/** Why the server did not do something. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  /** A token, or another one, would help. */
  get wantsToken(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

type Parameters = Readonly<Record<string, string | number | undefined>>;

/** How far the server's clock is ahead of ours: ages are told by the server's. */
let ahead = 0;

export function now(): number {
  return Date.now() + ahead;
}

/** Bound to a token that the page was given, which goes into a header and nowhere else. */
async function call(
  method: string,
  path: string,
  options: { body?: unknown; headers?: HeadersInit } = {},
): Promise<Response> {
  const headers = new Headers(options.headers);
  const bearer = token();
  if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
  if (options.body !== undefined) headers.set("content-type", "application/json");
  const response = await fetch(path, {
    method,
    headers,
    ...(options.body !== undefined && { body: JSON.stringify(options.body) }),
  });
  const date = Date.parse(response.headers.get("date") ?? "");
  // The header has whole seconds: smaller differences are noise.
  if (!Number.isNaN(date)) ahead = Math.abs(date - Date.now()) > 3000 ? date - Date.now() : 0;
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { message?: string };
  throw new ApiError(response.status, problem.message ?? `the server answered ${response.status}`);
}

function withQuery(path: string, parameters: Parameters): string {
  const filled = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(filled.map(([name, value]) => [name, `${value}`])).toString();
  return query === "" ? path : `${path}?${query}`;
}

async function get<T>(path: string, parameters: Parameters = {}): Promise<T> {
  return (await call("GET", withQuery(path, parameters))).json() as Promise<T>;
}

/** A part of a list, and how long the whole is. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly total: number;
}

async function getPage<T>(path: string, parameters: Parameters): Promise<Page<T>> {
  const response = await call("GET", withQuery(path, parameters));
  const items = (await response.json()) as T[];
  return { items, total: Number(response.headers.get("x-total-count") ?? items.length) };
}

function nodePath(name: string): string {
  return `/api/nodes/${encodeURIComponent(name)}`;
}

/** Whom the server takes us for. */
export interface Session {
  readonly name: string;
  readonly role: string;
}

export const api = {
  session: () => get<Session>("/api/session"),
  summary: () => get<SummaryJson>("/api/summary"),
  alarms: () => getPage<AlarmJson>("/api/alarms", { limit: 500 }),
  mesh: (gateway?: string) => get<MeshJson>("/api/mesh", { gateway }),
  nodes: (parameters: Parameters) => getPage<NodeInfo>("/api/nodes", parameters),
  node: (name: string) => get<NodeInfo>(nodePath(name)),
  events: (parameters: Parameters) => get<EventJson[]>("/api/events", parameters),
  series: (node: string, from: number, to: number, points: number) =>
    get<SeriesPoint[]>("/api/series", {
      node,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      points,
    }),
  health: (node: string, from: number, to: number, points: number) =>
    get<HealthPoint[]>("/api/health", {
      node,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      points,
    }),
  requests: (node: string) => get<RequestJson[]>(`${nodePath(node)}/requests`),
  /** Asks a node for a resource of its own: it answers when it is heard next, and the stream says so. */
  async ask(node: string, resource: "settings" | "stats", change?: object): Promise<void> {
    await call(change === undefined ? "GET" : "PUT", `${nodePath(node)}/${resource}`, {
      headers: { prefer: "respond-async" },
      ...(change !== undefined && { body: change }),
    });
  },
  async cancel(request: string): Promise<void> {
    await call("DELETE", `/api/requests/${encodeURIComponent(request)}`);
  },
  async remove(node: string): Promise<void> {
    await call("DELETE", nodePath(node));
  },
  exportPath: (node: string, from: number, to: number, format: "csv" | "senml") =>
    withQuery("/api/export", {
      node,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      format,
    }),
  download: async (path: string): Promise<Blob> => (await call("GET", path)).blob(),
};

export type Connection = "connecting" | "live" | "lost" | "locked";

export interface StreamListener {
  onConnection(state: Connection): void;
  onReading(reading: ReadingJson): void;
  onEvent(event: EventJson): void;
  onNode(node: NodeInfo): void;
  onRemoved(name: string): void;
  onRequest(request: RequestJson): void;
}

const AGAIN_MS = 2000;

/**
 * Listens until the page is closed, and connects again by itself. Not by EventSource: that can send no token.
 * @returns connects anew at once, for a new token
 */
export function listen(listener: StreamListener): () => void {
  const handlers: Readonly<Record<string, (value: never) => void>> = {
    reading: (reading: ReadingJson) => listener.onReading(reading),
    event: (event: EventJson) => listener.onEvent(event),
    node: (node: NodeInfo) => listener.onNode(node),
    removed: (name: string) => listener.onRemoved(name),
    request: (request: RequestJson) => listener.onRequest(request),
  };
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const read = async (signal: AbortSignal): Promise<void> => {
    const bearer = token();
    const response = await fetch("/api/stream", {
      signal,
      headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
    });
    if (!response.ok || response.body === null) throw new ApiError(response.status, "no stream");
    listener.onConnection("live");
    const parser = new EventStreamParser((name, data) => handlers[name]?.(JSON.parse(data) as never));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) parser.push(piece.value);
  };
  const connect = (): void => {
    clearTimeout(timer);
    abort.abort();
    abort = new AbortController();
    const { signal } = abort;
    read(signal)
      .catch((error: unknown) => error)
      .then((error) => {
        if (signal.aborted) return;
        listener.onConnection(error instanceof ApiError && error.wantsToken ? "locked" : "lost");
        timer = setTimeout(connect, AGAIN_MS);
      });
  };
  connect();
  return connect;
}

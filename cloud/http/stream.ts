import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import type { LiveEvents } from "../live.js";
import { type HttpContext, HttpError } from "./app.js";
import { content, described } from "./descriptions.js";

const MAXIMUM_CLIENTS = 500;
/** Bytes that may wait for a client who does not read; then it is let go, and asks anew when it can. */
const MAXIMUM_BACKLOG = 1 << 20;
/** Keeps proxies from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;

/** `GET /api/stream`: what happens, as server-sent events named as in live.ts, each with one line of JSON. */
export function streamRoute(app: FastifyInstance, { live, metrics }: HttpContext): void {
  const clients = new Set<ServerResponse>();

  const send = (text: string): void => {
    for (const client of clients) {
      if (client.writableLength > MAXIMUM_BACKLOG) {
        metrics.drop("http", "stream-backlog");
        client.destroy();
      } else client.write(text);
    }
  };
  // Made once for all clients, and not at all for none.
  const pass = (name: keyof LiveEvents) =>
    live.on(name, (value) => {
      if (clients.size > 0) send(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`);
    });
  const off = [pass("reading"), pass("event"), pass("node"), pass("removed"), pass("request")];
  const heartbeat = setInterval(() => send(": still here\n\n"), HEARTBEAT_MS);
  heartbeat.unref();

  app.addHook("preClose", async () => {
    clearInterval(heartbeat);
    for (const stop of off) stop();
    for (const client of clients) client.end();
  });

  const schema = described("What happens, as it happens: server-sent events", "history", {
    200: content("text/event-stream"),
  });
  app.get("/api/stream", { schema }, (request, reply) => {
    if (clients.size >= MAXIMUM_CLIENTS) {
      throw new HttpError(503, "too-many-streams", "too many clients read the stream already");
    }
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      "x-content-type-options": "nosniff",
    });
    raw.write("retry: 2000\n: hello\n\n");
    clients.add(raw);
    metrics.streams.set(clients.size);
    request.raw.on("close", () => {
      clients.delete(raw);
      metrics.streams.set(clients.size);
    });
  });
}

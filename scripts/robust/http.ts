/** Somebody on the internet against the server's HTTP port: a real server on loopback, and sockets of our own. */

import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningServer, startServer } from "../../cloud/server.js";
import type { AttackSuite } from "./result.js";

interface Target {
  readonly server: RunningServer;
  readonly host: string;
  readonly port: number;
  readonly url: string;
}

/** How often it was tried, and what each try was answered with. */
interface Tried {
  readonly attempts: number;
  readonly answers: Map<string, number>;
}

interface Assault {
  readonly attack: string;
  readonly run: (target: Target, short: boolean) => Promise<Tried>;
}

function count(answers: Map<string, number>, answer: string): void {
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
}

/** Sends bytes as they are. @returns the status, or how the connection ended */
function raw({ host, port }: Target, bytes: string, patience = 2000): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, host, () => socket.end(bytes));
    socket.setTimeout(patience, () => socket.destroy());
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? "closed without a word"));
  });
}

async function status(promise: Promise<Response>): Promise<string> {
  const response = await promise;
  await response.arrayBuffer();
  return `${response.status}`;
}

/** Many requests, a few at a time. */
async function each<T>(all: readonly T[], ask: (one: T) => Promise<string>): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  const queue = [...all];
  const next = async (): Promise<void> => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) count(answers, await ask(one));
  };
  await Promise.all(Array.from({ length: 8 }, next));
  return answers;
}

const PATHS = [
  "/../../etc/passwd",
  "/..%2f..%2fetc%2fpasswd",
  "/%2e%2e/%2e%2e/data/store.key",
  "/api/nodes/..%2f..%2fapi-token",
  "/api/nodes/%00",
  "/api/nodes/__proto__",
  "/api/nodes/constructor/settings",
  "//evil.example/",
  "/api/readings?node=' OR 1=1 --",
  "/api/readings?limit=1e9",
  "/api/readings?limit[]=5&limit[__proto__]=1",
  "/api/readings?from=';DROP TABLE readings",
  `/api/nodes/${"a".repeat(5000)}`,
  "/metrics/../api-token",
  "/\\..\\..\\windows",
];

const BODIES: readonly [type: string, body: string][] = [
  ["application/json", '{"__proto__":{"admin":true},"name":"x"}'],
  ["application/json", `{"name":"${"x".repeat(1_000_000)}"}`],
  ["application/json", "[".repeat(10_000)],
  ["application/json", '{"name":"a","oscore":{"masterSecret":"zz"}}'],
  ["application/json", '{"name":"<img src=x onerror=alert(1)>","kind":"node"'],
  ["application/json", "\u0000"],
  ["text/xml", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"],
  ["multipart/form-data; boundary=x", "--x\r\n\r\n"],
];

const REQUESTS = [
  "GET / HTTP/1.1\r\n\r\n",
  "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
  "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
  "POST /api/nodes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /",
  "POST /api/nodes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\nffffffffffffffff\r\n",
  `GET /healthz HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(100_000)}\r\n\r\n`,
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "GET /healthz\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
];

const times = <T>(list: readonly T[], n: number): T[] =>
  Array.from({ length: n * list.length }, (_, i) => list[i % list.length]);

/** Holds connections open, each with what `begin` does to it: others must be served all the while. */
async function meanwhile(
  target: Target,
  connections: number,
  begin: (socket: Socket, i: number) => void,
): Promise<Tried> {
  const sockets = Array.from({ length: connections }, (_, i) => {
    const socket = connect(target.port, target.host);
    socket.on("error", () => {});
    begin(socket, i);
    return socket;
  });
  const answers = await each(times(["/healthz", "/api/nodes"], 20), (path) =>
    status(fetch(`${target.url}${path}`)),
  );
  for (const socket of sockets) socket.destroy();
  return {
    attempts: connections,
    answers: new Map([...answers].map(([answer, n]) => [`others meanwhile: ${answer}`, n])),
  };
}

const ASSAULTS: readonly Assault[] = [
  {
    attack: "paths that lead out of the server's own, and queries that are SQL",
    run: async (target, short) => {
      const paths = times(PATHS, short ? 1 : 50);
      const ask = (path: string) =>
        raw(target, `GET ${path.replaceAll(" ", "%20")} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      return { attempts: paths.length, answers: await each(paths, ask) };
    },
  },
  {
    attack: "requests that are no HTTP, or two at once",
    run: async (target, short) => {
      const requests = times(REQUESTS, short ? 1 : 50);
      return { attempts: requests.length, answers: await each(requests, (request) => raw(target, request)) };
    },
  },
  {
    attack: "writing without a token, with bodies of every kind",
    run: async ({ url }, short) => {
      const bodies = times(BODIES, short ? 1 : 50);
      const ask = ([type, body]: readonly [string, string]) =>
        status(fetch(`${url}/api/nodes`, { method: "POST", headers: { "content-type": type }, body }));
      return { attempts: bodies.length, answers: await each(bodies, ask) };
    },
  },
  {
    attack: "writing with the token, with bodies of every kind",
    run: async ({ url, server }, short) => {
      const bodies = times(BODIES, short ? 1 : 50);
      const authorization = `Bearer ${server.apiToken}`;
      const ask = ([type, body]: readonly [string, string]) =>
        status(
          fetch(`${url}/api/nodes`, {
            method: "POST",
            headers: { "content-type": type, authorization },
            body,
          }),
        );
      return { attempts: bodies.length, answers: await each(bodies, ask) };
    },
  },
  {
    attack: "guessing tokens",
    run: async ({ url, server }, short) => {
      const { apiToken } = server;
      const guesses = Array.from({ length: short ? 60 : 3000 }, (_, i) =>
        i % 3 === 0
          ? apiToken.slice(0, i % apiToken.length)
          : i % 3 === 1
            ? `${apiToken.slice(0, -1)}!`
            : `guess-${i}`,
      );
      const ask = (guess: string) =>
        status(
          fetch(`${url}/api/nodes/node-1`, {
            method: "DELETE",
            headers: { authorization: `Bearer ${guess}` },
          }),
        );
      return { attempts: guesses.length, answers: await each(guesses, ask) };
    },
  },
  {
    attack: "requests that come a byte at a time, and never to an end",
    run: (target, short) =>
      meanwhile(target, short ? 100 : 500, (socket, i) => {
        socket.write(`GET /api/nodes HTTP/1.1\r\nHost: a\r\nX-${i}: `);
      }),
  },
  {
    attack: "streams of events that nobody reads",
    run: (target, short) =>
      meanwhile(target, short ? 50 : 400, (socket) => {
        socket.pause();
        socket.write("GET /api/stream HTTP/1.1\r\nHost: a\r\n\r\n");
      }),
  },
];

export const httpSuite: AttackSuite = async ({ short }, onResult) => {
  for (const { attack, run } of ASSAULTS) {
    const dataDir = mkdtempSync(join(tmpdir(), "robust-http-"));
    const server = await startServer({ dataDir, http: { port: 0 }, coap: { host: "127.0.0.1", port: 0 } });
    try {
      await server.registry.upsert({ name: "node-1", kind: "node", meshAddress: 5 });
      const url = server.httpUrl!;
      const { hostname, port } = new URL(url);
      const effects: string[] = [];
      const { attempts, answers } = await run({ server, host: hostname, port: Number(port), url }, short);
      const names = [...server.registry.devices()].map(({ record }) => record.name);
      if (names.join() !== "node-1") effects.push(`the devices are now: ${names.join()}`);
      if (({} as { admin?: boolean }).admin === true) effects.push("Object.prototype was written to");
      for (const answer of answers.keys())
        if (/\b5\d\d$/.test(answer) && !/503$/.test(answer)) effects.push(`answered ${answer}`);
      if ((await status(fetch(`${url}/healthz`))) !== "200") effects.push("it is not healthy any more");
      onResult({ layer: "somebody on the internet, by HTTP", attack, attempts, refusedBy: answers, effects });
    } finally {
      await server.stop();
      rmSync(dataDir, { recursive: true });
    }
  }
};

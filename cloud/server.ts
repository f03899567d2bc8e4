import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Server as TlsServer } from "node:tls";
import type { FastifyInstance } from "fastify";
import { hostCrypto } from "#hal/crypto.js";
import { TokenFile } from "./access.js";
import { type Cloud, createCloud } from "./cloud.js";
import type { StorageMode } from "./endpoint.js";
import { StartupError } from "./errors.js";
import { isLoopback } from "./http/access.js";
import { buildApp } from "./http/app.js";
import { loadAssets } from "./http/assets.js";
import { loadTls, type TlsFiles } from "./http/tls.js";
import type { Live } from "./live.js";
import { MqttFeed } from "./mqtt.js";
import { NetworkBackups } from "./network-backups.js";
import type { Registry } from "./registry.js";
import { openDataDirectory, tokenFileOf } from "./store/datadir.js";
import { openPostgres } from "./store/postgres.js";
import { openSqlite } from "./store/sqlite.js";
import type { Keep } from "./store/store.js";
import { type Address, DEFAULT_SOURCE_LIMIT, UdpDriver, type UdpPort } from "./udp.js";
import { UdpWorkers } from "./udp-workers.js";

/** A line of the log, for machines; never with keys in it. */
export interface LogEntry {
  readonly time: string;
  readonly level: "info" | "warning" | "error";
  /** A short stable name. */
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface ServerOptions {
  readonly dataDir: string;
  /** Default 127.0.0.1:8080; port 0 takes any that is free; false: none. */
  readonly http?: Partial<Address> | false;
  /** Default 0.0.0.0:5683; port 0 takes any that is free. */
  readonly coap?: Partial<Address>;
  /**
   * postgres://USER:PASSWORD@HOST:PORT/DATABASE: the store is there, and other servers may share it; the data directory
   * has the keys. Default: SQLite in the data directory.
   */
  readonly databaseUrl?: string;
  /** Default: the environment's API_TOKEN, else the one in the data directory. */
  readonly apiToken?: string;
  /** TLS for HTTP. Default: none. */
  readonly tls?: TlsFiles;
  /** Whether whoever is on this machine may look without a token. Default true. */
  readonly openOnLoopback?: boolean;
  /** HTTP requests of one address a minute, those of this machine aside. Default 1200. */
  readonly rateLimit?: number;
  /** An MQTT broker that readings are passed on to: see mqtt.ts. Default: none. */
  readonly mqtt?: { readonly url: string; readonly prefix?: string | undefined };
  /** Default: silent. */
  readonly log?: (entry: LogEntry) => void;
  /** What is kept of readings. Default: what they say. */
  readonly storage?: StorageMode;
  /** How long what is kept. Default: all readings for ever. */
  readonly keep?: Keep;
  /** CoAP datagrams of one address each second. Default: 5000. */
  readonly sourceLimit?: number;
  /** Processes that take and send the datagrams; 0, the default: this one does. */
  readonly workers?: number;
  /** ms since 1970. Default: Date.now. */
  readonly wallTime?: () => number;
}

export interface RunningServer {
  readonly httpUrl: string | undefined;
  readonly coapAddress: Address;
  /** Of the processes on the CoAP port that `workers` asked for. */
  readonly workerPids: () => readonly number[];
  readonly apiToken: string;
  readonly registry: Registry;
  readonly live: Live;
  readonly cloud: Cloud;
  /** Reads the TLS files again. When they are no good, the former ones stay, and the log says so. */
  reloadTls(): void;
  /** Takes nothing new, commits and answers what is under way, closes everything. May be called twice. */
  stop(): Promise<void>;
}

const HOUSEKEEPING_MS = 600_000;
/** Readings go on being stored between the pieces of a large clean-up. */
const BETWEEN_PIECES_MS = 50;

/**
 * Starts the whole server: store, CoAP, HTTP, page.
 * @throws StartupError with a clear sentence; nothing is left running then
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const wallTime = options.wallTime ?? Date.now;
  const log = (level: LogEntry["level"], event: string, fields: Record<string, unknown> = {}) =>
    options.log?.({ time: new Date(wallTime()).toISOString(), level, event, ...fields });
  /** What was opened, to be closed from the last to the first. */
  const open: (() => Promise<void>)[] = [];
  let closing: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    closing ??= (async () => {
      for (const close of open.reverse()) await close();
    })();
    return closing;
  };

  try {
    const { databaseUrl: url } = options;
    const database = url === undefined ? undefined : await openPostgres({ url });
    if (database !== undefined) open.push(() => database.close());
    const directory = openDataDirectory(options.dataDir, {
      storeKey: process.env.STORE_KEY,
      apiToken: options.apiToken ?? process.env.API_TOKEN,
      database: database && { holdsKeys: (await database.registered()).some(({ context }) => context) },
    });
    open.push(async () => directory.release());
    const store = database ?? openSqlite({ file: directory.storeFile, thread: true });
    if (database === undefined) open.push(() => store.close());
    let driver: UdpPort | undefined;
    const cloud = await createCloud({
      store,
      crypto: hostCrypto,
      storeKey: directory.storeKey,
      wallTime,
      clock: () => performance.now(),
      ...(options.storage !== undefined && { storage: options.storage }),
      ...(options.keep !== undefined && { keep: options.keep }),
      send: (datagram, destination) => driver?.send(datagram, destination),
    });
    cloud.metrics.watchProcess();
    open.push(
      startHousekeeping(cloud, (error) => log("error", "housekeeping-failed", { message: error.message })),
    );
    cloud.live.on("event", (event) =>
      log(event.severity === "info" ? "info" : "warning", event.reason, { ...event }),
    );

    if (options.mqtt !== undefined) {
      if (options.storage === "sealed") {
        throw new StartupError(
          "what is kept sealed alone cannot be passed on: choose MQTT_URL or --storage sealed",
        );
      }
      const feed = new MqttFeed({ ...options.mqtt, ...cloud });
      open.push(() => feed.stop());
    }

    const coap = { host: "0.0.0.0", port: 5683, ...options.coap };
    const { workers = 0, sourceLimit = DEFAULT_SOURCE_LIMIT } = options;
    const udp: UdpPort =
      workers === 0
        ? await UdpDriver.open(coap, cloud.metrics, sourceLimit)
        : await UdpWorkers.open(coap, workers, cloud.metrics, sourceLimit, (pid) =>
            cloud.note("worker-ended", `UDP worker ${pid} has ended; another takes its place`, "warning"),
          );
    driver = udp;
    open.push(async () => {
      await cloud.endpoint.settle();
      await udp.close();
    });

    let httpUrl: string | undefined;
    let reloadTls = () => {};
    if (options.http !== false) {
      const tokens = new TokenFile(tokenFileOf(options.dataDir));
      const { tls: files } = options;
      const http = { host: "127.0.0.1", port: 8080, ...options.http };
      const app = buildApp({
        registry: cloud.registry,
        store,
        live: cloud.live,
        metrics: cloud.metrics,
        apiToken: directory.apiToken,
        tokens: () => tokens.current(),
        openOnLoopback: options.openOnLoopback,
        rateLimit: options.rateLimit,
        tls: files && loadTls(files),
        endpoint: cloud.endpoint,
        backups: new NetworkBackups(join(options.dataDir, "network-backups")),
        wallTime,
        trouble: () => (closing === undefined ? cloud.endpoint.trouble : "the server is stopping"),
        onWrite: (who, what, status) => log("info", "http-write", { who, what, status }),
        onError: (error) => log("error", "http-error", { message: error.message, stack: error.stack }),
        assets: await loadAssets(),
      });
      open.push(() => app.close());
      httpUrl = await listen(app, http, files === undefined ? "http" : "https");
      if (files === undefined && http.host !== "localhost" && !isLoopback(http.host)) {
        log("warning", "http-unencrypted", {
          message: `tokens cross the network readable: give --tls-cert and --tls-key, or listen on 127.0.0.1`,
        });
      }
      reloadTls = () => {
        if (files === undefined) return;
        try {
          (app.server as unknown as TlsServer).setSecureContext(loadTls(files));
          log("info", "tls-reloaded");
        } catch (error) {
          log("error", "tls-unusable", { message: (error as Error).message });
        }
      };
    }
    cloud.note("server-started", "The server was started");
    await cloud.endpoint.settle();
    // Datagrams last, when the store is known to take something: whoever gets an answer can also be seen on the page.
    driver.start(cloud.endpoint);
    log("info", "listening", { http: httpUrl, coap: driver.address });
    return {
      httpUrl,
      coapAddress: driver.address,
      workerPids: () => (udp instanceof UdpWorkers ? udp.pids : []),
      apiToken: directory.apiToken,
      registry: cloud.registry,
      live: cloud.live,
      cloud,
      reloadTls,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @returns ends it */
function startHousekeeping(cloud: Cloud, onError: (error: Error) => void): () => Promise<void> {
  let timer: NodeJS.Timeout;
  let running: Promise<void> = Promise.resolve();
  const again = (wait: number): void => {
    timer = setTimeout(() => {
      running = cloud.housekeep().then(
        (more) => again(more ? BETWEEN_PIECES_MS : HOUSEKEEPING_MS),
        (error: Error) => {
          onError(error);
          again(HOUSEKEEPING_MS);
        },
      );
    }, wait);
    timer.unref();
  };
  again(0);
  return async () => {
    clearTimeout(timer);
    await running;
    clearTimeout(timer);
  };
}

async function listen(app: FastifyInstance, { host, port }: Address, scheme: string): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new StartupError(explain(error as NodeJS.ErrnoException, host, port));
  }
  const { port: taken } = app.server.address() as AddressInfo;
  // "Any address" is none that a browser could open.
  const shown = host === "0.0.0.0" || host === "::" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return `${scheme}://${shown}:${taken}`;
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  const way = "choose another with --http HOST:PORT or HTTP_PORT";
  if (error.code === "EADDRINUSE") return `the HTTP port ${port} (TCP, ${host}) is in use already; ${way}`;
  if (error.code === "EACCES") return `this user may not open the HTTP port ${port}; ${way}`;
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") {
    return `this machine has no address ${host}; ${way}`;
  }
  return `the HTTP port ${port} cannot be opened on ${host}: ${error.message}; ${way}`;
}

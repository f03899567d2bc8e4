/** The cloud server alone: `npm run server -- --http HOST:PORT --coap HOST:PORT --data DIR` */

import { InvalidArgumentError, Option } from "commander";
import { STORAGE_MODES, type StorageMode } from "../cloud/endpoint.js";
import { StartupError } from "../cloud/errors.js";
import { KeepError, parseKeep } from "../cloud/keep.js";
import { type LogEntry, startServer } from "../cloud/server.js";
import type { Keep } from "../cloud/store/store.js";
import type { Address } from "../cloud/udp.js";
import { EXIT_USAGE, fail, newCommand, wholeNumber } from "./cli.js";

/** "HOST:PORT", "[IPv6]:PORT" or "PORT". */
function address(text: string): Partial<Address> {
  const parts = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  if (parts === null || port > 65_535) {
    throw new InvalidArgumentError("HOST:PORT or PORT, with a port from 0 (any free one) to 65535.");
  }
  const host = parts[1] ?? parts[2];
  return host === undefined ? { port } : { host, port };
}

/** A port of the environment, checked like an option. */
function environmentPort(name: string): Partial<Address> {
  const text = process.env[name];
  if (text === undefined || text === "") return {};
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    console.error(`${name}="${text}" is no port from 0 to 65535`);
    process.exit(EXIT_USAGE);
  }
  return { port: Number(text) };
}

function keepTimes(text: string): Keep {
  try {
    return parseKeep(text);
  } catch (error) {
    if (error instanceof KeepError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function logLine(entry: LogEntry): void {
  console.log(JSON.stringify(entry));
}

const program = newCommand(
  "npm run server --",
  "The cloud server: takes OSCORE-protected readings over CoAP, keeps them, and shows them.\n\n" +
    "Environment: HTTP_PORT, COAP_PORT, DATA_DIR; API_TOKEN (default: the file api-token in the data directory);\n" +
    "STORE_KEY, 64 hex digits (default: the file store.key there). Options come before the environment.\n" +
    "DATABASE_URL, postgres://USER:PASSWORD@HOST:PORT/DATABASE: everything but the keys is kept in PostgreSQL, and\n" +
    "several servers with the same store.key may share it.\n" +
    "MQTT_URL, mqtt://USER:PASSWORD@HOST:PORT: readings are passed on to this broker, under MQTT_PREFIX (oscore-mesh).",
)
  .option("--http <address>", "where the page and the API listen (default: 127.0.0.1:8080)", address)
  .option("--coap <address>", "where CoAP over UDP listens (default: 0.0.0.0:5683)", address)
  .option("--data <directory>", "where everything is kept (default: ./data)")
  .addOption(
    new Option("--storage <mode>", "what is kept of readings: what they say, the protected message, or both")
      .choices(STORAGE_MODES)
      .env("STORAGE")
      .default("plaintext"),
  )
  .addOption(
    new Option("--keep <times>", "how long, e.g. raw=30d,hourly=2y,daily=20y,sealed=90d (default: for ever)")
      .env("KEEP")
      .argParser(keepTimes),
  )
  .option("--source-limit <n>", "CoAP datagrams of one address each second", wholeNumber(1, 1_000_000), 5000)
  .option("--workers <n>", "processes that share the CoAP port", wholeNumber(0, 64), 0)
  .addOption(
    new Option("--tls-cert <file>", "certificate chain (PEM); SIGHUP reads it again").env("TLS_CERT"),
  )
  .addOption(new Option("--tls-key <file>", "its key (PEM)").env("TLS_KEY"))
  .option("--no-open-reading", "reading takes a token also on this machine")
  .option("--rate-limit <n>", "HTTP requests of one address a minute", wholeNumber(1, 1_000_000), 1200)
  .option("--quiet", "log nothing")
  .allowExcessArguments(false);

program.parse();
const options = program.opts<{
  http?: Partial<Address>;
  coap?: Partial<Address>;
  data?: string;
  storage: StorageMode;
  sourceLimit: number;
  workers: number;
  keep?: Keep;
  tlsCert?: string;
  tlsKey?: string;
  openReading: boolean;
  rateLimit: number;
  quiet?: boolean;
}>();

const { tlsCert, tlsKey } = options;
if ((tlsCert === undefined) !== (tlsKey === undefined)) {
  program.error("error: --tls-cert and --tls-key belong together");
}

try {
  const server = await startServer({
    dataDir: options.data ?? (process.env.DATA_DIR || "./data"),
    http: { ...environmentPort("HTTP_PORT"), ...options.http },
    coap: { ...environmentPort("COAP_PORT"), ...options.coap },
    storage: options.storage,
    sourceLimit: options.sourceLimit,
    workers: options.workers,
    openOnLoopback: options.openReading,
    rateLimit: options.rateLimit,
    ...(tlsCert !== undefined && tlsKey !== undefined && { tls: { cert: tlsCert, key: tlsKey } }),
    ...(process.env.DATABASE_URL && { databaseUrl: process.env.DATABASE_URL }),
    ...(process.env.MQTT_URL && {
      mqtt: { url: process.env.MQTT_URL, prefix: process.env.MQTT_PREFIX || undefined },
    }),
    ...(options.keep !== undefined && { keep: options.keep }),
    ...(options.quiet !== true && { log: logLine }),
  });
  const { host, port } = server.coapAddress;
  console.log(`Page  ${server.httpUrl}`);
  console.log(`CoAP  coap://${host.includes(":") ? `[${host}]` : host}:${port}`);
  process.on("SIGHUP", () => server.reloadTls());
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      server.stop().then(
        () => process.exit(0),
        (error: Error) => fail(error.message),
      );
    });
  }
} catch (error) {
  if (!(error instanceof StartupError)) throw error;
  fail(error.message);
}

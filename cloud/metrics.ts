import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry as PrometheusRegistry,
} from "prom-client";
import { Counters } from "../firmware/bytes/counters.js";
import type { Registry } from "./registry.js";

const PREFIX = "oscore_mesh_";

/** Where in the server something was dropped. */
export type Layer = "udp" | "coap" | "oscore" | "replay" | "report" | "http";

/**
 * What the server counts. The paths that see every packet add to plain counters; Prometheus' form of them is made when
 * somebody asks for it.
 */
export class Metrics {
  readonly #prometheus = new PrometheusRegistry();
  readonly #drops = new Map<Layer, Counters>();
  /** Requests by what became of them: "stored", "duplicate", "refused" … */
  readonly requests = new Counters();
  /** "in" and "out". */
  readonly datagrams = new Counters();
  /** "stored", "duplicate", and "corrected": the time of one that was stored before. */
  readonly readings = new Counters();
  readonly events = new Counters();
  /** Requests to nodes by how they ended: "answered" and "failed". */
  readonly downlinks = new Counters();
  /** Readings passed on to others. */
  readonly feed = new Counters();
  /** Failed commits. */
  readonly commits = new Counters();
  readonly commitSeconds: Histogram;
  readonly commitRequests: Histogram;
  readonly httpSeconds: Histogram;
  readonly streams: Gauge;

  constructor() {
    const registers = [this.#prometheus];
    this.#counts("datagrams_total", "UDP datagrams", "direction", this.datagrams);
    this.#counts("requests_total", "Authentic CoAP requests by outcome", "outcome", this.requests);
    this.#counts("readings_total", "Readings by outcome", "outcome", this.readings);
    this.#counts("events_total", "Security and system events by reason", "reason", this.events);
    this.#counts("downlinks_total", "Requests to nodes by outcome", "outcome", this.downlinks);
    this.#counts(
      "feed_total",
      "Readings passed on over MQTT, and those given up, by outcome",
      "outcome",
      this.feed,
    );
    this.#counts("commits_total", "Transactions by outcome", "outcome", this.commits);
    const drops = this.#drops;
    new Counter({
      name: `${PREFIX}drops_total`,
      help: "Packets and requests that were not taken, by layer and reason",
      labelNames: ["layer", "reason"],
      registers,
      collect() {
        this.reset();
        for (const [layer, counters] of drops) {
          for (const [reason, count] of counters.entries()) this.inc({ layer, reason }, count);
        }
      },
    });
    this.commitSeconds = new Histogram({
      name: `${PREFIX}commit_seconds`,
      help: "Time of a transaction, to the disk and back",
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1],
      registers,
    });
    this.commitRequests = new Histogram({
      name: `${PREFIX}commit_requests`,
      help: "Requests in a transaction",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
      registers,
    });
    this.httpSeconds = new Histogram({
      name: `${PREFIX}http_request_seconds`,
      help: "HTTP requests by method, route and status",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2],
      registers,
    });
    this.streams = new Gauge({ name: `${PREFIX}streams`, help: "Clients of /api/stream", registers });
  }

  #counts(name: string, help: string, label: string, counters: Counters): void {
    new Counter({
      name: PREFIX + name,
      help,
      labelNames: [label],
      registers: [this.#prometheus],
      collect() {
        this.reset();
        for (const [value, count] of counters.entries()) this.inc({ [label]: value }, count);
      },
    });
  }

  /** Counts something that was not taken. `reason` has to come from our code, never from a packet. */
  drop(layer: Layer, reason: string, by = 1): void {
    let counters = this.#drops.get(layer);
    if (counters === undefined) {
      counters = new Counters();
      this.#drops.set(layer, counters);
    }
    counters.add(reason, by);
  }

  dropped(layer: Layer, reason: string): number {
    return this.#drops.get(layer)?.get(reason) ?? 0;
  }

  /** Everything that was dropped so far. */
  *drops(): IterableIterator<[layer: Layer, reason: string, count: number]> {
    for (const [layer, counters] of this.#drops) {
      for (const [reason, count] of counters.entries()) yield [layer, reason, count];
    }
  }

  /** What the gateways report, as gauges: they restart, and then their counts do too. */
  watch(registry: Registry): void {
    const registers = [this.#prometheus];
    const nodes = (name: string, help: string, labelNames: string[], collect: (gauge: Gauge) => void) =>
      new Gauge({
        name: PREFIX + name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          collect(this);
        },
      });
    nodes("devices", "Registered devices by kind", ["kind"], (gauge) => {
      for (const { record } of registry.devices()) gauge.inc({ kind: record.kind });
    });
    nodes("gateway_rsrp_dbm", "Signal of the gateway's modem", ["gateway"], (gauge) => {
      for (const { record, health } of registry.devices()) {
        if (health?.health.rsrp !== undefined) gauge.set({ gateway: record.name }, health.health.rsrp);
      }
    });
    nodes("gateway_queue", "Datagrams waiting in the gateway", ["gateway"], (gauge) => {
      for (const { record, health } of registry.devices()) {
        if (health?.health.queue !== undefined) gauge.set({ gateway: record.name }, health.health.queue);
      }
    });
    nodes("device_uptime_seconds", "Time since the device's start, as last reported", ["device"], (gauge) => {
      for (const { record, health } of registry.devices()) {
        if (health?.health.uptime !== undefined) gauge.set({ device: record.name }, health.health.uptime);
      }
    });
    nodes(
      "device_drops",
      "What devices dropped since their start, as last reported",
      ["device", "reason"],
      (gauge) => {
        for (const { record, health } of registry.devices()) {
          for (const [reason, count] of health?.drops ?? []) {
            gauge.set({ device: record.name, reason }, count);
          }
        }
      },
    );
  }

  /** Figures of the process itself: memory, event loop, garbage collection. */
  watchProcess(): void {
    collectDefaultMetrics({ register: this.#prometheus });
  }

  text(): Promise<string> {
    return this.#prometheus.metrics();
  }

  get contentType(): string {
    return this.#prometheus.contentType;
  }
}

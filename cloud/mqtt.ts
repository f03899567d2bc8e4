import { setTimeout } from "node:timers/promises";
import { connect, type IClientPublishOptions, type MqttClient } from "mqtt";
import { StartupError } from "./errors.js";
import type { Live } from "./live.js";
import type { Metrics } from "./metrics.js";
import { type NodeKind, type ReadingRecord, readingJson } from "./model.js";
import type { Registry } from "./registry.js";
import type { Store } from "./store/store.js";

export interface FeedOptions {
  /** mqtt://USER:PASSWORD@HOST:PORT, mqtts://…, ws://… */
  readonly url: string;
  /** What all topics begin with. Default "oscore-mesh". */
  readonly prefix?: string | undefined;
  readonly store: Store;
  readonly registry: Registry;
  readonly live: Live;
  readonly metrics: Metrics;
  readonly note: (reason: string, detail: string, severity?: "info" | "warning") => void;
}

/** Readings that are under way at a time. */
const BATCH = 200;
/** Readings that wait for a broker that is away; the oldest of more are given up. */
const MOST_WAITING = 1_000_000;
/** How often is looked for what waits, beside each new reading; and how often a broker that is away is tried, ms. */
const LOOK_MS = 5_000;
const GOODBYE_MS = 1_000;
const RECONNECT_MS = 2_000;
/** How often is looked whether too much waits. */
const TRIM_MS = 60_000;

/** Where Home Assistant looks for what there is. */
const DISCOVERY = "homeassistant/sensor";
const SENSORS = [
  { field: "temperature", unit: "°C" },
  { field: "humidity", unit: "%" },
  { field: "battery", unit: "V", deviceClass: "voltage", category: "diagnostic" },
] as const;

const AT_LEAST_ONCE: IClientPublishOptions = { qos: 1 };
const RETAINED: IClientPublishOptions = { qos: 1, retain: true };

/**
 * Passes readings on to an MQTT broker, each at least once:
 *
 *     PREFIX/NODE/reading   each reading
 *     PREFIX/NODE/state     the newest one, retained
 *     PREFIX/status         "online" or "offline", retained
 *
 * and retained configurations by which Home Assistant finds the nodes. What is to be passed on is in the store's outbox
 * from the commit that stored it until the broker has acknowledged it, so neither side's absence loses any.
 */
export class MqttFeed {
  readonly #options: FeedOptions;
  readonly #prefix: string;
  readonly #client: MqttClient;
  readonly #off: (() => void)[];
  readonly #look: NodeJS.Timeout;
  readonly #trim: NodeJS.Timeout;
  /** Nodes that were described since the connection was made. */
  readonly #described = new Map<string, string>();
  #passing: Promise<void> | undefined;
  /** Those under way. */
  #taken: readonly ReadingRecord[] = [];
  #stopped = false;
  #away = false;

  /** @throws StartupError when the URL is none; a broker that is away is tried again and again */
  constructor(options: FeedOptions) {
    this.#options = options;
    this.#prefix = options.prefix ?? "oscore-mesh";
    const { url, store, live } = options;
    if (!URL.canParse(url) || !/^(mqtts?|wss?):\/\//.test(url)) {
      // What was given may have a password in it.
      throw new StartupError(
        "MQTT_URL is no address of a broker: mqtt://USER:PASSWORD@HOST:PORT or mqtts://…",
      );
    }
    store.outbox.enabled = true;
    const status = `${this.#prefix}/status`;
    this.#client = connect(url, {
      reconnectPeriod: RECONNECT_MS,
      queueQoSZero: false,
      will: { topic: status, payload: "offline", qos: 1, retain: true },
    });
    this.#client.on("connect", () => {
      this.#away = false;
      this.#described.clear();
      this.#publish(status, "online", RETAINED).catch(() => {});
      this.#pass();
    });
    for (const event of ["close", "error"] as const) this.#client.on(event, () => this.#lost());
    this.#off = [live.on("reading", () => this.#pass()), live.on("removed", (name) => this.#forget(name))];
    this.#look = setInterval(() => this.#pass(), LOOK_MS);
    this.#trim = setInterval(() => void this.#giveUp(), TRIM_MS);
    for (const timer of [this.#look, this.#trim]) timer.unref();
  }

  /** Ends the connection, behind what is under way. What the broker has not taken stays in the outbox. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#look);
    clearInterval(this.#trim);
    for (const off of this.#off) off();
    if (this.#client.connected) {
      const said = this.#publish(`${this.#prefix}/status`, "offline", RETAINED).catch(() => {});
      // A broker that does not answer is not waited for.
      await Promise.race([Promise.all([this.#passing, said]), setTimeout(GOODBYE_MS)]);
    }
    await this.#client.endAsync(true);
    await this.#options.store.outbox.giveBack(this.#taken).catch(() => {});
  }

  #lost(): void {
    if (this.#away || this.#stopped) return;
    this.#away = true;
    this.#options.note("mqtt-away", "The MQTT broker does not answer; readings wait for it", "warning");
  }

  /** Passes on what waits, if that is not going on already. */
  #pass(): void {
    if (this.#passing !== undefined || !this.#client.connected || this.#stopped) return;
    this.#passing = this.#passAll()
      // The store or the broker is away: the next look finds what was left.
      .catch(() => this.#options.metrics.feed.add("failed"))
      .finally(() => {
        this.#passing = undefined;
      });
  }

  async #passAll(): Promise<void> {
    const { outbox } = this.#options.store;
    while (this.#client.connected && !this.#stopped) {
      const readings = await outbox.take(BATCH);
      if (readings.length === 0) return;
      this.#taken = readings;
      for (const { node } of readings) await this.#describe(node);
      // All at once, in their order.
      await Promise.all(readings.map((reading) => this.#passOne(reading)));
      await outbox.passed(readings);
      this.#taken = [];
      this.#options.metrics.feed.add("passed", readings.length);
    }
  }

  async #passOne(reading: ReadingRecord): Promise<void> {
    const { registry } = this.#options;
    const name = registry.nameOf(reading.node);
    if (name === undefined) return;
    const body = JSON.stringify(readingJson(reading, registry.nameOf));
    const messages = [this.#publish(this.#topic(name, "reading"), body, AT_LEAST_ONCE)];
    const newest = registry.device(reading.node)?.last;
    // Readings that had waited come later than newer ones.
    if (newest === undefined || reading.time >= newest.time) {
      messages.push(this.#publish(this.#topic(name, "state"), body, RETAINED));
    }
    await Promise.all(messages);
  }

  /** Tells Home Assistant of a node, once for each connection and again when it has changed. */
  async #describe(node: number): Promise<void> {
    const record = this.#options.registry.device(node)?.record;
    if (record === undefined) return;
    const { name, kind, place } = record;
    const described = JSON.stringify([kind, place]);
    if (this.#described.get(name) === described) return;
    this.#described.set(name, described);
    await Promise.all(
      SENSORS.map((sensor) =>
        this.#publish(discoveryTopic(record.id, sensor.field), this.#discovery(record, sensor), RETAINED),
      ),
    );
  }

  #discovery(
    { id, name, kind, place }: { id: number; name: string; kind: NodeKind; place: string | undefined },
    sensor: (typeof SENSORS)[number],
  ): string {
    const { field, unit } = sensor;
    return JSON.stringify({
      name: field,
      unique_id: `${objectId(id)}_${field}`,
      state_topic: this.#topic(name, "state"),
      value_template: `{{ value_json.${field} }}`,
      device_class: "deviceClass" in sensor ? sensor.deviceClass : field,
      state_class: "measurement",
      unit_of_measurement: unit,
      ...("category" in sensor && { entity_category: sensor.category }),
      availability_topic: `${this.#prefix}/status`,
      device: {
        identifiers: [objectId(id)],
        name,
        model: kind,
        manufacturer: "oscore-mesh",
        ...(place !== undefined && { suggested_area: place }),
      },
    });
  }

  /** A node was removed: an empty retained message takes back the one before it. */
  #forget(name: string): void {
    this.#described.delete(name);
    const id = this.#options.registry.numberOf(name);
    const topics = SENSORS.map(({ field }) => discoveryTopic(id ?? 0, field));
    for (const topic of [this.#topic(name, "state"), ...topics]) {
      this.#publish(topic, "", RETAINED).catch(() => {});
    }
  }

  async #giveUp(): Promise<void> {
    const { store, metrics, note } = this.#options;
    try {
      const lost = await store.outbox.trim(MOST_WAITING);
      if (lost === 0) return;
      metrics.feed.add("dropped", lost);
      note(
        "mqtt-dropped",
        "The MQTT broker was away too long: the oldest readings were not passed on",
        "warning",
      );
    } catch {
      // A store that is away says so itself.
    }
  }

  /** A name may have characters that mean something in a topic (MQTT 3.1.1 §4.7). */
  #topic(name: string, what: "reading" | "state"): string {
    return `${this.#prefix}/${encodeURIComponent(name)}/${what}`;
  }

  async #publish(topic: string, payload: string, options: IClientPublishOptions): Promise<void> {
    await this.#client.publishAsync(topic, payload, options);
  }
}

function objectId(node: number): string {
  return `oscore_mesh_${node}`;
}

function discoveryTopic(node: number, field: string): string {
  return `${DISCOVERY}/${objectId(node)}/${field}/config`;
}

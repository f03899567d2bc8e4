import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Aedes } from "aedes";
import { MqttFeed } from "../../cloud/mqtt.js";
import { openPostgres } from "../../cloud/store/postgres.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import type { Store } from "../../cloud/store/store.js";
import { Bench, TestNode } from "./helpers.js";
import { postgresUrl } from "./postgres-server.js";

/** A broker on a port of its own, with all that was published to it. */
class Broker {
  readonly published: { readonly topic: string; readonly text: string; readonly retain: boolean }[] = [];
  readonly #aedes: Aedes;
  readonly #server: Server;

  private constructor(aedes: Aedes) {
    this.#aedes = aedes;
    this.#server = createServer(aedes.handle);
    aedes.on("publish", ({ topic, payload, retain }, client) => {
      if (client !== null) this.published.push({ topic, text: `${payload}`, retain });
    });
  }

  static async start(port = 0): Promise<Broker> {
    const broker = new Broker(await Aedes.createBroker());
    await new Promise<void>((resolve) => broker.#server.listen(port, "127.0.0.1", resolve));
    return broker;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** What was published to a topic last, as JSON. */
  last(topic: string): Record<string, unknown> | undefined {
    const found = this.published.findLast((message) => message.topic === topic);
    return found === undefined || found.text === "" ? undefined : JSON.parse(found.text);
  }

  temperatures(node: string): unknown[] {
    const topic = `oscore-mesh/${node}/reading`;
    return this.published
      .filter((message) => message.topic === topic)
      .map(({ text }) => (JSON.parse(text) as { temperature: number }).temperature);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    await closed;
  }
}

async function until(condition: () => unknown): Promise<void> {
  while (!condition()) await setImmediate();
}

const KEY = new Uint8Array(32).fill(9);

for (const place of ["SQLite", "PostgreSQL"]) {
  describe(`cloud to MQTT, ${place}`, () => {
    let directory: string;
    let open: () => Promise<Store>;
    let broker: Broker;
    let bench: Bench;
    let feed: MqttFeed;
    let node: TestNode;

    const start = async (nodes: TestNode[] = []) => {
      bench = await Bench.create({ store: await open(), storeKey: KEY, nodes });
    };
    const follow = (port = broker.port) => {
      feed = new MqttFeed({ url: `mqtt://127.0.0.1:${port}`, ...bench.cloud });
    };
    const receive = async (...sent: { datagram: Uint8Array }[]) => {
      for (const { datagram } of sent) {
        bench.receive(datagram);
        await bench.cloud.endpoint.settle();
      }
    };
    beforeEach(async function () {
      directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
      const url = place === "SQLite" ? "" : await postgresUrl(this);
      open = async () =>
        place === "SQLite" ? openSqlite({ file: join(directory, "store.db") }) : openPostgres({ url });
      broker = await Broker.start();
      node = new TestNode("node 1/a", 1, { place: "Roof" });
      await start([node]);
    });
    afterEach(async () => {
      await feed.stop();
      await bench.cloud.stop();
      await broker.stop();
      rmSync(directory, { recursive: true, force: true });
    });

    it("passes each reading on, keeps the newest as state, and lets Home Assistant find the node", async () => {
      follow();
      await receive(node.reading(2000), node.readings([{ age: 3600, temperature: 1500 }]));
      const name = "node%201%2Fa";
      await until(() => broker.temperatures(name).length === 2);
      assert.deepEqual(broker.temperatures(name), [20, 15]);
      assert.equal(broker.last(`oscore-mesh/${name}/state`)?.temperature, 20, "an older one is no news");
      const state = broker.published.find(({ topic }) => topic === `oscore-mesh/${name}/state`);
      assert.equal(state?.retain, true);
      const id = bench.cloud.registry.numberOf("node 1/a");
      const topic = `homeassistant/sensor/oscore_mesh_${id}/temperature/config`;
      const config = broker.last(topic);
      assert.equal(config?.state_topic, `oscore-mesh/${name}/state`);
      assert.equal(config?.unit_of_measurement, "°C");
      assert.equal(config?.value_template, "{{ value_json.temperature }}");
      assert.match(JSON.stringify(config), /"suggested_area":"Roof"/);
      assert.ok(
        broker.published.some(({ topic, text }) => topic === "oscore-mesh/status" && text === "online"),
      );
      await bench.cloud.registry.remove("node 1/a");
      await until(() => broker.last(topic) === undefined);
      await until(() => broker.last(`oscore-mesh/${name}/state`) === undefined);
    });

    it("loses nothing while the broker is away, nor while the server is", async () => {
      const { port } = broker;
      follow();
      await receive(node.reading(1));
      await until(() => bench.cloud.metrics.feed.get("passed") === 1);
      await broker.stop();
      await receive(node.reading(2), node.reading(3));
      // Ends with two of them in its outbox.
      await feed.stop();
      await bench.cloud.stop();
      await start();
      broker = await Broker.start(port);
      follow();
      await receive(node.reading(4));
      await until(() => broker.temperatures("node%201%2Fa").length >= 3);
      assert.deepEqual([...new Set(broker.temperatures("node%201%2Fa"))], [0.02, 0.03, 0.04]);
      await until(() => bench.cloud.metrics.feed.get("passed") === 3);
      assert.deepEqual(await bench.cloud.store.outbox.take(10), []);
    });

    it("is bounded, and off by default", async () => {
      await receive(node.reading(1));
      const { outbox } = bench.cloud.store;
      assert.deepEqual(await outbox.take(10), []);
      outbox.enabled = true;
      await receive(node.reading(2), node.reading(3), node.reading(4));
      assert.equal(await outbox.trim(2), 1);
      const waiting = await outbox.take(10);
      assert.deepEqual(
        waiting.map(({ temperature }) => temperature),
        [3, 4],
      );
      await outbox.passed(waiting);
      assert.equal(await outbox.trim(0), 0);
      follow();
    });
  });
}

import assert from "node:assert/strict";
import { Code } from "../../firmware/coap/numbers.js";
import { Bench, decode, renumbered, TestNode } from "./helpers.js";

describe("cloud endpoint: what it tells of", () => {
  let node: TestNode;
  let bench: Bench;

  beforeEach(async () => {
    node = new TestNode("node-1", 1, { meshAddress: 0x0012 });
    bench = await Bench.create({ nodes: [node] });
  });

  describe("events", () => {
    it("of a kind are one, with a count, and told once a second at most", () => {
      for (let i = 0; i < 1000; i++) {
        const { datagram } = node.reading(2000, 4000, { partialIv: 5, messageId: i });
        datagram[datagram.length - 1] ^= 1;
        bench.receive(datagram);
        bench.pass(10);
      }
      bench.pass(1000);
      assert.equal(new Set(bench.live.event.map(({ id }) => id)).size, 1);
      assert.equal(bench.live.event.at(-1)?.count, 1000);
      assert.ok(bench.live.event.length <= 13, `${bench.live.event.length} times`);
    });

    it("of strangers are one that counts, wherever they speak from", async () => {
      for (let i = 0; i < 200; i++) {
        const stranger = new TestNode("x", 500 + (i % 3));
        bench.receive(stranger.reading(i, 1, { messageId: i }).datagram, `10.0.0.${i}:1`);
      }
      bench.pass(2000);
      const events = await bench.cloud.store.events({ limit: 1000, kind: "security" });
      assert.deepEqual(
        events.map(({ reason, count, severity }) => [reason, count, severity]),
        [["oscore-context", 200, "info"]],
      );
      const { messages, senders } = bench.cloud.endpoint.unknown.json()!;
      assert.deepEqual([messages, senders], [200, 3]);
    });

    it("of anybody are bounded, and do not crowd out those of nodes", async () => {
      for (let i = 0; i < 2000; i++) {
        const unprotected = Uint8Array.of(0x40, 0x02, i >> 8, i, 0xff, 0xa0);
        bench.receive(unprotected, `10.0.${i >> 8}.${i & 255}:1`);
      }
      const { datagram } = node.reading(2000);
      datagram[datagram.length - 1] ^= 1;
      bench.receive(datagram);
      bench.pass(2000);
      const events = await bench.cloud.store.events({ limit: 1000 });
      assert.ok(events.length < 110, `${events.length} events`);
      assert.equal(events.find(({ reason }) => reason === "events-not-listed")?.count, 1900);
      assert.ok(events.some((event) => event.node === "node-1"));
    });
  });

  describe("a false source address", () => {
    it("gets no more than three times what was sent in its name, and few errors", () => {
      const short = Uint8Array.of(0x40, 0x02, 0, 1, 0x93, 0x09, 0x00, 0x01, 0xff, 0x00);
      const stranger = new TestNode("x", 900);
      let [resets, errors] = [0, 0];
      for (let i = 0; i < 1000; i++) {
        const datagram =
          i % 2 === 0 ? renumbered(short, i) : stranger.reading(1, 1, { messageId: i }).datagram;
        for (const answer of bench.receive(datagram, "203.0.113.5:53")) {
          assert.ok(answer.length <= 3 * datagram.length, `${answer.length} for ${datagram.length}`);
          if (answer.length === 4) resets++;
          else errors++;
        }
      }
      assert.equal(errors, 100);
      assert.equal(resets, 900);
      assert.equal(bench.cloud.metrics.dropped("coap", "error-limit"), 900);
      const { datagram } = node.reading(1);
      datagram[datagram.length - 1] ^= 1;
      assert.equal(decode(bench.receive(datagram)[0]).code, Code.BAD_REQUEST, "others are not concerned");
      bench.pass(1000);
      assert.ok(bench.receive(stranger.reading(1).datagram, "203.0.113.5:53")[0].length > 4, "later again");
    });
  });

  describe("a gateway's health", () => {
    let gateway: TestNode;
    const here = "198.51.100.1:5000";

    beforeEach(async () => {
      gateway = new TestNode("gateway-1", 3, { kind: "gateway", meshAddress: 1 });
      await bench.cloud.registry.upsert(gateway.spec);
      bench.settle();
      bench.live.event.length = 0;
    });

    it("says through which gateway and how many hops a reading came", () => {
      bench.receive(
        gateway.health({
          uptime: 60,
          rsrp: -97,
          rat: "LTE-M",
          queue: 0,
          modem: "ready",
          heard: new Map([[0x12, 3]]),
        }).datagram,
        here,
      );
      bench.receive(node.reading(2000).datagram, here);
      const reading = bench.live.reading.at(-1);
      assert.equal(reading?.gateway, "gateway-1");
      assert.equal(reading?.hops, 3);
      const info = bench.cloud.registry.get("gateway-1");
      assert.equal(info?.health?.rsrp, -97);
      assert.deepEqual(info?.health?.heard, { "0012": 3 });
      assert.equal(bench.cloud.registry.get("node-1")?.gateway, "gateway-1");
    });

    it("does not name a gateway for readings from elsewhere", () => {
      bench.receive(gateway.health({ uptime: 60 }).datagram, here);
      bench.receive(node.reading(2000).datagram, "198.51.100.2:5000");
      assert.equal(bench.live.reading.at(-1)?.gateway, undefined);
    });

    it("makes security events of what the mesh refused, by as much as it grew", () => {
      const report = (uptime: number, mic: number) =>
        bench.receive(
          gateway.health({
            uptime,
            drops: new Map([
              ["mesh: mic", mic],
              ["mesh: ttl", 5],
            ]),
          }).datagram,
          here,
        );
      report(60, 12);
      report(120, 12);
      report(180, 15);
      bench.pass(1500);
      const event = bench.live.event.at(-1);
      assert.equal(event?.reason, "mesh-mic");
      assert.equal(event?.gateway, "gateway-1");
      assert.equal(event?.count, 15);
      assert.match(event?.detail ?? "", /gateway-1.*NetMIC/);
      assert.equal(
        bench.live.event.some(({ reason }) => reason === "mesh-ttl"),
        false,
      );
    });

    it("counts from zero when the gateway has started anew", () => {
      const report = (uptime: number, mic: number) =>
        bench.receive(
          gateway.health({ uptime, resetReason: "watchdog", drops: new Map([["mesh: mic", mic]]) }).datagram,
          here,
        );
      report(1000, 12);
      report(5, 2);
      bench.pass(1500);
      assert.equal(
        bench.live.event.find(({ reason }) => reason === "restarted")?.detail,
        "gateway-1 has started anew (watchdog)",
      );
      assert.equal(bench.live.event.filter(({ reason }) => reason === "mesh-mic").at(-1)?.count, 14);
    });

    it("puts together what it tells in turns", () => {
      bench.receive(
        gateway.health({ uptime: 60, heard: new Map([[0x12, 3]]), drops: new Map([["a", 1]]) }).datagram,
        here,
      );
      bench.receive(
        gateway.health({ uptime: 120, heard: new Map([[0x13, 1]]), drops: new Map([["b", 2]]) }).datagram,
        here,
      );
      const health = bench.cloud.registry.get("gateway-1")?.health;
      assert.deepEqual(health?.heard, { "0012": 3, "0013": 1 });
      assert.deepEqual(health?.drops, { a: 1, b: 2 });
    });
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { Type } from "../../firmware/coap/message.js";
import { Code, ContentFormat, OptionNumber } from "../../firmware/coap/numbers.js";
import { pathOptions, uintOption } from "../../firmware/coap/options.js";
import { encodeReadings } from "../../firmware/reading/codec.js";
import { encodeSenml } from "../../firmware/reading/senml.js";
import { Bench, decode, EPOCH, renumbered, TestNode } from "./helpers.js";

const iso = (time: number) => new Date(EPOCH + time).toISOString();

describe("cloud endpoint", () => {
  let node: TestNode;
  let bench: Bench;

  beforeEach(async () => {
    node = new TestNode("node-1", 1, { meshAddress: 0x0012 });
    bench = await Bench.create({ nodes: [node] });
  });

  describe("a good request", () => {
    it("is stored, shown and answered under protection", async () => {
      const sent = node.reading(2137, 4512);
      const [answer] = bench.receive(sent.datagram);
      assert.equal(decode(answer).type, Type.ACK);
      assert.equal(node.open(sent, answer).code, Code.CHANGED);
      const expected = {
        node: "node-1",
        time: iso(1000),
        temperature: 21.37,
        humidity: 45.12,
        battery: 3,
        received: iso(1000),
      };
      assert.deepEqual(bench.live.reading, [expected]);
      assert.deepEqual(bench.cloud.registry.get("node-1")?.last, expected);
      const stored = await bench.cloud.store.readings({ limit: 10 });
      assert.deepEqual(
        stored.map(({ temperature, humidity, battery, time }) => [temperature, humidity, battery, time]),
        [[2137, 4512, 3000, EPOCH + 1000]],
      );
    });

    it("is answered with 15 bytes behind the commit, and not before", () => {
      const sent = node.reading(2000);
      bench.cloud.endpoint.handle(sent.datagram, "192.0.2.1:40000", bench.now);
      assert.equal(bench.answers.length, 0);
      assert.ok(bench.cloud.endpoint.deadline <= bench.now);
      bench.settle();
      assert.equal(bench.answers[0].datagram.length, 15);
    });

    it("shares its commit with the others of its turn", () => {
      for (let i = 0; i < 5; i++) {
        bench.cloud.endpoint.handle(node.reading(2000 + i).datagram, "192.0.2.1:40000", bench.now);
      }
      bench.settle();
      assert.equal(bench.answers.length, 5);
      assert.equal(
        bench.cloud.metrics.commits.get("done"),
        2,
        "one for the registration's event, one for the five",
      );
    });

    it("may come as NON, to /r, as SenML, or want no answer", async () => {
      const non = node.reading(2001, 4000, { type: Type.NON });
      assert.equal(decode(bench.receive(non.datagram)[0]).type, Type.NON);
      const path = node.reading(2002, 4000, { options: pathOptions("r") });
      assert.equal(node.open(path, bench.receive(path.datagram)[0]).code, Code.CHANGED);
      const senml = node.request(encodeSenml([{ age: 0, temperature: 2003 }]), {
        options: [uintOption(OptionNumber.CONTENT_FORMAT, ContentFormat.SENML_CBOR)],
      });
      assert.equal(node.open(senml, bench.receive(senml.datagram)[0]).code, Code.CHANGED);
      const silent = node.reading(2004, 4000, {
        type: Type.NON,
        options: [uintOption(OptionNumber.NO_RESPONSE, 2)],
      });
      assert.deepEqual(bench.receive(silent.datagram), []);
      const temperatures = (await bench.cloud.store.readings({ limit: 9 })).map(
        ({ temperature }) => temperature,
      );
      assert.deepEqual(temperatures, [2001, 2002, 2003, 2004]);
    });

    it("brings a batch, each reading at its own time", async () => {
      bench.receive(
        node.readings([
          { age: 120, temperature: 1900 },
          { age: 60, temperature: 1950 },
          { age: 0, temperature: 2000 },
        ]).datagram,
      );
      const times = (await bench.cloud.store.readings({ limit: 9 })).map(({ time }) => (time - EPOCH) / 1000);
      assert.deepEqual(times, [-119, -59, 1]);
      assert.equal(bench.cloud.registry.get("node-1")?.last?.temperature, 20);
    });
  });

  describe("a reading that was sent before", () => {
    it("is stored once, however often its node has to send it again", async () => {
      const first = node.readings([
        { age: 10, temperature: 1900 },
        { age: 0, temperature: 2000 },
      ]);
      bench.receive(first.datagram);
      bench.pass(60_000);
      const second = node.readings([
        { age: 70, temperature: 1900, firstCarriage: { partialIv: first.partialIv, index: 0 } },
        { age: 60, temperature: 2000, firstCarriage: { partialIv: first.partialIv, index: 1 } },
        { age: 0, temperature: 2100 },
      ]);
      assert.equal(node.open(second, bench.receive(second.datagram)[0]).code, Code.CHANGED);
      assert.equal((await bench.cloud.store.readings({ limit: 9 })).length, 3);
      assert.equal(bench.live.reading.length, 3);
      assert.equal(bench.cloud.metrics.readings.get("duplicate"), 2);
    });

    it("is told of once more when it shows that its time was wrong", async () => {
      // It waited for ten minutes in a gateway, and nobody knew.
      const late = node.reading(2000);
      bench.pass(600_000);
      bench.receive(late.datagram);
      const again = node.readings([
        { age: 600, temperature: 2000, firstCarriage: { partialIv: late.partialIv, index: 0 } },
      ]);
      bench.receive(again.datagram);
      const [first, second] = bench.live.reading;
      assert.equal(Date.parse(first.time) - Date.parse(second.time), 600_000);
      assert.deepEqual([first.corrected, second.corrected], [undefined, true]);
      assert.equal(bench.cloud.registry.get("node-1")?.last?.time, second.time);
      assert.equal((await bench.cloud.store.readings({ limit: 9 })).length, 1);
      assert.equal(bench.cloud.metrics.readings.get("corrected"), 1);
    });

    it("is stored when the server had never seen it", async () => {
      const lost = node.reading(2000);
      const again = node.readings([
        { age: 60, temperature: 2000, firstCarriage: { partialIv: lost.partialIv, index: 0 } },
      ]);
      bench.receive(again.datagram);
      assert.equal((await bench.cloud.store.readings({ limit: 9 })).length, 1);
    });

    it("cannot name a message that is still to come", () => {
      const sent = node.readings([{ age: 0, temperature: 2000, firstCarriage: { partialIv: 7, index: 0 } }]);
      assert.equal(node.open(sent, bench.receive(sent.datagram)[0]).code, Code.BAD_REQUEST);
      assert.equal(bench.cloud.metrics.dropped("report", "report-carriage"), 1);
    });
  });

  describe("the newest request once more", () => {
    it("is answered again with the same protected bytes, and stored once", async () => {
      const sent = node.reading(2000);
      const [first] = bench.receive(sent.datagram);
      const [second] = bench.receive(renumbered(sent.datagram, 999), "192.0.2.2:40001");
      assert.deepEqual(decode(second).payload, decode(first).payload);
      assert.equal(decode(second).messageId, 999);
      assert.equal(bench.answers[1].destination, "192.0.2.2:40001");
      assert.equal((await bench.cloud.store.readings({ limit: 9 })).length, 1);
      assert.equal(bench.cloud.metrics.requests.get("duplicate"), 1);
      assert.equal(bench.live.event.length, 0);
    });

    it("waits for the commit of the first when both come in one turn", () => {
      const sent = node.reading(2000);
      bench.cloud.endpoint.handle(sent.datagram, "192.0.2.1:1", bench.now);
      bench.cloud.endpoint.handle(renumbered(sent.datagram, 7), "192.0.2.2:1", bench.now);
      assert.equal(bench.answers.length, 0);
      bench.settle();
      assert.deepEqual(
        bench.answers.map(({ destination }) => destination),
        ["192.0.2.1:1", "192.0.2.2:1"],
      );
    });
  });

  describe("refuses", () => {
    const expectRefused = (datagram: Uint8Array, code: number | undefined, reason: string) => {
      const stored = bench.live.reading.length;
      const answers = bench.receive(datagram, "192.0.2.9:1234");
      bench.pass(1500);
      assert.deepEqual(
        answers.map((answer) => decode(answer).code),
        code === undefined ? [] : [code],
      );
      assert.equal(bench.live.reading.length, stored, "nothing may be shown");
      const event = bench.live.event.at(-1);
      assert.equal(event?.reason, reason);
      assert.equal(event?.kind, "security");
      return event!;
    };

    it("a changed byte anywhere behind the option", () => {
      const { datagram } = node.reading(2000);
      for (const at of [datagram.length - 1, datagram.length - 9]) {
        const changed = renumbered(datagram, 100 + at);
        changed[at] ^= 1;
        assert.equal(expectRefused(changed, Code.BAD_REQUEST, "oscore-decrypt").node, "node-1");
      }
      assert.equal(bench.cloud.registry.get("node-1")?.refused, 2);
    });

    it("a changed Partial IV", () => {
      const { datagram } = node.reading(2000);
      const at = datagram.indexOf(0x09, 4) + 1;
      const changed = datagram.slice();
      changed[at] ^= 0x10;
      expectRefused(changed, Code.BAD_REQUEST, "oscore-decrypt");
    });

    it("a replay", () => {
      const old = node.reading(2000);
      bench.receive(old.datagram);
      bench.receive(node.reading(2001).datagram);
      const event = expectRefused(renumbered(old.datagram, 500), Code.UNAUTHORIZED, "oscore-replay");
      assert.match(event.detail, /Request 0 of node-1 came again/);
    });

    it("a message that was held back", () => {
      const held = node.reading(2000);
      bench.receive(node.reading(2001).datagram);
      const event = expectRefused(held.datagram, Code.UNAUTHORIZED, "oscore-reordered");
      assert.match(event.detail, /Request 0 of node-1 came after newer ones/);
    });

    it("a stranger", () => {
      const event = expectRefused(
        new TestNode("x", 77).reading(1).datagram,
        Code.UNAUTHORIZED,
        "oscore-context",
      );
      assert.equal(event.node, undefined);
      assert.match(event.detail, /192\.0\.2\.9/);
    });

    it("a request without OSCORE", () => {
      expectRefused(Uint8Array.of(0x40, 0x02, 0, 1, 0xff, 0xa0), Code.UNAUTHORIZED, "oscore-unprotected");
    });

    it("a cut message, with a reset", () => {
      const { datagram } = node.reading(2000);
      expectRefused(datagram.slice(0, 6), Code.EMPTY, "coap-option-cut");
      expectRefused(Uint8Array.of(0x40, 2), undefined, "coap-too-short");
    });

    it("a critical option that somebody on the way has added", () => {
      const { datagram } = node.reading(2000);
      // Option 65001 behind option 9, without a value.
      const marker = datagram.indexOf(0xff, 6);
      const changed = new Uint8Array(datagram.length + 3);
      changed.set(datagram.subarray(0, marker));
      changed.set([0xe0, 0xfc, 0xd3], marker);
      changed.set(datagram.subarray(marker), marker + 3);
      expectRefused(changed, Code.BAD_OPTION, "coap-critical-option");
    });

    it("what an authentic node should not send, under protection", () => {
      const cases: [number, ReturnType<TestNode["request"]>][] = [
        [Code.BAD_REQUEST, node.request(Uint8Array.of(0xa1, 0x01))],
        [Code.BAD_REQUEST, node.request(Uint8Array.of(0x80))],
        [
          Code.NOT_FOUND,
          node.request(encodeReadings([{ age: 0, temperature: 1 }]), { options: pathOptions("other") }),
        ],
        [Code.METHOD_NOT_ALLOWED, node.request(new Uint8Array(0), { code: Code.GET })],
        [
          Code.UNSUPPORTED_CONTENT_FORMAT,
          node.request(Uint8Array.of(0x30), { options: [uintOption(OptionNumber.CONTENT_FORMAT, 0)] }),
        ],
        [
          Code.BAD_OPTION,
          node.request(Uint8Array.of(0xa0), { options: [uintOption(OptionNumber.IF_MATCH, 1)] }),
        ],
      ];
      for (const [code, sent] of cases) {
        assert.equal(node.open(sent, bench.receive(sent.datagram)[0]).code, code);
      }
      assert.equal(bench.live.reading.length, 0);
    });

    it("any other bytes, without ever throwing", () => {
      const { datagram } = node.reading(2000);
      fc.assert(
        fc.property(
          fc.oneof(
            fc.uint8Array({ maxLength: 80 }),
            fc.tuple(fc.nat(datagram.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
              const changed = datagram.slice();
              changed[at] ^= flip;
              return changed;
            }),
            fc.nat(datagram.length - 1).map((length) => datagram.slice(0, length)),
          ),
          (bytes) => {
            bench.receive(bytes);
            // Type, code, message ID and token are not protected (RFC 8613 §4.1): with them changed it is still the
            // node's reading, and the only one there may be.
            for (const { temperature } of bench.live.reading) assert.equal(temperature, 20);
            assert.ok(bench.live.reading.length <= 1);
          },
        ),
        { numRuns: 500 },
      );
    });
  });

  describe("replay window", () => {
    it("of 32 takes each number once, in any order", async () => {
      const loose = new TestNode("loose", 2, { replayWindow: 32 });
      const own = await Bench.create({ nodes: [loose] });
      const sent = Array.from({ length: 20 }, (_, i) => loose.reading(2000 + i));
      const order = [...sent.keys()].sort((a, b) => ((a * 7) % 20) - ((b * 7) % 20));
      for (const i of order) own.receive(sent[i].datagram);
      assert.equal(own.live.reading.length, 20);
      for (const i of order) own.receive(renumbered(sent[i].datagram, 1000 + i));
      assert.equal(own.live.reading.length, 20);
    });

    it("of 1 takes rising numbers only", () => {
      for (const partialIv of [3, 9, 4, 10, 10, 2 ** 40 - 1, 11]) {
        bench.receive(node.reading(2000, 4000, { partialIv }).datagram);
      }
      assert.equal(bench.live.reading.length, 4);
    });
  });

  describe("when the store fails", () => {
    it("acknowledges nothing, and takes the reading when it comes again", async () => {
      const sent = node.reading(2000);
      const { store } = bench.cloud;
      const { commit } = store;
      store.commit = (_batch, done) => done(new Error("disk full"));
      assert.equal(decode(bench.receive(sent.datagram)[0]).code, Code.SERVICE_UNAVAILABLE);
      assert.match(bench.cloud.endpoint.trouble ?? "", /disk full/);
      assert.equal(bench.live.reading.length, 0);
      store.commit = commit;
      const [answer] = bench.receive(renumbered(sent.datagram, 77));
      assert.equal(node.open(sent, answer).code, Code.CHANGED);
      assert.equal(bench.live.reading.length, 1);
      assert.equal(bench.cloud.endpoint.trouble, undefined);
    });
  });

  describe("with a store that takes its time", () => {
    it("answers behind each commit, one at a time", () => {
      const waiting: (() => void)[] = [];
      const { store } = bench.cloud;
      const commit = store.commit.bind(store);
      store.commit = (batch, done) => waiting.push(() => commit(batch, done));
      bench.receive(node.reading(2000).datagram);
      bench.receive(node.reading(2001).datagram);
      bench.receive(node.reading(2002).datagram);
      assert.equal(waiting.length, 1, "the others wait for the first");
      assert.equal(bench.answers.length, 0);
      waiting.shift()?.();
      assert.equal(bench.answers.length, 1);
      bench.settle();
      waiting.shift()?.();
      assert.equal(bench.answers.length, 3);
    });

    for (const fails of [false, true]) {
      it(`answers a copy of what is being committed behind its commit, which ${fails ? "fails" : "succeeds"}`, () => {
        const waiting: (() => void)[] = [];
        const { store } = bench.cloud;
        const commit = store.commit.bind(store);
        store.commit = (batch, done) =>
          waiting.push(() => (fails ? done(new Error("no room")) : commit(batch, done)));
        const { datagram } = node.reading(2000);
        bench.receive(datagram);
        bench.receive(renumbered(datagram, 77), "192.0.2.2:40000");
        assert.equal(bench.answers.length, 0, "nothing is on the disk yet");
        waiting.shift()?.();
        const codes = bench.answers.map((answer) => decode(answer.datagram).code);
        assert.equal(codes.length, 2);
        for (const code of codes) assert.equal(code, fails ? Code.SERVICE_UNAVAILABLE : Code.CHANGED);
      });
    }
  });
});

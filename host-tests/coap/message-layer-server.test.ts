import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { MessageLayer } from "../../firmware/coap/message-layer.js";
import { Bench, CONTENT, PAYLOAD } from "./message-bench.js";
import { scripted, seeded } from "./network.js";

describe("message layer: the server's side", () => {
  it("acknowledges what is not answered in time, again for each copy, and answers separately", () => {
    const bench = new Bench({ random: scripted([0x50, 0x00], [0, 0], [0, 0]) });
    bench.receive("4102000107ff41");
    bench.receive("4102000107ff41");
    assert.deepEqual(bench.take(), []);
    bench.pass(1000);
    assert.deepEqual(bench.take(), ["60000001"]);
    bench.receive("4102000107ff41");
    assert.deepEqual(bench.take(), ["60000001"]);
    bench.respond(bench.exchanges[0], { ...CONTENT, payload: hex("42") });
    assert.deepEqual(bench.take(), ["4145500007ff42"]);
    // Once acknowledged, never piggybacked (RFC 7252 §5.2.2).
    bench.receive("4102000107ff41");
    assert.deepEqual(bench.take(), ["60000001"]);
    bench.pass(2000);
    assert.deepEqual(bench.take(), ["4145500007ff42"]);
    bench.receive("60005000");
    bench.pass(100_000);
    assert.deepEqual(bench.take(), []);
    assert.equal(bench.exchanges.length, 1);
  });

  it("piggybacks what is answered in time, and has nothing left to do", () => {
    const bench = new Bench();
    bench.receive("4102000107ff41");
    bench.pass(999);
    bench.respond(bench.exchanges[0]);
    assert.deepEqual(bench.take(), [`6145000107ff${PAYLOAD}`]);
    assert.equal(bench.layer.deadline, Number.POSITIVE_INFINITY);
  });

  it("reports how a separate answer ended", () => {
    for (const [reply, outcome] of [
      ["60005000", "acknowledged"],
      // Whatever the acknowledgement carries (RFC 7252 §5.2.2).
      ["614550000aff41", "acknowledged"],
      ["70005000", "reset"],
      ["", "timeout"],
    ] as const) {
      const bench = new Bench({ random: scripted([0x50, 0x00]) });
      bench.receive("4102000107");
      bench.layer.acknowledge(bench.exchanges[0], 0);
      const outcomes: string[] = [];
      bench.layer.respond(bench.exchanges[0], CONTENT, 0, { onOutcome: (end) => outcomes.push(end) });
      if (reply !== "") bench.receive(reply);
      bench.pass(100_000);
      assert.deepEqual(outcomes, [outcome]);
    }
  });

  it("answers a CON with a separate NON, and a NON with a CON, when told to", () => {
    const bench = new Bench({ random: scripted([0x50, 0x00]) });
    bench.receive("4102000107");
    bench.layer.acknowledge(bench.exchanges[0], 0);
    bench.layer.respond(bench.exchanges[0], CONTENT, 0, { confirmable: false });
    bench.receive("5102000208");
    bench.layer.respond(bench.exchanges[1], CONTENT, 0, { confirmable: true });
    assert.deepEqual(bench.take(), ["60000001", `5145500007ff${PAYLOAD}`, `4145500108ff${PAYLOAD}`]);
  });

  it("rejects with RST, ignores with an empty ACK, and remembers both", () => {
    const bench = new Bench();
    bench.receive("4102000107");
    bench.layer.reject(bench.exchanges[0], 0);
    bench.receive("4102000107");
    bench.receive("4102000207");
    bench.layer.ignore(bench.exchanges[1], 0);
    bench.receive("4102000207");
    bench.receive("5102000307");
    bench.layer.reject(bench.exchanges[2], 0);
    bench.receive("5102000407");
    bench.layer.ignore(bench.exchanges[3], 0);
    assert.deepEqual(bench.take(), ["70000001", "70000001", "60000002", "60000002"]);
    assert.equal(bench.layer.pending, 0);
    assert.throws(() => bench.respond(bench.exchanges[0]), /answered already/);
  });

  it("lets go of the datagram with the answer, keeps token and endpoint", () => {
    const bench = new Bench();
    const datagram = hex("4102000107ff41");
    bench.receive(datagram);
    datagram.fill(0);
    const [exchange] = bench.exchanges;
    assert.equal(toHex(exchange.token), "07");
    bench.respond(exchange);
    assert.equal(exchange.request.payload.length, 0);
    assert.equal(exchange.answered, true);
    assert.equal(exchange.endpoint, "peer");
  });

  it("takes the same message ID with other bytes for a new message, and for the old one after its lifetime", () => {
    const bench = new Bench();
    bench.receive("4102000107ff41");
    bench.respond(bench.exchanges[0]);
    bench.receive("4102000107ff42");
    assert.equal(bench.exchanges.length, 2);
    assert.equal(bench.count("coap-message-id-reused"), 1);
    bench.respond(bench.exchanges[1]);
    bench.now = 246_999;
    bench.receive("4102000107ff42");
    assert.equal(bench.exchanges.length, 2);
    bench.now = 247_000;
    bench.receive("4102000107ff42");
    assert.equal(bench.exchanges.length, 3);
    assert.equal(bench.layer.remembered, 1);
  });

  it("remembers the newer message of an ID when the older one expires", () => {
    const bench = new Bench();
    bench.receive("4102000107ff41");
    bench.now = 100_000;
    bench.receive("4102000107ff42");
    bench.now = 247_000;
    bench.receive("4102000107ff42");
    assert.equal(bench.exchanges.length, 2);
  });

  it("tells endpoints with the same message ID and token apart", () => {
    const bench = new Bench();
    bench.receive("4102000107ff41", "a");
    bench.receive("4102000107ff41", "b");
    assert.deepEqual(
      bench.exchanges.map((exchange) => exchange.endpoint),
      ["a", "b"],
    );
  });

  it("silently drops the copy of a NON, and never acknowledges one", () => {
    const bench = new Bench();
    bench.receive("5102000107ff41");
    bench.receive("5102000107ff41");
    bench.pass(10_000);
    assert.equal(bench.exchanges.length, 1);
    assert.deepEqual(bench.take(), []);
  });

  it("a client without onRequest rejects requests", () => {
    const bench = new Bench();
    const client = new MessageLayer({
      send: (_to, bytes) => bench.sent.push(toHex(bytes)),
      random: seeded(1),
    });
    client.receive("peer", hex("4102000107"), 0);
    client.receive("peer", hex("5102000107"), 0);
    assert.deepEqual(bench.take(), ["70000001"]);
    assert.equal(client.peers, 0);
  });

  it("sends notifications, hears the RST that ends them", () => {
    const bench = new Bench({ random: scripted([0x50, 0x00]) });
    const sent = bench.layer.notify("peer", hex("07"), CONTENT, 0);
    assert.ok(!(sent instanceof Refusal));
    assert.deepEqual(bench.take(), [`5145500007ff${PAYLOAD}`]);
    assert.equal(sent.messageId, 0x5000);
    bench.receive("70005000");
    assert.deepEqual(bench.resets, ["peer 5000"]);
  });
});

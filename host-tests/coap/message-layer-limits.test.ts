import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { Exchange } from "../../firmware/coap/message-layer.js";
import { Bench, CONTENT, GET, PAYLOAD, REQUEST_TAIL, Recorder, request } from "./message-bench.js";
import { scripted } from "./network.js";

describe("message layer: NSTART and PROBING_RATE (RFC 7252 §4.7)", () => {
  it("keeps NSTART interactions outstanding, the others in their order", () => {
    const bench = new Bench({ transmission: { nstart: 2 } });
    const handles = [0, 1, 2, 3].map(() => request(bench));
    assert.equal(bench.sent.length, 2);
    assert.equal(handles[2].token.length, 0);
    bench.receive(`6000${bench.sent[0].slice(4, 8)}`);
    assert.equal(bench.sent.length, 3);
    bench.receive(`7000${bench.sent[1].slice(4, 8)}`);
    assert.equal(bench.sent.length, 4);
  });

  it("does not count one endpoint against another", () => {
    const bench = new Bench();
    request(bench);
    bench.layer.request("other", GET, new Recorder(), 0);
    assert.equal(bench.sent.length, 2);
  });

  it("with tokens of no bytes has one live request per endpoint", () => {
    const bench = new Bench({ random: scripted([0x12, 0x34]), tokenLength: 0 });
    const recorder = new Recorder();
    request(bench, recorder);
    request(bench, recorder);
    assert.deepEqual(bench.take(), [`40011234${REQUEST_TAIL}`]);
    // Acknowledged is not answered: the empty token is still taken.
    bench.receive("60001234");
    assert.deepEqual(bench.take(), []);
    bench.receive("40450001");
    assert.deepEqual(bench.take(), ["60000001", `40011235${REQUEST_TAIL}`]);
  });

  it("uses up the tokens of one byte, each once", () => {
    const bench = new Bench({ tokenLength: 1, transmission: { nstart: 1000 }, limits: { queued: 100 } });
    for (let i = 0; i < 300; i++) request(bench);
    assert.equal(new Set(bench.sent.map((bytes) => bytes.slice(8, 10))).size, 256);
    assert.equal(bench.sent.length, 256);
  });

  it("sends NON requests to a silent endpoint no faster than PROBING_RATE on average", () => {
    const bench = new Bench({ transmission: { nstart: 10 } });
    for (let i = 0; i < 5; i++) request(bench, new Recorder(), { confirmable: false });
    assert.equal(bench.sent.length, 1);
    const { length } = hex(bench.sent[0]);
    bench.pass(length * 1000 - 1);
    assert.equal(bench.sent.length, 1);
    bench.pass(1);
    assert.equal(bench.sent.length, 2);
    bench.pass(3 * length * 1000);
    assert.equal(bench.sent.length, 5);
  });

  it("does not hold back answers, nor notifications, whose pace is for the observing server to keep", () => {
    const bench = new Bench();
    request(bench, new Recorder(), { confirmable: false });
    for (let i = 0; i < 3; i++) bench.layer.notify("peer", hex("07"), CONTENT, 0);
    assert.equal(bench.sent.length, 4);
  });

  it("sends on at once when the endpoint is heard", () => {
    const bench = new Bench({ random: scripted([0x12, 0x34], [7], [8]), tokenLength: 1 });
    request(bench, new Recorder(), { confirmable: false });
    request(bench, new Recorder(), { confirmable: false });
    bench.receive("5145000107");
    assert.equal(bench.sent.length, 2);
  });

  it("Infinity switches PROBING_RATE off, NSTART is held for ACK_TIMEOUT then", () => {
    const bench = new Bench({ transmission: { probingRate: Number.POSITIVE_INFINITY, nstart: 2 } });
    for (let i = 0; i < 4; i++) request(bench, new Recorder(), { confirmable: false });
    assert.equal(bench.sent.length, 2);
    bench.pass(2000);
    assert.equal(bench.sent.length, 4);
  });

  it("cancelling one that waits takes it from the queue", () => {
    const bench = new Bench();
    request(bench);
    const second = request(bench);
    bench.layer.cancel(second, 0);
    bench.receive(`7000${bench.sent[0].slice(4, 8)}`);
    assert.equal(bench.sent.length, 1);
  });
});

describe("message layer: limits", () => {
  it("refuses what no longer fits the queue", () => {
    const bench = new Bench({ limits: { queued: 2 } });
    for (let i = 0; i < 3; i++) request(bench);
    const refused = bench.layer.request("peer", GET, new Recorder(), 0);
    assert.ok(refused instanceof Refusal && refused.reason === "coap-queue-full");
    assert.equal(bench.count("coap-queue-full"), 1);
  });

  it("drops requests beyond the limit of unanswered ones, and takes their copies later", () => {
    const bench = new Bench({ limits: { pending: 1 } });
    bench.receive("4102000107");
    bench.receive("4102000208");
    assert.equal(bench.exchanges.length, 1);
    assert.equal(bench.count("coap-pending-limit"), 1);
    bench.respond(bench.exchanges[0]);
    bench.receive("4102000208");
    assert.equal(bench.exchanges.length, 2);
  });

  it("forgets the oldest message first, and counts it", () => {
    const bench = new Bench({ limits: { remembered: 2 } });
    for (const id of ["01", "02", "03"]) {
      bench.receive(`410200${id}07`);
      bench.respond(bench.exchanges.at(-1) as Exchange);
    }
    assert.equal(bench.layer.remembered, 2);
    assert.equal(bench.count("coap-remembered-dropped"), 1);
    bench.receive("4102000307");
    bench.receive("4102000207");
    assert.equal(bench.exchanges.length, 3);
    bench.receive("4102000107");
    assert.equal(bench.exchanges.length, 4);
  });

  it("an exchange that was forgotten can still be answered", () => {
    const bench = new Bench({ limits: { remembered: 1, peers: 1 } });
    bench.receive("4102000107", "a");
    bench.receive("4102000207", "b");
    assert.equal(bench.layer.peers, 1);
    bench.respond(bench.exchanges[0]);
    assert.deepEqual(bench.take(), [`6145000107ff${PAYLOAD}`]);
  });

  it("a flood of endpoints pushes out only endpoints that we want nothing from", () => {
    const bench = new Bench({ limits: { peers: 4 }, tokenLength: 1 });
    const recorder = new Recorder();
    const handle = request(bench, recorder);
    for (let i = 0; i < 100; i++) bench.receive("5102000107", `flood ${i}`);
    assert.equal(bench.layer.peers, 4);
    assert.equal(bench.exchanges.length, 100);
    assert.equal(bench.count("coap-peer-dropped"), 97);
    bench.receive(`51450001${toHex(handle.token)}`);
    assert.deepEqual(recorder.log, ["response 45 "]);
  });

  it("takes no new endpoint when all are waited for", () => {
    const bench = new Bench({ limits: { peers: 2 } });
    bench.layer.request("a", GET, new Recorder(), 0);
    bench.layer.request("b", GET, new Recorder(), 0);
    bench.receive("4102000107", "c");
    const refused = bench.layer.request("d", GET, new Recorder(), 0);
    assert.ok(refused instanceof Refusal && refused.reason === "coap-peer-limit");
    assert.equal(bench.exchanges.length, 0);
    assert.equal(bench.count("coap-peer-limit"), 2);
  });

  it("forgets idle endpoints and messages after their lifetime", () => {
    const bench = new Bench();
    for (let i = 0; i < 50; i++) bench.receive("5102000107", `peer ${i}`);
    const handle = request(bench, new Recorder(), { responseTimeout: Number.POSITIVE_INFINITY });
    bench.receive(`6000${bench.sent[0].slice(4, 8)}`);
    assert.deepEqual([bench.layer.peers, bench.layer.remembered], [51, 50]);
    bench.now = 300_000;
    bench.layer.tick(bench.now);
    assert.deepEqual([bench.layer.peers, bench.layer.remembered], [1, 0]);
    bench.now = 2_000_000;
    bench.layer.tick(bench.now);
    assert.equal(handle.live, true);
    bench.layer.cancel(handle, bench.now);
    bench.now = 3_000_000;
    bench.layer.tick(bench.now);
    assert.equal(bench.layer.peers, 0);
  });

  it("counts the lifetime of an endpoint from when it was heard last", () => {
    const bench = new Bench({ random: scripted([0x12, 0x34], [7]), tokenLength: 1 });
    request(bench);
    bench.receive("60001234");
    bench.pass(200_000);
    bench.receive("4145000107ff41");
    bench.now = 446_999;
    bench.layer.tick(bench.now);
    assert.equal(bench.layer.peers, 1);
    bench.now = 447_000;
    bench.layer.tick(bench.now);
    assert.equal(bench.layer.peers, 0);
  });

  it("forget drops everything about an endpoint and says so once", () => {
    const bench = new Bench();
    const recorder = new Recorder();
    request(bench, recorder);
    request(bench, recorder);
    bench.layer.forget("peer", 0);
    assert.deepEqual(recorder.log, ["cancelled", "cancelled"]);
    assert.equal(bench.layer.deadline, Number.POSITIVE_INFINITY);
    assert.equal(bench.layer.peers, 0);
  });

  it("refuses a token length that no token has", () => {
    assert.throws(() => new Bench({ tokenLength: 9 }), RangeError);
  });
});

describe("message layer: message IDs", () => {
  it("start anywhere, count up, and pass over those in flight", () => {
    const bench = new Bench({
      random: scripted([0xff, 0xfe]),
      transmission: { nstart: 10, probingRate: Number.POSITIVE_INFINITY },
    });
    const ids = () => bench.take().map((bytes) => bytes.slice(4, 8));
    for (let i = 0; i < 3; i++) bench.layer.ping("peer", () => {}, 0);
    assert.deepEqual(ids(), ["fffe", "ffff", "0000"]);
    for (let i = 0; i < 0xfffd; i++) bench.layer.notify("peer", hex("07"), CONTENT, 0);
    bench.take();
    bench.layer.notify("peer", hex("07"), CONTENT, 0);
    assert.deepEqual(ids(), ["0001"]);
  });
});

import assert from "node:assert/strict";
import { hex } from "../../firmware/bytes/hex.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { Type } from "../../firmware/coap/message.js";
import type { Verdict } from "../../firmware/coap/message-layer.js";
import { Code } from "../../firmware/coap/numbers.js";
import { Bench, NONE, PAYLOAD, REQUEST_TAIL, Recorder, request } from "./message-bench.js";
import { scripted, seeded } from "./network.js";

describe("message layer: RFC 7252 appendix A", () => {
  /** A client whose first message ID and token are those of the example. */
  const client = (id: number[], token: number[]) =>
    new Bench({ random: scripted(id, token), tokenLength: 1 });

  it("figure 17: confirmable request, piggybacked response", () => {
    const bench = client([0x7d, 0x35], [0x20]);
    const recorder = new Recorder();
    request(bench, recorder);
    assert.deepEqual(bench.take(), [`41017d3520${REQUEST_TAIL}`]);
    bench.receive(`61457d3520ff${PAYLOAD}`);
    assert.deepEqual(recorder.log, [`response 45 ${PAYLOAD}`]);
    assert.deepEqual(bench.take(), []);
    assert.equal(bench.layer.deadline, Number.POSITIVE_INFINITY);
  });

  it("figure 17, the server's side", () => {
    const bench = new Bench();
    bench.receive(`41017d3520${REQUEST_TAIL}`);
    bench.respond(bench.exchanges[0]);
    assert.deepEqual(bench.take(), [`61457d3520ff${PAYLOAD}`]);
  });

  it("figure 18: the request is retransmitted, the same bytes", () => {
    const bench = client([0x7d, 0x36], [0x31]);
    request(bench);
    const first = bench.take();
    bench.pass(1999);
    assert.deepEqual(bench.take(), []);
    bench.pass(1);
    assert.deepEqual(bench.take(), first);
  });

  it("figure 19: the response is sent again for a copy of the request, the request handed on once", () => {
    const bench = new Bench();
    bench.receive(`41017d3742${REQUEST_TAIL}`);
    bench.respond(bench.exchanges[0]);
    bench.now = 2000;
    bench.receive(`41017d3742${REQUEST_TAIL}`);
    assert.deepEqual(bench.take(), [`61457d3742ff${PAYLOAD}`, `61457d3742ff${PAYLOAD}`]);
    assert.equal(bench.exchanges.length, 1);
    assert.equal(bench.layer.stats.duplicates, 1);
  });

  it("figure 20: separate response, both sides", () => {
    const bench = client([0x7d, 0x38], [0x53]);
    const recorder = new Recorder();
    request(bench, recorder);
    bench.take();
    bench.receive("60007d38");
    assert.deepEqual(recorder.log, ["acknowledged"]);
    bench.receive(`4145ad7b53ff${PAYLOAD}`);
    assert.deepEqual(recorder.log, ["acknowledged", `response 45 ${PAYLOAD}`]);
    assert.deepEqual(bench.take(), ["6000ad7b"]);

    const server = new Bench({ random: scripted([0xad, 0x7b]) });
    server.receive(`41017d3853${REQUEST_TAIL}`);
    server.pass(1000);
    assert.deepEqual(server.take(), ["60007d38"]);
    server.respond(server.exchanges[0]);
    assert.deepEqual(server.take(), [`4145ad7b53ff${PAYLOAD}`]);
    server.receive("6000ad7b");
    assert.equal(server.layer.deadline, Number.POSITIVE_INFINITY);
  });

  it("figure 21: a client that lost its state rejects the separate response", () => {
    const bench = new Bench();
    bench.receive("60007d39");
    bench.receive(`4145ad7c64ff${PAYLOAD}`);
    assert.deepEqual(bench.take(), ["7000ad7c"]);
    assert.equal(bench.count("coap-ack-unexpected"), 1);
  });

  it("figure 22: non-confirmable request and response", () => {
    const bench = client([0x7d, 0x40], [0x75]);
    const recorder = new Recorder();
    request(bench, recorder, { confirmable: false });
    assert.deepEqual(bench.take(), [`51017d4075${REQUEST_TAIL}`]);
    bench.receive(`5145ad7d75ff${PAYLOAD}`);
    assert.deepEqual(recorder.log, [`response 45 ${PAYLOAD}`]);
    assert.deepEqual(bench.take(), []);

    const server = new Bench({ random: scripted([0xad, 0x7d]) });
    server.receive(`51017d4075${REQUEST_TAIL}`);
    server.respond(server.exchanges[0]);
    assert.deepEqual(server.take(), [`5145ad7d75ff${PAYLOAD}`]);
  });

  it("figure 23: a request to a group is answered within the leisure, errors are not", () => {
    const server = new Bench({ random: scripted([0x60, 0xb1], [0x80, 0x00]) });
    server.layer.receive("peer", hex(`51017d4186${REQUEST_TAIL}`), 0, true);
    assert.equal(server.exchanges[0].multicast, true);
    server.respond(server.exchanges[0]);
    assert.deepEqual(server.take(), []);
    server.pass(2500);
    assert.deepEqual(server.take(), [`514560b186ff${PAYLOAD}`]);

    server.layer.receive("peer", hex(`51017d4287${REQUEST_TAIL}`), server.now, true);
    server.respond(server.exchanges[1], { code: Code.NOT_FOUND, options: [], payload: NONE });
    server.pass(10_000);
    assert.deepEqual(server.take(), []);
    assert.equal(server.count("coap-multicast-error-suppressed"), 1);
  });
});

describe("message layer: confirmable messages (RFC 7252 §4.2)", () => {
  it("retransmits at doubling intervals, then gives up within MAX_TRANSMIT_WAIT", () => {
    // Fraction 0: ACK_TIMEOUT exactly.
    const bench = new Bench({ random: scripted([0, 1], [0, 0, 0, 1]) });
    const recorder = new Recorder();
    request(bench, recorder);
    const times = [0];
    while (bench.layer.deadline < Number.POSITIVE_INFINITY) {
      const before = bench.sent.length;
      bench.pass(bench.layer.deadline - bench.now);
      if (bench.sent.length > before) times.push(bench.now);
    }
    assert.deepEqual(times, [0, 2000, 6000, 14_000, 30_000]);
    assert.equal(new Set(bench.sent).size, 1);
    assert.deepEqual(recorder.log, ["timeout"]);
    assert.equal(bench.now, 62_000);
    assert.deepEqual([bench.layer.stats.retransmissions, bench.layer.stats.timeouts], [4, 1]);
  });

  it("takes its first wait between ACK_TIMEOUT and ACK_TIMEOUT × ACK_RANDOM_FACTOR", () => {
    const waits = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const bench = new Bench({ random: seeded(seed) });
      request(bench);
      assert.ok(bench.layer.deadline >= 2000 && bench.layer.deadline < 3000);
      waits.add(bench.layer.deadline);
    }
    assert.ok(waits.size > 40);
  });

  it("never sends closer than ACK_TIMEOUT nor beyond MAX_TRANSMIT_SPAN when it is ticked late", () => {
    const bench = new Bench({ random: scripted([0, 1], [0, 0, 0, 1]) });
    const recorder = new Recorder();
    request(bench, recorder);
    bench.now = 13_000;
    bench.layer.tick(bench.now);
    assert.equal(bench.take().length, 2);
    assert.equal(bench.layer.deadline, 15_000);
    bench.now = 46_000;
    bench.layer.tick(bench.now);
    assert.equal(bench.take().length, 0);
    bench.pass(100_000);
    assert.deepEqual(bench.take(), []);
    assert.deepEqual(recorder.log, ["timeout"]);
  });

  it("takes parameters of its own", () => {
    const transmission = { ackTimeout: 10_000, maxRetransmit: 1, ackRandomFactor: 1 };
    const bench = new Bench({ transmission });
    request(bench);
    bench.pass(60_000);
    assert.equal(bench.sent.length, 2);
    assert.equal(bench.layer.transmission.nstart, 1);
  });

  it("stops at a RST and says so", () => {
    const bench = new Bench({ random: scripted([0x12, 0x34], [1, 2, 3, 4]) });
    const recorder = new Recorder();
    const handle = request(bench, recorder);
    bench.receive("70001234", "somebody else");
    assert.equal(handle.live, true);
    bench.receive("70001234");
    assert.deepEqual(recorder.log, ["reset"]);
    assert.equal(handle.live, false);
    assert.equal(bench.layer.deadline, Number.POSITIVE_INFINITY);
    assert.deepEqual(bench.resets, ["somebody else 1234"]);
  });

  it("takes a separate response for the lost ACK", () => {
    const bench = new Bench({ random: scripted([0x12, 0x34], [7]), tokenLength: 1 });
    const recorder = new Recorder();
    request(bench, recorder);
    bench.take();
    bench.receive("5145000107ff41");
    bench.pass(100_000);
    assert.deepEqual(recorder.log, ["response 45 41"]);
    assert.deepEqual(bench.take(), []);
  });

  it("fails when an acknowledged request is never answered", () => {
    const bench = new Bench({ random: scripted([0x12, 0x34], [7]), tokenLength: 1 });
    const recorder = new Recorder();
    request(bench, recorder, { responseTimeout: 30_000 });
    bench.receive("60001234");
    bench.pass(29_999);
    assert.deepEqual(recorder.log, ["acknowledged"]);
    bench.pass(1);
    assert.deepEqual(recorder.log, ["acknowledged", "no-response"]);
    // What comes afterwards is unexpected.
    bench.take();
    bench.receive("4145000107ff41");
    assert.deepEqual(bench.take(), ["70000001"]);
  });

  it("answers a ping with RST, and pings", () => {
    const bench = new Bench({ random: scripted([0x12, 0x34]) });
    bench.receive("4000abcd");
    assert.deepEqual(bench.take(), ["7000abcd"]);
    const alive: boolean[] = [];
    bench.layer.ping("peer", (answered) => alive.push(answered), 0);
    assert.deepEqual(bench.take(), ["40001234"]);
    bench.receive("70001234");
    assert.deepEqual(alive, [true]);
    bench.layer.ping("peer", (answered) => alive.push(answered), 0);
    bench.pass(100_000);
    assert.deepEqual(alive, [true, false]);
  });
});

describe("message layer: responses and their verdicts", () => {
  const start = (verdict: Verdict, options = {}) => {
    const bench = new Bench({ random: scripted([0x12, 0x34], [7]), tokenLength: 1 });
    const recorder = new Recorder();
    recorder.verdict = verdict;
    const handle = request(bench, recorder, options);
    bench.take();
    return { bench, recorder, handle };
  };

  it("ignore: a piggybacked response that does not verify changes nothing", () => {
    const { bench, recorder } = start("ignore");
    const deadline = bench.layer.deadline;
    bench.receive("6145123407ff66");
    assert.equal(bench.layer.deadline, deadline);
    recorder.verdict = "done";
    bench.receive("6145123407ff41");
    assert.deepEqual(recorder.log, ["response 45 66", "response 45 41"]);
    assert.equal(bench.count("coap-response-ignored"), 1);
  });

  it("ignore: a separate response is not acknowledged, and its ID may come again with other bytes", () => {
    const { bench, recorder } = start("ignore");
    bench.receive("4145000107ff66");
    assert.deepEqual(bench.take(), []);
    recorder.verdict = "done";
    bench.receive("4145000107ff41");
    assert.deepEqual(bench.take(), ["60000001"]);
    assert.deepEqual(recorder.log, ["response 45 66", "response 45 41"]);
  });

  it("reject: RST for a separate response, again for its copy, and the request goes on", () => {
    const { bench, recorder, handle } = start("reject");
    bench.receive("4145000107ff66");
    bench.receive("4145000107ff66");
    assert.deepEqual(bench.take(), ["70000001", "70000001"]);
    assert.deepEqual(recorder.log, ["response 45 66"]);
    assert.equal(handle.live, true);
  });

  it("more: the token stays alive until cancelled, then a notification is answered with RST", () => {
    const { bench, recorder, handle } = start("more");
    bench.receive("6145123407ff41");
    bench.pass(1_000_000);
    bench.receive("5145000207ff42");
    bench.receive("4145000307ff43");
    bench.receive("4145000307ff43");
    assert.deepEqual(bench.take(), ["60000003", "60000003"]);
    assert.deepEqual(recorder.log, ["response 45 41", "response 45 42", "response 45 43"]);
    bench.layer.cancel(handle, bench.now);
    bench.receive("5145000407ff44");
    bench.receive("4145000507ff45");
    assert.deepEqual(bench.take(), ["70000004", "70000005"]);
  });

  it("matches token and endpoint, and in an ACK the message ID too", () => {
    const { bench, recorder } = start("done");
    bench.receive("6145123408ff41");
    bench.receive("6145123507ff41");
    bench.receive("5145000107ff41", "somebody else");
    bench.receive("524500020007ff41");
    bench.receive("6101123407");
    assert.deepEqual(recorder.log, []);
    assert.equal(bench.count("coap-ack-token"), 1);
    assert.equal(bench.count("coap-ack-unexpected"), 1);
    assert.equal(bench.count("coap-response-unexpected"), 2);
    assert.equal(bench.count("coap-ack-request"), 1);
    bench.receive("6145123407ff41");
    assert.deepEqual(recorder.log, ["response 45 41"]);
  });

  it("may be cancelled from within its own response", () => {
    const { bench, handle } = start("more");
    const layer = bench.layer;
    const other = new Recorder();
    other.onResponse = () => {
      layer.cancel(again, 0);
      return "more";
    };
    layer.cancel(handle, 0);
    const again = request(bench, other);
    const bytes = hex(bench.take()[0]);
    const answer = encodeMessage({
      type: Type.ACK,
      code: Code.CONTENT,
      messageId: (bytes[2] << 8) | bytes[3],
      token: again.token,
      options: [],
      payload: NONE,
    });
    bench.receive(answer);
    assert.equal(again.live, false);
    assert.equal(layer.deadline, Number.POSITIVE_INFINITY);
  });

  it("expects nothing behind the ACK, or behind a NON, when no response is wanted", () => {
    const { bench, recorder, handle } = start("done", { expectResponse: false });
    bench.receive("60001234");
    assert.deepEqual(recorder.log, ["acknowledged"]);
    assert.equal(handle.live, false);
    bench.pass(1_000_000);
    assert.deepEqual(recorder.log, ["acknowledged"]);
    const non = start("done", { expectResponse: false, confirmable: false });
    assert.deepEqual(non.recorder.log, ["acknowledged"]);
    assert.equal(non.handle.live, false);
  });

  it("a NON request cannot be acknowledged, but reset", () => {
    const { bench, recorder } = start("done", { confirmable: false });
    bench.receive("60001234");
    assert.deepEqual(recorder.log, []);
    assert.equal(bench.count("coap-ack-unexpected"), 1);
    bench.receive("70001234");
    assert.deepEqual(recorder.log, ["reset"]);
  });

  it("a request with the token of an observation takes its place (RFC 7641 §3.6)", () => {
    const { bench, recorder, handle } = start("more");
    bench.receive("6145123407ff41");
    const other = new Recorder();
    const cancelling = request(bench, other, { token: handle.token });
    assert.deepEqual([handle.live, cancelling.live], [false, true]);
    assert.deepEqual(recorder.log, ["response 45 41", "cancelled"]);
    bench.receive("6145123507ff42");
    assert.deepEqual(other.log, ["response 45 42"]);
  });
});

describe("message layer: malformed and misplaced messages", () => {
  it("rejects malformed CON with RST, is silent about the rest, counts all by reason", () => {
    const bench = new Bench();
    for (const bytes of ["4f011234", "5f011234", "40011234ff", "00", "", "80011234"]) bench.receive(bytes);
    assert.deepEqual(bench.take(), ["70001234", "70001234"]);
    assert.equal(bench.count("coap-token-length"), 2);
    assert.equal(bench.count("coap-payload-marker"), 1);
    assert.equal(bench.count("coap-too-short"), 2);
    assert.equal(bench.count("coap-version"), 1);
  });

  it("ignores ACK with a request, RST with content, empty NON", () => {
    const bench = new Bench();
    bench.receive("60011234");
    bench.receive("70451234");
    bench.receive("50001234");
    assert.deepEqual(bench.take(), []);
    assert.equal(bench.count("coap-reset-not-empty"), 1);
    assert.equal(bench.count("coap-empty-non"), 1);
  });

  it("takes from a group nothing but NON requests, and sends nothing back for the rest", () => {
    const bench = new Bench();
    for (const bytes of ["41021234aa", "4000abcd", "41451234aa", "4f011234"]) {
      bench.layer.receive("peer", hex(bytes), 0, true);
    }
    assert.deepEqual(bench.take(), []);
    assert.equal(bench.exchanges.length, 0);
    assert.equal(bench.count("coap-multicast-not-non-request"), 3);
  });
});

import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { encodeUtf8 } from "../../firmware/bytes/utf8.js";
import { encodeMessage } from "../../firmware/coap/codec.js";
import { type CoapMessage, Type } from "../../firmware/coap/message.js";
import {
  type Content,
  type Exchange,
  MessageLayer,
  type MessageLayerOptions,
  type RequestHandle,
  type RequestHandler,
  type Verdict,
} from "../../firmware/coap/message-layer.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { stringOption } from "../../firmware/coap/options.js";
import { scripted, seeded } from "./network.js";

const NONE = new Uint8Array(0);
const GET: Content = {
  code: Code.GET,
  options: [stringOption(OptionNumber.URI_PATH, "temperature")],
  payload: NONE,
};
const CONTENT: Content = { code: Code.CONTENT, options: [], payload: encodeUtf8("22.3 C") };

/** One layer with its outputs recorded, and inputs written as hex. */
class Bench {
  readonly sent: string[] = [];
  readonly exchanges: Exchange[] = [];
  readonly resets: string[] = [];
  readonly layer: MessageLayer;
  now = 0;

  constructor(options: Partial<MessageLayerOptions> = {}) {
    this.layer = new MessageLayer({
      send: (_endpoint, bytes) => this.sent.push(toHex(bytes)),
      random: seeded(1),
      onRequest: (exchange) => this.exchanges.push(exchange),
      onReset: (endpoint, messageId) => this.resets.push(`${endpoint} ${messageId.toString(16)}`),
      ...options,
    });
  }

  receive(bytes: string | Uint8Array, endpoint = "peer"): void {
    this.layer.receive(endpoint, typeof bytes === "string" ? hex(bytes) : bytes, this.now);
  }

  respond(exchange: Exchange, content: Content = CONTENT): void {
    this.layer.respond(exchange, content, this.now);
  }

  /** What left since the last call. */
  take(): string[] {
    return this.sent.splice(0);
  }

  /** Lets time pass, ticking exactly when the layer asks for it. */
  pass(ms: number): void {
    const end = this.now + ms;
    while (this.layer.deadline <= end) {
      this.now = this.layer.deadline;
      this.layer.tick(this.now);
    }
    this.now = end;
  }

  count(reason: string): number {
    return this.layer.counters.get(reason);
  }
}

/** Records what becomes of a request. */
class Recorder implements RequestHandler {
  readonly log: string[] = [];
  verdict: Verdict = "done";

  onResponse(response: CoapMessage): Verdict {
    this.log.push(`response ${response.code.toString(16)} ${toHex(response.payload)}`);
    return this.verdict;
  }

  onFailure(failure: string): void {
    this.log.push(failure);
  }

  onAcknowledged(): void {
    this.log.push("acknowledged");
  }
}

function request(bench: Bench, recorder = new Recorder(), options = {}, content = GET): RequestHandle {
  const handle = bench.layer.request("peer", content, recorder, bench.now, options);
  assert.ok(!(handle instanceof Refusal));
  return handle;
}

const PAYLOAD = "32322e332043";
const REQUEST_TAIL = "bb74656d7065726174757265";

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

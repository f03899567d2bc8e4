import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import type { Content, RequestHandler } from "../../firmware/coap/messaging.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { getString, hasOption, stringOption, uintOption } from "../../firmware/coap/options.js";
import { GatewayBench, type PlainNode, type Serve } from "./gateway-bench.js";

const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const bytes = (value: string) => Uint8Array.from(value, (character) => character.charCodeAt(0));

const GET = 0x01;
const POST = 0x02;
const CONTENT = 0x45;

function content(code: number, payload = "", options: Content["options"] = []): Content {
  return { code, options, payload: bytes(payload) };
}

/** How a request ended. */
class Outcome implements RequestHandler {
  responses: CoapMessage[] = [];
  failure: string | undefined;
  acknowledgedAt: number | undefined;
  readonly #more: boolean;

  constructor(more = false) {
    this.#more = more;
  }

  onResponse(response: CoapMessage): "done" | "more" {
    this.responses.push({ ...response, token: response.token.slice(), payload: response.payload.slice() });
    return this.#more ? "more" : "done";
  }

  onFailure(failure: string): void {
    this.failure = failure;
  }

  onAcknowledged(now: number): void {
    this.acknowledgedAt = now;
  }

  get payload(): string | undefined {
    return this.responses[0] && text(this.responses[0].payload);
  }
}

/** The server asks `host` for something. */
function ask(
  bench: GatewayBench,
  host: string,
  { payload = "", confirmable = true, observe = false } = {},
): Outcome {
  const outcome = new Outcome(observe);
  const options = [
    stringOption(OptionNumber.URI_HOST, host),
    ...(observe ? [uintOption(OptionNumber.OBSERVE, 0)] : []),
    stringOption(OptionNumber.URI_PATH, "t"),
  ];
  bench.server.act((layer, now) =>
    layer.request(bench.server.gateway, content(observe ? GET : POST, payload, options), outcome, now, {
      confirmable,
    }),
  );
  return outcome;
}

/** Answers with the node's own name and what it was told. */
const echo =
  (name: string): Serve =>
  (exchange, layer, now) =>
    layer.respond(exchange, content(CONTENT, `${name}: ${text(exchange.request.payload)}`), now);

describe("a request of the server to a node", () => {
  it("reaches the mesh address that its Uri-Host names, and its answer comes back", () => {
    const bench = new GatewayBench({ nodes: 2 }).connect();
    const first = bench.addNode(echo("first"));
    const second = bench.addNode(echo("second"));
    const [a, b] = [ask(bench, second.host, { payload: "hello" }), ask(bench, first.host, { payload: "hi" })];
    bench.run(10);
    assert.equal(a.payload, "second: hello");
    assert.equal(b.payload, "first: hi");
  });

  it("comes to the node without the gateway's Uri-Host and with the rest as it was", () => {
    const bench = new GatewayBench().connect();
    const node = bench.addNode(echo("node"));
    ask(bench, node.host.toUpperCase(), { payload: "x" });
    bench.run(10);
    const request = decodeMessage(node.received[0]);
    assert.ok("options" in request);
    assert.equal(hasOption(request, OptionNumber.URI_HOST), false);
    assert.equal(getString(request, OptionNumber.URI_PATH), "t");
    assert.equal(text(request.payload), "x");
    assert.equal(request.token.length, 1, "a token of one byte on the mesh");
  });

  it("may be answered later: the node's own message is acknowledged all the way back", () => {
    const bench = new GatewayBench().connect();
    let answered: string | undefined;
    const node: PlainNode = bench.addNode((exchange, layer, now) => {
      layer.acknowledge(exchange, now);
      bench.clock.post(now + 90_000, () =>
        node.act((mine, later) =>
          mine.respond(exchange, content(CONTENT, "at last"), later, {
            onOutcome: (outcome) => {
              answered = outcome;
            },
          }),
        ),
      );
    });
    const outcome = ask(bench, node.host);
    bench.run(60);
    assert.ok(outcome.acknowledgedAt !== undefined && outcome.acknowledgedAt < bench.clock.now() - 50_000);
    bench.run(60);
    assert.equal(outcome.payload, "at last");
    assert.equal(answered, "acknowledged");
  });

  it("may be non-confirmable, and so may its answer", () => {
    const bench = new GatewayBench().connect();
    const node = bench.addNode(echo("node"));
    const outcome = ask(bench, node.host, { confirmable: false, payload: "n" });
    bench.run(10);
    assert.equal(outcome.payload, "node: n");
    assert.equal(outcome.responses[0].type, 1);
  });

  it("is answered 4.04 by the gateway when its Uri-Host names nobody", () => {
    const bench = new GatewayBench().connect();
    for (const host of ["example.org", "zzzz.mesh", "8000.mesh", "0000.mesh"]) {
      const outcome = ask(bench, host);
      bench.run(5);
      assert.equal(outcome.responses[0]?.code, Code.NOT_FOUND, host);
    }
    assert.equal(bench.role.drops().get("hop: hop-host"), 4);
  });

  it("ends in a time-out when the node is not there, and nothing is left of it", () => {
    const bench = new GatewayBench().connect();
    const before = bench.role.hop.size;
    const outcome = ask(bench, "0123.mesh");
    bench.run(400);
    assert.equal(outcome.failure, "timeout");
    assert.equal(bench.role.uplink.queue.length, 0);
    // Names live on behind their last use; then the next message that needs room takes it.
    assert.ok(bench.role.hop.size <= before + 4);
  });

  it("is rejected by a node that serves nothing: the RST finds its way", () => {
    const bench = new GatewayBench().connect();
    const node = bench.addNode();
    const outcome = ask(bench, node.host);
    bench.run(10);
    assert.equal(outcome.failure, "reset");
  });

  it("may observe: notifications come for hours, and the server can end them", () => {
    const bench = new GatewayBench().connect();
    let observer: Uint8Array | undefined;
    let ended = false;
    const node: PlainNode = bench.addNode(
      (exchange, layer, now) => {
        observer = exchange.token;
        layer.respond(exchange, content(CONTENT, "0", [uintOption(OptionNumber.OBSERVE, 0)]), now);
      },
      {
        onReset: () => {
          ended = true;
        },
      },
    );
    const outcome = ask(bench, node.host, { observe: true });
    bench.run(10);
    for (let i = 1; i <= 4; i++) {
      bench.run(3600);
      node.act((layer, now) =>
        layer.notify(
          "gateway",
          observer!,
          content(CONTENT, `${i}`, [uintOption(OptionNumber.OBSERVE, i)]),
          now,
        ),
      );
      bench.run(10);
    }
    assert.deepEqual(
      outcome.responses.map(({ payload }) => text(payload)),
      ["0", "1", "2", "3", "4"],
    );
    bench.server.act((layer, now) => layer.forget(bench.server.gateway, now));
    node.act((layer, now) =>
      layer.notify("gateway", observer!, content(CONTENT, "5", [uintOption(OptionNumber.OBSERVE, 5)]), now),
    );
    bench.run(10);
    assert.equal(ended, true, "a RST for what nobody observes any more (RFC 7641 §3.6)");
  });

  it("passes while readings go up; every answer finds its question, whatever crosses", () => {
    const step = fc.record({
      pause: fc.nat(3000),
      node: fc.nat(3),
      from: fc.constantFrom("node" as const, "server" as const),
      confirmable: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), fc.nat(), (steps, seed) => {
        const bench = new GatewayBench({
          nodes: 4,
          seed,
          modem: { loss: 0.05, reorder: 0.1 },
          serve: (exchange, layer, now) =>
            layer.respond(exchange, content(CONTENT, `server: ${text(exchange.request.payload)}`), now),
        }).connect();
        // All count alike, so that the same names are in use everywhere at once.
        const nodes = [0, 1, 2, 3].map((i) => bench.addNode(echo(`node ${i}`), { tokenLength: 0 }));
        const expected: [Outcome, string, boolean][] = [];
        steps.forEach(({ pause, node, from, confirmable }, i) => {
          bench.run(pause / 1000);
          if (from === "server") {
            const outcome = ask(bench, nodes[node].host, { payload: `${i}`, confirmable });
            expected.push([outcome, `node ${node}: ${i}`, confirmable]);
          } else {
            const outcome = new Outcome();
            expected.push([outcome, `server: ${i}`, confirmable]);
            nodes[node].act((layer, now) =>
              layer.request("gateway", content(POST, `${i}`), outcome, now, { confirmable }),
            );
          }
        });
        bench.run(2000);
        for (const [outcome, answer, confirmable] of expected) {
          // Five copies can get lost; then the asker knows.
          if (outcome.payload !== undefined) assert.equal(outcome.payload, answer);
          else if (confirmable) assert.equal(outcome.failure, "timeout");
        }
      }),
      { numRuns: 30 },
    );
  });
});

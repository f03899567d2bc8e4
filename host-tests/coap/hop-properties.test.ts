import assert from "node:assert/strict";
import fc from "fast-check";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { CoapHop, HopRefusal } from "../../firmware/coap/hop.js";
import { type CoapOption, Type } from "../../firmware/coap/message.js";
import { type Exchange, MessageLayer } from "../../firmware/coap/message-layer.js";
import { Code, isRequest, isResponse, OptionNumber } from "../../firmware/coap/numbers.js";
import { getString, hasOption, stringOption } from "../../firmware/coap/options.js";
import { arbitraryMessage } from "./arbitraries.js";
import { seeded } from "./network.js";

/** The bytes behind the token. */
function content(bytes: Uint8Array): string {
  return toHex(bytes.subarray(4 + (bytes[0] & 15)));
}

describe("CoAP hop: properties", () => {
  it("options and payload of nodes' requests, and of the answers, are the same bytes on the other side", () => {
    const requestOf = arbitraryMessage().filter(
      ({ type, code, options }) =>
        type < Type.ACK && isRequest(code) && !hasOption({ options }, OptionNumber.HOP_LIMIT),
    );
    const responseOf = arbitraryMessage().filter(({ type, code }) => type !== Type.RST && isResponse(code));
    fc.assert(
      fc.property(requestOf, responseOf, fc.integer({ min: 1, max: 0x7fff }), (request, response, node) => {
        const hop = new CoapHop({ random: seeded(node) });
        const sent = encodeMessage(request);
        const upstream = hop.fromMesh(node, sent, 0);
        assert.ok(!(upstream instanceof Refusal));
        assert.equal(content(upstream), content(sent));
        assert.equal(upstream[0] >> 4, sent[0] >> 4);
        assert.equal(upstream[1], sent[1]);
        const arrived = decodeMessage(upstream);
        assert.ok(!(arrived instanceof Refusal));
        const messageId = response.type === Type.ACK ? arrived.messageId : response.messageId;
        const answer = encodeMessage({ ...response, token: arrived.token, messageId });
        const back = hop.fromUpstream(answer, 0);
        assert.ok(!(back instanceof Refusal));
        assert.equal(back.destination, node);
        assert.equal(content(back.bytes), content(answer));
        const heard = decodeMessage(back.bytes);
        assert.ok(!(heard instanceof Refusal));
        assert.deepEqual(heard.token, request.token);
        if (response.type === Type.ACK) assert.equal(heard.messageId, request.messageId);
      }),
    );
  });

  it("arbitrary bytes from either side never throw, and all that is kept is bounded", () => {
    const nearly = fc
      .tuple(
        fc.constantFrom(0x40, 0x41, 0x42, 0x50, 0x51, 0x60, 0x62, 0x70),
        fc.constantFrom(0, 1, 2, 0x45, 0xe1),
        fc.nat({ max: 2 }),
        fc.uint8Array({ maxLength: 12 }),
      )
      .map(([first, code, id, rest]) => new Uint8Array([first, code, 0, id, ...rest]));
    const step = fc.record({
      bytes: fc.oneof(fc.uint8Array({ maxLength: 30 }), nearly),
      source: fc.integer({ min: 0, max: 4 }),
      wait: fc.constantFrom(0, 1000, 200_000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const hop = new CoapHop({ random: seeded(steps.length), limit: 3, upstreamTokenLength: 1 });
        let now = 0;
        for (const { bytes, source, wait } of steps) {
          now += wait;
          // Address 0 stands for the server.
          const result = source === 0 ? hop.fromUpstream(bytes, now) : hop.fromMesh(source, bytes, now);
          assert.ok(hop.size <= 14);
          if (result instanceof HopRefusal && result.answer !== undefined) {
            assert.ok(!(decodeMessage(result.answer) instanceof Refusal));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("many nodes with the same IDs and tokens, and a server that asks them too, over lossy links: no answer astray", () => {
    const anyStep = fc.record({
      node: fc.integer({ min: 1, max: 5 }),
      serverAsks: fc.boolean(),
      confirmable: fc.boolean(),
      wait: fc.nat({ max: 3000 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyStep, { minLength: 1, maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
        fc.constantFrom(0, 1300),
        fc.nat({ max: 100 }),
        (steps, losses, delay, seed) => {
          const world = new World(seed, delay, losses);
          for (const { node, serverAsks, confirmable, wait } of steps) {
            if (serverAsks) world.serverAsks(node, confirmable);
            else world.nodeAsks(node, confirmable);
            world.pass(wait);
          }
          // Requests without a token wait for each other, four minutes each.
          world.pass(4_000_000);
          assert.equal(world.answered + world.failed, steps.length);
          if (losses.every((lost) => !lost)) assert.equal(world.failed, 0);
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** Nodes, a hop and a server; every datagram may be lost, on both sides of the hop. */
class World {
  answered = 0;
  failed = 0;
  #now = 0;
  readonly #losses: boolean[];
  #sent = 0;
  #question = 0;
  /** `node: text` */
  readonly #givenUp = new Set<string>();
  readonly #delay: number;
  readonly #hop: CoapHop;
  readonly #server: MessageLayer;
  readonly #nodes = new Map<number, MessageLayer>();
  #queue: { time: number; run: () => void }[] = [];

  constructor(seed: number, delay: number, losses: boolean[]) {
    this.#losses = losses;
    this.#delay = delay;
    this.#hop = new CoapHop({ random: seeded(seed) });
    const transmission = { nstart: 8, probingRate: Number.POSITIVE_INFINITY };
    this.#server = new MessageLayer({
      send: (_to, bytes) => this.#carry(() => this.#toNode(bytes)),
      random: seeded(seed + 1),
      transmission,
      // Its own endpoints never see which node asked; only the payload says.
      onRequest: (exchange) => this.#answer(this.#server, exchange, "server"),
    });
    for (let address = 1; address <= 5; address++) {
      const node: MessageLayer = new MessageLayer({
        send: (_to, bytes) => this.#carry(() => this.#toServer(address, bytes)),
        // The same in every node: the same message IDs, the same tokens.
        random: seeded(seed + 2),
        tokenLength: 2 * (address % 2),
        transmission,
        onRequest: (exchange) => this.#answer(node, exchange, `node ${address}`),
      });
      this.#nodes.set(address, node);
    }
  }

  nodeAsks(address: number, confirmable: boolean): void {
    const node = this.#nodes.get(address) as MessageLayer;
    this.#ask(node, [], `${this.#question++} server`, confirmable, address % 2 === 0 ? address : undefined);
  }

  serverAsks(address: number, confirmable: boolean): void {
    const host = stringOption(OptionNumber.URI_HOST, `000${address}.mesh`);
    this.#ask(this.#server, [host], `${this.#question++} node ${address}`, confirmable);
  }

  /**
   * Asks with a text that names who is to answer; the answer has to be this text. Of a node without tokens it may be one
   * that it has asked before and given up: what comes late under an empty token belongs to what waits now
   * (RFC 7252 §5.3.1), and only OSCORE tells them apart.
   */
  #ask(
    layer: MessageLayer,
    options: CoapOption[],
    text: string,
    confirmable: boolean,
    tokenless?: number,
  ): void {
    const payload = new TextEncoder().encode(text);
    const handle = layer.request(
      "hop",
      { code: Code.POST, options, payload },
      {
        onResponse: (response) => {
          const answer = new TextDecoder().decode(response.payload);
          const late = tokenless !== undefined && this.#givenUp.has(`${tokenless}: ${answer}`);
          assert.ok(answer === text || late, `"${answer}" came as the answer to "${text}"`);
          this.answered++;
          return "done";
        },
        onFailure: () => {
          this.failed++;
          this.#givenUp.add(`${tokenless}: ${text}`);
        },
      },
      this.#now,
      { confirmable },
    );
    assert.ok(!(handle instanceof Refusal));
  }

  #answer(layer: MessageLayer, exchange: Exchange, self: string): void {
    const payload = exchange.request.payload.slice();
    const text = new TextDecoder().decode(payload);
    assert.ok(text.endsWith(self), `"${text}" came to ${self}`);
    assert.equal(getString(exchange.request, OptionNumber.URI_HOST), undefined);
    this.#queue.push({
      time: this.#now + this.#delay,
      run: () => layer.respond(exchange, { code: Code.CONTENT, options: [], payload }, this.#now),
    });
  }

  #toServer(address: number, bytes: Uint8Array): void {
    const result = this.#hop.fromMesh(address, bytes, this.#now);
    if (result instanceof HopRefusal) {
      const { answer } = result;
      if (answer !== undefined)
        this.#carry(() => this.#nodes.get(address)?.receive("hop", answer, this.#now));
    } else {
      this.#carry(() => this.#server.receive("hop", result, this.#now));
    }
  }

  #toNode(bytes: Uint8Array): void {
    const result = this.#hop.fromUpstream(bytes, this.#now);
    if (result instanceof HopRefusal) {
      const { answer } = result;
      if (answer !== undefined) this.#carry(() => this.#server.receive("hop", answer, this.#now));
    } else {
      this.#carry(() => this.#nodes.get(result.destination)?.receive("hop", result.bytes, this.#now));
    }
  }

  #carry(run: () => void): void {
    if (this.#losses[this.#sent++ % this.#losses.length]) return;
    this.#queue.push({ time: this.#now + 50, run });
  }

  pass(ms: number): void {
    const end = this.#now + ms;
    const layers = [this.#server, ...this.#nodes.values()];
    for (;;) {
      let time = Math.min(...layers.map((layer) => layer.deadline));
      for (const event of this.#queue) time = Math.min(time, event.time);
      if (time > end) break;
      this.#now = Math.max(this.#now, time);
      const due = this.#queue.filter((event) => event.time <= this.#now);
      this.#queue = this.#queue.filter((event) => event.time > this.#now);
      for (const event of due) event.run();
      for (const layer of layers) if (layer.deadline <= this.#now) layer.tick(this.#now);
    }
    this.#now = end;
  }
}

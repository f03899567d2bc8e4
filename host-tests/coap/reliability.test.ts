import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { type Exchange, MessageLayer, type RequestHandler } from "../../firmware/coap/message-layer.js";
import { Code } from "../../firmware/coap/numbers.js";
import { exchangeLifetime } from "../../firmware/coap/transmission.js";
import { type Fate, Network, seeded } from "./network.js";

const NONE = new Uint8Array(0);

/** A client and a server that echoes payloads, a given time after they came. */
class Pair {
  readonly network = new Network();
  /** payloads, each time one was handed to the server's application */
  readonly served: string[] = [];
  /** what the client's application was told, by request */
  readonly told: string[][] = [];
  readonly client: MessageLayer;
  readonly server: MessageLayer;

  constructor(seed: number, serverDelay: number, nstart = 4) {
    const { network } = this;
    this.client = new MessageLayer({
      send: network.sender("client"),
      random: seeded(seed),
      transmission: { nstart },
      tokenLength: 2,
    });
    this.server = new MessageLayer({
      send: network.sender("server"),
      random: seeded(seed + 1),
      transmission: { nstart },
      onRequest: (exchange) => {
        const payload = exchange.request.payload.slice();
        this.served.push(toHex(payload));
        if (serverDelay === 0) this.#answer(exchange, payload);
        else network.at(network.now + serverDelay, () => this.#answer(exchange, payload));
      },
    });
    network.attach("client", this.client);
    network.attach("server", this.server);
  }

  #answer(exchange: Exchange, payload: Uint8Array): void {
    this.server.respond(exchange, { code: Code.CONTENT, options: [], payload }, this.network.now);
  }

  request(payload: string, confirmable = true): void {
    const log: string[] = [];
    this.told.push(log);
    const handle = this.client.request(
      "server",
      { code: Code.POST, options: [], payload: hex(payload) },
      {
        onResponse: (response: CoapMessage) => {
          log.push(toHex(response.payload));
          return "done";
        },
        onFailure: (failure) => log.push(failure),
      },
      this.network.now,
      { confirmable },
    );
    assert.ok(!(handle instanceof Refusal));
  }
}

describe("message layer over a lossy link", () => {
  it("any loss below the retry budget, any copies and delays: each request served once, each answer told once", () => {
    // Of each message, and of each answer, at most two copies are lost: the fifth copy of a request can still bring its
    // answer home. Delays stay below the shortest wait.
    const fates = fc.array(fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(
        fates,
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(0, 300, 1500, 20_000),
        fc.nat({ max: 1000 }),
        (script, requests, serverDelay, seed) => {
          const pair = new Pair(seed, serverDelay);
          const lost = new Map<string, number>();
          const fate: Fate = (datagram, index) => {
            const copies = script[index % script.length];
            // One budget for each message of either side, however its copies are lost.
            const key = `${datagram.from} ${toHex(datagram.bytes)}`;
            const losses = lost.get(key) ?? 0;
            if (copies.length > 0 || losses >= 2) return copies.length > 0 ? copies : [1];
            lost.set(key, losses + 1);
            return [];
          };
          pair.network.fate = fate;
          const payloads = Array.from({ length: requests }, (_, i) => toHex(new Uint8Array([i + 1])));
          for (const payload of payloads) pair.request(payload);
          pair.network.run(1_000_000);
          assert.deepEqual([...pair.served].sort(), payloads);
          assert.deepEqual(
            pair.told,
            payloads.map((payload) => [payload]),
          );
          assert.equal(pair.client.deadline, Number.POSITIVE_INFINITY);
          assert.equal(pair.server.deadline, Number.POSITIVE_INFINITY);
          assert.equal(pair.server.pending, 0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("any loss at all: at most once served, exactly one end told, nothing left behind", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }),
        fc.constantFrom(0, 3000),
        fc.boolean(),
        fc.nat({ max: 1000 }),
        (losses, serverDelay, confirmable, seed) => {
          const pair = new Pair(seed, serverDelay);
          pair.network.fate = (_datagram, index) => (losses[index % losses.length] ? [] : [20, 500]);
          for (const payload of ["01", "02", "03"]) pair.request(payload, confirmable);
          pair.network.run(2_000_000);
          assert.equal(new Set(pair.served).size, pair.served.length);
          for (const [i, log] of pair.told.entries()) {
            assert.equal(log.length, 1);
            if (log[0].length === 2) assert.equal(log[0], `0${i + 1}`);
          }
          assert.equal(pair.client.deadline, Number.POSITIVE_INFINITY);
          pair.network.now = 4_000_000;
          pair.client.tick(pair.network.now);
          pair.server.tick(pair.network.now);
          assert.equal(pair.client.peers + pair.server.peers + pair.server.remembered, 0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("copies that arrive until the end of EXCHANGE_LIFETIME are no new requests", () => {
    const pair = new Pair(1, 0);
    const lifetime = exchangeLifetime(pair.server.transmission);
    pair.network.fate = ({ to }) => (to === "server" ? [1, 50_000, lifetime] : [1]);
    pair.request("01");
    pair.network.run(1_000_000);
    assert.deepEqual(pair.served, ["01"]);
    assert.deepEqual(pair.told, [["01"]]);
  });

  it("a thousand endpoints at once, with the same message IDs and tokens: each has its own answer", () => {
    const wire: { from: string; to: string; bytes: Uint8Array }[] = [];
    const sender = (from: string) => (to: string, bytes: Uint8Array) => wire.push({ from, to, bytes });
    const pending: [Exchange, Uint8Array][] = [];
    const server = new MessageLayer({
      send: sender("server"),
      random: seeded(1),
      onRequest: (exchange) => pending.push([exchange, exchange.request.payload.slice()]),
    });
    const told = new Map<string, string>();
    const nodes = new Map<string, MessageLayer>();
    for (let i = 0; i < 1000; i++) {
      const payload = new Uint8Array([i >> 8, i]);
      const name = toHex(payload);
      const layer = new MessageLayer({ send: sender(name), random: seeded(2), tokenLength: 0 });
      nodes.set(name, layer);
      const handler: RequestHandler = {
        onResponse: (response) => {
          assert.equal(told.has(name), false);
          told.set(name, toHex(response.payload));
          return "done";
        },
        onFailure: (failure) => assert.fail(failure),
      };
      layer.request("server", { code: Code.POST, options: [], payload }, handler, 0);
    }
    let sent = 0;
    for (let now = 0; now < 10_000; now += 100) {
      for (const { from, to, bytes } of wire.splice(0)) {
        if (sent++ % 7 === 0 && now < 3000) continue;
        (to === "server" ? server : nodes.get(to))?.receive(from, bytes, now);
      }
      // Answers in groups, as after the commit of a transaction.
      for (const [exchange, payload] of now % 500 === 0 ? pending.splice(0) : []) {
        server.respond(exchange, { code: Code.CHANGED, options: [], payload }, now);
      }
      server.tick(now);
      for (const layer of nodes.values()) layer.tick(now);
    }
    assert.equal(told.size, 1000);
    for (const [name, payload] of told) assert.equal(payload, name);
    assert.deepEqual([server.stats.requests, server.pending, server.peers], [1000, 0, 1000]);
  });

  it("arbitrary datagrams never throw, and keep no more than the limits say", () => {
    const limits = { peers: 3, remembered: 5, pending: 4, queued: 2 };
    const step = fc.record({
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 24 }),
        fc
          .tuple(
            fc.constantFrom(0x40, 0x41, 0x50, 0x51, 0x60, 0x61, 0x70),
            fc.constantFrom(0, 1, 2, 0x45, 0x84, 0xe1),
            fc.nat({ max: 3 }),
            fc.uint8Array({ maxLength: 4 }),
          )
          .map(([first, code, id, rest]) => new Uint8Array([first, code, 0, id, ...rest])),
      ),
      endpoint: fc.constantFrom("a", "b", "c", "d"),
      action: fc.nat({ max: 9 }),
      wait: fc.constantFrom(0, 1, 1000, 300_000),
      multicast: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const open: Exchange[] = [];
        let told = 0;
        let asked = 0;
        let now = 0;
        const handler: RequestHandler = {
          onResponse: () => {
            told++;
            return "done";
          },
          onFailure: () => told++,
        };
        const layer = new MessageLayer({
          send: (_to, bytes) => assert.ok(bytes.length >= 4),
          random: seeded(steps.length),
          onRequest: (exchange) => open.push(exchange),
          limits,
          tokenLength: 1,
        });
        for (const { bytes, endpoint, action, wait, multicast } of steps) {
          now += wait;
          layer.tick(now);
          layer.receive(endpoint, bytes, now, multicast);
          const exchange = action < 5 ? open.pop() : undefined;
          const answer = { code: Code.CONTENT, options: [], payload: NONE };
          if (exchange !== undefined) {
            if (action === 0) layer.reject(exchange, now);
            else if (action === 1) layer.ignore(exchange, now);
            else layer.respond(exchange, answer, now, { confirmable: action === 2 });
          } else if (action === 5) {
            layer.notify(endpoint, bytes.subarray(0, 2), answer, now, { confirmable: multicast });
          } else if (action === 6) {
            asked++;
            const handle = layer.request(endpoint, { ...answer, code: Code.GET }, handler, now, {
              confirmable: multicast,
            });
            if (handle instanceof Refusal) told++;
          } else if (action === 7) {
            layer.forget(endpoint, now);
          }
          assert.ok(layer.peers <= limits.peers);
          assert.ok(layer.remembered <= limits.remembered);
          assert.ok(layer.pending <= limits.pending);
        }
        for (const exchange of open)
          layer.respond(exchange, { code: Code.CONTENT, options: [], payload: NONE }, now);
        while (layer.deadline < Number.POSITIVE_INFINITY) {
          assert.ok(layer.deadline > now - 300_001);
          now = Math.max(now, layer.deadline);
          layer.tick(now);
        }
        assert.equal(told, asked);
        assert.equal(layer.pending, 0);
      }),
      { numRuns: 300 },
    );
  });
});

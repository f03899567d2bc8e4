import assert from "node:assert/strict";
import * as fc from "fast-check";
import { toHex } from "../../firmware/bytes/hex.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import type { MeshSendOutcome } from "../../hal/hal.js";
import { seeded } from "./medium.js";
import { Network } from "./test-network.js";

function bytes(length: number, fill = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i + fill) & 0xff);
}

const CONFIG = { networkTransmit: { count: 1, intervalMs: 20 } };

describe("mesh delivery between two nodes", () => {
  it("carries messages of every length, once, acknowledged when segmented", () => {
    const network = new Network(1);
    const a = network.add(1);
    const b = network.add(2);
    for (let length = 0; length <= 377; length += length < 30 ? 1 : 29) {
      const outcomes: MeshSendOutcome[] = [];
      const payload = bytes(length, length);
      const accepted = a.stack.send(2, OPCODE_COAP_STATUS, payload, { done: (o) => outcomes.push(o) });
      assert.ok(accepted);
      network.medium.run(5000);
      assert.deepEqual(b.heard.splice(0), [toHex(payload)]);
      assert.deepEqual(outcomes, [length <= 8 ? "sent" : "acknowledged"], `${length} bytes`);
    }
    assert.equal(b.stack.counters.get("drop.segment-timeout"), 0);
  });

  it("tells TTL and RSSI of the last hop", () => {
    const network = new Network(1);
    const a = network.add(1);
    const b = network.add(2);
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(20), { ttl: 9 });
    network.medium.run(5000);
    assert.equal(b.messages[0].ttl, 9);
    assert.equal(b.messages[0].rssi, -60);
    assert.equal(b.messages[0].opcode, 0xc1ffff);
  });

  it("sends to a group in repeated rounds without acknowledgment, and delivers once", () => {
    const network = new Network(1);
    const a = network.add(1);
    const members = [2, 3, 4].map((address) => network.add(address, { subscriptions: [0xc123] }));
    const outsider = network.add(5);
    const outcomes: MeshSendOutcome[] = [];
    a.stack.send(0xc123, OPCODE_COAP_STATUS, bytes(40), { done: (o) => outcomes.push(o) });
    network.medium.run(5000);
    for (const member of members) {
      assert.deepEqual(member.heard, [toHex(bytes(40))]);
      assert.equal(member.stack.counters.get("sent"), 0, "no acknowledgments to a group");
    }
    assert.deepEqual(outsider.heard, []);
    assert.deepEqual(outcomes, ["sent"]);
    // 47 bytes with opcode and TransMIC: 4 segments, 3 rounds.
    assert.equal(a.stack.counters.get("sent"), 12);
  });

  it("keeps messages to one destination in order, and lets those to others pass", () => {
    const network = new Network(1);
    const a = network.add(1);
    const b = network.add(2);
    const c = network.add(3);
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(100));
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(3));
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(50));
    a.stack.send(3, OPCODE_COAP_STATUS, bytes(4));
    network.medium.run(300);
    assert.deepEqual(c.heard, [toHex(bytes(4))]);
    network.medium.run(10_000);
    assert.deepEqual(b.heard, [bytes(100), bytes(3), bytes(50)].map(toHex));
  });

  it("reports a silent peer as timed out, and goes on", () => {
    let deaf = true;
    const network = new Network(1, { reaches: () => !deaf });
    const a = network.add(1);
    const b = network.add(2);
    const outcomes: MeshSendOutcome[] = [];
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(30), { done: (o) => outcomes.push(o) });
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(31), { done: (o) => outcomes.push(o) });
    network.medium.run(2000);
    assert.deepEqual(outcomes, []);
    network.medium.run(3000);
    assert.deepEqual(outcomes, ["timed-out"]);
    deaf = false;
    network.medium.run(5000);
    assert.deepEqual(outcomes, ["timed-out", "acknowledged"]);
    assert.deepEqual(b.heard, [toHex(bytes(31))]);
  });

  it("forgets half a message after ten seconds, and ignores what comes of it later", () => {
    const kept: Uint8Array[] = [];
    let pass = true;
    const network = new Network(1, {
      reaches: (from, _to, frame) => {
        if (from === 0) kept.push(frame);
        return from !== 0 || pass;
      },
    });
    const a = network.add(1, { timing: { retransmitRounds: 1 }, ...CONFIG });
    const b = network.add(2);
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(30));
    network.medium.run(10);
    pass = false;
    network.medium.run(9900);
    assert.equal(b.stack.counters.get("drop.segment-timeout"), 0);
    network.medium.run(200);
    assert.equal(b.stack.counters.get("drop.segment-timeout"), 1);
    assert.ok(kept.length >= 3);
    for (const frame of kept.slice(1)) b.stack.receive(frame, -60, network.medium.now);
    assert.equal(b.stack.counters.get("drop.segment-late"), kept.length - 1);
    assert.deepEqual(b.heard, []);
    assert.equal(b.stack.receiving, 0);
  });

  it("refuses more messages at once than it has room for, and says so to the sender", () => {
    const network = new Network(1, {
      // The acknowledgments reach the senders, but segment 1 never reaches the receiver.
      reaches: (from, to, frame) => from === 0 || to === 0 || frame.length > 0,
    });
    const b = network.add(1, { limits: { rxSessions: 2 } });
    const senders = [2, 3, 4].map((address) => network.add(address, CONFIG));
    const outcomes: Record<number, MeshSendOutcome> = {};
    for (const { stack } of senders) {
      stack.send(1, OPCODE_COAP_STATUS, bytes(60), {
        done: (outcome) => {
          outcomes[stack.address] = outcome;
        },
      });
    }
    network.medium.run(5000);
    assert.deepEqual(Object.values(outcomes).sort(), ["acknowledged", "acknowledged", "busy"]);
    assert.ok(b.stack.counters.get("drop.segment-busy") > 0);
    assert.equal(b.heard.length, 2);
  });

  it("delivers exactly once under any loss within the retry budget", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0x7fffffff }),
        fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 0, max: 3 }),
        (seed, lengths, worst) => {
          // A bearer frame may be lost at most `worst` times in a row in each direction; every fourth comes through.
          const random = seeded(seed);
          const lost = [0, 0];
          const network = new Network(seed, {
            reaches: (from) => {
              if (lost[from] < worst && random() < 0.7) {
                lost[from]++;
                return false;
              }
              lost[from] = 0;
              return true;
            },
          });
          const a = network.add(1, { networkTransmit: { count: 4, intervalMs: 20 } });
          const b = network.add(2, { networkTransmit: { count: 4, intervalMs: 20 } });
          const outcomes: MeshSendOutcome[] = [];
          lengths.forEach((length, i) => {
            a.stack.send(2, OPCODE_COAP_STATUS, bytes(length, i), { done: (o) => outcomes.push(o) });
          });
          network.medium.run(30_000);
          assert.deepEqual(
            b.heard,
            lengths.map((length, i) => toHex(bytes(length, i))),
          );
          assert.deepEqual(
            outcomes,
            lengths.map((length) => (length <= 8 ? "sent" : "acknowledged")),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("delivers exactly once when single transmissions are lost and rounds repaired by acknowledgments", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const random = seeded(seed);
        const network = new Network(seed, { reaches: () => random() >= 0.3 });
        const a = network.add(1, { ...CONFIG, timing: { retransmitRounds: 20 } });
        const b = network.add(2, CONFIG);
        const outcomes: MeshSendOutcome[] = [];
        a.stack.send(2, OPCODE_COAP_STATUS, bytes(200), { done: (o) => outcomes.push(o) });
        network.medium.run(60_000);
        assert.deepEqual(b.heard, [toHex(bytes(200))]);
        assert.deepEqual(outcomes, ["acknowledged"]);
      }),
      { numRuns: 40 },
    );
  });

  it("never delivers twice, nor anything wrong, under loss, re-ordering and duplication of any kind", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0x7fffffff }),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        fc.integer({ min: 1, max: 3000 }),
        (seed, loss, spread) => {
          const random = seeded(seed);
          const network = new Network(seed, {
            reaches: () => random() >= loss,
            delay: () => random() * spread,
          });
          const a = network.add(1, { relay: true });
          const b = network.add(2, { relay: true });
          const sent = new Set<string>();
          for (let i = 0; i < 8; i++) {
            const payload = bytes(1 + Math.floor(random() * 60), i * 7);
            if (a.stack.send(2, OPCODE_COAP_STATUS, payload)) sent.add(toHex(payload));
            network.medium.run(random() * 2000);
          }
          network.medium.run(60_000);
          assert.equal(new Set(b.heard).size, b.heard.length, "twice");
          for (const heard of b.heard) assert.ok(sent.has(heard), "never sent");
          for (const { stack } of [a, b]) assert.equal(stack.sending + stack.receiving, 0, "at rest");
        },
      ),
      { numRuns: 60 },
    );
  });

  it("accepts nothing that was recorded before a power cut, and everything new after it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0x7fffffff }),
        fc.integer({ min: 1, max: 6 }),
        fc.boolean(),
        (seed, count, clean) => {
          const recorded: Uint8Array[] = [];
          const network = new Network(seed, {
            reaches: (from, _to, frame) => {
              if (from === 0) recorded.push(frame);
              return true;
            },
          });
          const a = network.add(1, CONFIG);
          const b = network.add(2);
          for (let i = 0; i < count; i++) {
            a.stack.send(2, OPCODE_COAP_STATUS, bytes(i % 2 === 0 ? 5 : 25, i));
            network.medium.run(2000);
          }
          assert.equal(b.heard.length, count);
          if (clean) b.stack.flush();
          b.reboot();
          for (const frame of recorded.splice(0)) b.stack.receive(frame, -60, network.medium.now);
          network.medium.run(20_000);
          assert.equal(b.heard.length, count, "a replay was taken");
          // After a cut a few numbers are refused, and then the stream goes on.
          let more = 0;
          while (b.heard.length === count) {
            a.stack.send(2, OPCODE_COAP_STATUS, bytes(6, more++));
            network.medium.run(2000);
            assert.ok(more <= (clean ? 1 : 33));
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("mesh delivery over blind relays", () => {
  /** A chain: everybody hears the neighbours only. */
  function chain(seed: number, relays: number, loss: number) {
    const network = new Network(seed, {
      reaches: (from, to) => Math.abs(from - to) === 1 && network.random() >= loss,
      delay: () => 1 + network.random() * 10,
    });
    const a = network.add(1, { defaultTtl: relays + 3 });
    for (let i = 0; i < relays; i++) network.add(100 + i, { appKeys: [], relay: true });
    const b = network.add(2, { defaultTtl: relays + 3 });
    return { network, a, b };
  }

  it("counts hops by the TTL that is left", () => {
    for (const relays of [0, 1, 3, 6]) {
      const { network, a, b } = chain(relays + 1, relays, 0);
      a.stack.send(2, OPCODE_COAP_STATUS, bytes(25));
      network.medium.run(10_000);
      assert.equal(b.messages.length, 1);
      assert.equal(a.stack.state.defaultTtl - b.messages[0].ttl, relays);
      for (const relay of network.nodes.slice(1, -1)) assert.deepEqual(relay.messages, []);
    }
  });

  it("stops where the TTL ends", () => {
    const { network, a, b } = chain(5, 3, 0);
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(5), { ttl: 3 });
    network.medium.run(1000);
    assert.equal(b.heard.length, 0);
    a.stack.send(2, OPCODE_COAP_STATUS, bytes(5), { ttl: 4 });
    network.medium.run(1000);
    assert.equal(b.heard.length, 1);
  });

  it("delivers 200 acknowledged messages over four relays at 20 % loss per hop, each once", () => {
    const { network, a, b } = chain(77, 4, 0.2);
    let acknowledged = 0;
    for (let i = 0; i < 200; i++) {
      a.stack.send(2, OPCODE_COAP_STATUS, Uint8Array.of(i, ...bytes(22)), {
        done: (outcome) => {
          if (outcome === "acknowledged") acknowledged++;
        },
      });
      network.medium.run(3000);
    }
    network.medium.run(20_000);
    assert.equal(new Set(b.heard).size, b.heard.length);
    assert.ok(b.heard.length >= 199, `${b.heard.length} delivered`);
    assert.ok(acknowledged >= 198, `${acknowledged} acknowledged`);
  });
});

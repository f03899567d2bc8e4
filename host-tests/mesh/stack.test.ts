import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { ByteWriter } from "../../firmware/bytes/writer.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { type AccessMessage, type MeshConfig, MeshStack } from "../../firmware/mesh/stack.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { ad, MemoryStore } from "./medium.js";
import { APP_KEY, BLUEZ_EXCHANGE, DEVICE_KEY, MESSAGES, type MessageVector, NET_KEY } from "./vectors.js";

interface Bench {
  readonly stack: MeshStack;
  readonly sent: string[];
  readonly messages: AccessMessage[];
  readonly store: MemoryStore;
  now: number;
}

function bench(config: Partial<MeshConfig>, store = new MemoryStore()): Bench {
  const sent: string[] = [];
  const messages: AccessMessage[] = [];
  const result = { sent, messages, store, now: 0 } as unknown as Bench & { stack: MeshStack };
  result.stack = new MeshStack({
    crypto: hostCrypto,
    storage: store,
    random: () => 0,
    now: () => result.now,
    transmit: (bytes) => {
      sent.push(toHex(bytes));
      return true;
    },
    config: {
      unicastAddress: 0x1201,
      netKeys: [{ index: 0, key: hex(NET_KEY) }],
      appKeys: [{ index: 0, key: hex(APP_KEY) }],
      ivIndex: 0x12345678,
      beacon: false,
      ...config,
    },
  });
  result.stack.onAccess = (message) => messages.push({ ...message, parameters: message.parameters.slice() });
  return result;
}

/** A store in which the next SEQ is this one. */
function storeAtSeq(ivIndex: number, seq: number): MemoryStore {
  const store = new MemoryStore();
  store.set("mesh.seq", new ByteWriter().u32(ivIndex).u32(seq).finish());
  return store;
}

function payload(message: AccessMessage): string {
  const digits = message.opcode < 0x80 ? 2 : message.opcode < 0x10000 ? 4 : 6;
  return message.opcode.toString(16).padStart(digits, "0") + toHex(message.parameters);
}

function runDry(bench: Bench): void {
  while (bench.stack.sending > 0) {
    bench.now = Math.max(bench.now, bench.stack.deadline);
    bench.stack.tick(bench.now);
  }
}

const ACCESS = MESSAGES.filter(({ access, name }) => access !== undefined && !name.startsWith("#17"));

describe("mesh stack: the access messages of section 8.3", () => {
  for (const vector of ACCESS) {
    const access = vector.access!;
    const label = access.label === undefined ? undefined : hex(access.label);

    it(`${vector.name}: is received`, () => {
      const { stack, messages } = bench({
        unicastAddress: vector.dst < 0x8000 ? vector.dst : 0x0042,
        // Both device key messages are secured with the key of 0x1201: one goes there, the other comes from there.
        ...(vector.dst === 0x1201 ? { deviceKey: hex(DEVICE_KEY) } : {}),
        subscriptions: [0xc105],
        labels: label === undefined ? [] : [label],
      });
      stack.keys.setRemoteDeviceKey(0x1201, hex(DEVICE_KEY));
      for (const pdu of vector.network) stack.receive(ad(hex(pdu)), -40, 0);
      assert.equal(messages.length, 1, JSON.stringify([...stack.counters.entries()]));
      const [message] = messages;
      assert.equal(payload(message), access.payload);
      assert.equal(message.source, vector.src);
      assert.equal(message.destination, vector.dst);
      assert.equal(message.ttl, vector.ttl);
      assert.equal(message.rssi, -40);
      assert.equal(message.appKeyIndex, access.key === "app" ? 0 : undefined);
      if (label !== undefined) assert.equal(toHex(message.label!), access.label);
    });

    it(`${vector.name}: is sent`, () => {
      assert.deepEqual(
        send(vector),
        vector.network.map((pdu) => toHex(ad(hex(pdu)))),
      );
    });
  }

  function send(vector: MessageVector): string[] {
    const access = vector.access!;
    const b = bench(
      {
        unicastAddress: vector.src,
        ivIndex: vector.ivIndex,
        timing: { groupRounds: 1, retransmitRounds: 1 },
        ...(vector.src === 0x1201 ? { deviceKey: hex(DEVICE_KEY) } : {}),
      },
      storeAtSeq(vector.ivIndex, vector.seq[0]),
    );
    b.stack.keys.setRemoteDeviceKey(0x1201, hex(DEVICE_KEY));
    const bytes = hex(access.payload);
    const length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc0 ? 2 : 3;
    const opcode = Number.parseInt(access.payload.slice(0, 2 * length), 16);
    const taken = b.stack.send(vector.dst, opcode, bytes.subarray(length), {
      ttl: vector.ttl,
      ...(access.key === "device" ? { deviceKeyOf: 0x1201 } : {}),
      ...(access.label === undefined ? {} : { label: hex(access.label) }),
      ...(access.szmic ? { longMic: true, segmented: true } : {}),
    });
    assert.ok(taken);
    runDry(b);
    return b.sent;
  }
});

describe("mesh stack: an exchange recorded from BlueZ", () => {
  for (const { src, dst, seq, ttl, network, access } of BLUEZ_EXCHANGE) {
    it(`0x${src.toString(16)} to 0x${dst.toString(16)}`, () => {
      // Recorded as AD structures: length, type, PDU.
      const structure = hex(network);
      const { stack, messages } = bench({ unicastAddress: dst });
      stack.receive(structure, -50, 0);
      assert.equal(messages.length, 1, JSON.stringify([...stack.counters.entries()]));
      assert.equal(payload(messages[0]), access);
      assert.equal(messages[0].ttl, ttl);

      const sender = bench({ unicastAddress: src }, storeAtSeq(0x12345678, seq));
      const bytes = hex(access);
      sender.stack.send(dst, Number.parseInt(access.slice(0, 6), 16), bytes.subarray(3), { ttl });
      assert.deepEqual(sender.sent, [toHex(structure)]);
    });
  }
});

describe("mesh stack", () => {
  it("refuses a configuration that no node can have, and says which field", () => {
    for (const [config, field] of [
      [{ unicastAddress: 0 }, /unicastAddress/],
      [{ unicastAddress: 0xc000 }, /unicastAddress/],
      [{ unicastAddress: 0x7fff, elements: 2 }, /elements/],
      [{ defaultTtl: 1 }, /defaultTtl/],
      [{ netKeys: [] }, /netKeys/],
      [{ ivIndex: -1 }, /ivIndex/],
      [{ ivIndex: 0, ivUpdate: true }, /ivIndex/],
      [{ deviceKey: new Uint8Array(8) }, /deviceKey/],
      [{ networkTransmit: { count: 9, intervalMs: 20 } }, /transmissions/],
    ] as const) {
      assert.throws(() => bench(config), field);
    }
    const { stack } = bench({});
    assert.throws(() => stack.send(0, OPCODE_COAP_STATUS, new Uint8Array(1)), /destination/);
    assert.throws(() => stack.send(2, OPCODE_COAP_STATUS, new Uint8Array(378)), /parameters/);
    assert.throws(() => stack.send(2, 0x7f, new Uint8Array(1)), /opcode/);
    assert.throws(() => stack.send(2, 4, new Uint8Array(1), { ttl: 1 }), /ttl/);
    assert.throws(() => stack.send(0x8001, 4, new Uint8Array(1)), /label/);
  });

  it("relays without any AppKey, and delivers nothing", () => {
    const vector = MESSAGES.find(({ name }) => name.startsWith("#16"))!;
    const relayed = MESSAGES.find(({ name }) => name.startsWith("#17"))!;
    const { stack, sent, messages } = bench({ unicastAddress: 0x0042, appKeys: [], relay: true });
    stack.receive(ad(hex(vector.network[0])), -40, 0);
    stack.receive(ad(hex(vector.network[0])), -40, 0);
    assert.deepEqual(sent, [toHex(ad(hex(relayed.network[0])))]);
    assert.equal(messages.length, 0);
    assert.equal(stack.counters.get("relayed"), 1);
    assert.equal(stack.counters.get("drop.duplicate"), 1);
  });

  it("relays only with hops left, and never what is for it alone", () => {
    for (const [ttl, dst, relayed] of [
      [0, 5, 0],
      [2, 5, 1],
      [3, 0x0042, 0],
      [3, 0xffff, 1],
    ] as const) {
      const sender = bench({ unicastAddress: 0x0007 });
      sender.stack.send(dst, 4, new Uint8Array(1), { ttl });
      const relay = bench({ unicastAddress: 0x0042, relay: true });
      relay.stack.receive(hex(sender.sent[0]), -40, 0);
      assert.equal(relay.stack.counters.get("relayed"), relayed, `TTL ${ttl} to ${dst}`);
    }
    // TTL 1 has come as far as it may.
    const two = bench({ unicastAddress: 0x0007 });
    two.stack.send(5, 4, new Uint8Array(1), { ttl: 2 });
    const first = bench({ unicastAddress: 0x0042, relay: true });
    const second = bench({ unicastAddress: 0x0043, relay: true });
    first.stack.receive(hex(two.sent[0]), -40, 0);
    second.stack.receive(hex(first.sent[0]), -40, 0);
    assert.deepEqual(second.sent, []);
  });

  it("sends relayed PDUs with the relay's own count and interval", () => {
    const calls: [number, number][] = [];
    const relay = new MeshStack({
      crypto: hostCrypto,
      storage: new MemoryStore(),
      random: () => 0,
      now: () => 0,
      transmit: (_bytes, count, intervalMs) => calls.push([count, intervalMs]) > 0,
      config: {
        unicastAddress: 9,
        netKeys: [{ index: 0, key: hex(NET_KEY) }],
        appKeys: [{ index: 0, key: hex(APP_KEY) }],
        ivIndex: 0x12345678,
        relay: true,
        networkTransmit: { count: 5, intervalMs: 30 },
        relayRetransmit: { count: 1, intervalMs: 50 },
      },
    });
    relay.receive(ad(hex(MESSAGES.find(({ name }) => name.startsWith("#16"))!.network[0])), -40, 0);
    relay.send(3, 4, new Uint8Array(1));
    assert.deepEqual(calls, [
      [1, 50],
      [5, 30],
    ]);
  });

  it("counts what it does not take by reason", () => {
    const { stack } = bench({});
    stack.receive(new Uint8Array(0), 0, 0);
    stack.receive(hex("0529aabbccdd"), 0, 0);
    stack.receive(hex("072aabbccd"), 0, 0);
    stack.receive(ad(hex("00112233445566778899aabbccddeeff")), 0, 0);
    assert.equal(stack.counters.get("drop.ad-length"), 2);
    assert.equal(stack.counters.get("drop.ad-type"), 1);
    assert.equal(stack.counters.get("drop.nid"), 1);
  });

  it("says what becomes of a message that the bearer has no room for", () => {
    let room = false;
    let sent = 0;
    let now = 0;
    const stack = new MeshStack({
      crypto: hostCrypto,
      storage: new MemoryStore(),
      random: () => 0,
      now: () => now,
      transmit: () => {
        if (room) sent++;
        return room;
      },
      config: {
        unicastAddress: 9,
        netKeys: [{ index: 0, key: hex(NET_KEY) }],
        appKeys: [{ index: 0, key: hex(APP_KEY) }],
        ivIndex: 1,
        beacon: false,
        limits: { txSessions: 2 },
      },
    });
    const outcomes: string[] = [];
    const done = (outcome: string) => outcomes.push(outcome);
    assert.ok(stack.send(3, 4, new Uint8Array(1), { done }));
    assert.ok(stack.send(3, 4, new Uint8Array(1), { done }));
    assert.equal(stack.send(3, 4, new Uint8Array(1), { done }), false);
    assert.equal(stack.counters.get("refused.tx-sessions"), 1);
    assert.deepEqual(outcomes, []);
    room = true;
    now = 20;
    stack.tick(now);
    assert.deepEqual(outcomes, ["sent", "sent"]);
    assert.equal(sent, 2);
  });
});

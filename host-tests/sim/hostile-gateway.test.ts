import assert from "node:assert/strict";
import { type Cloud, createCloud } from "../../cloud/cloud.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import { Type } from "../../firmware/coap/message.js";
import { Code, isResponse } from "../../firmware/coap/numbers.js";
import { deriveContext, type SecurityContext } from "../../firmware/oscore/context.js";
import type { Exchange } from "../../firmware/oscore/exchange.js";
import { protectRequest } from "../../firmware/oscore/protect.js";
import { unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { encodeReadings } from "../../firmware/reading/codec.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import type { AttackKind } from "../../sim/hostile/attack.js";
import { HostileGateway, type HostileGatewayOptions } from "../../sim/hostile/gateway.js";
import { DOWN_ATTACKS, UP_ATTACKS } from "../../sim/hostile/gateway-attacks.js";
import { Random } from "../../sim/random.js";

const SERVER_ID = Uint8Array.of(0x7f);
const SOURCE = "192.0.2.1:40000";
const NAMES = ["node-1", "node-2", "node-3"];

interface Node {
  readonly name: string;
  readonly context: SecurityContext;
  partialIv: number;
}

/** Nodes, a hostile gateway in front of a real server without sockets, and what the server believes. */
class Bench {
  readonly gateway: HostileGateway;
  readonly believed: string[] = [];
  readonly reported: string[] = [];
  readonly refusals = new Map<string, number>();
  /** Answers that nodes accepted, and those of them that were not as the server sent them. */
  answered = 0;
  falseAnswers = 0;
  now = 0;
  readonly #cloud: Cloud;
  readonly #nodes: Node[];
  readonly #random: Random;
  readonly #exchanges = new Map<string, Exchange>();
  readonly #fromServer = new Set<string>();
  readonly #sent: Uint8Array[] = [];
  #messageId = 0x1000;

  constructor(
    cloud: Cloud,
    nodes: Node[],
    sent: Uint8Array[],
    random: Random,
    options: Partial<HostileGatewayOptions>,
  ) {
    this.#cloud = cloud;
    this.#nodes = nodes;
    this.#random = random.fork("bench");
    this.#sent = sent;
    this.gateway = new HostileGateway({ random: random.fork("hostile"), ...options });
    cloud.live.on("reading", ({ node, temperature, humidity }) => {
      this.believed.push(`${node} ${temperature} ${humidity}`);
    });
    cloud.live.on("event", ({ kind, reason, count }) => {
      if (kind === "security") this.refusals.set(reason, Math.max(count, this.refusals.get(reason) ?? 0));
    });
  }

  static async open(seed: number, options: Partial<HostileGatewayOptions> = {}): Promise<Bench> {
    const random = new Random(seed);
    const sent: Uint8Array[] = [];
    const store = openSqlite({ file: ":memory:" });
    const cloud = await createCloud({ store, crypto: hostCrypto, send: (datagram) => sent.push(datagram) });
    const nodes: Node[] = [];
    for (const [i, name] of NAMES.entries()) {
      const masterSecret = random.fork(name).bytes(16);
      const senderId = i === 0 ? new Uint8Array(0) : Uint8Array.of(i);
      await cloud.registry.upsert({ name, oscore: { masterSecret, nodeId: senderId, serverId: SERVER_ID } });
      const context = deriveContext(hostCrypto, { masterSecret, senderId, recipientId: SERVER_ID });
      nodes.push({ name, context, partialIv: 0 });
    }
    return new Bench(cloud, nodes, sent, random, options);
  }

  close(): Promise<void> {
    return this.#cloud.stop();
  }

  /** One node reports, through the gateway; the answer comes back the same way. */
  round(kind?: AttackKind, onlyUp = false): void {
    this.now += 2000;
    const node = this.#random.pick(this.#nodes);
    const temperature = this.#random.below(5000);
    const humidity = this.#random.below(10_000);
    this.reported.push(`${node.name} ${temperature / 100} ${humidity / 100}`);
    const messageId = this.#messageId++ & 0xffff;
    const token = Uint8Array.of(messageId >> 8, messageId);
    const inner = {
      type: Type.CON,
      code: Code.POST,
      messageId,
      token,
      options: [],
      payload: encodeReadings([{ age: 0, temperature, humidity }]),
    };
    const { message, exchange } = protectRequest(node.context, inner, node.partialIv++);
    this.#exchanges.set(toHex(token), exchange);
    const { endpoint } = this.#cloud;
    for (const datagram of this.gateway.up(encodeMessage(message), this.now, kind)) {
      endpoint.handle(datagram, SOURCE, this.now);
      endpoint.tick(this.now);
    }
    for (const answer of this.#sent.splice(0)) {
      this.#fromServer.add(contentOf(answer));
      const passed = onlyUp ? [answer] : this.gateway.down(answer, this.now, kind);
      for (const datagram of passed) this.#answer(datagram);
    }
  }

  #answer(datagram: Uint8Array): void {
    const message = decodeMessage(datagram);
    if (message instanceof Refusal || !isResponse(message.code)) return;
    const exchange = this.#exchanges.get(toHex(message.token));
    if (exchange === undefined || unprotectResponse(exchange, message) instanceof Refusal) return;
    this.answered++;
    if (!this.#fromServer.has(contentOf(datagram))) this.falseAnswers++;
  }
}

/** What OSCORE stands for: everything but the outer code. */
function contentOf(datagram: Uint8Array): string {
  return toHex(datagram.subarray(4));
}

describe("hostile gateway", () => {
  const kinds = [...new Set([...UP_ATTACKS, ...DOWN_ATTACKS].map(({ kind }) => kind))];
  const rounds = 120;

  for (const kind of kinds) {
    it(`${kind}: no reading is believed that was not reported, none twice, and none is understood`, async () => {
      const bench = await Bench.open(11);
      for (let i = 0; i < rounds; i++) bench.round(kind);
      await bench.close();
      const { log } = bench.gateway;
      assert.ok(log.count(kind) > rounds / 3, `tried ${log.count(kind)} times`);
      assert.equal(log.total, log.count(kind));
      assert.equal(log.understood, 0);
      const reported = new Set(bench.reported);
      assert.deepEqual(
        bench.believed.filter((reading) => !reported.has(reading)),
        [],
      );
      assert.equal(new Set(bench.believed).size, bench.believed.length);
      assert.equal(bench.falseAnswers, 0);
      if (kind !== "read") assert.ok(bench.refusals.size > 0, "the server's feed tells of it");
    });
  }

  it("holds up nothing but what it holds back itself", async () => {
    const bench = await Bench.open(12, { answers: false, kinds: kinds.filter((kind) => kind !== "reorder") });
    for (let i = 0; i < 300; i++) bench.round();
    await bench.close();
    assert.deepEqual(bench.believed, bench.reported);
    assert.equal(bench.answered, 300);
  });

  it("makes the server name every reason in its feed", async () => {
    const bench = await Bench.open(13);
    for (let i = 0; i < 600; i++) bench.round();
    await bench.close();
    for (const reason of [
      "oscore-decrypt",
      "oscore-replay",
      "oscore-context",
      "oscore-option",
      "oscore-unprotected",
    ]) {
      assert.ok((bench.refusals.get(reason) ?? 0) > 0, `${reason} in ${[...bench.refusals.keys()]}`);
    }
    const tried = new Set(bench.gateway.log.attempts.map(({ kind, what }) => `${kind}: ${what}`));
    assert.deepEqual(
      [...UP_ATTACKS, ...DOWN_ATTACKS]
        .map(({ kind, what }) => `${kind}: ${what}`)
        .filter((attack) => !tried.has(attack)),
      [],
    );
    assert.equal(bench.falseAnswers, 0);
  });

  it("keeps to its pace, passes on what it does not know, and eats the answers to its own messages", async () => {
    const bench = await Bench.open(14, { interval: 10_000, answers: false });
    for (let i = 0; i < 50; i++) bench.round();
    await bench.close();
    assert.equal(bench.gateway.log.total, 10);
    const gateway = new HostileGateway({ random: new Random(1) });
    const strange = Uint8Array.of(1, 2, 3);
    assert.deepEqual(gateway.up(strange, 0), [strange]);
    assert.deepEqual(gateway.down(strange, 0), [strange]);
    assert.equal(gateway.log.total, 0);
  });

  it("would be seen to read what is not protected", () => {
    const gateway = new HostileGateway({ random: new Random(1), kinds: ["read"] });
    const payload = encodeReadings([{ age: 0, temperature: 2150, humidity: 4500 }]);
    const plain = {
      type: Type.CON,
      code: Code.POST,
      messageId: 1,
      token: new Uint8Array(0),
      options: [],
      payload,
    };
    gateway.up(encodeMessage(plain), 0);
    assert.equal(gateway.log.understood, 1);
  });

  it("does the same for the same seed", async () => {
    const run = async (seed: number) => {
      const bench = await Bench.open(seed);
      for (let i = 0; i < 60; i++) bench.round();
      await bench.close();
      return bench.gateway.log.attempts;
    };
    assert.deepEqual(await run(1), await run(1));
    assert.notDeepEqual(await run(1), await run(2));
  });
});

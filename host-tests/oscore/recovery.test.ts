import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption } from "../../firmware/coap/options.js";
import { OscoreClient } from "../../firmware/oscore/client.js";
import type { ContextPolicy } from "../../firmware/oscore/context-table.js";
import { EchoIssuer } from "../../firmware/oscore/echo.js";
import { KeyValueContextStore } from "../../firmware/oscore/key-value-store.js";
import { MemoryContextStore } from "../../firmware/oscore/memory-store.js";
import { oscoreOptionOf } from "../../firmware/oscore/option.js";
import { MAX_SEQUENCE_NUMBER } from "../../firmware/oscore/partial-iv.js";
import { StoredState } from "../../firmware/oscore/state.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { message, reasonOf, taken } from "./helpers.js";
import { ask, CLIENT, converse, memoryServer, newClient, SERVER, TestServer } from "./session-helpers.js";

describe("a lost replay window (App. B.1.2, RFC 9175)", () => {
  /** A server on flash whose windows live in memory only, and a way to cut its power. */
  function restartable() {
    const values = new MemoryStore();
    const open = () =>
      new TestServer(new KeyValueContextStore(hostCrypto, values, { durableWindows: false }));
    new KeyValueContextStore(hostCrypto, values).add(SERVER);
    return open;
  }

  it("is started anew by a fresh request, which comes by itself", () => {
    const open = restartable();
    const client = newClient();
    // Even the first start counts as a loss: the window was never written.
    let server = open();
    assert.equal(converse(client, server, "a").sent.length, 2);
    assert.equal(converse(client, server, "b").sent.length, 1);
    server = open();
    const { answer, sent } = converse(client, server, "c");
    assert.equal(answer.code, Code.CONTENT);
    assert.equal(sent.length, 2);
    assert.deepEqual(server.reasons, ["oscore-echo"]);
    assert.deepEqual(server.accepted, ["c"]);
    assert.equal(converse(client, server, "d").sent.length, 1);
  });

  it("accepts no replay: not before, not as the fresh request, not after", () => {
    const open = restartable();
    const client = newClient();
    let server = open();
    const old = [...converse(client, server, "a").sent, ...converse(client, server, "b").sent];
    server = open();
    for (const outer of old) server.handle(outer);
    assert.deepEqual(server.accepted, []);
    const fresh = converse(client, server, "c").sent;
    assert.deepEqual(server.accepted, ["c"]);
    for (const outer of [...old, ...fresh]) server.handle(outer);
    assert.deepEqual(server.accepted, ["c"]);
    // An Echo value from before the next restart is none.
    server = open();
    for (const outer of [...old, ...fresh]) server.handle(outer);
    assert.deepEqual(server.accepted, []);
  });

  it("is answered with an own Partial IV, an Echo option and nothing else", () => {
    const server = restartable()();
    const exchange = taken(newClient().request(ask("a")));
    const challenge = server.handle(exchange.outer);
    assert.ok(taken(oscoreOptionOf(challenge))?.partialIv, "the request may be a replay: its nonce was used");
    assert.equal(challenge.code, Code.CHANGED, "protected");
    const verdict = taken(exchange.receive(challenge));
    assert.equal(verdict.kind, "again");
  });

  it("is not started by an Echo value that is too old, or another's", () => {
    const server = restartable()();
    const exchange = taken(newClient().request(ask("a")));
    const verdict = taken(exchange.receive(server.handle(exchange.outer)));
    assert.equal(verdict.kind, "again");
    if (verdict.kind !== "again") return;
    server.now += 301_000;
    assert.equal(server.handle(verdict.outer).code, Code.CHANGED);
    assert.deepEqual(server.accepted, []);
    assert.deepEqual(server.reasons, ["oscore-echo", "oscore-echo"]);
  });

  it("never ends in an endless exchange", () => {
    const open = restartable();
    const exchange = taken(newClient().request(ask("a")));
    let outer = exchange.outer;
    let rounds = 0;
    for (; rounds < 20; rounds++) {
      // A server that restarts each time never knows its own Echo value.
      const verdict = taken(exchange.receive(open().handle(outer)));
      if (verdict.kind === "response") {
        assert.equal(verdict.message.code, Code.UNAUTHORIZED);
        assert.ok(getOption(verdict.message, OptionNumber.ECHO));
        break;
      }
      outer = verdict.outer;
    }
    assert.equal(rounds, 4);
  });
});

describe("Echo values", () => {
  it("tell their age to whom they were issued for, and nobody else", () => {
    const issuer = new EchoIssuer(hostCrypto);
    const value = issuer.issue(hex("01"), 5000);
    assert.equal(value.length, 12);
    assert.equal(issuer.age(value, hex("01"), 5000), 0);
    assert.equal(issuer.age(value, hex("01"), 65_000), 60_000);
    assert.equal(issuer.age(value, hex("02"), 5000), undefined);
    assert.equal(new EchoIssuer(hostCrypto).age(value, hex("01"), 5000), undefined);
    assert.equal(issuer.age(value.subarray(1), hex("01"), 5000), undefined);
    for (let bit = 0; bit < 96; bit++) {
      const changed = value.slice();
      changed[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(issuer.age(changed, hex("01"), 5000), undefined);
    }
  });

  it("count across 2^32 seconds", () => {
    const issuer = new EchoIssuer(hostCrypto);
    const value = issuer.issue(hex(""), (2 ** 32 - 10) * 1000);
    assert.equal(issuer.age(value, hex(""), (2 ** 32 + 10) * 1000), 20_000);
  });
});

describe("another context from the same secret (App. B.2)", () => {
  const rederivable: ContextPolicy = { rederivable: true };

  it("begins at a client that lost its numbers, and carries the request", () => {
    const server = memoryServer(rederivable);
    const values = new MemoryStore();
    const client = newClient({ rederive: true }, values);
    const { answer, sent } = converse(client, server, "a");
    assert.equal(answer.code, Code.CONTENT);
    assert.deepEqual(server.accepted, ["a"]);
    assert.equal(sent.length, 2);
    const kidContexts = sent.map((outer) => taken(oscoreOptionOf(outer))?.kidContext);
    assert.equal(kidContexts[0]?.[0], 0x48, "R1: 8 bytes wrapped in CBOR");
    assert.equal(kidContexts[1]?.[0], 0x58, "R2 ‖ R3: 24 bytes");
    // From then on nothing but the context differs.
    const next = converse(client, server, "b").sent;
    assert.equal(next.length, 1);
    assert.equal(taken(oscoreOptionOf(next[0]))?.kidContext, undefined);
    // The client keeps the new context over a restart.
    assert.equal(converse(newClient({ rederive: true }, values), server, "c").sent.length, 1);
    assert.deepEqual(server.accepted, ["a", "b", "c"]);
  });

  it("is refused by a server that may not, and a client that may not is stuck", () => {
    const server = memoryServer();
    const exchange = taken(newClient({ rederive: true }).request(ask("a")));
    assert.equal(server.handle(exchange.outer).code, Code.UNAUTHORIZED);
    assert.deepEqual(server.reasons, ["oscore-context"]);
    const stuck = new OscoreClient({
      crypto: hostCrypto,
      parameters: CLIENT,
      state: new StoredState(new MemoryStore(), "oscore"),
    });
    assert.equal(reasonOf(stuck.request(ask("a"))), "sequence-lost");
  });

  it("begins at a client that used up its numbers", () => {
    const server = memoryServer(rederivable);
    const values = new MemoryStore();
    new StoredState(values, "oscore").initialize(MAX_SEQUENCE_NUMBER);
    const client = newClient({ rederive: true }, values);
    assert.equal(converse(client, server, "a").sent.length, 1);
    assert.equal(converse(client, server, "b").sent.length, 2);
    assert.equal(converse(client, server, "c").sent.length, 1);
  });

  it("begins at a server that lost window and numbers", () => {
    const values = new MemoryStore();
    new KeyValueContextStore(hostCrypto, values).add(SERVER, rederivable);
    values.delete("oscore.s0");
    const server = new TestServer(new KeyValueContextStore(hostCrypto, values));
    const clientValues = new MemoryStore();
    new StoredState(clientValues, "oscore").initialize();
    const client = newClient({ rederive: true }, clientValues);
    const { sent } = converse(client, server, "a");
    assert.equal(sent.length, 2);
    assert.deepEqual(server.reasons, ["oscore-rederivation"]);
    assert.equal(converse(client, server, "b").sent.length, 1);
    // And the server keeps it over its next restart.
    const again = new TestServer(new KeyValueContextStore(hostCrypto, values));
    assert.equal(converse(client, again, "c").sent.length, 1);
  });

  it("begins at a server whose context expired", () => {
    const server = memoryServer({ rederivable: true, lifetime: 10_000 });
    const values = new MemoryStore();
    new StoredState(values, "oscore").initialize();
    const client = newClient({ rederive: true }, values);
    for (const [now, messages] of [
      [9_999, 1],
      [10_000, 2],
      [19_999, 1],
      [20_000, 2],
      [20_001, 1],
    ]) {
      server.now = now;
      assert.equal(converse(client, server, "a").sent.length, messages, `at ${now}`);
    }
  });

  it("does not go on when the context ended for good", () => {
    const server = memoryServer({ rederivable: true, lifetime: 10_000, ends: 15_000 });
    const client = newClient({ rederive: true });
    converse(client, server, "a");
    server.now = 15_000;
    const exchange = taken(client.request(ask("b")));
    assert.equal(server.handle(exchange.outer).code, Code.UNAUTHORIZED);
    assert.deepEqual(server.reasons, ["oscore-rederivation", "oscore-context"]);
  });

  it("an expired context of a server that may not rederive is not found", () => {
    const server = memoryServer({ lifetime: 10_000 });
    const client = newClient();
    converse(client, server, "a");
    server.now = 10_000;
    const exchange = taken(client.request(ask("b")));
    assert.equal(server.handle(exchange.outer).code, Code.UNAUTHORIZED);
    assert.deepEqual(server.reasons, ["oscore-context"]);
  });

  it("survives duplicates of every message, and accepts none of them twice", () => {
    const server = memoryServer(rederivable);
    const client = newClient({ rederive: true });
    const exchange = taken(client.request(ask("a")));
    const first = exchange.outer;
    // Request #1 comes three times, as separate requests: three runs.
    const responses = [server.handle(first), server.handle(first), server.handle(first)];
    assert.equal(new Set(responses.map((one) => toHex(one.payload))).size, 3, "each with an R2 of its own");
    // The client takes the second, then sees the others.
    const again = taken(exchange.receive(responses[1]));
    assert.ok(again.kind === "again");
    assert.ok(reasonOf(exchange.receive(responses[0])));
    assert.ok(reasonOf(exchange.receive(responses[2])));
    // Request #2 comes twice.
    const answer = server.handle(again.outer);
    assert.equal(server.handle(again.outer).code, Code.UNAUTHORIZED);
    assert.deepEqual(server.accepted, ["a"]);
    assert.equal(taken(exchange.receive(answer)).kind, "response");
    // Late duplicates of request #1 begin runs that nobody finishes; the context stays.
    server.handle(first);
    server.handle(again.outer);
    assert.equal(converse(client, server, "b").sent.length, 1);
    assert.deepEqual(server.accepted, ["a", "b"]);
  });

  it("goes on when the server restarts between request #1 and #2", () => {
    const values = new MemoryStore();
    const open = () => new TestServer(new KeyValueContextStore(hostCrypto, values));
    new KeyValueContextStore(hostCrypto, values).add(SERVER, rederivable);
    const client = newClient({ rederive: true });
    const exchange = taken(client.request(ask("a")));
    const one = taken(exchange.receive(open().handle(exchange.outer)));
    assert.ok(one.kind === "again");
    const server = open();
    const two = taken(exchange.receive(server.handle(one.outer)));
    assert.ok(two.kind === "again", "its R2 is unknown to the new process: another run");
    assert.equal(taken(exchange.receive(server.handle(two.outer))).kind, "response");
    assert.deepEqual(server.accepted, ["a"]);
  });

  it("goes on when response #2 is lost", () => {
    const server = memoryServer(rederivable);
    const client = newClient({ rederive: true });
    const exchange = taken(client.request(ask("a")));
    const again = taken(exchange.receive(server.handle(exchange.outer)));
    assert.ok(again.kind === "again");
    server.handle(again.outer);
    client.failed();
    assert.equal(converse(client, server, "b").sent.length, 1);
    assert.deepEqual(server.accepted, ["a", "b"]);
  });

  it("serves two requests under way at once", () => {
    const server = memoryServer(rederivable);
    const client = newClient({ rederive: true });
    const [a, b] = [taken(client.request(ask("a"))), taken(client.request(ask("b")))];
    const againA = taken(a.receive(server.handle(a.outer)));
    const againB = taken(b.receive(server.handle(b.outer)));
    assert.ok(againA.kind === "again" && againB.kind === "again");
    assert.equal(taken(b.receive(server.handle(againB.outer))).kind, "response");
    assert.equal(taken(a.receive(server.handle(againA.outer))).kind, "response");
    assert.deepEqual(server.accepted, ["b", "a"]);
  });

  it("begins no more runs than it has room for", () => {
    const store = new MemoryContextStore(hostCrypto);
    store.add(SERVER, rederivable);
    store.add({ ...SERVER, recipientId: hex("02") }, rederivable);
    const server = new TestServer(store, 1);
    const [one, two] = [
      newClient({ rederive: true }),
      newClient({ rederive: true, parameters: { ...CLIENT, senderId: hex("02") } }),
    ];
    const first = taken(one.request(ask("a")));
    assert.equal(server.handle(first.outer).code, Code.CHANGED);
    const second = taken(two.request(ask("b")));
    assert.equal(server.handle(second.outer).code, Code.SERVICE_UNAVAILABLE);
    server.now += 300_001;
    assert.equal(server.handle(second.outer).code, Code.CHANGED, "the first run is over");
  });

  it("is not begun by a stranger: neither at the server nor at the client", () => {
    const server = memoryServer(rederivable);
    const stranger = newClient({
      rederive: true,
      parameters: { ...CLIENT, masterSecret: hex("ff".repeat(16)) },
    });
    const exchange = taken(stranger.request(ask("a")));
    assert.equal(server.handle(exchange.outer).code, Code.BAD_REQUEST);
    assert.deepEqual(server.reasons, ["oscore-decrypt"]);

    const values = new MemoryStore();
    new StoredState(values, "oscore").initialize();
    const client = newClient({ rederive: true }, values);
    const honest = taken(client.request(ask("a")));
    const forged = {
      ...message(Code.CHANGED, [{ number: 9, value: hex("1009480102030405060708") }], "00".repeat(9)),
    };
    assert.equal(reasonOf(honest.receive(forged)), "oscore-decrypt");
    assert.equal(taken(honest.receive(server.handle(honest.outer))).kind, "response");
  });
});

describe("a client whose context is said to be unknown", () => {
  const notFound = (): CoapMessage => ({
    ...message(Code.UNAUTHORIZED),
    payload: new TextEncoder().encode("Security context not found"),
  });

  it("believes it only after the request failed: it is unprotected", () => {
    const idContext = hex("c0ffee");
    const server = memoryServer({}, { ...SERVER, idContext });
    const client = newClient({ parameters: { ...CLIENT, idContext } });
    const exchange = taken(client.request(ask("a")));
    const kidContext = (outer: CoapMessage) => taken(oscoreOptionOf(outer))?.kidContext;
    assert.equal(kidContext(exchange.outer), undefined);
    assert.equal(reasonOf(exchange.receive(notFound())), "oscore-unprotected");
    client.failed();
    const named = converse(client, server, "b").sent;
    assert.deepEqual(named.map(kidContext), [idContext]);
    assert.deepEqual(converse(client, server, "c").sent.map(kidContext), [undefined]);
  });

  it("derives another one when that does not help", () => {
    const server = memoryServer({ rederivable: true });
    const values = new MemoryStore();
    new StoredState(values, "oscore").initialize();
    const client = newClient({ rederive: true }, values);
    const exchange = taken(client.request(ask("a")));
    exchange.receive(notFound());
    client.failed();
    assert.equal(converse(client, server, "b").sent.length, 2);
    assert.deepEqual(server.reasons, ["oscore-rederivation"]);
  });

  it("comes back when it died before it had kept the new context", () => {
    const server = memoryServer({ rederivable: true });
    const values = new MemoryStore();
    const before = newClient({ rederive: true }, values);
    const exchange = taken(before.request(ask("a")));
    const again = taken(exchange.receive(server.handle(exchange.outer)));
    assert.ok(again.kind === "again");
    server.handle(again.outer);
    // The server has gone over; the client dies, with its provisioned context in flash.
    new StoredState(values, "oscore").initialize(64);
    const client = newClient({ rederive: true }, values);
    const lost = taken(client.request(ask("b")));
    assert.equal(reasonOf(lost.receive(server.handle(lost.outer))), "oscore-unprotected");
    client.failed();
    assert.equal(converse(client, server, "c").sent.length, 2);
    assert.deepEqual(server.accepted, ["a", "c"]);
  });

  it("comes back to a server that forgot the context that both had gone over to", () => {
    const values = new MemoryStore();
    const client = newClient({ rederive: true }, values);
    converse(client, memoryServer({ rederivable: true }), "a");
    const server = memoryServer({ rederivable: true });
    const lost = taken(client.request(ask("b")));
    assert.equal(reasonOf(lost.receive(server.handle(lost.outer))), "oscore-unprotected");
    client.failed();
    assert.equal(converse(client, server, "c").sent.length, 2);
    assert.equal(converse(client, server, "d").sent.length, 1);
    assert.deepEqual(server.accepted, ["c", "d"]);
  });

  it("does nothing of the kind when the server answered meanwhile", () => {
    const server = memoryServer({ rederivable: true });
    const values = new MemoryStore();
    new StoredState(values, "oscore").initialize();
    const client = newClient({ rederive: true }, values);
    const exchange = taken(client.request(ask("a")));
    exchange.receive(notFound());
    exchange.receive(server.handle(exchange.outer));
    client.failed();
    assert.equal(converse(client, server, "b").sent.length, 1);
  });
});

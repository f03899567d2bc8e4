import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { uintOption } from "../../firmware/coap/options.js";
import { type ClientExchange, OscoreClient } from "../../firmware/oscore/client.js";
import { MemoryReserve } from "../../firmware/oscore/memory-store.js";
import { oscoreOptionOf } from "../../firmware/oscore/option.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { encode, message, reasonOf, taken } from "./helpers.js";
import { ask, CLIENT, converse, memoryServer, newClient } from "./session-helpers.js";

describe("OSCORE client and server", () => {
  it("exchange requests and answers", () => {
    const [client, server] = [newClient(), memoryServer()];
    for (const path of ["a", "b", "c"]) {
      const { answer, sent } = converse(client, server, path);
      assert.equal(answer.code, Code.CONTENT);
      assert.equal(toHex(answer.payload), "aabb");
      assert.equal(sent.length, 1);
    }
    assert.deepEqual(server.accepted, ["a", "b", "c"]);
    assert.deepEqual(server.reasons, []);
  });

  it("let a plain message by", () => {
    const { server } = memoryServer();
    const handler = { accepted: () => assert.fail(), answered: () => assert.fail() };
    assert.equal(server.receive(ask("a"), 0, handler), false);
  });

  it("refuse a replay and take nothing else for the answer", () => {
    const [client, server] = [newClient(), memoryServer()];
    const { sent } = converse(client, server, "a");
    const answer = server.handle(sent[0]);
    assert.equal(answer.code, Code.UNAUTHORIZED);
    assert.equal(Buffer.from(answer.payload).toString(), "Replay detected");
    assert.deepEqual(server.accepted, ["a"]);

    const exchange = taken(client.request(ask("b")));
    assert.equal(reasonOf(exchange.receive(answer)), "oscore-unprotected");
    assert.equal(taken(exchange.receive(server.handle(exchange.outer))).kind, "response");
    assert.equal(reasonOf(exchange.receive(server.handle(exchange.outer))), "oscore-response", "it is over");
  });

  it("answer a request more than once with a number of the server's own", () => {
    const [client, server] = [newClient(), memoryServer()];
    const observe = message(Code.GET, [uintOption(OptionNumber.OBSERVE, 0)]);
    const exchange = taken(client.request(observe));
    const first = server.handle(exchange.outer);
    // What the test server answers has no Observe option: the observation was not taken, and is over.
    assert.equal(taken(exchange.receive(first)).kind, "response");
    const request = server.requests[0];
    const second = server.server.protect(request, message(Code.CONTENT)) as CoapMessage;
    assert.equal(toHex(taken(oscoreOptionOf(second))?.partialIv ?? hex("")), "00");
  });
});

describe("OSCORE observations (§4.1.3.5.2, §7.4.1)", () => {
  function observation(): {
    exchange: ClientExchange;
    notify: (payload: string, own?: boolean) => CoapMessage;
  } {
    const [client, server] = [newClient(), memoryServer()];
    const exchange = taken(client.request(message(Code.GET, [uintOption(OptionNumber.OBSERVE, 0)])));
    server.server.receive(exchange.outer, 0, {
      accepted: (request) => server.requests.push(request),
      answered: () => assert.fail(),
    });
    let count = 0;
    return {
      exchange,
      notify: (payload, own = true) =>
        server.server.protect(
          server.requests[0],
          message(Code.CONTENT, [uintOption(OptionNumber.OBSERVE, count++)], payload),
          own,
        ) as CoapMessage,
    };
  }

  it("take notifications in the order of their Partial IVs, each once", () => {
    const { exchange, notify } = observation();
    const notifications = [notify("00", false), notify("01"), notify("02"), notify("03")];
    const payload = (index: number) => {
      const verdict = exchange.receive(notifications[index]);
      return verdict instanceof Refusal || verdict.kind !== "response"
        ? reasonOf(verdict)
        : toHex(verdict.message.payload);
    };
    assert.equal(payload(0), "00");
    assert.equal(payload(2), "02");
    assert.equal(payload(1), "oscore-response", "older");
    assert.equal(payload(2), "oscore-response", "again");
    assert.equal(payload(0), "oscore-response", "the request's nonce is used up");
    assert.equal(payload(3), "03");
  });

  it("ignore what a proxy does to the outer Observe option", () => {
    const { exchange, notify } = observation();
    const changed = (outer: CoapMessage, value: number | undefined): CoapMessage => ({
      ...outer,
      options: [
        ...(value === undefined ? [] : [uintOption(OptionNumber.OBSERVE, value)]),
        ...outer.options.filter(({ number }) => number !== OptionNumber.OBSERVE),
      ],
    });
    assert.equal(taken(exchange.receive(changed(notify("00"), 999))).kind, "response");
    assert.equal(taken(exchange.receive(changed(notify("01"), 5))).kind, "response");
    assert.equal(taken(exchange.receive(changed(notify("02"), undefined))).kind, "response");
  });

  it("end with the first answer that is no notification", () => {
    const { exchange, notify } = observation();
    exchange.receive(notify("00"));
    const last = notify("01");
    const [client, server] = [newClient(), memoryServer()];
    const plain = taken(client.request(ask("a")));
    server.server.receive(plain.outer, 0, {
      accepted: (request) => server.requests.push(request),
      answered: () => assert.fail(),
    });
    const notification = message(Code.CONTENT, [uintOption(OptionNumber.OBSERVE, 1)]);
    const outer = server.server.protect(server.requests[0], notification) as CoapMessage;
    assert.equal(reasonOf(plain.receive(outer)), "oscore-response", "a notification that nobody asked for");
    assert.equal(taken(exchange.receive(last)).kind, "response");
  });
});

describe("a client on memory that lasts as long as it does", () => {
  it("needs no store", () => {
    const reserve = new MemoryReserve();
    const client = new OscoreClient({
      crypto: hostCrypto,
      parameters: CLIENT,
      state: {
        idContext: undefined,
        reserve: (count) => reserve.reserve(count),
        renew: () => assert.fail(),
      },
    });
    const server = memoryServer();
    assert.equal(encode(converse(client, server, "a").answer).slice(-4), "aabb");
  });
});

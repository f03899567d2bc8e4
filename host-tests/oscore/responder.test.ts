import assert from "node:assert/strict";
import fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import type { Content } from "../../firmware/coap/messaging.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { getOption, opaqueOption } from "../../firmware/coap/options.js";
import { deriveContext, type SecurityContext } from "../../firmware/oscore/context.js";
import type { Exchange } from "../../firmware/oscore/exchange.js";
import { oscoreOptionOf } from "../../firmware/oscore/option.js";
import { protectRequest } from "../../firmware/oscore/protect.js";
import { Responder, type ResponderContext } from "../../firmware/oscore/responder.js";
import { unprotectResponse } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { contextPair, message, taken } from "./helpers.js";

const EMPTY: Content = { code: Code.CHANGED, options: [], payload: hex("") };

/** A request on its way, as the client keeps it. */
interface Sent {
  readonly outer: CoapMessage;
  readonly exchange: Exchange;
}

/** Both ends. PUT has to be fresh, as a node's settings have to; everything else need not. */
class Bench {
  readonly served: string[] = [];
  now = 1000;
  responder: Responder;
  readonly contexts: ResponderContext[];
  readonly client: SecurityContext;
  /** Numbers of the device's own; `undefined`: it has none. */
  own: number | undefined = 0;

  constructor(...others: ResponderContext[]) {
    const { client, server } = contextPair();
    this.client = client;
    this.contexts = [this.context(server), ...others];
    this.responder = this.start();
  }

  context(security: SecurityContext): ResponderContext {
    return {
      kid: security.recipientId,
      security,
      next: () => (this.own === undefined ? new Refusal("sequence-lost") : this.own++),
    };
  }

  /** The device starts: what was in memory is gone. */
  start(): Responder {
    this.responder = new Responder({
      crypto: hostCrypto,
      contexts: this.contexts,
      serve: (request, isFresh) => {
        if (request.code === Code.PUT && !isFresh) return undefined;
        this.served.push(toHex(request.payload));
        return EMPTY;
      },
    });
    return this.responder;
  }

  request(number: number, code: number = Code.GET, payload = "", echo?: Uint8Array): Sent {
    const options = echo === undefined ? [] : [opaqueOption(OptionNumber.ECHO, echo)];
    const { message: outer, exchange } = protectRequest(this.client, message(code, options, payload), number);
    return { outer, exchange };
  }

  /** What the device answers, opened. */
  deliver({ outer, exchange }: Sent): CoapMessage {
    const { answer, refusal } = this.responder.respond(outer, this.now);
    assert.equal(refusal, undefined, `${refusal}`);
    return taken(unprotectResponse(exchange, { ...outer, ...answer, options: [...answer.options] })).message;
  }

  echoOf(sent: Sent): Uint8Array {
    const answer = this.deliver(sent);
    assert.equal(answer.code, Code.UNAUTHORIZED);
    return getOption(answer, OptionNumber.ECHO)!.slice();
  }
}

describe("OSCORE responder", () => {
  it("answers what is not protected, or not for it, with the errors of RFC 8613 §8.2, and serves nothing", () => {
    const bench = new Bench();
    const { outer } = bench.request(0);
    const other = { ...outer, options: [opaqueOption(OptionNumber.OSCORE, hex("09000a"))] };
    const cases: [string, CoapMessage, number][] = [
      ["oscore-unprotected", message(Code.GET), Code.UNAUTHORIZED],
      ["oscore-context", other, Code.UNAUTHORIZED],
      [
        "oscore-option",
        { ...outer, options: [opaqueOption(OptionNumber.OSCORE, hex("06"))] },
        Code.BAD_OPTION,
      ],
      ["oscore-option", { ...outer, options: [opaqueOption(OptionNumber.OSCORE, hex(""))] }, Code.BAD_OPTION],
      ["oscore-no-payload", { ...outer, payload: hex("") }, Code.BAD_OPTION],
      ["oscore-decrypt", { ...outer, payload: outer.payload.map((byte) => byte ^ 1) }, Code.BAD_REQUEST],
    ];
    for (const [reason, request, code] of cases) {
      const { answer, refusal } = bench.responder.respond(request, 0);
      assert.deepEqual([refusal?.reason, answer.code], [reason, code]);
      assert.equal(getOption(answer, OptionNumber.OSCORE), undefined);
    }
    assert.deepEqual(bench.served, []);
  });

  it("wants an Echo first after a start, under a Partial IV of its own, and goes on from there (App. B.1.2)", () => {
    const bench = new Bench();
    const first = bench.request(7, Code.GET, "aa");
    const { answer } = bench.responder.respond(first.outer, bench.now);
    const option = oscoreOptionOf(answer as CoapMessage);
    assert.ok(option !== undefined && !(option instanceof Refusal) && option.partialIv !== undefined);
    const echo = bench.echoOf(first);
    assert.deepEqual(bench.served, []);
    assert.equal(bench.deliver(bench.request(8, Code.GET, "bb", echo)).code, Code.CHANGED);
    assert.equal(bench.deliver(bench.request(9, Code.GET, "cc")).code, Code.CHANGED);
    assert.deepEqual(bench.served, ["bb", "cc"]);
  });

  it("carries nothing out twice, and nothing that was overtaken", () => {
    const bench = new Bench();
    const late = bench.request(9, Code.GET, "99");
    const carried = bench.request(10, Code.GET, "10", bench.echoOf(bench.request(8)));
    assert.equal(bench.deliver(carried).code, Code.CHANGED);
    const newest = bench.request(11, Code.GET, "11");
    assert.equal(bench.deliver(newest).code, Code.CHANGED);
    for (const old of [late, carried, newest]) {
      // A new exchange: the client would take one answer without a Partial IV only.
      const { answer } = bench.responder.respond(old.outer, bench.now);
      const option = oscoreOptionOf(answer as CoapMessage);
      assert.ok(option !== undefined && !(option instanceof Refusal) && option.partialIv !== undefined);
    }
    assert.deepEqual(bench.served, ["10", "11"]);
  });

  it("takes a lower number with an Echo, and lets nothing below come back by that: several servers have their own blocks", () => {
    const bench = new Bench();
    const echo = bench.echoOf(bench.request(64));
    bench.deliver(bench.request(65, Code.GET, "65", echo));
    bench.deliver(bench.request(66, Code.GET, "66"));
    const second = bench.echoOf(bench.request(3));
    assert.equal(bench.deliver(bench.request(4, Code.GET, "04", second)).code, Code.CHANGED);
    bench.echoOf(bench.request(5, Code.GET, "05"));
    assert.equal(bench.deliver(bench.request(67, Code.GET, "67")).code, Code.CHANGED);
    assert.deepEqual(bench.served, ["65", "66", "04", "67"]);
  });

  it("changes something only when the request is fresh, and each proof counts once", () => {
    const bench = new Bench();
    bench.deliver(bench.request(1, Code.GET, "01", bench.echoOf(bench.request(0))));
    const echo = bench.echoOf(bench.request(2, Code.PUT, "02"));
    assert.equal(bench.deliver(bench.request(3, Code.PUT, "03", echo)).code, Code.CHANGED);
    const next = bench.echoOf(bench.request(4, Code.PUT, "04", echo));
    assert.notDeepEqual(next, echo);
    // Held back on its way: nobody carries it out that long after.
    const held = bench.request(5, Code.PUT, "05", next);
    bench.now += 300_001;
    bench.echoOf(held);
    assert.deepEqual(bench.served, ["01", "03"]);
  });

  it("holds on to the value that is under way, whatever copies of old requests come between", () => {
    const bench = new Bench();
    const old = bench.request(0);
    const echo = bench.echoOf(old);
    bench.now += 1000;
    bench.responder.respond(old.outer, bench.now);
    assert.equal(bench.deliver(bench.request(1, Code.PUT, "01", echo)).code, Code.CHANGED);
  });

  it("knows what was received under new keys (App. B.2): nothing", () => {
    const { client, server } = contextPair({ idContext: hex("0011223344556677") });
    let current = contextPair().server;
    const responder = new Responder({
      crypto: hostCrypto,
      contexts: [
        {
          kid: server.recipientId,
          get security() {
            return current;
          },
          next: () => 0,
        },
      ],
      serve: () => EMPTY,
    });
    current = server;
    const { message: outer, exchange } = protectRequest(client, message(Code.GET), 0);
    const { answer } = responder.respond(outer, 0);
    const opened = unprotectResponse(exchange, { ...outer, ...answer, options: [...answer.options] });
    assert.equal(taken(opened).message.code, Code.CHANGED);
  });

  it("says that it cannot now when it has no number for a challenge", () => {
    const bench = new Bench();
    bench.own = undefined;
    const { answer, refusal } = bench.responder.respond(bench.request(0).outer, 0);
    assert.deepEqual([answer.code, refusal?.reason], [Code.SERVICE_UNAVAILABLE, "oscore-busy"]);
  });

  it("answers each client under its own context", () => {
    const secret = { masterSecret: hex("aa".repeat(16)), masterSalt: hex("") };
    const [senderId, recipientId] = [hex(""), hex("05")];
    const device = deriveContext(hostCrypto, { ...secret, senderId, recipientId });
    const client = deriveContext(hostCrypto, { ...secret, senderId: recipientId, recipientId: senderId });
    let own = 0;
    const bench = new Bench({ kid: recipientId, security: device, next: () => own++ });
    const ask = (number: number, echo?: Uint8Array): Sent => {
      const options = echo === undefined ? [] : [opaqueOption(OptionNumber.ECHO, echo)];
      const { message: outer, exchange } = protectRequest(client, message(Code.GET, options, "77"), number);
      return { outer, exchange };
    };
    const theirs = bench.echoOf(ask(0));
    const ours = bench.echoOf(bench.request(0));
    // Nobody's proof is another one's.
    bench.echoOf(ask(1, ours));
    assert.equal(bench.deliver(ask(2, theirs)).code, Code.CHANGED);
    assert.equal(bench.deliver(bench.request(1, Code.GET, "01", ours)).code, Code.CHANGED);
  });

  it("carries each request out once at most, whatever is copied, held back and restarted, and uses no nonce twice", () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant("ask" as const), put: fc.boolean(), skip: fc.nat(3) }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("copy" as const), which: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(400_000) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const bench = new Bench();
        const sent: Sent[] = [];
        /** By the request's number: how many answers took its nonce. */
        const nonces = new Map<number, number>();
        let echo: Uint8Array | undefined;
        let number = 0;
        const deliver = (one: Sent): void => {
          const { answer, refusal } = bench.responder.respond(one.outer, bench.now);
          assert.equal(refusal, undefined);
          const option = taken(oscoreOptionOf(answer as CoapMessage)!);
          if (option.partialIv === undefined) {
            const { requestPartialIv } = one.exchange;
            nonces.set(requestPartialIv, (nonces.get(requestPartialIv) ?? 0) + 1);
          }
          const opened = unprotectResponse(one.exchange, {
            ...one.outer,
            ...answer,
            options: [...answer.options],
          });
          if (!(opened instanceof Refusal)) echo = getOption(opened.message, OptionNumber.ECHO)?.slice();
        };
        for (const one of steps) {
          if (one.kind === "ask") {
            number += one.skip;
            const payload = number.toString(16).padStart(4, "0");
            const request = bench.request(number++, one.put ? Code.PUT : Code.GET, payload, echo);
            sent.push(request);
            deliver(request);
          } else if (one.kind === "copy" && sent.length > 0) deliver(sent[one.which % sent.length]);
          else if (one.kind === "restart") bench.start();
          else if (one.kind === "wait") bench.now += one.ms;
        }
        assert.equal(new Set(bench.served).size, bench.served.length, "carried out twice");
        for (const [used, times] of nonces) assert.equal(times, 1, `the nonce of request ${used}`);
      }),
      { numRuns: 100 },
    );
  });
});

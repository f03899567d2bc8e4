import assert from "node:assert/strict";
import fc from "fast-check";
import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { echoChallenge, withEcho } from "../../firmware/coap/echo.js";
import type { Content, Outcome, RespondOptions } from "../../firmware/coap/messaging.js";
import { isUnwanted, NoResponse } from "../../firmware/coap/no-response.js";
import { Code, OptionNumber } from "../../firmware/coap/numbers.js";
import { ObserveOrder, Observers, type ObserversOptions } from "../../firmware/coap/observe.js";
import { getOption, getUint, uintOption } from "../../firmware/coap/options.js";
import { content } from "../../firmware/coap/resource.js";

describe("observe: the order of notifications (RFC 7641 §3.4)", () => {
  it("goes by the number, modulo 2^24, and by time after a long silence", () => {
    const order = new ObserveOrder();
    assert.equal(order.accept(10, 0), true);
    assert.equal(order.accept(10, 1), false);
    assert.equal(order.accept(9, 2), false);
    assert.equal(order.accept(11, 3), true);
    assert.equal(order.accept(11 + (1 << 23) - 1, 4), true);
    assert.equal(order.accept(5, 5), true);
    assert.equal(order.accept(0xffffff, 6), false);
    assert.equal(order.accept(4, 128_005), false);
    assert.equal(order.accept(4, 128_006), true);
  });

  it("accepts, of any order of arrival, a rising sequence that ends with the last one", () => {
    const numbers = fc.uniqueArray(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(numbers, fc.nat({ max: 0xffffff }), (offsets, start) => {
        const order = new ObserveOrder();
        const accepted = offsets.filter((offset) => order.accept((start + offset) % (1 << 24), 0));
        assert.deepEqual(
          accepted,
          [...accepted].sort((a, b) => a - b),
        );
        assert.equal(accepted.at(-1), Math.max(...offsets));
      }),
    );
  });
});

interface Sent {
  readonly to: string;
  readonly value: number | undefined;
  readonly code: number;
  readonly confirmable: boolean;
  readonly messageId: number;
  end(outcome: Outcome): void;
}

class Bench {
  readonly sent: Sent[] = [];
  readonly observers: Observers;
  now = 0;
  full = false;
  state: Content = content(Code.CONTENT, "1");

  constructor(options: ObserversOptions = {}) {
    this.observers = new Observers(options);
  }

  register(name: string, confirmable = true, resource = "/r"): number | undefined {
    const notify = (notification: Content, _now: number, options: RespondOptions) => {
      if (this.full) {
        options.onOutcome?.("cancelled", this.now);
        return new Refusal("coap-queue-full");
      }
      const messageId = this.sent.length;
      this.sent.push({
        to: name,
        value: getUint(notification, OptionNumber.OBSERVE),
        code: notification.code,
        confirmable: options.confirmable ?? false,
        messageId,
        end: (outcome) => options.onOutcome?.(outcome, this.now),
      });
      if (options.confirmable !== true) options.onOutcome?.("sent", this.now);
      return { endpoint: name, messageId };
    };
    return this.observers.register(name, resource, confirmable, notify, () => this.state, this.now);
  }

  change(resource = "/r"): void {
    this.observers.changed(resource, this.now);
  }

  pass(ms: number): void {
    const end = this.now + ms;
    while (this.observers.deadline <= end) {
      this.now = this.observers.deadline;
      this.observers.tick(this.now);
    }
    this.now = end;
  }
}

describe("observe: the server's observers (RFC 7641 §4)", () => {
  it("tells the observers of a resource, each with a later number", () => {
    const bench = new Bench();
    const values = [bench.register("a"), bench.register("b"), bench.register("c", true, "/other")];
    bench.change();
    assert.deepEqual(
      bench.sent.map(({ to, confirmable }) => [to, confirmable]),
      [
        ["a", true],
        ["b", true],
      ],
    );
    const all = [...values, ...bench.sent.map(({ value }) => value)] as number[];
    assert.deepEqual(
      all,
      [...all].sort((x, y) => x - y),
    );
    assert.equal(new Set(all).size, all.length);
  });

  it("has one notification under way, and tells the last state when it has arrived", () => {
    const bench = new Bench();
    bench.register("a");
    for (let i = 0; i < 5; i++) bench.change();
    assert.equal(bench.sent.length, 1);
    bench.sent[0].end("acknowledged");
    assert.equal(bench.sent.length, 2);
    bench.sent[1].end("acknowledged");
    assert.equal(bench.sent.length, 2);
  });

  it("forgets who resets or never acknowledges", () => {
    for (const outcome of ["reset", "timeout"] as const) {
      const bench = new Bench();
      bench.register("a");
      bench.change();
      bench.change();
      bench.sent[0].end(outcome);
      assert.equal(bench.observers.size, 0);
      bench.change();
      assert.equal(bench.sent.length, 1);
    }
  });

  it("forgets a NON observer by the RST to its latest notification", () => {
    const bench = new Bench();
    bench.register("a", false);
    bench.register("b", false);
    bench.now = 10_000;
    bench.change();
    bench.now = 20_000;
    bench.change();
    bench.observers.reset("a", 1);
    bench.observers.reset("a", 0);
    assert.equal(bench.observers.size, 2);
    bench.observers.reset("a", 2);
    assert.equal(bench.observers.size, 1);
    // To a notification from before b registered anew.
    bench.register("b", false);
    bench.observers.reset("b", 3);
    assert.equal(bench.observers.size, 1);
  });

  it("sends NON no closer than the interval, the last state then", () => {
    const bench = new Bench({ interval: 3000 });
    bench.register("a", false);
    bench.change();
    bench.change();
    assert.equal(bench.sent.length, 0);
    bench.pass(2999);
    assert.equal(bench.sent.length, 0);
    bench.pass(1);
    assert.equal(bench.sent.length, 1);
    bench.pass(10_000);
    assert.equal(bench.sent.length, 1);
    bench.change();
    assert.equal(bench.sent.length, 2);
    assert.equal(bench.observers.deadline, Number.POSITIVE_INFINITY);
  });

  it("asks a NON observer by CON once a day whether it is there", () => {
    const bench = new Bench();
    bench.register("a", false);
    bench.now = 86_399_999;
    bench.change();
    bench.now = 86_410_000;
    bench.change();
    bench.sent[1].end("acknowledged");
    bench.now = 86_420_000;
    bench.change();
    assert.deepEqual(
      bench.sent.map(({ confirmable }) => confirmable),
      [false, true, false],
    );
  });

  it("ends with an error, which carries no Observe", () => {
    const bench = new Bench();
    bench.register("a");
    bench.state = content(Code.NOT_FOUND);
    bench.change();
    assert.deepEqual([bench.sent[0].code, bench.sent[0].value], [Code.NOT_FOUND, undefined]);
    assert.equal(bench.observers.size, 0);
    bench.sent[0].end("acknowledged");
    bench.change();
    assert.equal(bench.sent.length, 1);
  });

  it("tries again when the queue was full", () => {
    const bench = new Bench();
    bench.register("a");
    bench.full = true;
    bench.change();
    assert.equal(bench.sent.length, 0);
    bench.full = false;
    bench.pass(3000);
    assert.equal(bench.sent.length, 1);
  });

  it("renews a registration in place, takes no more than its limit", () => {
    const bench = new Bench({ limit: 2 });
    assert.equal(bench.register("a"), 0);
    assert.equal(bench.register("a"), 1);
    bench.register("b");
    assert.equal(bench.register("c"), undefined);
    assert.equal(bench.observers.size, 2);
    // How a notification of the former registration ends says nothing about the new one.
    bench.change();
    bench.register("a");
    bench.sent[0].end("timeout");
    assert.equal(bench.observers.size, 2);
    bench.observers.remove("a");
    bench.observers.remove("a");
    assert.notEqual(bench.register("c"), undefined);
  });
});

describe("No-Response (RFC 7967)", () => {
  it("tells by class which answers are not wanted", () => {
    const wants = (value: number | undefined, code: number) =>
      !isUnwanted(
        { options: value === undefined ? [] : [uintOption(OptionNumber.NO_RESPONSE, value)] },
        code,
      );
    for (const code of [Code.CHANGED, Code.NOT_FOUND, Code.BAD_GATEWAY]) {
      assert.equal(wants(undefined, code), true);
      assert.equal(wants(0, code), true);
      assert.equal(wants(NoResponse.ALL, code), false);
    }
    assert.deepEqual(
      [Code.CHANGED, Code.NOT_FOUND, Code.BAD_GATEWAY].map((code) => wants(NoResponse.SUCCESS, code)),
      [false, true, true],
    );
    assert.deepEqual(
      [Code.CHANGED, Code.NOT_FOUND, Code.BAD_GATEWAY].map((code) => wants(NoResponse.CLIENT_ERROR, code)),
      [true, false, true],
    );
    assert.deepEqual(
      [Code.CHANGED, Code.NOT_FOUND, Code.BAD_GATEWAY].map((code) => wants(NoResponse.SERVER_ERROR, code)),
      [true, true, false],
    );
  });
});

describe("Echo (RFC 9175 §2)", () => {
  it("is repeated in the request when the server asks for it, and only then", () => {
    const request = content(Code.POST, "x", 0, [uintOption(OptionNumber.ACCEPT, 60)]);
    const challenge = echoChallenge(hex("0102030405060708"));
    const again = withEcho(request, challenge);
    assert.ok(again !== undefined);
    assert.deepEqual(getOption(again, OptionNumber.ECHO), hex("0102030405060708"));
    assert.deepEqual(again.payload, request.payload);
    assert.equal(getUint(again, OptionNumber.ACCEPT), 60);
    assert.equal(withEcho(request, content(Code.UNAUTHORIZED)), undefined);
    assert.equal(withEcho(request, { ...challenge, code: Code.CONTENT }), undefined);
    const renewed = withEcho(again, echoChallenge(hex("ff")));
    assert.deepEqual(renewed && getOption(renewed, OptionNumber.ECHO), hex("ff"));
  });
});

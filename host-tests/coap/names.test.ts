import assert from "node:assert/strict";
import fc from "fast-check";
import { Counters } from "../../firmware/bytes/counters.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { MessageIdNames } from "../../firmware/coap/message-id-names.js";
import { TokenNames } from "../../firmware/coap/token-names.js";

const LIFETIME = 1000;

describe("names of the CoAP hop", () => {
  it("a flood of requests leaves the token of an observation alone, until there are only observations", () => {
    const names = new TokenNames("upstream", hex("0000"), 8, new Counters());
    const observation = names.substitute(1, hex("aa"), 0, LIFETIME)!;
    names.refresh(names.resolve(0, observation, 0)!, 1_000_000);
    for (let i = 0; i < 100; i++) names.substitute(2, Uint8Array.of(i), i, i + LIFETIME);
    assert.equal(toHex(names.resolve(0, observation, 100)!.token), "aa");
    for (let i = 0; i < 8; i++) {
      const alias = names.substitute(3, Uint8Array.of(i), 200 + i, 1200)!;
      names.refresh(names.resolve(0, alias, 200)!, 2_000_000);
    }
    assert.equal(names.resolve(0, observation, 300), undefined);
    assert.equal(names.size, 8);
  });

  /** What the tables are to do, with objects and searches through all of them. */
  interface Pair {
    readonly address: number;
    readonly token: string;
    readonly alias: string;
    expires: number;
  }

  const step = fc.record({
    address: fc.integer({ min: 1, max: 3 }),
    token: fc.constantFrom("", "01", "0100", "02", "03"),
    wait: fc.integer({ min: 0, max: 400 }),
    answered: fc.boolean(),
  });

  for (const side of ["upstream", "mesh"] as const) {
    it(`tokens ${side}: as a list that is searched would do it`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (steps, limit) => {
          const counters = new Counters();
          const names = new TokenNames(side, hex("f8"), limit, counters);
          let pairs: Pair[] = [];
          let dropped = 0;
          let now = 0;
          for (const { address, token, wait, answered } of steps) {
            now += wait;
            let pair = pairs.find((one) => one.address === address && one.token === token);
            if (pair !== undefined && pair.expires <= now) pair = undefined;
            const alias = toHex(names.substitute(address, hex(token), now, now + LIFETIME)!);
            if (pair === undefined) {
              pairs = pairs.filter((one) => one.expires > now);
              const clash = pairs.some(
                (one) => one.alias === alias && (side === "upstream" || one.address === address),
              );
              assert.ok(!clash, "a name in use is given to another");
              if (pairs.length === limit) {
                pairs.shift();
                dropped++;
              }
              pair = { address, token, alias, expires: now + LIFETIME };
            }
            assert.equal(alias, pair.alias);
            pair.expires = Math.max(pair.expires, now + LIFETIME);
            pairs = [...pairs.filter((one) => one !== pair), pair];
            if (answered) {
              const origin = names.resolve(side === "mesh" ? address : 0, hex(alias), now)!;
              assert.deepEqual([origin.address, toHex(origin.token)], [address, token]);
              names.refresh(origin, now + LIFETIME);
            }
            for (const one of pairs) {
              const origin = names.resolve(side === "mesh" ? one.address : 0, hex(one.alias), now);
              const expected = one.expires > now ? [one.address, one.token] : undefined;
              assert.deepEqual(origin && [origin.address, toHex(origin.token)], expected);
            }
            assert.ok(names.size <= limit);
          }
          assert.equal(counters.get("hop-dropped-oldest"), dropped);
        }),
      );
    });
  }

  it("message IDs: a copy has the name that the message had, each name leads back, the oldest goes first", () => {
    const send = fc.record({
      address: fc.integer({ min: 1, max: 3 }),
      id: fc.integer({ min: 0, max: 3 }),
      print: fc.integer({ min: 0, max: 1 }),
      wait: fc.integer({ min: 0, max: 400 }),
    });
    fc.assert(
      fc.property(fc.array(send, { maxLength: 60 }), (sends) => {
        const names = new MessageIdNames(0xfff0, 4, new Counters());
        const made: { address: number; id: number; print: number; alias: number; expires: number }[] = [];
        let now = 0;
        for (const { address, id, print, wait } of sends) {
          now += wait;
          const last = made.slice(-4).findLast((one) => one.address === address && one.id === id);
          const alias = names.substitute(address, id, print, now, now + LIFETIME);
          if (last !== undefined && last.print === print && last.expires > now) {
            assert.equal(alias, last.alias);
            last.expires = now + LIFETIME;
          } else {
            assert.equal(alias, (0xfff0 + made.length) & 0xffff);
            made.push({ address, id, print, alias, expires: now + LIFETIME });
          }
          assert.equal(names.size, Math.min(4, made.length));
          for (const [i, one] of made.entries()) {
            const alive = i >= made.length - 4 && one.expires > now;
            const expected = alive ? { address: one.address, id: one.id } : undefined;
            assert.deepEqual(names.resolve(one.alias, now), expected);
          }
        }
      }),
    );
  });
});

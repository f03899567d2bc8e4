/** What every store of contexts must do, as tests that each implementation runs (RFC 8613 §7.4, §7.5, App. B). */

import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { type ContextParameters, deriveContext } from "../../firmware/oscore/context.js";
import type { ContextPolicy } from "../../firmware/oscore/context-table.js";
import type { Awaitable, ContextStore, ServerContext } from "../../firmware/oscore/store.js";
import { wrapIdContext } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";

/** One implementation, with a place of its own for its data. */
export interface StoreUnderTest<Context extends ServerContext> {
  /** Opens the store on what its place holds: the first time nothing, later what a killed process left. */
  open(): Awaitable<ContextStore<Context>>;
  /** Adds a context that was never used before. */
  add(
    store: ContextStore<Context>,
    parameters: ContextParameters,
    policy?: ContextPolicy,
  ): Awaitable<Context>;
  remove(store: ContextStore<Context>, context: Context): Awaitable<unknown>;
  close?(): Awaitable<void>;
  /** Its contexts last until they are removed, and all can be re-derived. Default: as their policy says. */
  readonly endless?: boolean;
  /** kid and ID Context name one context at most. Default: keys tell several apart. */
  readonly uniqueIds?: boolean;
}

/** What survives being opened again. A store in memory survives nothing. */
export type Durability = "nothing" | "numbers" | "numbers and windows";

const PARAMETERS: ContextParameters = {
  masterSecret: hex("0102030405060708090a0b0c0d0e0f10"),
  masterSalt: hex("9e7ca92223786340"),
  senderId: hex("01"),
  recipientId: hex(""),
};

/** The next number, fetched from where it is far away. */
async function nextOf(context: ServerContext): Promise<number> {
  for (;;) {
    const number = context.next();
    if (!(number instanceof Refusal)) return number;
    assert.equal(number.reason, "sequence-busy");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export function describeContextStore<Context extends ServerContext>(
  name: string,
  durable: Durability,
  create: (suite: Mocha.Context) => Awaitable<StoreUnderTest<Context>>,
): void {
  describe(`context store: ${name}`, () => {
    let place: StoreUnderTest<Context>;
    let store: ContextStore<Context>;
    const add = (parameters: Partial<ContextParameters> = {}, policy?: ContextPolicy) =>
      place.add(store, { ...PARAMETERS, ...parameters }, policy);
    const accept = (context: Context, partialIv: number) =>
      store.commit({ kind: "accept", context, partialIv });
    const replace = (context: Context, idContext: Uint8Array, partialIv: number) =>
      store.commit({
        kind: "replace",
        context,
        partialIv,
        idContext,
        security: deriveContext(hostCrypto, { ...context.parameters, idContext }),
        now: 1000,
      });
    const reopen = async (kid: string): Promise<Context> => {
      store = await place.open();
      return store.find(hex(kid), undefined)[0];
    };

    beforeEach(async function () {
      place = await create(this);
      store = await place.open();
    });

    afterEach(async () => {
      await place.close?.();
    });

    it("finds contexts by kid", async () => {
      await add();
      await add({ recipientId: hex("00") });
      await add({ recipientId: hex("0000") });
      for (const kid of ["", "00", "0000"]) {
        const found = store.find(hex(kid), undefined);
        assert.equal(found.length, 1);
        assert.equal(toHex(found[0].parameters.recipientId), kid);
        assert.equal(toHex(found[0].security.senderId), "01");
      }
      assert.deepEqual(store.find(hex("02"), undefined), []);
    });

    it("finds contexts by kid context, as it is and wrapped, and all of a kid without", async () => {
      await add();
      await add({ idContext: hex("aa") });
      await add({ idContext: hex("bb") });
      const idContexts = (kidContext?: Uint8Array) =>
        store
          .find(hex(""), kidContext)
          .map(({ parameters }) => parameters.idContext && toHex(parameters.idContext));
      assert.deepEqual(idContexts().sort(), ["aa", "bb", undefined]);
      assert.deepEqual(idContexts(hex("aa")), ["aa"]);
      assert.deepEqual(idContexts(wrapIdContext(hex("bb"))), ["bb"]);
      assert.deepEqual(idContexts(hex("cc")), []);
      assert.deepEqual(idContexts(hex("")), []);
    });

    it("refuses a second context with the same keys", async () => {
      await add();
      await assert.rejects(async () => add());
      await add({ idContext: hex("") });
      const otherKeys = async () => add({ masterSalt: hex("00") });
      if (place.uniqueIds) await assert.rejects(otherKeys);
      else await otherKeys();
      assert.equal(store.find(hex(""), undefined).length, place.uniqueIds ? 2 : 3);
    });

    it("forgets what is removed", async () => {
      const context = await add();
      const other = await add({ idContext: hex("aa") });
      await place.remove(store, context);
      assert.deepEqual(store.find(hex(""), undefined), [other]);
    });

    it("keeps a context's policy", async () => {
      const context = await add({}, { rederivable: true, ends: 5000, lifetime: 300, since: 100 });
      assert.equal(context.rederivable, true);
      assert.equal(context.expires, place.endless ? Number.POSITIVE_INFINITY : 400);
      assert.equal(context.ends, place.endless ? Number.POSITIVE_INFINITY : 5000);
      const plain = await add({ recipientId: hex("05") });
      assert.equal(plain.rederivable, place.endless === true);
      assert.equal(plain.expires, Number.POSITIVE_INFINITY);
      assert.equal(plain.ends, Number.POSITIVE_INFINITY);
    });

    it("takes each number once, each context for itself", async () => {
      const one = await add();
      const two = await add({ recipientId: hex("02") });
      for (const context of [one, two]) {
        assert.equal(context.window?.check(5), true);
        assert.equal(await accept(context, 5), true);
        assert.equal(context.window?.check(5), false);
        assert.equal(await accept(context, 5), false);
        assert.equal(await accept(context, 3), true);
        assert.equal(await accept(context, 2 ** 40 - 1), true);
        assert.equal(await accept(context, 6), false);
      }
    });

    it("takes a number once when many try at the same time", async () => {
      const context = await add();
      const results = await Promise.all(Array.from({ length: 20 }, (_, index) => accept(context, index % 4)));
      assert.equal(results.filter((taken) => taken).length, 4);
    });

    it("honours the size of the window", async () => {
      const context = await add({}, { windowSize: 1 });
      assert.equal(await accept(context, 7), true);
      assert.equal(await accept(context, 6), false);
      assert.equal(await accept(context, 8), true);
    });

    it("gives numbers that rise, each context its own", async () => {
      const one = await add();
      const two = await add({ recipientId: hex("02") });
      for (const context of [one, two]) {
        assert.deepEqual([context.next(), context.next(), context.next()], [0, 1, 2]);
      }
    });

    it("goes over to another ID Context with new numbers and a new window (App. B.2)", async () => {
      const context = await add({}, { rederivable: true });
      context.next();
      await accept(context, 9);
      const before = context.security;
      assert.equal(await replace(context, hex("c0ffee"), 0), true);
      const [found] = store.find(hex(""), hex("c0ffee"));
      assert.equal(found.parameters.idContext && toHex(found.parameters.idContext), "c0ffee");
      assert.notEqual(found.security, before);
      assert.equal(found.window?.check(0), false, "request #2 was received");
      assert.equal(found.window?.check(9), true);
      assert.equal(found.next(), 0);
    });

    it("does not resume a window that is not lost", async () => {
      const context = await add();
      await accept(context, 50);
      assert.equal(await store.commit({ kind: "resume", context, partialIv: 10 }), false);
      assert.equal(context.window?.check(50), false);
    });

    if (durable === "nothing") return;

    it("never gives a number again after a restart", async () => {
      const first = await add();
      let highest = -1;
      let context = first;
      for (let restart = 0; restart < 4; restart++) {
        for (let i = 0; i < 3 + 70 * restart; i++) {
          const number = await nextOf(context);
          assert.ok(number > highest);
          highest = number;
        }
        context = await reopen("");
      }
    });

    it("still knows after a restart what was received, or says that it lost it", async () => {
      const context = await add();
      for (const number of [1, 2, 40]) await accept(context, number);
      let again = await reopen("");
      if (durable === "numbers and windows") {
        for (const number of [1, 2, 40]) assert.equal(await accept(again, number), false);
        assert.equal(await accept(again, 39), true);
        again = await reopen("");
        assert.equal(again.window?.check(39), false);
        return;
      }
      assert.equal(again.window, undefined);
      assert.equal(await accept(again, 41), false, "nothing is taken before a fresh request");
      assert.equal(await store.commit({ kind: "resume", context: again, partialIv: 60 }), true);
      assert.equal(await store.commit({ kind: "resume", context: again, partialIv: 70 }), false);
      for (const number of [40, 59, 60]) assert.equal(await accept(again, number), false);
      assert.equal(await accept(again, 61), true);
    });

    it("still knows after a restart which context took over (App. B.2)", async () => {
      const context = await add({}, { rederivable: true, windowSize: 8, lifetime: 500 });
      assert.equal(context.expires, place.endless ? Number.POSITIVE_INFINITY : 500);
      for (let i = 0; i < 5; i++) context.next();
      await replace(context, hex("c0ffee"), 3);
      const used = await nextOf(store.find(hex(""), hex("c0ffee"))[0]);
      const again = await reopen("");
      assert.equal(again.parameters.idContext && toHex(again.parameters.idContext), "c0ffee");
      assert.equal(again.rederivable, true);
      assert.equal(again.expires, place.endless ? Number.POSITIVE_INFINITY : 1500);
      assert.ok((await nextOf(again)) > used);
      if (durable === "numbers and windows") {
        assert.equal(await accept(again, 3), false);
        assert.equal(await accept(again, 4), true);
      }
    });

    it("forgets for good what is removed", async () => {
      const context = await add();
      await place.remove(store, context);
      assert.equal(await reopen(""), undefined);
    });
  });
}

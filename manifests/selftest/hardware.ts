import assert from "node:assert/strict";
import { BoardBearer } from "../../hal/nrf52/bearer.js";
import { BoardChip, cpuCycles, memoryInUse } from "../../hal/nrf52/chip.js";
import { BoardClock } from "../../hal/nrf52/clock.js";
import { BoardCrypto } from "../../hal/nrf52/crypto.js";
import { BoardStore } from "../../hal/nrf52/store.js";
import { tell } from "./console.js";

/** What only the hardware can tell; calls `done` some seconds later. */
export function testHardware(done: () => void): void {
  const chip = new BoardChip(8);
  const clock = new BoardClock();
  const crypto = new BoardCrypto();
  const store = new BoardStore();

  const feed = () => {
    chip.feedWatchdog();
    clock.at(clock.now() + 2000, feed);
  };
  feed();

  describe("chip", () => {
    it("has an id and a reason to have started", () => {
      assert.equal(chip.chipId.length, 8);
      assert.equal(chip.resetReason, "power-on");
    });
  });

  describe("store", () => {
    const value = (key: number, turn: number) => {
      const bytes = new Uint8Array(1 + ((key * 7 + turn) % 60));
      return bytes.fill(turn);
    };

    it("keeps values over many turns of its log", () => {
      for (let turn = 0; turn < 120; turn++) {
        for (let key = 0; key < 8; key++) store.set(`key ${key}`, value(key, turn));
      }
      for (let key = 0; key < 8; key++) assert.deepEqual(store.get(`key ${key}`), value(key, 119));
      assert.equal(store.keys().length, 8);
      assert.ok(store.figures.pagesErased >= 6, `${store.figures.pagesErased} pages erased`);
    });

    it("takes empty and the largest values, overwrites, deletes", () => {
      store.set("empty", new Uint8Array(0));
      assert.equal(store.get("empty")?.length, 0);
      const large = crypto.random(512);
      store.set("large", large);
      assert.deepEqual(store.get("large"), large);
      store.delete("empty");
      store.delete("large");
      store.delete("never there");
      assert.equal(store.get("empty"), undefined);
      assert.equal(store.get("large"), undefined);
      assert.equal(store.keys().length, 8);
    });

    it("writes nothing when nothing changes", () => {
      const before = store.figures.wordsWritten;
      store.set("key 1", value(1, 119));
      assert.equal(store.figures.wordsWritten, before);
    });

    it("refuses what does not fit, and keeps what it has", () => {
      assert.throws(() => store.set("", new Uint8Array(1)));
      assert.throws(() => store.set("a name that is longer than 32 bytes", new Uint8Array(1)));
      assert.throws(() => store.set("too long", new Uint8Array(513)));
      assert.throws(() => {
        for (let key = 0; key < 10; key++) store.set(`fill ${key}`, new Uint8Array(500).fill(key));
      });
      for (const key of store.keys()) if (key.startsWith("fill")) store.delete(key);
      for (let key = 0; key < 8; key++) assert.deepEqual(store.get(`key ${key}`), value(key, 119));
    });
  });

  describe("costs", () => {
    it("of the primitives, JavaScript and all", () => {
      const ccm = crypto.ccm(new Uint8Array(16), 8);
      const aes = crypto.aesBlock(new Uint8Array(16));
      const [nonce, aad, text, out] = [13, 20, 12, 20].map((length) => new Uint8Array(length));
      const cost = (name: string, times: number, body: () => void) => {
        const from = cpuCycles();
        for (let i = 0; i < times; i++) body();
        tell(`FIGURE ${name} ${Math.round((cpuCycles() - from) / 64 / times)} us`);
      };
      cost("nothing", 200, () => {});
      cost("ccm seal 12 B, 20 B AAD", 100, () => ccm.seal(nonce, aad, text, out));
      cost("ccm seal, new array", 100, () => ccm.seal(nonce, aad, text));
      cost("cmac 20 B", 100, () => crypto.cmac(text.length === 12 ? new Uint8Array(16) : text, aad));
      cost("aes block", 100, () => aes.encrypt(out.subarray(0, 16), out));
      cost("hkdf", 50, () => crypto.hkdfSha256(aad, text, nonce, 16));
      cost("p256 pair", 2, () => crypto.p256.generate());
      cost("clock now", 100, () => clock.now());
      const { slots, chunks, freeHeap } = memoryInUse();
      tell(`FIGURE heap slots ${slots} B`);
      tell(`FIGURE heap chunks ${chunks} B`);
      tell(`FIGURE C heap free ${freeHeap} B`);
    });
  });

  testTime(clock, () => testBearer(clock, done));
}

function testTime(clock: BoardClock, done: () => void): void {
  const seen: string[] = [];
  const start = clock.now();
  const note = (name: string, due: number) => () =>
    seen.push(clock.now() >= start + due ? name : `${name} early`);
  clock.at(start + 30, note("c", 30));
  clock.at(start + 10, note("a", 10));
  const cancel = clock.at(start + 15, note("cancelled", 15));
  clock.at(start + 20, note("b", 20));
  clock.at(start - 5, note("at once", -5));
  cancel();
  cancel();
  assert.equal(seen.length, 0);
  clock.at(start + 100, () => {
    describe("clock", () => {
      it("calls back in order, never early", () => {
        assert.equal(seen.join(), "at once,a,b,c");
        assert.ok(clock.now() - start < 105, `${clock.now() - start} ms`);
      });
    });
    done();
  });
}

function testBearer(clock: BoardClock, done: () => void): void {
  const bearer = new BoardBearer();
  const frame = Uint8Array.of(4, 0x2a, 1, 2, 3);
  let heard = 0;
  bearer.onReceive = (data) => {
    if (data[1] === 0x2a) heard++;
  };
  const room = bearer.free;
  let taken = 0;
  while (bearer.send(frame, 3, 20)) {
    frame[2]++;
    taken++;
  }
  clock.at(clock.now() + 3000, () => {
    describe("bearer", () => {
      it("sends all that it took, one after the other", () => {
        assert.ok(taken >= 8, `${taken} taken`);
        assert.equal(bearer.free, room);
        assert.equal(bearer.counters.sent, taken);
        assert.equal(bearer.counters.refused, 0);
      });
      it("refuses what is not one AD structure", () => {
        assert.throws(() => bearer.send(Uint8Array.of(5, 0x2a, 1, 2, 3), 1, 20));
        assert.throws(() => bearer.send(new Uint8Array(32), 1, 20));
        assert.throws(() => bearer.send(frame, 0, 20));
      });
    });
    tell(`FIGURE frames heard ${heard}`);
    done();
  });
}

import assert from "node:assert/strict";
import { Counters } from "../../firmware/bytes/counters.js";
import type { SendOutcome } from "../../firmware/modem/sara-r4.js";
import { Pump } from "../../firmware/roles/pump.js";
import { Uplink, type UplinkModem, type UplinkOptions } from "../../firmware/roles/uplink.js";
import type { KeyValueStore } from "../../hal/hal.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { VirtualClock } from "../../sim/clock.js";

/** Takes one datagram at a time and needs a while for it, as the driver does. */
class FakeModem implements UplinkModem {
  ready = true;
  maxDatagram = 512;
  busy = false;
  readonly sent: { at: number; id: number }[] = [];
  /** What becomes of the next datagrams; "sent" when there is none. */
  readonly outcomes: SendOutcome[] = [];
  refusesAlways: number | undefined;
  onSent: (outcome: SendOutcome) => void = () => {};
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get canSend(): boolean {
    return this.ready && !this.busy;
  }

  send(datagram: Uint8Array): boolean {
    if (!this.canSend) return false;
    this.busy = true;
    const id = datagram[2] * 256 + datagram[3];
    this.sent.push({ at: this.#clock.now(), id });
    const outcome = id === this.refusesAlways ? "refused" : (this.outcomes.shift() ?? "sent");
    this.#clock.post(this.#clock.now() + 100, () => {
      this.busy = false;
      this.onSent(outcome);
    });
    return true;
  }
}

function make(options: Partial<UplinkOptions> = {}, clock = new VirtualClock()) {
  const modem = new FakeModem(clock);
  const counters = new Counters();
  const uplink = new Uplink({ modem, counters, ...options }, clock.now());
  const pump = new Pump(clock, uplink);
  modem.onSent = (outcome) => {
    uplink.sent(outcome, clock.now());
    pump.settle();
  };
  return {
    clock,
    modem,
    counters,
    uplink,
    at: (seconds: number) => clock.run(seconds * 1000),
    push(id: number, length = 8): void {
      const datagram = new Uint8Array(length);
      datagram.set([0x50, 0x02, id >> 8, id & 255]);
      uplink.push(datagram, 0x0100, id, clock.now());
      pump.settle();
    },
    setReady(ready: boolean): void {
      modem.ready = ready;
      uplink.drain(clock.now());
      pump.settle();
    },
    heard(): void {
      uplink.heard(clock.now());
      pump.settle();
    },
    ids: () => modem.sent.map(({ id }) => id),
    times: () => modem.sent.map(({ at }) => at / 1000),
  };
}

describe("uplink", () => {
  it("sends at once, one after the other", () => {
    const { push, at, times } = make();
    push(1);
    push(2);
    at(10);
    assert.deepEqual(times(), [0, 0.1]);
  });

  it("keeps what was refused, and what may not have left, at the head", () => {
    const { push, at, ids, modem } = make();
    modem.outcomes.push("refused", "unknown", "sent");
    push(1);
    push(2);
    at(10);
    assert.deepEqual(ids(), [1, 1, 1, 2]);
  });

  it("tries again what fails in growing intervals, and not at once", () => {
    const { push, at, times, modem } = make();
    modem.outcomes.push("refused", "refused", "refused", "refused");
    push(1);
    at(30);
    const pauses = times().map((time, i, all) => (i === 0 ? 0 : Math.round(10 * (time - all[i - 1])) / 10));
    assert.deepEqual(pauses, [0, 0.6, 1.1, 2.1, 4.1]);
  });

  it("gives up the one datagram that the modem never takes, not those behind it", () => {
    const { push, at, ids, modem, counters, uplink } = make();
    modem.refusesAlways = 1;
    push(1);
    push(2);
    push(3);
    at(100);
    assert.equal(uplink.queue.length, 3, "patience first");
    at(300);
    assert.deepEqual(
      ids().filter((id) => id !== 1),
      [2, 3],
    );
    assert.ok(ids().length < 20, `${ids().length} attempts`);
    assert.equal(counters.get("uplink: dropped, the modem never takes it"), 1);
  });

  it("drops what the modem can never take, and counts it", () => {
    const { push, at, ids, counters } = make();
    push(1, 600);
    push(2);
    at(1);
    assert.deepEqual(ids(), [2]);
    assert.equal(counters.get("uplink: dropped, too long"), 1);
  });

  describe("with power saving", () => {
    it("holds the first datagram for others and then sends all", () => {
      const { push, at, times } = make({ gather: {} });
      push(1);
      at(4);
      push(2);
      at(30);
      assert.deepEqual(times(), [10, 10.1]);
    });

    it("sends at once while the radio is connected", () => {
      const { push, at, times } = make({ gather: {} });
      push(1);
      at(15);
      push(2);
      at(24);
      push(3);
      at(60);
      assert.deepEqual(times(), [10, 15, 24]);
    });

    it("uses a session that the server began", () => {
      const { push, at, times, heard } = make({ gather: {} });
      push(1);
      at(3);
      heard();
      at(60);
      assert.deepEqual(times(), [3]);
    });

    it("does not hold when there is enough", () => {
      const { push, at, times } = make({ gather: { enough: 3 } });
      push(1);
      at(1);
      push(2);
      at(2);
      push(3);
      at(60);
      assert.deepEqual(times(), [2, 2.1, 2.2]);
    });

    it("tells when a session begins, and not again within it", () => {
      const opened: number[] = [];
      const { push, at } = make({ gather: {}, onOpen: (now) => opened.push(now / 1000) });
      push(1);
      at(12);
      push(2);
      at(100);
      push(3);
      at(200);
      assert.deepEqual(opened, [10, 110]);
    });

    it("does not hold again what has waited for coverage", () => {
      const { push, at, times, setReady } = make({ gather: {} });
      setReady(false);
      push(1);
      at(100);
      setReady(true);
      at(101);
      assert.deepEqual(times(), [100]);
    });
  });

  describe("with a place to keep the queue", () => {
    /** Counts what flash would be written with. */
    class CountingStore extends MemoryStore {
      readonly writes: number[] = [];
      clock: VirtualClock | undefined;
      override set(key: string, value: Uint8Array): void {
        this.writes.push((this.clock?.now() ?? 0) / 1000);
        super.set(key, value);
      }
    }

    function kept() {
      const place = new CountingStore();
      const made = make({ keep: { place } });
      place.clock = made.clock;
      return { place, ...made };
    }

    it("never writes while the modem sends", () => {
      const { push, at, place } = kept();
      for (let i = 0; i < 500; i++) {
        push(i);
        at(i * 10);
      }
      assert.deepEqual(place.writes, []);
    });

    it("never writes in a short gap", () => {
      const { push, at, place, setReady } = kept();
      setReady(false);
      push(1);
      at(110);
      setReady(true);
      at(2000);
      assert.deepEqual(place.writes, []);
    });

    it("writes after two minutes, and then every quarter of an hour at most", () => {
      const { push, at, place, setReady } = kept();
      setReady(false);
      for (let second = 0; second < 7200; second += 30) {
        at(second);
        push(second);
      }
      const distinct = [...new Set(place.writes)];
      assert.deepEqual(distinct, [120, 1020, 1920, 2820, 3720, 4620, 5520, 6420]);
      // 8 writings of at most 3 blocks in two hours.
      assert.ok(place.writes.length <= 24, `${place.writes.length} blocks written`);
    });

    it("sends first what an earlier run has left", () => {
      const { push, at, place, setReady } = kept();
      setReady(false);
      push(1);
      push(2);
      at(200);
      const next = make({ keep: { place: place as KeyValueStore } });
      assert.equal(next.counters.get("uplink: brought back after a restart"), 2);
      next.push(3);
      next.at(10);
      assert.deepEqual(next.ids(), [1, 2, 3]);
      assert.deepEqual(place.keys(), []);
    });

    it("writes everything before the power goes in order", () => {
      const { push, place, setReady, uplink, clock } = kept();
      setReady(false);
      push(1);
      uplink.keepAll(clock.now());
      assert.equal(place.keys().length, 1);
    });
  });
});

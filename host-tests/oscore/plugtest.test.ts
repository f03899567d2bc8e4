import assert from "node:assert/strict";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Peer } from "../../scripts/plugtest/peer.js";
import { PlugtestServer } from "../../scripts/plugtest/server.js";
import { OWN_TESTS, type PlugtestTest, TESTS } from "../../scripts/plugtest/tests.js";

const LATENCY = 20;

/** Both ends of the plugtest in virtual time. */
class Loopback {
  now = 0;
  readonly server: PlugtestServer;
  readonly peer: Peer;
  /** datagrams that get lost, by their order */
  loses: (index: number) => boolean = () => false;
  #events: { at: number; run: () => void }[] = [];
  #sent = 0;

  constructor(unaware: boolean) {
    this.server = new PlugtestServer({
      crypto: hostCrypto,
      unaware,
      send: (_, bytes) => this.#after(() => this.peer.receive(bytes)),
    });
    this.peer = new Peer({
      crypto: hostCrypto,
      firstNumber: 0,
      now: () => this.now,
      send: (bytes) => this.#after(() => this.server.receive("client", bytes, this.now)),
    });
  }

  #after(run: () => void): void {
    if (!this.loses(this.#sent++)) this.#events.push({ at: this.now + LATENCY, run });
  }

  /** Runs a test to its end: virtual time passes whenever the test waits. */
  async run(test: PlugtestTest): Promise<void> {
    let over = false;
    const done = test.run(this.peer).finally(() => {
      over = true;
    });
    // A failure is looked at below; until then it is not "unhandled".
    done.catch(() => {});
    for (let turns = 0; !over && turns < 5000; turns++) {
      this.#turn();
      await new Promise(setImmediate);
    }
    assert.ok(over, "the test does not end");
    await done;
  }

  #turn(): void {
    const [event] = this.#events;
    const due = Math.min(this.server.deadline, this.peer.layer.deadline, event?.at ?? Infinity);
    if (due === Infinity) return;
    this.now = Math.max(this.now, due);
    if (event !== undefined && event.at <= this.now) {
      this.#events.shift();
      event.run();
    }
    this.server.tick(this.now);
    this.peer.layer.tick(this.now);
  }
}

describe("OSCORE plugtest, our client against our server", () => {
  for (const test of [...TESTS, ...OWN_TESTS]) {
    it(`${test.name}: ${test.title}`, () => new Loopback(test.server === "unaware").run(test));
  }

  it("all one after the other, with one server and one client", async () => {
    const loopback = new Loopback(false);
    for (const test of [...TESTS, ...OWN_TESTS]) if (test.server === "aware") await loopback.run(test);
  });

  it("with every third datagram lost", async () => {
    const loopback = new Loopback(false);
    loopback.loses = (index) => index % 3 === 1;
    for (const name of ["1", "6", "7", "9", "block1", "block2"]) {
      const test = [...TESTS, ...OWN_TESTS].find((one) => one.name === name);
      assert.ok(test);
      await loopback.run(test);
    }
  });

  it("would notice: an unaware server fails the tests of an aware one", async () => {
    for (const name of ["1", "6", "9", "12", "13", "15"]) {
      const test = TESTS.find((one) => one.name === name);
      assert.ok(test);
      await assert.rejects(new Loopback(true).run(test));
    }
    const unaware = TESTS.find((one) => one.name === "16");
    assert.ok(unaware);
    await assert.rejects(new Loopback(false).run(unaware));
  });
});

import assert from "node:assert/strict";
import type { LowPower } from "../../firmware/mesh/low-power.js";
import { Pump } from "../../firmware/roles/pump.js";
import { WakeWindow } from "../../firmware/roles/wake-window.js";
import { Field } from "../../scripts/soak/field.js";
import { SimulatedRadio } from "../../sim/air/radio.js";
import { VirtualClock } from "../../sim/clock.js";

const HOUR = 3_600_000;

describe("a battery node's receiver", () => {
  function setUp(lowPower?: { alone: boolean; listening: boolean }) {
    const clock = new VirtualClock();
    const switched: string[] = [];
    const state = { expects: false };
    const window = new WakeWindow(
      {
        listen: (on) => switched.push(`${on ? "on" : "off"} ${clock.now()}`),
        expects: () => state.expects,
        lowPower: lowPower as LowPower | undefined,
      },
      0,
    );
    const pump = new Pump(clock, window);
    pump.settle();
    return { clock, switched, state, pump };
  }

  it("is on at first, long enough to hear the network's beacons", () => {
    const { clock, switched } = setUp();
    clock.run(HOUR);
    assert.deepEqual(switched, ["off 15000"]);
  });

  it("is on while something is expected, and a moment longer", () => {
    const { clock, switched, state, pump } = setUp();
    clock.run(60_000);
    state.expects = true;
    pump.settle();
    clock.run(67_000);
    state.expects = false;
    pump.settle();
    clock.run(67_500);
    // Another message within that moment.
    state.expects = true;
    pump.settle();
    clock.run(67_600);
    state.expects = false;
    pump.settle();
    clock.run(HOUR);
    assert.deepEqual(switched, ["off 15000", "on 60000", "off 69600"]);
  });

  it("is on for beacons four times a day", () => {
    const { clock, switched } = setUp();
    clock.run(24 * HOUR + 60_000);
    const on = switched.filter((entry) => entry.startsWith("on"));
    assert.deepEqual(
      on,
      [6, 12, 18, 24].map((hour) => `on ${hour * HOUR}`),
    );
    assert.equal(switched.at(-1), `off ${24 * HOUR + 15_000}`);
  });

  it("is its friend's affair while there is one, and on at once when it is lost while something is expected", () => {
    const lowPower = { alone: false, listening: true };
    const { clock, switched, state, pump } = setUp(lowPower);
    const at = (seconds: number, change: () => void) => {
      clock.run(seconds * 1000);
      change();
      pump.settle();
    };
    at(20, () => (lowPower.listening = false));
    at(21, () => (state.expects = true));
    at(22, () => (lowPower.listening = true));
    at(23, () => (lowPower.listening = false));
    at(24, () => (lowPower.alone = true));
    at(25, () => (state.expects = false));
    clock.run(HOUR);
    assert.deepEqual(switched, ["off 20000", "on 22000", "off 23000", "on 24000", "off 27000"]);
  });

  const air = { nodes: 2, air: true, meshLoss: 0.1, settings: { interval: 60 } };

  /** Shares of the time by node; nothing that was measured more than two readings ago is missing. */
  function listening(field: Field): number[] {
    return Array.from(field.nodes, ([name, { bearer, sensor }]) => {
      assert.ok(bearer instanceof SimulatedRadio);
      const stored = field.readings.filter(({ node }) => node === name).length;
      assert.ok(stored >= sensor.next - 2, `${name}: ${stored} of ${sensor.next}`);
      return bearer.listeningTime / field.clock.now();
    });
  }

  it("loses no reading on the simulated air, and is off nearly always", async () => {
    const field = await new Field({ ...air, relays: 1, listens: "answers" }).start();
    field.run(1800);
    for (const share of listening(field)) assert.ok(share < 0.15, `${(100 * share).toFixed(1)} %`);
  });

  it("is off a tenth as long with a relay as its friend", async () => {
    const field = await new Field({ ...air, relays: 1, listens: "friend" }).start();
    field.run(1800);
    for (const { role } of field.nodes.values()) assert.notEqual(role.stack.lowPower?.friend, undefined);
    for (const share of listening(field)) assert.ok(share < 0.01, `${(100 * share).toFixed(2)} %`);
  });

  it("has its friend again at once after a power cut", async () => {
    const field = await new Field({ ...air, relays: 1, listens: "friend" }).start();
    field.run(600);
    for (const name of [...field.nodes.keys()]) {
      field.cutPower(name);
      field.switchOn(name);
    }
    field.run(30);
    for (const { role } of field.nodes.values()) assert.notEqual(role.stack.lowPower?.friend, undefined);
  });

  it("loses nothing by a friend that keeps nothing", async () => {
    const field = await new Field({ ...air, relays: 1, listens: "friend" }).start();
    field.run(300);
    for (const { role } of field.relays.values()) role.stack.friend!.store = () => {};
    field.run(3600);
    for (const share of listening(field)) assert.ok(share < 0.5, `${(100 * share).toFixed(1)} %`);
    for (const { role } of field.nodes.values()) assert.ok(role.stack.counters.get("friend.distrusted") > 0);
  });

  it("is on as without a friend while the friend has no power, and finds it again", async () => {
    const field = await new Field({ ...air, relays: 1, listens: "friend" }).start();
    field.run(600);
    field.cutPower("relay-1");
    field.run(1200);
    for (const { role } of field.nodes.values()) assert.equal(role.stack.lowPower?.friend, undefined);
    field.switchOn("relay-1");
    field.run(3600);
    for (const { role } of field.nodes.values()) assert.notEqual(role.stack.lowPower?.friend, undefined);
    for (const share of listening(field)) assert.ok(share < 0.1, `${(100 * share).toFixed(1)} %`);
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeReport } from "../../firmware/reading/codec.js";
import type { Health } from "../../firmware/reading/reading.js";
import { GatewayHealth, type GatewayState } from "../../firmware/roles/gateway-health.js";

const STATE: GatewayState = {
  uptime: 4_000_000_000,
  resetReason: "watchdog",
  modem: "registering",
  queue: 100_000,
  battery: 3300,
  rsrp: -141,
  rat: "NB-IoT",
};
const HOUR = 3_600_000;

/** What the server understands of it. */
function understood(payload: Uint8Array): Health {
  const report = decodeReport(payload);
  assert.ok("kind" in report && report.kind === "health", String(report));
  return report.health;
}

describe("a gateway's health", () => {
  it("says how the gateway is", () => {
    const health = new GatewayHealth();
    health.hear(0x0100, 1, 0);
    health.hear(0x0101, 3, 0);
    const { payload } = health.report(STATE, new Map([["uplink: dropped, queue full", 7]]), 400, 1000);
    assert.deepEqual(understood(payload), {
      ...STATE,
      drops: new Map([["uplink: dropped, queue full", 7]]),
      heard: new Map([
        [0x0100, 1],
        [0x0101, 3],
      ]),
    });
  });

  it("fits, whatever is to be told", () => {
    const reasons = fc.array(fc.tuple(fc.string({ unit: "binary-ascii", maxLength: 90 }), fc.nat()), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(reasons, fc.nat(300), fc.integer({ min: 130, max: 1000 }), (drops, nodes, longest) => {
        const health = new GatewayHealth();
        for (let i = 1; i <= nodes; i++) health.hear(i * 97, 1 + (i % 126), 0);
        const { payload } = health.report(STATE, new Map(drops), longest, 1000);
        assert.ok(payload.length <= longest, `${payload.length} bytes of ${longest}`);
        understood(payload);
      }),
    );
  });

  it("uses the room that there is", () => {
    const health = new GatewayHealth();
    for (let i = 1; i <= 24; i++) health.hear(0x0100 + i, 2, 0);
    const drops = new Map(Array.from({ length: 8 }, (_, i) => [`modem: reason number ${i}`, i + 1]));
    const { payload } = health.report(STATE, drops, 432, 1000);
    const told = understood(payload);
    assert.equal(told.drops?.size, 8);
    assert.equal(told.heard?.size, 24);
  });

  it("tells in turn what does not fit at once", () => {
    const health = new GatewayHealth();
    for (let i = 1; i <= 100; i++) health.hear(i, 1, 0);
    const heard = new Set<number>();
    for (let turn = 0; turn < 5; turn++) {
      const report = health.report(STATE, new Map(), 432, turn);
      for (const address of understood(report.payload).heard!.keys()) heard.add(address);
      report.told();
    }
    assert.equal(heard.size, 100);
  });

  it("tells what grew most first, and the same again when the report got lost", () => {
    const health = new GatewayHealth();
    const drops = new Map(Array.from({ length: 12 }, (_, i) => [`reason ${i}`, i + 1]));
    const first = health.report(STATE, drops, 432, 0);
    const grownMost = Array.from({ length: 8 }, (_, i): [string, number] => [`reason ${i + 4}`, i + 5]);
    assert.deepEqual(understood(first.payload).drops, new Map(grownMost));
    const again = health.report(STATE, drops, 432, 0);
    assert.deepEqual(again.payload, first.payload);
    again.told();
    const next = health.report(STATE, drops, 432, 0);
    const rest = Array.from({ length: 4 }, (_, i): [string, number] => [`reason ${i}`, i + 1]);
    assert.deepEqual(understood(next.payload).drops, new Map(rest));
    next.told();
    assert.equal(understood(health.report(STATE, drops, 432, 0).payload).drops!.size, 0);
  });

  it("forgets nodes that were not heard for an hour", () => {
    const health = new GatewayHealth();
    health.hear(1, 1, 0);
    health.hear(2, 1, HOUR);
    assert.deepEqual(
      [...understood(health.report(STATE, new Map(), 432, HOUR + 1).payload).heard!],
      [[2, 1]],
    );
  });
});

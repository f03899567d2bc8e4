import assert from "node:assert/strict";
import fc from "fast-check";
import type { Fault } from "../../sim/modem/faults.js";
import { FIRMWARE } from "../../sim/modem/firmware.js";
import { Random } from "../../sim/random.js";
import { type BenchOptions, bench } from "./bench.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** One thing that happens to the driver. */
type Action =
  | { readonly do: "fault"; readonly fault: Fault }
  | { readonly do: "coverage" | "denied"; readonly on: boolean }
  | { readonly do: "signal"; readonly rsrp: number }
  | { readonly do: "wait"; readonly milliseconds: number }
  | { readonly do: "send" }
  | { readonly do: "attach-stuck" }
  | { readonly do: "restart-driver" };

const commands = fc.constantFrom(
  "",
  "+USOST",
  "+USORF",
  "+USOCR",
  "+USOCL",
  "+CEREG",
  "+CGATT",
  "+COPS",
  "+CFUN",
  "+CPIN",
  "+UDCONF",
  "+CESQ",
  "E0",
  "+CPSMS",
  "+IPR",
);
const count = fc.integer({ min: 1, max: 6 });
const duration = fc.integer({ min: 1, max: 5 * MINUTE });
const urc = fc.constantFrom(
  "+UUSORF: 0,5",
  "+UUSORF: 3,900",
  "+CEREG: 4",
  "+CEREG: 1",
  "+UUSOCL: 0",
  "+CPIN: READY",
  "RING",
  "OK",
);

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constant("silence" as const), duration }),
  fc.record({ kind: fc.constant("no-answer" as const), match: commands, count }),
  fc.record({
    kind: fc.constant("error" as const),
    match: commands,
    count,
    code: fc.constantFrom(3, 13, 30, 100),
  }),
  fc.record({ kind: fc.constant("ok-without-data" as const), match: commands, count }),
  fc.record({
    kind: fc.constant("slow" as const),
    match: commands,
    count,
    delay: fc.integer({ min: 1, max: 60_000 }),
  }),
  fc.record({ kind: fc.constant("urc-in-answer" as const), match: commands, count, text: urc }),
  fc.record({ kind: fc.constant("urc-while-typing" as const), count, text: urc }),
  fc.record({
    kind: fc.constant("urc-storm" as const),
    count: fc.integer({ min: 1, max: 200 }),
    interval: fc.integer({ min: 1, max: 500 }),
    text: urc,
  }),
  fc.record({ kind: fc.constant("drop-urcs" as const), count }),
  fc.record({ kind: fc.constant("garbage" as const), length: fc.integer({ min: 1, max: 2000 }) }),
  fc.constant({ kind: "reset" } as const),
  fc.record({ kind: fc.constant("reset-in-command" as const), match: commands, count }),
  fc.record({ kind: fc.constant("partial-reads" as const), size: fc.integer({ min: 1, max: 20 }), count }),
  fc.record({ kind: fc.constant("sim-failure" as const), duration }),
  fc.constant({ kind: "lock-up" } as const),
  fc.record({ kind: fc.constant("lose-sends" as const), count: fc.integer({ min: 1, max: 20 }) }),
  fc.constant({ kind: "close-socket", socket: 0 } as const),
  fc.constant({ kind: "power-cut" } as const),
);

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("fault" as const), fault }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("coverage" as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("denied" as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("signal" as const), rsrp: fc.integer({ min: -140, max: -60 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "attach-stuck" } as const) },
  { weight: 1, arbitrary: fc.constant({ do: "restart-driver" } as const) },
  { weight: 4, arbitrary: fc.constant({ do: "send" } as const) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      milliseconds: fc.integer({ min: 1, max: 10 * MINUTE }),
    }),
  },
);

/** What the board and the configuration may be. RESET_N or PWR_ON is there: without both nobody could help a locked-up modem. */
const setting: fc.Arbitrary<BenchOptions> = fc.record({
  config: fc.record(
    {
      mode: fc.constantFrom("hex" as const, "binary" as const),
      baud: fc.constantFrom(115200, 460800),
      uartSleep: fc.boolean(),
      powerSaving: fc.constant({ periodicUpdate: 3600, activeTime: 10 }),
    },
    { requiredKeys: [] },
  ),
  without: fc.constantFrom([], ["vInt"] as const, ["reset"] as const, ["reset", "vInt"] as const),
  modem: fc.record({ firmware: fc.constantFrom(...Object.values(FIRMWARE)) }),
});

type Bench = ReturnType<typeof bench>;

function perform(b: Bench, one: Action, accepted: { count: number }): void {
  switch (one.do) {
    case "fault":
      b.modem.fault(one.fault);
      break;
    case "coverage":
      b.modem.cellular.setCoverage(one.on);
      break;
    case "denied":
      b.modem.cellular.setDenied(one.on);
      break;
    case "signal":
      b.modem.cellular.rsrp = one.rsrp;
      break;
    case "attach-stuck":
      b.modem.cellular.attachStuck = true;
      break;
    case "restart-driver":
      b.stop();
      b.run(5 * SECOND);
      b.start();
      break;
    case "send":
      if (b.send(`message ${accepted.count}`)) accepted.count++;
      break;
    case "wait":
      b.run(one.milliseconds);
      break;
  }
  const { driver } = b;
  if (driver.state !== "off" && driver.state !== "asleep")
    assert.ok(driver.deadline < Number.POSITIVE_INFINITY, `nothing would ever wake it in ${driver.state}`);
}

/** From now on the world is as it should be. */
function heal(b: Bench): void {
  b.modem.core.faults.clear();
  b.modem.core.updateSim();
  b.modem.cellular.setCoverage(true);
  b.modem.cellular.setDenied(false);
  b.modem.cellular.attachStuck = false;
  b.modem.cellular.rsrp = -95;
}

describe("SARA-R4 driver: recovery", () => {
  it("finds back to service from everything that random fault scripts do to it", () => {
    fc.assert(
      fc.property(
        setting,
        fc.array(action, { minLength: 5, maxLength: 40 }),
        fc.nat(),
        (options, script, seed) => {
          const b = bench({ ...options, modem: { ...options.modem, random: new Random(seed) } });
          const accepted = { count: 0 };
          b.start();
          for (const one of script) perform(b, one, accepted);
          heal(b);
          // Storms that still run are part of it; an hour is what the patience of the radio needs at most.
          assert.ok(
            b.run(90 * MINUTE, () => b.driver.canSend),
            `serves again; in ${b.driver.state}`,
          );
          assert.equal(b.outcomes.length, accepted.count, "each datagram was settled, once");
          let back = false;
          for (let i = 0; i < 12 && !back; i++) {
            if (!b.run(90 * MINUTE, () => b.driver.canSend)) break;
            b.send(`proof ${i}`);
            accepted.count++;
            back = b.run(2 * MINUTE, () => b.received.some((message) => message.startsWith("proof")));
          }
          assert.ok(back, "a datagram comes back");
          b.run(10 * MINUTE);
          assert.equal(b.outcomes.length, accepted.count);
          assert.equal(b.modem.counters.get("overrun"), 0, "never too fast for the modem");
        },
      ),
      { numRuns: 250 },
    );
  });

  it("opens no socket twice and loses none, over days of resets", () => {
    const b = bench();
    b.start();
    b.until("ready");
    const random = new Random("resets");
    for (let i = 0; i < 60; i++) {
      b.run(random.between(1, 90) * MINUTE);
      b.modem.fault(random.chance(0.5) ? { kind: "reset" } : { kind: "close-socket", socket: 0 });
      b.run(5 * MINUTE);
      assert.equal(b.driver.state, "ready");
      assert.equal(b.modem.sockets.length, 1);
    }
  });
});

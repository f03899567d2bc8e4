import assert from "node:assert/strict";
import fc from "fast-check";
import { Field } from "../../scripts/soak/field.js";
import type { Fault } from "../../sim/modem/faults.js";
import { FIRMWARE } from "../../sim/modem/firmware.js";

const MINUTE = 60;
const HOUR = 3600;

/** One thing that happens to the gateway, its modem or the world around it. */
type Happening =
  | { readonly what: "modem"; readonly fault: Fault }
  | { readonly what: "coverage" | "denied" | "power"; readonly on: boolean }
  | { readonly what: "signal"; readonly rsrp: number }
  | { readonly what: "loss"; readonly share: number }
  | { readonly what: "attach-stuck" | "orderly-restart" }
  | { readonly what: "wait"; readonly seconds: number };

const command = fc.constantFrom(
  "",
  "+USOST",
  "+USORF",
  "+USOCR",
  "+USOCL",
  "+CEREG",
  "+CGATT",
  "+CFUN",
  "+CPIN",
);
const count = fc.integer({ min: 1, max: 8 });
const duration = fc.integer({ min: 1, max: 600_000 });
const urc = fc.constantFrom("+UUSORF: 0,5", "+CEREG: 4", "+CEREG: 1", "+UUSOCL: 0", "OK", "RING");

const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constant("silence" as const), duration }),
  fc.record({ kind: fc.constant("no-answer" as const), match: command, count }),
  fc.record({
    kind: fc.constant("error" as const),
    match: command,
    count,
    code: fc.constantFrom(3, 30, 100),
  }),
  fc.record({ kind: fc.constant("ok-without-data" as const), match: command, count }),
  fc.record({
    kind: fc.constant("slow" as const),
    match: command,
    count,
    delay: fc.integer({ min: 1, max: 60_000 }),
  }),
  fc.record({ kind: fc.constant("urc-in-answer" as const), match: command, count, text: urc }),
  fc.record({ kind: fc.constant("urc-while-typing" as const), count, text: urc }),
  fc.record({
    kind: fc.constant("urc-storm" as const),
    count: fc.integer({ min: 1, max: 100 }),
    interval: fc.integer({ min: 1, max: 500 }),
    text: urc,
  }),
  fc.record({ kind: fc.constant("drop-urcs" as const), count }),
  fc.record({ kind: fc.constant("garbage" as const), length: fc.integer({ min: 1, max: 2000 }) }),
  fc.constant({ kind: "reset" } as const),
  fc.record({ kind: fc.constant("reset-in-command" as const), match: command, count }),
  fc.record({ kind: fc.constant("partial-reads" as const), size: fc.integer({ min: 1, max: 20 }), count }),
  fc.record({ kind: fc.constant("sim-failure" as const), duration }),
  fc.constant({ kind: "lock-up" } as const),
  fc.record({ kind: fc.constant("lose-sends" as const), count }),
  fc.constant({ kind: "close-socket", socket: 0 } as const),
  fc.constant({ kind: "power-cut" } as const),
);

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: fc.constant("modem" as const), fault }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant("coverage" as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("denied" as const), on: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("power" as const), on: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant("signal" as const), rsrp: fc.integer({ min: -140, max: -60 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant("loss" as const), share: fc.constantFrom(0, 0.1, 0.5) }),
  },
  { weight: 1, arbitrary: fc.constant({ what: "attach-stuck" } as const) },
  { weight: 1, arbitrary: fc.constant({ what: "orderly-restart" } as const) },
  {
    weight: 6,
    arbitrary: fc.record({ what: fc.constant("wait" as const), seconds: fc.integer({ min: 1, max: 900 }) }),
  },
);

const GATEWAY = "gateway-1";

/** What the world is like; a gateway that is switched on finds it so. */
class World {
  readonly field: Field;
  coverage = true;
  denied = false;
  rsrp = -95;

  constructor(field: Field) {
    this.field = field;
  }

  get #on(): boolean {
    return this.field.gateways.has(GATEWAY);
  }

  settle(): void {
    if (!this.#on) return;
    const { cellular } = this.field.gateway.modem;
    cellular.setCoverage(this.coverage);
    cellular.setDenied(this.denied);
    cellular.rsrp = this.rsrp;
  }

  happen(one: Happening): void {
    const { field } = this;
    if (one.what === "coverage") this.coverage = one.on;
    else if (one.what === "denied") this.denied = one.on;
    else if (one.what === "signal") this.rsrp = one.rsrp;
    else if (one.what === "wait") field.run(one.seconds);
    else if (one.what === "power") this.power(one.on);
    else if (this.#on && one.what === "modem") field.gateway.modem.fault(one.fault);
    else if (this.#on && one.what === "loss") field.gateway.modem.settings.loss = one.share;
    else if (this.#on && one.what === "attach-stuck") field.gateway.modem.cellular.attachStuck = true;
    else if (this.#on && one.what === "orderly-restart") {
      field.gateway.role.stop();
      field.run(20);
      field.cutPower(GATEWAY);
      field.switchOn(GATEWAY);
    }
    this.settle();
  }

  power(on: boolean): void {
    if (on === this.#on) return;
    if (on) this.field.switchOn(GATEWAY, "watchdog");
    else this.field.cutPower(GATEWAY);
  }

  /** From now on everything is as it should be. What the modem is stuck in stays: that is the driver's affair. */
  heal(): void {
    this.coverage = true;
    this.denied = false;
    this.rsrp = -95;
    this.power(true);
    this.settle();
    const { modem } = this.field.gateway;
    const { locked } = modem.core.faults;
    modem.core.faults.clear();
    modem.core.faults.locked = locked;
    modem.core.updateSim();
    modem.cellular.attachStuck = false;
    modem.settings.loss = 0;
  }
}

const setting = fc.record({
  saving: fc.boolean(),
  mode: fc.constantFrom("hex" as const, "binary" as const),
  outbox: fc.constantFrom(4, 64),
  capacity: fc.constantFrom(2, 256),
  firmware: fc.constantFrom(...Object.values(FIRMWARE)),
  seed: fc.nat(),
});

/** A longer look now and then: FAULT_RUNS=5000 npx mocha … */
const RUNS = Number(process.env.FAULT_RUNS ?? 40);

describe("a gateway and its modem, under random fault scripts", () => {
  it("find back from everything; each reading is stored once, or counted where it was dropped", async () => {
    await fc.assert(
      fc.asyncProperty(
        setting,
        fc.array(happening, { minLength: 3, maxLength: 30 }),
        async ({ saving, mode, outbox, capacity, firmware, seed }, script) => {
          const field = await new Field({
            nodes: 3,
            seed,
            outbox,
            firmware,
            settings: { interval: 120 },
            gateway: {
              queue: { capacity },
              modem: { mode, ...(saving && { powerSaving: { periodicUpdate: 3600, activeTime: 4 } }) },
            },
          }).start();
          const world = new World(field);
          for (const one of script) world.happen(one);
          world.heal();
          field.run(5 * MINUTE);
          field.stopMeasuring();
          for (let i = 0; i < 24 && !field.settled; i++) field.run(HOUR / 2);
          const { state } = field.gateway.role.modem;
          assert.ok(field.settled, `readings still wait; the modem is ${state}`);
          assert.ok(state === "ready" || state === "asleep", state);
          // Kept reading by reading: what a node counts as dropped and what is not in the store are the same ones.
          const { missing, doubled, unknown } = await field.balance();
          assert.deepEqual({ missing, doubled, unknown }, { missing: [], doubled: [], unknown: [] });
          await field.cloud.stop();
        },
      ),
      { numRuns: RUNS },
    );
  });
});

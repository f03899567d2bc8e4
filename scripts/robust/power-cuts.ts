/** Every device of a field loses its power in the middle of each of its writes, and comes back with what is left. */

import { LogStore } from "../../hal/host/storage.js";
import { TornMedium } from "../../sim/flash.js";
import { Random } from "../../sim/random.js";
import { Field } from "../soak/field.js";
import { refusals, wrongReadings } from "./field-accounts.js";
import { type NonceWatch, watchNonces } from "./nonce-watch.js";
import type { AttackOptions, AttackResult, AttackSuite } from "./result.js";

interface Victim {
  readonly name: string;
  readonly what: string;
  /** Seconds of a run. */
  readonly seconds: number;
  /** Whether the gateway goes out of coverage, so that its queue has to be written down. */
  readonly outOfCoverage: boolean;
}

const VICTIMS: readonly Victim[] = [
  { name: "node-1", what: "a sensor node", seconds: 900, outOfCoverage: false },
  {
    name: "gateway-1",
    what: "a gateway with a queue that waits for coverage",
    seconds: 1800,
    outOfCoverage: true,
  },
];

/** Without power, ms. */
const DARK = 5000;

interface Scene {
  readonly field: Field;
  readonly medium: TornMedium;
  readonly watch: NonceWatch;
  cut: boolean;
}

async function set(victim: Victim, seed: number): Promise<Scene> {
  const medium = new TornMedium(new Random(seed).fork("medium"));
  const watch = watchNonces();
  const field: Field = new Field({
    seed,
    nodes: 2,
    relays: 1,
    air: true,
    settings: { interval: 10 },
    crypto: watch.crypto,
    store: (name) => new LogStore(name === victim.name ? medium : new TornMedium(new Random(1)), name),
    gateway: { keep: { after: 20_000, every: 60_000 } },
    isPowerCut: (name) => name === victim.name && medium.isOff,
    onPowerCut: (name) => {
      scene.cut = true;
      medium.restore();
      field.clock.post(field.clock.now() + DARK, () => {
        field.stores.set(name, new LogStore(medium, name));
        field.switchOn(name);
      });
    },
  });
  const scene: Scene = { field, medium, watch, cut: false };
  await field.start();
  if (victim.outOfCoverage) {
    for (let at = 120_000; at < victim.seconds * 1000; at += 600_000) {
      field.clock.post(at, () => field.setCoverage(false));
      field.clock.post(at + 300_000, () => field.setCoverage(true));
    }
  }
  return scene;
}

async function cutAt(
  victim: Victim,
  operation: number,
  seed: number,
): Promise<{ cut: boolean; effects: string[] }> {
  const scene = await set(victim, seed);
  scene.medium.cutAt(operation);
  scene.field.run(victim.seconds);
  const effects = await wrongReadings(scene.field);
  if (scene.medium.isOff) effects.push("its power was cut, and it did not start again");
  const { reused } = scene.watch;
  if (reused.length > 0) effects.push(`nonces used twice: ${reused.slice(0, 3).join(", ")}`);
  const refused = refusals(scene.field);
  // A gateway's replay list is written ahead of time, so it refuses for a while what comes after a cut.
  if (victim.name !== "gateway-1" && (refused.get("server: replay oscore-replay") ?? 0) > 0) {
    effects.push("the server took the node for a replay");
  }
  await scene.field.cloud.stop();
  return { cut: scene.cut, effects };
}

async function suffer(victim: Victim, { seed, short }: AttackOptions): Promise<AttackResult> {
  const whole = await set(victim, seed);
  const before = whole.medium.operations;
  whole.field.run(victim.seconds);
  const operations = whole.medium.operations - before;
  await whole.field.cloud.stop();
  const step = short ? Math.max(1, Math.floor(operations / 8)) : 1;
  const effects = new Set<string>();
  let cuts = 0;
  for (let operation = 1; operation <= operations; operation += step) {
    const result = await cutAt(victim, operation, seed);
    if (result.cut) cuts++;
    for (const effect of result.effects) effects.add(`write ${operation}: ${effect}`);
  }
  const refusedBy = new Map([["comes back with all that was durable, or with what was before", cuts]]);
  return {
    layer: "power cuts, torn writes included",
    attack: `${victim.what}, in ${cuts} of ${operations} writes`,
    attempts: cuts,
    refusedBy,
    effects: [...effects],
  };
}

export const powerCutSuite: AttackSuite = async (options, onResult) => {
  for (const victim of VICTIMS) onResult(await suffer(victim, options));
};

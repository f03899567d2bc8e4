/** Somebody between a provisioner and a new device, on the air of both. */

import { linkOpenUuid } from "../../firmware/mesh/pb-adv.js";
import { Provisioner, type ProvisioningOutcome } from "../../firmware/mesh/provisioner.js";
import { type Provisioned, ProvisioningDevice } from "../../firmware/mesh/provisioning-device.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { VirtualClock } from "../../sim/clock.js";
import { Random } from "../../sim/random.js";
import type { AttackSuite } from "./result.js";

const LABEL = new Uint8Array(16).fill(0x5a);
const GUESS = new Uint8Array(16).fill(0xa5);
const DATA = {
  netKey: new Uint8Array(16).fill(1),
  netKeyIndex: 0,
  keyRefresh: false,
  ivUpdate: false,
  ivIndex: 0,
  unicastAddress: 5,
};

interface Scene {
  readonly clock: VirtualClock;
  readonly random: Random;
  /** What the provisioner believes. */
  outcome: ProvisioningOutcome | undefined;
  /** What the device was given. */
  given: Provisioned | undefined;
  readonly provisioner: Provisioner;
  readonly device: ProvisioningDevice;
  attempts: number;
  readonly counters: () => Map<string, number>;
}

/** Changes what passes, or keeps it (`undefined`). Called for each AD structure of either side. */
type OnTheWay = (structure: Uint8Array, scene: Scene) => Uint8Array | undefined;

interface Attack {
  readonly attack: string;
  /** What the provisioner and the device take for the static OOB value. */
  readonly provisionerOob: Uint8Array;
  readonly deviceOob: Uint8Array;
  readonly onTheWay: OnTheWay;
  /** Whether it may come to nothing but a provisioned device: where the attack only disturbs. */
  readonly mayEndWell: boolean;
}

const FIELD_FIRST = 2;

const ATTACKS: readonly Attack[] = [
  {
    attack: "an impostor in the device's place, without the label's OOB value",
    provisionerOob: LABEL,
    deviceOob: GUESS,
    onTheWay: (structure) => structure,
    mayEndWell: false,
  },
  {
    attack: "an impostor in the provisioner's place, without the label's OOB value",
    provisionerOob: GUESS,
    deviceOob: LABEL,
    onTheWay: (structure) => structure,
    mayEndWell: false,
  },
  {
    attack: "a bit of every AD structure flipped, one of three",
    provisionerOob: LABEL,
    deviceOob: LABEL,
    onTheWay: (structure, scene) => {
      if (!scene.random.chance(0.33)) return structure;
      scene.attempts++;
      const changed = structure.slice();
      const at = FIELD_FIRST + scene.random.below(changed.length - FIELD_FIRST);
      changed[at] ^= 1 << scene.random.below(8);
      return changed;
    },
    mayEndWell: true,
  },
  {
    attack: "links closed in the device's name, over and over",
    provisionerOob: LABEL,
    deviceOob: LABEL,
    onTheWay: (structure, scene) => {
      if (linkOpenUuid(structure.subarray(FIELD_FIRST)) !== undefined || !scene.random.chance(0.05))
        return structure;
      scene.attempts++;
      return Uint8Array.of(8, structure[1], ...structure.subarray(2, 6), 0, 0x0b, 2);
    },
    mayEndWell: true,
  },
  {
    attack: "everything sent twice, and old structures again",
    provisionerOob: LABEL,
    deviceOob: LABEL,
    onTheWay: repeated(),
    mayEndWell: true,
  },
];

function repeated(): OnTheWay {
  const past: Uint8Array[] = [];
  return (structure, scene) => {
    past.push(structure);
    scene.attempts++;
    return scene.random.chance(0.5) ? scene.random.pick(past) : structure;
  };
}

function play({ provisionerOob, deviceOob, onTheWay }: Attack, random: Random): Scene {
  const clock = new VirtualClock();
  const carry = (
    structure: Uint8Array,
    to: () => { receive(data: Uint8Array, rssi: number, now: number): void },
  ) => {
    const changed = onTheWay(structure.slice(), scene);
    if (changed !== undefined) clock.post(clock.now() + 5, () => to().receive(changed, -50, clock.now()));
    return true;
  };
  const common = { crypto: hostCrypto, random: () => random.between(0, 1), now: () => clock.now() };
  const scene: Scene = {
    clock,
    random,
    outcome: undefined,
    given: undefined,
    attempts: 0,
    provisioner: new Provisioner({
      ...common,
      transmit: (structure) => carry(structure, () => scene.device),
    }),
    device: new ProvisioningDevice({
      ...common,
      uuid: new Uint8Array(16).fill(9),
      staticOob: deviceOob,
      transmit: (structure) => carry(structure, () => scene.provisioner),
      onProvisioned: (given) => {
        scene.given = given;
      },
    }),
    counters: () => new Map([...scene.provisioner.counters.entries(), ...scene.device.counters.entries()]),
  };
  scene.provisioner.provision({
    uuid: new Uint8Array(16).fill(9),
    staticOob: provisionerOob,
    requireOob: true,
    assign: () => DATA,
    done: (outcome) => {
      scene.outcome = outcome;
    },
  });
  const end = clock.now() + 180_000;
  while (clock.now() < end) {
    clock.run(clock.now() + 20);
    for (const side of [scene.provisioner, scene.device])
      if (side.deadline <= clock.now()) side.tick(clock.now());
  }
  return scene;
}

/** The two must agree, or nothing has come of it; and whoever lacks the OOB value must come to nothing. */
function effectsOf({ outcome, given }: Scene, mayEndWell: boolean): string[] {
  const believed = outcome?.kind === "provisioned" ? outcome.deviceKey : undefined;
  const effects: string[] = [];
  if (outcome === undefined) effects.push("the provisioner never comes to an end");
  if (!mayEndWell && believed !== undefined) effects.push("the provisioner took the impostor");
  if (!mayEndWell && given !== undefined) effects.push("the device was taken by the impostor");
  if (believed !== undefined && given !== undefined && believed.join() !== given.deviceKey.join()) {
    effects.push("the two have different device keys");
  }
  return effects;
}

export const provisioningSuite: AttackSuite = async ({ seed, short }, onResult) => {
  for (const attack of ATTACKS) {
    const random = new Random(seed).fork(attack.attack);
    const refusedBy = new Map<string, number>();
    const effects = new Set<string>();
    let attempts = 0;
    for (let round = 0; round < (short ? 3 : 40); round++) {
      const scene = play(attack, random.fork(round));
      attempts += Math.max(1, scene.attempts);
      for (const effect of effectsOf(scene, attack.mayEndWell)) effects.add(effect);
      const { outcome } = scene;
      const ends = outcome?.kind === "failed" ? `link ended: ${outcome.reason}` : "went through, unharmed";
      refusedBy.set(ends, (refusedBy.get(ends) ?? 0) + 1);
      for (const [reason, count] of scene.counters())
        refusedBy.set(reason, (refusedBy.get(reason) ?? 0) + count);
    }
    onResult({
      layer: "provisioning, somebody in the middle",
      attack: attack.attack,
      attempts,
      refusedBy,
      effects: [...effects],
    });
  }
};

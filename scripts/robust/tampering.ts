/** Every single attack of the hostile relay and the hostile gateway, one after the other, on a field over the whole air. */

import type { AttackKind } from "../../sim/hostile/attack.js";
import { DOWN_ATTACKS, UP_ATTACKS } from "../../sim/hostile/gateway-attacks.js";
import { RELAY_ATTACKS } from "../../sim/hostile/relay-attacks.js";
import { Tampering } from "../../sim/hostile/tampering.js";
import { Field } from "../soak/field.js";
import { refusals, wrongReadings } from "./field-accounts.js";
import { type AttackOptions, type AttackSuite, grown } from "./result.js";

interface Named {
  readonly layer: string;
  readonly kind: AttackKind;
  readonly what: string;
}

/** ms between two attacks of each actor. */
const INTERVAL = 700;

function allAttacks(): Named[] {
  const of = (layer: string, attacks: readonly { kind: AttackKind; what: string }[]): Named[] =>
    attacks.map(({ kind, what }) => ({ layer, kind, what }));
  return [
    ...of("a stolen relay, with the NetKey", RELAY_ATTACKS),
    ...of("a stolen gateway, towards the server", UP_ATTACKS),
    ...of(
      "a stolen gateway, towards the nodes",
      // Those of the same name have been made in both directions already.
      DOWN_ATTACKS.filter(({ what }) => !UP_ATTACKS.some((up) => up.what === what)),
    ),
  ];
}

/** Four nodes that know two gateways, of which the second is in hostile hands, and a hostile relay among two. */
async function field(
  seed: number,
  choice: { only?: string },
): Promise<{ field: Field; tampering: Tampering }> {
  let tampering: Tampering | undefined;
  const made = new Field({
    seed,
    nodes: 4,
    relays: 2,
    gateways: 2,
    air: true,
    settings: { interval: 5 },
    wrapNetwork: (gateway, network) => tampering!.wrapNetwork(gateway, network),
  });
  tampering = new Tampering({ clock: made.clock, seed, gateway: "gateway-2", interval: INTERVAL, ...choice });
  await made.start();
  return { field: made, tampering };
}

/** What a field refuses when nobody attacks it: copies that a mesh makes, and the like. */
async function peace({ seed, short }: AttackOptions): Promise<Map<string, number>> {
  const { field: quiet } = await field(seed, { only: "nothing" });
  quiet.run(short ? 60 : 240);
  await wrongReadings(quiet);
  return refusals(quiet);
}

export const tamperingSuite: AttackSuite = async (options, onResult) => {
  const usual = await peace(options);
  for (const { layer, kind, what } of allAttacks()) {
    const { field: attacked, tampering } = await field(options.seed, { only: what });
    tampering.joinAir(attacked.air, attacked.devices);
    attacked.run(options.short ? 60 : 240);
    tampering.stop();
    const effects = await wrongReadings(attacked);
    if (tampering.understood > 0) effects.push(`${tampering.understood} messages were read`);
    onResult({
      layer,
      attack: `${kind}: ${what}`,
      attempts: tampering.attempts,
      refusedBy: grown(usual, refusals(attacked)),
      effects,
    });
    await attacked.cloud.stop();
  }
};

import { describeSoak } from "../soak/report.js";
import { FULL_SOAK, SHORT_SOAK, soak } from "../soak/soak.js";
import type { AttackSuite } from "./result.js";

/** Nobody's attack: time, weather and power. Each reading is followed from its sensor into the store (docs/SOAK.md). */
export const soakSuite: AttackSuite = async ({ short, seed }, onResult) => {
  const result = await soak({ ...(short ? SHORT_SOAK : FULL_SOAK), seed });
  const { balance, options, days, passed } = result;
  onResult({
    layer: "the whole system",
    attack: `${days} days of faults, ${options.nodes} nodes, ${options.gateways} gateways; attempts are readings`,
    attempts: balance.measured,
    refusedBy: new Map([
      ["outage", result.outages],
      ["modem restart", result.resets],
      ["power cut of a gateway", result.cuts],
      ["power cut of a node", result.nodeCuts],
      ["restart of the server", result.restarts],
      ["hour without the database", result.absences],
      ["step of the server's clock", result.steps],
    ]),
    effects: passed ? [] : [describeSoak(result)],
  });
};

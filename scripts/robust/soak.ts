import { describeSoak } from "../soak/report.js";
import { FULL_SOAK, SOAK_DEFAULTS, type SoakOptions, soak } from "../soak/soak.js";
import type { AttackSuite } from "./result.js";

/** Every kind of fault in half a day, for each commit. */
const SHORT_SOAK: SoakOptions = {
  ...SOAK_DEFAULTS,
  days: 0.5,
  nodes: 9,
  gateways: 3,
  interval: 1200,
  outage: 0.1,
  cutEvery: 3,
  meshLoss: 0.02,
  cells: true,
  battery: true,
  health: 3600,
  nodeCutEvery: 4,
  restartEvery: 2,
  awayEvery: 5,
  stepEvery: 6,
};

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

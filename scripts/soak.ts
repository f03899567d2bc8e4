/** `npm run soak`: weeks of faults in minutes, every reading followed from its sensor into the store. */

import { writeFileSync } from "node:fs";
import { decimal, newCommand, wholeNumber } from "./cli.js";
import { describeSoak } from "./soak/report.js";
import { FULL_SOAK, SOAK_DEFAULTS, type SoakOptions, type SoakProgress, soak } from "./soak/soak.js";

const command = newCommand(
  "soak",
  "Runs nodes, gateways with simulated SARA-R4 modems, and the real server for days of virtual time, with coverage lost, modems restarting and datagrams lost, and follows every single reading into the store. By default the mesh is ideal: no airtime, no collisions, no relays.",
)
  .option("--days <n>", "virtual days", decimal(0.1, 3650), SOAK_DEFAULTS.days)
  .option("--nodes <n>", "sensor nodes", wholeNumber(1, 500), SOAK_DEFAULTS.nodes)
  .option("--gateways <n>", "gateways, each with a modem", wholeNumber(1, 10), SOAK_DEFAULTS.gateways)
  .option("--air", "the whole simulated air: airtime, range, collisions; takes longer", SOAK_DEFAULTS.air)
  .option("--relays <n>", "blind relays; implies --air", wholeNumber(0, 200), SOAK_DEFAULTS.relays)
  .option("--interval <s>", "seconds between a node's readings", decimal(10, 86_400), SOAK_DEFAULTS.interval)
  .option(
    "--outage <p>",
    "share of the time that a gateway is without coverage",
    decimal(0, 0.9),
    SOAK_DEFAULTS.outage,
  )
  .option(
    "--reset-every <h>",
    "hours between two silent restarts of a modem; 0: none",
    decimal(0, 10_000),
    SOAK_DEFAULTS.resetEvery,
  )
  .option(
    "--cut-every <h>",
    "hours between two power cuts of a gateway; 0: none",
    decimal(0, 10_000),
    SOAK_DEFAULTS.cutEvery,
  )
  .option(
    "--loss <p>",
    "probability that a datagram is lost, in each direction",
    decimal(0, 0.9),
    SOAK_DEFAULTS.loss,
  )
  .option(
    "--mesh-loss <p>",
    "probability that a mesh frame is missed",
    decimal(0, 0.9),
    SOAK_DEFAULTS.meshLoss,
  )
  .option(
    "--cells",
    "each gateway hears its share of the nodes, and some of its neighbour's",
    SOAK_DEFAULTS.cells,
  )
  .option("--battery", "nodes listen only while an answer is to come", SOAK_DEFAULTS.battery)
  .option(
    "--health <s>",
    "seconds between two reports of a gateway about itself",
    decimal(10, 86_400),
    SOAK_DEFAULTS.health,
  )
  .option("--node-cut-every <h>", "hours between two power cuts of a node; 0: none", decimal(0, 10_000), 0)
  .option("--restart-every <h>", "hours between two restarts of the server; 0: none", decimal(0, 10_000), 0)
  .option("--away-every <h>", "hours between two hours without the database; 0: none", decimal(0, 10_000), 0)
  .option(
    "--step-every <h>",
    "hours between two times that the server's clock is set wrong; 0: none",
    decimal(0, 10_000),
    0,
  )
  .option("--full", "90 days, 200 nodes, 10 gateways, all faults; other options change it", false)
  .option("--outbox <n>", "readings that a node keeps", wholeNumber(1, 10_000), SOAK_DEFAULTS.outbox)
  .option(
    "--seed <n>",
    "what chance does; the same seed gives the same history",
    wholeNumber(0, 2 ** 32 - 1),
    SOAK_DEFAULTS.seed,
  )
  .option("--json <file>", "write the result there as well")
  .addHelpText(
    "after",
    "\nExit 0: every reading is stored once, or counted with its reason. Exit 1: it is not, or memory grows.\nCtrl-C ends with the day that it is and reports.",
  )
  .allowExcessArguments(false)
  .parse();

const { json, full, ...given } = command.opts<SoakOptions & { json?: string; full: boolean }>();
const isGiven = (name: string) => command.getOptionValueSource(name) === "cli";
const chosen = Object.fromEntries(Object.entries(given).filter(([name]) => isGiven(name)));
const options: SoakOptions = full ? { ...FULL_SOAK, ...chosen } : given;

let isEnough = false;
process.once("SIGINT", () => {
  process.stdout.write("ending with this day; once more stops at once\n");
  isEnough = true;
});
const onDay = ({ day, measured, open, queued, seconds }: SoakProgress) => {
  process.stdout.write(
    `day ${day} of ${options.days}: ${measured} measured, ${open} on their way, ${queued} in queues, ${seconds.toFixed(0)} s\n`,
  );
};
const result = await soak(options, onDay, () => isEnough);
process.stdout.write(`\n${describeSoak(result)}\n`);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, undefined, 2)}\n`);
process.exitCode = result.passed ? 0 : 1;

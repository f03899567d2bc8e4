/** `npm run test:robust`: the claims of THREATS.md, tested as the system's enemies would test them. */

import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { fail, newCommand, wholeNumber } from "./cli.js";
import { withResults } from "./results-page.js";
import { httpSuite } from "./robust/http.js";
import { meshFloodSuite } from "./robust/mesh-floods.js";
import { powerCutSuite } from "./robust/power-cuts.js";
import { provisioningSuite } from "./robust/provisioning.js";
import { attackTable } from "./robust/report.js";
import type { AttackResult, AttackSuite } from "./robust/result.js";
import { secretsSuite } from "./robust/secrets.js";
import { serverDatagramSuite } from "./robust/server-datagrams.js";
import { soakSuite } from "./robust/soak.js";
import { storeCutSuite } from "./robust/store-cuts.js";
import { tamperingSuite } from "./robust/tampering.js";

const SUITES: Readonly<Record<string, { readonly what: string; readonly run: AttackSuite }>> = {
  tamper: { what: "a stolen relay and a stolen gateway, every attack that they know", run: tamperingSuite },
  mesh: { what: "floods, forged beacons and AT commands from the air", run: meshFloodSuite },
  provisioning: { what: "somebody between a provisioner and a new device", run: provisioningSuite },
  server: { what: "datagrams from the internet, and recorded ones", run: serverDatagramSuite },
  http: { what: "somebody on the internet, by HTTP", run: httpSuite },
  secrets: { what: "every key, searched for in everything that a whole run puts out", run: secretsSuite },
  cuts: { what: "the power of nodes and gateways cut in each of their writes", run: powerCutSuite },
  soak: { what: "weeks of faults; with --full the quarter of a year of docs/SOAK.md", run: soakSuite },
  store: { what: "the server's store torn at any byte of its log", run: storeCutSuite },
};

const list = Object.entries(SUITES)
  .map(([name, { what }]) => `  ${name.padEnd(12)}  ${what}`)
  .join("\n");

const program = newCommand(
  "test:robust",
  "Attacks the whole system in the simulator, and cuts its power. Exit 0: everything was refused and nothing was lost. Exit 1: something had an effect.",
)
  .argument("[suite...]", "one or more of the list below; default: all")
  .option(
    "--full",
    "every attack and every cut, as long as docs/ATTACKS.md records; default: a short form",
    false,
  )
  .option("--seed <n>", "the same seed gives the same attacks", wholeNumber(0, 2 ** 32 - 1), 1)
  .option("--report <file>", "put the results into this page of docs/")
  .addHelpText("after", `\nSuites:\n${list}`)
  .parse();

const { full, seed, report } = program.opts<{ full: boolean; seed: number; report?: string }>();
const wrong = program.args.filter((name) => SUITES[name] === undefined);
if (wrong.length > 0)
  program.error(`error: there is no suite "${wrong[0]}": ${Object.keys(SUITES).join(", ")}`);

const results: AttackResult[] = [];
for (const name of program.args.length > 0 ? program.args : Object.keys(SUITES)) {
  const begin = performance.now();
  process.stdout.write(`${name}: ${SUITES[name].what}\n`);
  await SUITES[name].run({ short: !full, seed }, (result) => {
    results.push(result);
    const { layer, attack, attempts, effects } = result;
    process.stdout.write(
      `  ${effects.length === 0 ? "ok  " : "FAIL"} ${layer}: ${attack}, ${attempts} attempts\n`,
    );
    for (const effect of effects) process.stdout.write(`         ${effect}\n`);
  });
  process.stdout.write(`  ${((performance.now() - begin) / 1000).toFixed(0)} s\n`);
}

const failed = results.filter(({ effects }) => effects.length > 0).length;
const attempts = results.reduce((sum, result) => sum + result.attempts, 0);
process.stdout.write(`${results.length} attacks, ${attempts} attempts, ${failed} with an effect\n`);
if (report !== undefined) {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, Node ${process.version}`;
  const words = [...(full ? ["--full"] : []), ...program.args];
  const command = ["npm run test:robust", ...(words.length > 0 ? ["--", ...words] : [])].join(" ");
  const head = `Made by \`${command}\`, ${new Date().toISOString().slice(0, 10)}, on ${machine}: ${attempts.toLocaleString("en")} attempts.`;
  const page = withResults(readFileSync(report, "utf8"), `${head}\n\n${attackTable(results)}`);
  writeFileSync(report, page);
}
if (failed > 0) fail(`${failed} attacks had an effect`);

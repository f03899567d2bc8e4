/** `npm run test:board`: the images built, booted and at work on emulated boards, against DESIGN §6. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import { Random } from "../sim/random.js";
import { battery } from "./board/battery.js";
import { exceeded, FLASH_LIMIT, HEAP_LIMIT, type Measured, TIME_LIMIT } from "./board/budgets.js";
import { BuildFailed, type BuiltImage, buildImage, TARGETS, type Target } from "./board/build.js";
import { crowd } from "./board/crowd.js";
import { differential } from "./board/differential.js";
import { writeSection } from "./board/document.js";
import { EmulatedNetwork, lostLine } from "./board/emulated-network.js";
import { endure } from "./board/endurance.js";
import { findEmulator, OWN, withEmulator } from "./board/find-emulator.js";
import { checkJoinedWorld } from "./board/joined-world.js";
import { provisionEmulated } from "./board/provisioned.js";
import { runBench, runSelfTest } from "./board/selftest.js";
import { type CutsResult, cutsFromTheBeginning, cutsInARow } from "./board/store-cuts.js";
import { type BuildTools, findBuildTools, MissingTool } from "./board/tools.js";
import { decimal, newCommand, wholeNumber } from "./cli.js";

const PARTS = ["chip", "cuts", "provision", "main", "joined", "crowd", "endurance", "battery"] as const;
type Part = (typeof PARTS)[number];

/** `main,endurance` */
function parts(text: string): Part[] {
  const list = text.split(",") as Part[];
  if (list.every((part) => PARTS.includes(part))) return list;
  throw new InvalidArgumentError(`Expected some of ${PARTS.join(", ")}.`);
}

const command = withEmulator(
  newCommand(
    "test:board",
    "Builds the board images for both targets, boots them on the emulated nRF52840, runs the specification vectors, power cuts and the main job on them, and holds them against their budgets. Without the SDK or the emulator it says what is missing, and exits 0.",
  ),
)
  .option(
    "--seconds <n>",
    "how long the main job runs, in the boards' time, on each target",
    wholeNumber(20, 7200),
    60,
  )
  .option("--interval <s>", "seconds between a node's readings", decimal(1, 600), 5)
  .option("--loss <p>", "probability that a frame is lost on a link", decimal(0, 0.9), 0.1)
  .option("--cuts <n>", "power cuts of the store, of either kind", wholeNumber(0, 5000), 60)
  .option(
    "--full",
    "the main job for 30 minutes, a gateway with a hundred nodes, and nodes cut at every flash operation and killed 50 times",
  )
  .option("--only <parts>", `some of ${PARTS.join(",")}; \`main\` on the DK alone`, parts)
  .option(
    "--differential",
    "only: the same images and scripts on our own emulator and on another, which must give the same; skips without one",
  )
  .option("--docs", "write what was measured and run into docs/BOARD.md")
  .option("--json <file>", "write what was measured to this file")
  .allowExcessArguments(false)
  .parse();

const options = command.opts<{
  seconds: number;
  interval: number;
  loss: number;
  cuts: number;
  full?: boolean;
  differential?: boolean;
  only?: Part[];
  docs?: boolean;
  json?: string;
  emulator?: string;
}>();

const wants = (part: Part) => options.only?.includes(part) ?? true;
const measured: Measured[] = [];
/** What was run for long, by its section of docs/BOARD.md. */
const endured = new Map<string, string>();
let failed = 0;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function check(name: string, failures: readonly string[]): void {
  say(`${failures.length === 0 ? "ok  " : "FAIL"} ${name}`);
  for (const failure of failures.slice(0, 10)) say(`       ${failure}`);
  if (failures.length > 0) failed++;
}

async function mainJob(
  emulator: string,
  elf: Record<"node" | "relay" | "gateway", string>,
  target: Target,
  directory: string,
): Promise<void> {
  const { interval, loss } = options;
  const seconds = options.full && target === "dk" ? 1800 : options.seconds;
  const network = await EmulatedNetwork.start({
    emulator,
    elf,
    nodes: 2,
    simulatedNodes: 1,
    relays: 1,
    gateways: 1,
    loss,
    seed: 1,
    interval,
    paced: false,
    directory,
  });
  await network.wait(seconds * 1000);
  const due = network.measured.slice();
  // What was measured last is still on its way; a retransmission may take its time.
  let missing = due;
  for (let wait = 0; wait < 60 && missing.length > 0; wait++) {
    await network.wait(1000);
    missing = await network.missing(due);
  }
  const failures = await network.faults();
  await network.stop();
  if (due.length < (2 * seconds) / interval / 3) failures.push(`only ${due.length} readings were measured`);
  failures.push(...missing.map(lostLine));
  const { seqs, partialIvs } = network.audit.counts;
  if (target === "dk") {
    endured.set(
      "main job",
      `Two nodes, a simulated one, a relay and a gateway, ${100 * loss} % loss, ${seconds / 60} minutes, a reading each ${interval} s: ${due.length} readings measured, ${due.length - missing.length} of them on the page as measured; ${seqs} SEQs and ${partialIvs} Partial IVs; ${failures.length === 0 ? "each on one message, no replay, no reset" : `${failures.length} failures`}.`,
    );
  }
  check(
    `${target}: two nodes, a simulated one, a relay and a gateway bring ${due.length} readings to the server`,
    failures,
  );
  for (const [device, ms] of network.boot) {
    const name = `${target}: from power-on until ${device} runs`;
    measured.push({ name, value: ms, limit: Number.POSITIVE_INFINITY, unit: "ms" });
  }
  for (const [device, bytes] of network.heapPeak) {
    const image = device.replace(/-\d+$/, "");
    measured.push({
      name: `${target}: JavaScript heap of ${device} at the peak`,
      value: bytes / 1024,
      limit: HEAP_LIMIT[image]! / 1024,
      unit: "KB",
    });
  }
}

async function crowded(
  emulator: string,
  elf: Record<"node" | "relay" | "gateway", string>,
  directory: string,
): Promise<void> {
  const {
    nodes,
    measured: count,
    heap,
    failures,
  } = await crowd({ emulator, elf, directory, loss: options.loss });
  const job = `a gateway with ${nodes} nodes, a reading a minute each, ${100 * options.loss} % loss, five minutes without coverage: ${count} readings`;
  const most = `${(heap / 1024).toFixed(0)} KB of JavaScript heap at the peak`;
  endured.set(
    "crowd",
    `${job[0]!.toUpperCase()}${job.slice(1)} measured, ${failures.length === 0 ? "all of them on the page, no reset" : `${failures.length} failures`}; ${most}.`,
  );
  check(`${job}, ${most}`, failures);
}

async function endurance(
  emulator: string,
  elf: Record<"node" | "relay" | "gateway", string>,
  directory: string,
): Promise<void> {
  const random = new Random(2);
  const { operations, cuts, kills, seqs, partialIvs, failures } = await endure({
    emulator,
    elf,
    directory,
    loss: options.loss,
    step: options.full ? 1 : 24,
    kills: options.full ? 50 : 4,
    random: () => random.next(),
    ...(process.stdout.isTTY && { onProgress: (line: string) => process.stdout.write(`\r  ${line} `) }),
  });
  if (process.stdout.isTTY) process.stdout.write("\r");
  endured.set(
    "cuts and kills",
    `Nodes cut in the middle of ${cuts} of the ${operations} flash operations of ten readings' work and killed ${kills} times at random, ${100 * options.loss} % loss: ${seqs} SEQs and ${partialIvs} Partial IVs; ${failures.length === 0 ? "each on one message, no replay, nothing that was stored lost or twice, all came back" : `${failures.length} failures`}.`,
  );
  check(
    `nodes cut at ${cuts} of ${operations} flash operations and killed ${kills} times at random: ${seqs} SEQs and ${partialIvs} Partial IVs, each on one message, no replay`,
    failures,
  );
}

/** The node's image is built once more, for batteries. */
async function onBatteries(
  tools: BuildTools,
  emulator: string,
  elf: Record<"node" | "relay" | "gateway", string>,
  directory: string,
): Promise<void> {
  const config = { heapReport: "yes", listen: "friend" };
  const { elf: node } = await buildImage("node", tools, { target: "dk", config });
  const result = await battery({ emulator, elf: { ...elf, node }, directory, loss: options.loss });
  const share = `${(100 * result.listening).toFixed(1)} % of the time`;
  check(
    `a battery node and its friend bring ${result.measured} readings; it listens ${share}`,
    result.failures,
  );
}

async function buildAll(
  tools: BuildTools,
  target: Target,
  names: readonly string[],
): Promise<Map<string, BuiltImage>> {
  const images = new Map<string, BuiltImage>();
  for (const name of names) {
    const image = await buildImage(name, tools, { target, config: { heapReport: "yes" } });
    images.set(name, image);
    if (["node", "relay", "gateway"].includes(name)) {
      measured.push({
        name: `${target}: flash of ${name}`,
        value: image.figures.flash / 1024,
        limit: FLASH_LIMIT[name]! / 1024,
        unit: "KB",
      });
    }
  }
  return images;
}

function cutsCheck(name: string, { cuts, failures }: CutsResult): void {
  check(`${name}, ${cuts} times: no value lost, mixed or taken back`, failures);
}

async function onChip(emulator: string, elf: (name: string) => string): Promise<void> {
  const { passed, failures } = await runSelfTest(emulator, elf("selftest"));
  check(`the specification vectors and the hardware's promises, on the chip: ${passed} passed`, failures);
  for (const [name, value] of await runBench(emulator, elf("bench"))) {
    measured.push({ name, value, limit: TIME_LIMIT[name] ?? Number.POSITIVE_INFINITY, unit: "ms" });
  }
}

async function storeCuts(emulator: string, elf: string, directory: string): Promise<void> {
  const cuts = { emulator, elf, flash: join(directory, "cuts.flash") };
  // A page is full after some 900 words: this goes through the first turns of the log.
  const operations = Array.from(
    { length: options.cuts },
    (_, i) => 1 + Math.round((i * 2500) / options.cuts),
  );
  cutsCheck("power cuts from the beginning", await cutsFromTheBeginning(cuts, operations));
  const random = new Random(1);
  cutsCheck("power cuts in a row", await cutsInARow(cuts, options.cuts, () => random.next()));
}

async function outOfTheBox(
  emulator: string,
  elf: Record<"node" | "gateway", string>,
  directory: string,
): Promise<void> {
  const { loss } = options;
  const { serial, air, failures } = await provisionEmulated({ emulator, elf, directory, loss });
  const took = `${serial.toFixed(0)} s and ${air.toFixed(0)} s`;
  check(`boards out of the box, by the console and over the air through it: ${took}`, failures);
}

async function run(tools: BuildTools, emulator: string, directory: string): Promise<void> {
  for (const target of options.only === undefined ? TARGETS : (["dk"] as const)) {
    const names = ["node", "relay", "gateway"];
    if (target === "dk") {
      if (wants("chip")) names.unshift("selftest", "bench");
      if (wants("cuts")) names.unshift("storetest");
    }
    const images = await buildAll(tools, target, names);
    check(`${target}: ${names.join(", ")} are built`, []);
    const elf = (name: string) => images.get(name)!.elf;
    const devices = { node: elf("node"), relay: elf("relay"), gateway: elf("gateway") };
    if (target === "dk") {
      if (wants("chip")) await onChip(emulator, elf);
      if (wants("cuts")) await storeCuts(emulator, elf("storetest"), directory);
      if (wants("provision")) await outOfTheBox(emulator, devices, directory);
    }
    if (wants("main")) await mainJob(emulator, devices, target, join(directory, target));
    if (target === "dk") {
      if (wants("joined"))
        check("npm run board joins boards and simulated nodes", await checkJoinedWorld(devices));
      if (options.full ? wants("crowd") : options.only?.includes("crowd")) {
        await crowded(emulator, devices, join(directory, "crowd"));
      }
      if (wants("endurance")) await endurance(emulator, devices, directory);
      if (wants("battery")) await onBatteries(tools, emulator, devices, join(directory, "battery"));
    }
  }
}

/** Holds our own emulator against another one. */
async function compare(tools: BuildTools, directory: string): Promise<void> {
  const [own, other] = [findEmulator(OWN), findEmulator(options.emulator)];
  if (own === other) {
    say("skipped: no other emulator is on PATH, in NRF52840_EMULATOR or named by --emulator");
    return;
  }
  const images = await buildAll(tools, "dk", ["selftest", "storetest", "node", "relay", "gateway"]);
  const elf = (name: string) => images.get(name)!.elf;
  await differential({
    emulators: [own, other],
    elf: {
      selftest: elf("selftest"),
      storetest: elf("storetest"),
      node: elf("node"),
      relay: elf("relay"),
      gateway: elf("gateway"),
    },
    directory,
    onScenario: check,
  });
}

/** What was measured, as a table for docs/BOARD.md. */
function table(): string {
  const rows = measured.map(({ name, value, limit, unit }) => {
    const bound = Number.isFinite(limit) ? `${limit} ${unit}` : "";
    return `| ${name} | ${value.toFixed(unit === "ms" ? 2 : 1)} ${unit} | ${bound} |`;
  });
  return [
    `On ${new Date().toISOString().slice(0, 10)}.`,
    "",
    "| | measured | at most |",
    "|---|---|---|",
    ...rows,
  ].join("\n");
}

const directory = mkdtempSync(join(tmpdir(), "board-"));
try {
  const tools = findBuildTools();
  if (options.differential) await compare(tools, directory);
  else {
    const emulator = findEmulator(options.emulator);
    // Commands that are started from here take the same.
    process.env.NRF52840_EMULATOR = emulator;
    await run(tools, emulator, directory);
  }
  for (const { name, value, limit, unit } of measured) {
    const bound = Number.isFinite(limit) ? ` of at most ${limit}` : "";
    say(`${value.toFixed(unit === "ms" ? 2 : 1).padStart(8)} ${unit}${bound}  ${name}`);
  }
  const over = exceeded(measured);
  check(
    "budgets of DESIGN §6",
    over.map(({ name, value, limit, unit }) => `${name}: ${value.toFixed(2)} ${unit}, at most ${limit}`),
  );
  if (options.docs) {
    if (options.only === undefined) writeSection("budgets", table());
    for (const [section, text] of endured) {
      writeSection(section, `- ${new Date().toISOString().slice(0, 10)}: ${text}`);
    }
  }
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(measured, undefined, 2)}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (error) {
  if (error instanceof MissingTool) say(`skipped: ${error.message}`);
  else if (error instanceof BuildFailed) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } else throw error;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

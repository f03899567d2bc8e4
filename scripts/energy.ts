/** `npm run energy`: what a node's day costs, from the counts of an emulated run. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildFailed, buildImage } from "./board/build.js";
import { writeSection } from "./board/document.js";
import { EmulatedNetwork } from "./board/emulated-network.js";
import type { EmulatorCounts } from "./board/emulator.js";
import { BATTERIES, chargeOf, dayOf, type Share, storeYears, type Work, yearsOf } from "./board/energy.js";
import { findEmulator, withEmulator } from "./board/find-emulator.js";
import { ListeningTime } from "./board/listening.js";
import { findBuildTools, MissingTool } from "./board/tools.js";
import { decimal, fail, newCommand, wholeNumber } from "./cli.js";

const command = withEmulator(
  newCommand(
    "energy",
    "Counts what a node does on the emulated nRF52840, and says by the datasheets' currents what its day costs and how long batteries and flash last.",
  ),
)
  .option("--readings <n>", "readings of the run", wholeNumber(2, 1000), 10)
  .option("--interval <s>", "seconds between a node's readings", decimal(5, 3600), 60)
  .option("--docs", "write the tables into docs/BOARD.md")
  .allowExcessArguments(false)
  .parse();

const options = command.opts<{ readings: number; interval: number; docs?: boolean; emulator?: string }>();

/** What the emulator takes for its estimate of time, and the nRF52840's clock, Hz. */
const CYCLES_PER_INSTRUCTION = 1.35;
const CLOCK = 64e6;
/** A start with the listening that it brings is over. */
const START = 25;
/** Words of the store that are live: identity, counters; the console's `status` says it. */
const LIVE = 64;

/** What a battery node may have, in the words of its manifest's `config.listen`. */
const WAYS = [
  ["friend", "With a relay nearby as its friend (`listen` = `friend`)"],
  ["answers", "Without one (`listen` = `answers`)"],
] as const;

interface Run {
  readonly counts: EmulatorCounts;
  /** Seconds that the receiver was on after {@link START}. */
  readonly listening: number;
  readonly readings: number;
}

async function run(network: EmulatedNetwork, seconds: number): Promise<Run> {
  const before = network.measured.length;
  const board = await network.switchOn("node-1", { seconds, calls: true });
  const listening = new ListeningTime(START);
  board.onCall = (svc, ms) => listening.call(svc, ms);
  await board.ended;
  if (board.counts === undefined) throw new Error("the node does not come to the end of its run");
  return {
    counts: board.counts,
    listening: listening.until(seconds),
    readings: network.measured.length - before,
  };
}

async function count(listen: string, directory: string): Promise<Work> {
  const tools = findBuildTools();
  const emulator = findEmulator(options.emulator);
  const config = { listen };
  const elf = async (name: string) => (await buildImage(name, tools, { target: "dk", config })).elf;
  const network = await EmulatedNetwork.start({
    emulator,
    elf: { node: await elf("node"), relay: await elf("relay"), gateway: await elf("gateway") },
    nodes: 1,
    relays: 1,
    gateways: 1,
    loss: 0,
    seed: 3,
    interval: options.interval,
    paced: false,
    directory,
    off: ["node"],
  });
  const start = await run(network, START);
  const whole = await run(network, START + options.readings * options.interval);
  await network.stop();
  const of = (pick: (counts: EmulatorCounts) => number) => pick(whole.counts) - pick(start.counts);
  return {
    seconds: of(({ virtualSeconds }) => virtualSeconds),
    readings: whole.readings - start.readings,
    // By its instructions: a hundred times finer than the share that the emulator prints.
    cpu: of(({ millions }) => (millions * 1e6 * CYCLES_PER_INSTRUCTION) / CLOCK),
    listening: whole.listening,
    beacons: listen === "answers",
    frames: of(({ framesSent }) => framesSent),
    flashWords: of(({ flashWords }) => flashWords),
  };
}

function tables(way: string, work: Work): string {
  const { interval } = options;
  const shares = dayOf(work, interval);
  const charge = chargeOf(shares);
  const each = (value: number, digits: number) => (value / work.readings).toFixed(digits);
  const row = ({ name, seconds, milliamperes, charge: part }: Share) =>
    `| ${name} | ${Number.isNaN(seconds) ? "all day" : `${seconds.toFixed(0)} s`} | ${milliamperes} mA | ${part.toFixed(2)} mAh | ${((100 * part) / charge).toFixed(0)} % |`;
  return [
    `${way}, a reading every ${interval} s; counted over ${work.readings} readings in ${(work.seconds / 60).toFixed(0)} emulated minutes with one relay and no loss, on ${new Date().toISOString().slice(0, 10)}: a reading takes ${each(work.cpu * 1000, 0)} ms of processor, ${each(work.listening, 2)} s of listening, ${each(work.frames, 1)} advertising events and ${each(work.flashWords, 1)} words of flash.`,
    "",
    "| | in a day | current | charge | share |",
    "|---|---|---|---|---|",
    ...shares.map(row),
    `| together | | ${((charge / 24) * 1000).toFixed(0)} µA on average | ${charge.toFixed(2)} mAh | |`,
    "",
    "| Battery | lasts |",
    "|---|---|",
    ...BATTERIES.map(
      ({ name, capacity, note }) => `| ${name}: ${note} | ${yearsOf(capacity, charge).toFixed(1)} years |`,
    ),
    "",
    `The key-value store in flash lasts ${storeYears(work, interval, LIVE).toFixed(0)} years at this rate.`,
  ].join("\n");
}

const directory = mkdtempSync(join(tmpdir(), "energy-"));
try {
  const texts: string[] = [];
  for (const [listen, way] of WAYS) {
    const text = tables(way, await count(listen, join(directory, listen)));
    process.stdout.write(`${text}\n\n`);
    texts.push(text);
  }
  if (options.docs) writeSection("energy", texts.join("\n\n"));
} catch (error) {
  if (error instanceof MissingTool || error instanceof BuildFailed) fail(error.message);
  throw error;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/**
 * Emulated nodes that lose their power at every flash operation of their work, and at random moments, among living
 * relays, gateways and a server: no number is ever used twice, nothing is refused as a replay, and what was stored stays.
 */

import { join } from "node:path";
import type { DeviceKind } from "../../sim/network.js";
import { EmulatedNetwork } from "./emulated-network.js";
import { Exit } from "./emulator.js";

export interface EnduranceOptions {
  readonly emulator: string;
  readonly elf: Readonly<Record<DeviceKind, string>>;
  readonly directory: string;
  readonly loss: number;
  /** Cut at each `step`th operation: 1 for every one. */
  readonly step: number;
  /** Power cuts at random moments. */
  readonly kills: number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly onProgress?: (line: string) => void;
}

export interface EnduranceResult {
  /** Flash operations of the work, and how many of them were cut. */
  readonly operations: number;
  readonly cuts: number;
  readonly kills: number;
  /** Different mesh SEQ and OSCORE Partial IVs that were seen. */
  readonly seqs: number;
  readonly partialIvs: number;
  readonly failures: readonly string[];
}

/** Ten minutes' work of a node at a reading a minute, in a twentieth of the time. */
const INTERVAL = 3;
const WORK = 10 * INTERVAL + 6;
/** What is lost differs from run to run: the same number of flash operations may come later. */
const AT_MOST = 3 * WORK;
/**
 * Networks at a time, and nodes at work in each: with a reading every three seconds, a node takes a third of a relay's air
 * time. All nodes of a network must have room in its gateway's replay list.
 */
const NETWORKS = 4;
const ABREAST = 1;
const LIVES = 10;

export async function endure(options: EnduranceOptions): Promise<EnduranceResult> {
  const { kills, step, onProgress = () => {} } = options;
  const failures: string[] = [];
  const operations = await countOperations(options);
  const jobs: ((network: EmulatedNetwork, node: string) => Promise<string[]>)[] = [];
  let cuts = 0;
  for (let operation = 1; operation <= operations; operation += step) {
    jobs.push(async (network, node) => {
      const board = await network.switchOn(node, { cut: operation, seconds: AT_MOST });
      const isCut = (await board.ended) === Exit.powerCut;
      if (isCut) cuts++;
      const failed = await comesBack(network, node);
      if (!isCut) failed.unshift("there were fewer");
      return failed.map((failure) => `cut at operation ${operation}: ${failure}`);
    });
  }
  for (let killed = 0; killed < kills; killed += LIVES) {
    jobs.push(async (network, node) => {
      for (let life = killed; life < Math.min(killed + LIVES, kills); life++) {
        const board = await network.switchOn(node);
        await network.wait(500 + 14_500 * options.random());
        board.kill();
        await board.ended;
      }
      return (await comesBack(network, node)).map((failure) => `killed at random: ${failure}`);
    });
  }
  let [seqs, partialIvs, done] = [0, 0, 0];
  const run = async (index: number) => {
    const queue = jobs
      .filter((_job, at) => at % NETWORKS === index)
      .map((job, at) => ({ job, node: `node-${at + 1}` }));
    if (queue.length === 0) return;
    const network = await start(options, `endurance-${index}`, queue.length);
    const worker = async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        failures.push(...(await next.job(network, next.node)));
        onProgress(`${++done} of ${jobs.length} nodes`);
      }
    };
    await Promise.all(Array.from({ length: ABREAST }, worker));
    failures.push(...(await network.faults()));
    seqs += network.audit.counts.seqs;
    partialIvs += network.audit.counts.partialIvs;
    await network.stop();
  };
  await Promise.all(Array.from({ length: NETWORKS }, (_, index) => run(index)));
  return { operations, cuts, kills, seqs, partialIvs, failures };
}

function start(options: EnduranceOptions, name: string, nodes: number): Promise<EmulatedNetwork> {
  const { emulator, elf, loss, directory } = options;
  return EmulatedNetwork.start({
    emulator,
    elf,
    loss,
    nodes,
    relays: 1,
    gateways: 1,
    seed: 7,
    interval: INTERVAL,
    paced: false,
    directory: join(directory, name),
    off: ["node"],
  });
}

async function countOperations(options: EnduranceOptions): Promise<number> {
  const network = await start(options, "endurance", 1);
  const board = await network.switchOn("node-1", { seconds: WORK });
  await board.ended;
  await network.stop();
  if (board.counts === undefined) throw new Error("a node does not come to the end of its work");
  return board.counts.flashWords + board.counts.flashErases;
}

/** Whether a node that is switched on again does its work, and what it has at the server is there once. */
async function comesBack(network: EmulatedNetwork, node: string): Promise<string[]> {
  const before = new Set(await network.readings(node));
  const from = network.measured.length;
  const board = await network.switchOn(node);
  const failures: string[] = [];
  let stored: string[] = [];
  for (let wait = 0; ; wait++) {
    await network.wait(500);
    stored = await network.readings(node);
    const measured = network.measured.slice(from).filter((reading) => reading.node === node);
    const arrived = measured.filter(({ temperature, humidity }) =>
      stored.includes(`${temperature} ${humidity}`),
    );
    if (arrived.length >= 2) break;
    if (wait < 240) continue;
    failures.push(`after two minutes ${arrived.length} of ${measured.length} new readings are stored`);
    break;
  }
  board.kill();
  await board.ended;
  for (const reading of before)
    if (!stored.includes(reading)) failures.push(`${reading} is no longer stored`);
  const twice = stored.length - new Set(stored).size;
  if (twice > 0) failures.push(`${twice} readings are stored twice`);
  return failures;
}

/** An emulated node for batteries, with an emulated relay as its friend: what it brings, and how long it listens. */

import { EmulatedNetwork, type JobOptions, lostLine, type Measured } from "./emulated-network.js";
import { ListeningTime } from "./listening.js";

export interface BatteryResult {
  readonly measured: number;
  /** Of the time. */
  readonly listening: number;
  readonly failures: readonly string[];
}

const INTERVAL = 10;
/** It listens at first, and looks for its friend. */
const START = 25;
const END = START + 20 * INTERVAL;
/** A node without a friend listens for a quarter of the time at this interval, one with a friend for a fortieth. */
const MOST = 0.06;

/**
 * Also over a power cut, after which relay and node must find each other again. The node's image is one with
 * `listen` = `friend`.
 */
export async function battery(job: JobOptions): Promise<BatteryResult> {
  const network = await EmulatedNetwork.start({
    ...job,
    nodes: 1,
    relays: 1,
    gateways: 1,
    seed: 5,
    interval: INTERVAL,
    paced: false,
    off: ["node"],
  });
  const failures: string[] = [];
  const due: Measured[] = [];
  let seconds = 0;
  for (const life of ["first", "second"]) {
    const before = network.measured.length;
    const board = await network.switchOn("node-1", { seconds: END, calls: true });
    const listening = new ListeningTime(START);
    board.onCall = (svc, ms) => listening.call(svc, ms);
    await board.ended;
    const on = listening.until(END);
    const share = on / (END - START);
    if (share > MOST) failures.push(`it listens for ${(100 * share).toFixed(1)} % of its ${life} life`);
    seconds += on;
    // What was on its way when the power went is gone with the node's memory.
    due.push(...network.measured.slice(before, -2));
  }
  const missing = await network.missing(due);
  failures.push(...(await network.faults()), ...missing.map(lostLine));
  await network.stop();
  if (due.length < 30) failures.push(`only ${due.length} readings were measured`);
  return { measured: due.length, listening: seconds / (2 * (END - START)), failures };
}

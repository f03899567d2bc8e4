/** As many nodes as a gateway is made for, and no coverage for a while: whether it bears that. */

import { EmulatedNetwork, type JobOptions, lostLine } from "./emulated-network.js";

export interface CrowdResult {
  readonly nodes: number;
  readonly measured: number;
  /** Bytes of the gateway's JavaScript heap at the peak. */
  readonly heap: number;
  readonly failures: string[];
}

/** One of them is emulated, the others simulated. */
const NODES = 100;
/** Seconds between a node's readings. */
const INTERVAL = 60;
/** Seconds: with coverage, without, and with it again until nothing new is measured. */
const WITH = 120;
const WITHOUT = 300;
/** Seconds after that in which all that was measured must come. */
const LIMIT = 600;

export async function crowd(job: JobOptions): Promise<CrowdResult> {
  const network = await EmulatedNetwork.start({
    ...job,
    nodes: 1,
    simulatedNodes: NODES - 1,
    relays: 0,
    gateways: 1,
    seed: 1,
    interval: INTERVAL,
    paced: false,
  });
  const modem = network.modems.get("gateway-1")!;
  await network.wait(WITH * 1000);
  modem.setCoverage(false);
  await network.wait(WITHOUT * 1000);
  modem.setCoverage(true);
  const due = network.measured.slice();
  let missing = due;
  for (let waited = 0; waited < LIMIT && missing.length > 0; waited += INTERVAL) {
    await network.wait(INTERVAL * 1000);
    missing = await network.missing(due);
  }
  const failures = network.complaints.map(({ device, line }) => `${device}: ${line}`);
  failures.push(...network.audit.reused, ...missing.map(lostLine));
  await network.stop();
  return { nodes: NODES, measured: due.length, heap: network.heapPeak.get("gateway-1") ?? 0, failures };
}

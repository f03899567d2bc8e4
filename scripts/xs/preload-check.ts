/** The roles at work with everything preloaded, and the proof that a write to a preloaded object would be found. */

import { assertOnlyTruth, TestSystem } from "../../host-tests/system/harness.js";
import { WRITES } from "../../host-tests/xs/preloaded-writes.js";
import { XsEngine } from "../../sim/xs/engine.js";
import { SyncMachine } from "../../sim/xs/sync-machine.js";
import { XsError } from "../../sim/xs/worker.js";
import { buildPreloaded } from "./preload.js";

/** Virtual seconds before and after a power cut. */
const SECONDS = 120;

/** @returns what failed */
export async function checkPreloaded(): Promise<string[]> {
  return [...(await writesAreFound()), ...(await rolesWork())];
}

async function writesAreFound(): Promise<string[]> {
  const program = await buildPreloaded("writes", "host-tests/xs/preloaded-writes.ts");
  const failures: string[] = [];
  const fails = (number: number) => {
    const machine = new SyncMachine(program, "writes");
    try {
      machine.command(Uint8Array.of(number));
      return false;
    } catch (error) {
      if (error instanceof XsError) return true;
      throw error;
    } finally {
      machine.close();
    }
  };
  WRITES.forEach(([name], number) => {
    if (!fails(number)) failures.push(`a write to ${name} was not found`);
  });
  if (fails(WRITES.length)) failures.push("no write at all was taken for one");
  return failures;
}

/** Three nodes, two relays and a gateway, each in such a program, with losses and a power cut. */
async function rolesWork(): Promise<string[]> {
  const worker = await buildPreloaded("roles", "sim/xs/device/app.ts");
  let engine: XsEngine | undefined;
  const system = new TestSystem({
    nodes: 3,
    relays: 2,
    gateways: 1,
    loss: 0.1,
    engine: (clock) => {
      engine = new XsEngine({ worker, clock, preloaded: true });
      return engine;
    },
  });
  try {
    await system.start();
    system.run(SECONDS);
    system.powerCycle(5);
    system.run(SECONDS);
    assertOnlyTruth(system);
    const refusals = system.events.filter(({ kind }) => kind === "security");
    const failures = refusals.map(({ reason }) => `the server refused: ${reason}`);
    if (system.readings.length < system.measured.length - 12) {
      failures.push(`only ${system.readings.length} of ${system.measured.length} readings arrived`);
    }
    await system.stopCloud();
    return failures;
  } catch (error) {
    return [(error as Error).message];
  } finally {
    engine?.close();
  }
}

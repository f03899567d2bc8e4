/** What the firmware's work costs on the chip: the image manifests/bench in the emulator; and how fast that is. */

import { TIME_LIMIT } from "../board/budgets.js";
import { BuildFailed, buildImage } from "../board/build.js";
import { findEmulator } from "../board/find-emulator.js";
import { runBench } from "../board/selftest.js";
import { findBuildTools, MissingTool } from "../board/tools.js";
import { emulatedSpeed } from "./emulated-speed.js";
import type { BenchRow } from "./measure.js";

export default async function run(): Promise<BenchRow[]> {
  try {
    const [tools, emulator] = [findBuildTools(), findEmulator()];
    const { elf } = await buildImage("bench", tools, { target: "dk" });
    const chip = [...(await runBench(emulator, elf))].map(([name, value]) => ({
      name,
      value,
      unit: "ms",
      note: `emulated, the same at every run${TIME_LIMIT[name] === undefined ? "" : `; at most ${TIME_LIMIT[name]}`}`,
    }));
    const node = await buildImage("node", tools, { target: "dk" });
    return [...chip, ...(await emulatedSpeed(emulator, node.elf))];
  } catch (error) {
    if (!(error instanceof MissingTool || error instanceof BuildFailed)) throw error;
    console.log(`  skipped: ${error.message}`);
    return [];
  }
}

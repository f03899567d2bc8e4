/** How fast the emulated board itself is, by the processor time that it takes of this machine: the image of a node with an identity that measures, alone. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { DEFAULT_SETTINGS } from "../../firmware/roles/identity.js";
import { newKeyRing, planNetwork } from "../../sim/network.js";
import { EmulatedBoard, type EmulatorCounts } from "../board/emulator.js";
import { provisionedFlash } from "../board/provisioned-flash.js";
import type { BenchRow } from "./measure.js";

const RUNS = 5;
/** Virtual seconds of a run, and between a node's readings: far more often than one in the field. */
const SECONDS = 60;
const INTERVAL = 5;

/** @param elf of the node */
export async function emulatedSpeed(emulator: string, elf: string): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), "emulated-speed-"));
  try {
    const runs: EmulatorCounts[] = [];
    for (let i = 0; i < RUNS; i++) runs.push(await run(emulator, elf, join(directory, `${i}.flash`)));
    const took = ({ hostSeconds, wallSeconds }: EmulatorCounts) => hostSeconds ?? wallSeconds;
    const speeds = runs.map((counts) => counts.millions / took(counts));
    const boards = runs.map((counts) => counts.virtualSeconds / took(counts));
    return [
      row("emulator: instructions", speeds, "M/s", "of a node's image; the chip does some 47 a second"),
      row(
        "emulator: boards in real time",
        boards,
        "/core",
        `nodes that measure every ${INTERVAL} s, alone in the air`,
      ),
    ].filter(({ value }) => Number.isFinite(value));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function run(emulator: string, elf: string, flash: string): Promise<EmulatorCounts> {
  const random = (length: number) => hostCrypto.random(length);
  const settings = { ...DEFAULT_SETTINGS, interval: INTERVAL };
  const devices = planNetwork(newKeyRing(random), { nodes: 1, relays: 0, gateways: 1, settings, random });
  const device = devices.find(({ kind }) => kind === "node");
  writeFileSync(flash, provisionedFlash(device!.identity));
  const board = new EmulatedBoard(emulator, elf, { seed: 1, flash, seconds: SECONDS, fast: true });
  await board.ended;
  if (board.counts === undefined) throw new Error("the node's image does not come to its end");
  return board.counts;
}

function row(name: string, values: readonly number[], unit: string, note: string): BenchRow {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    name,
    value: sorted[Math.floor(sorted.length / 2)]!,
    unit,
    note,
    spread: [sorted[0]!, sorted.at(-1)!],
    repetitions: values.length,
  };
}

/** Runs the images that test and measure themselves, and takes apart what they say. */

import { EmulatedBoard } from "./emulator.js";

export interface SelfTest {
  readonly passed: number;
  readonly failed: number;
  /** The lines of tests that failed, and what the emulator complained of. */
  readonly failures: readonly string[];
}

const LIMIT_SECONDS = 60;

async function runUntil(emulator: string, elf: string, last: RegExp): Promise<EmulatedBoard> {
  const board = new EmulatedBoard(emulator, elf, { seed: 1, seconds: LIMIT_SECONDS, fast: true });
  board.onLine = (_uart, line) => {
    if (last.test(line)) board.kill();
  };
  // An image that resets begins again and again.
  board.onComplaint = () => board.kill();
  await board.ended;
  return board;
}

/** @param elf the image manifests/selftest */
export async function runSelfTest(emulator: string, elf: string): Promise<SelfTest> {
  const board = await runUntil(emulator, elf, /^selftest:/);
  const summary = board.lines.map((line) => /^selftest: (\d+) passed, (\d+) failed/.exec(line)).find(Boolean);
  const failures = board.lines.filter((line) => line.startsWith("FAIL"));
  failures.push(...board.complaints.map(({ line }) => line));
  if (!summary) failures.push(`no result; the last line was: ${board.lines.at(-1) ?? "none"}`);
  return { passed: Number(summary?.[1] ?? 0), failed: Number(summary?.[2] ?? 0), failures };
}

/** CPU time in ms by name. @param elf the image manifests/bench @throws Error when the image does not come to its end */
export async function runBench(emulator: string, elf: string): Promise<ReadonlyMap<string, number>> {
  const board = await runUntil(emulator, elf, /^bench: done/);
  if (!board.lines.includes("bench: done")) {
    throw new Error(
      `the bench image ended early: ${board.complaints[0]?.line ?? board.lines.at(-1) ?? "it says nothing"}`,
    );
  }
  const figures = new Map<string, number>();
  for (const line of board.lines) {
    const figure = /^FIGURE (.*) (\d+) us$/.exec(line);
    if (figure !== null) figures.set(figure[1]!, Number(figure[2]) / 1000);
  }
  return figures;
}

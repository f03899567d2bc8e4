/** Cuts an emulated board's power in the middle of flash operations, and looks at what its store says afterwards. */

import { copyFileSync, existsSync, rmSync } from "node:fs";
import { EmulatedBoard, Exit } from "./emulator.js";

export interface CutsOptions {
  readonly emulator: string;
  /** The image manifests/storetest. */
  readonly elf: string;
  /** A file for the flash; it is made anew. */
  readonly flash: string;
}

export interface CutsResult {
  readonly cuts: number;
  /** What the store lost, mixed up or took back: empty when it keeps its word. */
  readonly failures: readonly string[];
}

const KEYS = 7;

/** What a run of the image said. */
interface Run {
  readonly status: number;
  readonly found: ReadonlyMap<string, string>;
  readonly ready: boolean;
  /** The last write that began and the last that returned, 0 for none. */
  readonly began: number;
  readonly done: number;
  readonly complaints: readonly string[];
}

async function run(
  options: CutsOptions,
  cut: number | undefined,
  seconds: number,
  seed: number,
): Promise<Run> {
  const board = new EmulatedBoard(options.emulator, options.elf, {
    seed,
    flash: options.flash,
    seconds,
    fast: true,
    ...(cut !== undefined && { cut }),
  });
  const status = await board.ended;
  const found = new Map<string, string>();
  let [began, done, ready] = [0, 0, false];
  for (const line of board.lines) {
    const [, word, rest] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    if (word === "FOUND") {
      const space = rest!.lastIndexOf(" ");
      const key = /^(key \d+|identity) (.*)$/.exec(rest!);
      found.set(key?.[1] ?? rest!.slice(0, space), key?.[2] ?? rest!.slice(space + 1));
    } else if (word === "READY") ready = true;
    else if (word === "SET") began = Number(rest);
    else if (word === "DONE") done = Number(rest);
  }
  return { status, found, ready, began, done, complaints: board.complaints.map(({ line }) => line) };
}

/** The number that each key must say when `done` was the last write. */
function expected(key: number, done: number): number | undefined {
  const last = done - ((done - key + KEYS) % KEYS);
  return last >= 1 ? last : undefined;
}

/** What is wrong with a state found after `done` was written, and `began` perhaps. */
function wrong({ found }: Run, done: number, began: number, lasting: boolean): string[] {
  const failures: string[] = [];
  for (let key = 0; key < KEYS; key++) {
    const says = found.get(`key ${key}`);
    const before = expected(key, done);
    const allowed = new Set([before === undefined ? undefined : String(before)]);
    if (began > done && began % KEYS === key) {
      allowed.add(String(began));
      // A deleted key may be found before it is written anew.
      if (began % 11 === 0) allowed.add(undefined);
    }
    if (!allowed.has(says)) failures.push(`key ${key} says ${says}, expected ${[...allowed].join(" or ")}`);
  }
  if (lasting && found.get("identity") !== "22") failures.push(`identity says ${found.get("identity")}`);
  return failures;
}

/** One power cut at each of the given operations, each from the beginning. */
export async function cutsFromTheBeginning(
  options: CutsOptions,
  operations: readonly number[],
): Promise<CutsResult> {
  const failures: string[] = [];
  for (const operation of operations) {
    rmSync(options.flash, { force: true });
    const before = await run(options, operation, 60, 1);
    if (before.status !== Exit.powerCut) {
      failures.push(`operation ${operation}: ended with ${before.status} instead of a power cut`);
      continue;
    }
    const after = await run(options, undefined, 0.3, 1);
    if (!after.ready) failures.push(`operation ${operation}: the store does not mount`);
    for (const failure of [
      ...wrong(after, before.done, before.began, before.done > 0),
      ...after.complaints,
    ]) {
      failures.push(`operation ${operation}: ${failure}`);
    }
    if (after.done <= before.done) failures.push(`operation ${operation}: nothing can be written afterwards`);
  }
  return { cuts: operations.length, failures };
}

/** Cut after cut on one flash, each some random operations after the start. */
export async function cutsInARow(
  options: CutsOptions,
  cuts: number,
  random: () => number,
): Promise<CutsResult> {
  const failures: string[] = [];
  rmSync(options.flash, { force: true });
  let [done, began] = [0, 0];
  for (let cut = 1; cut <= cuts; cut++) {
    const keep = `${options.flash}.before`;
    if (existsSync(options.flash)) copyFileSync(options.flash, keep);
    const operation = 1 + Math.floor(random() ** 3 * 600);
    const now = await run(options, operation, 60, cut);
    if (!now.ready) {
      // Cut in the mount itself, which writes when it finishes what was cut before.
      if (now.status === Exit.powerCut) continue;
      failures.push(`cut ${cut}: ended with ${now.status}`);
      break;
    }
    for (const failure of [...wrong(now, done, began, done > 0), ...now.complaints]) {
      failures.push(`cut ${cut}: ${failure}`);
    }
    if (failures.length > 0) break;
    // What was found is what counts from here on.
    const found = Math.max(
      0,
      ...[...now.found].filter(([key]) => key !== "identity").map(([, says]) => Number(says)),
    );
    done = Math.max(now.done, found, 0);
    began = Math.max(now.began, done);
  }
  return { cuts, failures };
}

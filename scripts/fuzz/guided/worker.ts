/** Fuzzes one target in a thread of its own, where an input that never ends can be seen from outside. */

import { parentPort, workerData } from "node:worker_threads";
import { toHex } from "../../../firmware/bytes/hex.js";
import { Random } from "../../../sim/random.js";
import { loadTargets } from "./bundle.js";
import { readCorpus } from "./corpus.js";
import { FuzzEngine, FuzzFailure } from "./engine.js";

export interface Job {
  /** of guided/targets/ */
  readonly file: string;
  readonly target: string;
  readonly inputs: number;
  /** ms; whichever of the two comes first */
  readonly time: number;
  readonly seed: number;
  /** What runs now: [inputs begun, length, bytes …]. */
  readonly shared: SharedArrayBuffer;
}

export interface JobResult {
  readonly inputs: number;
  readonly milliseconds: number;
  readonly covered: number;
  readonly corpus: readonly Uint8Array[];
  /** The input in hex, and what was thrown. */
  readonly failure: string | undefined;
}

const STEP = 200;

async function fuzz({ file, target: name, inputs, time, seed, shared }: Job): Promise<JobResult> {
  const { targets, counters, words } = await loadTargets(file);
  const target = targets.find((one) => one.name === name);
  if (target === undefined) throw new Error(`guided/targets/${file}.ts has no ${name}`);
  const head = new Uint32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, 8);
  const engine = new FuzzEngine({
    target,
    counters,
    words,
    random: new Random(seed).fork(name),
    onInput: (input) => {
      bytes.set(input.subarray(0, bytes.length));
      head[1] = input.length;
      head[0]++;
    },
  });
  const begin = performance.now();
  let failure: string | undefined;
  try {
    engine.start([...target.seeds, ...readCorpus(name)]);
    while (engine.inputs < inputs && performance.now() - begin < time) engine.step(STEP);
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    failure = error.message;
  }
  const { inputs: fed, covered } = engine;
  return { inputs: fed, milliseconds: performance.now() - begin, covered, corpus: engine.corpus(), failure };
}

/** The input that runs now, for whoever watches. */
export function inputOf(shared: SharedArrayBuffer): string {
  const [, length] = new Uint32Array(shared, 0, 2);
  return toHex(new Uint8Array(shared, 8, length));
}

if (parentPort !== null) parentPort.postMessage(await fuzz(workerData as Job));

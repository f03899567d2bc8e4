/** Runs guided targets, several at a time, and watches over inputs that never end. */

import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { GuidedTarget } from "./target.js";
import { inputOf, type Job, type JobResult } from "./worker.js";

export interface ListedTarget extends GuidedTarget {
  /** of guided/targets/ */
  readonly file: string;
}

export interface Budget {
  readonly inputs: number;
  /** ms for each target */
  readonly time: number;
  readonly seed: number;
}

/** An input that takes longer is taken for one that never ends. */
const PATIENCE_MS = 10_000;
const WATCH_MS = 1000;
const LONGEST = 65_536;

/** A thread of Node 20 does not inherit the loader of TypeScript. */
const WORKER = `
  import(${JSON.stringify(import.meta.resolve("tsx/esm/api"))}).then(({ register }) => {
    register();
    return import(${JSON.stringify(new URL("worker.ts", import.meta.url).href)});
  });
`;

export async function listTargets(): Promise<ListedTarget[]> {
  const folder = new URL("targets/", import.meta.url);
  const listed: ListedTarget[] = [];
  for (const name of readdirSync(fileURLToPath(folder)).sort()) {
    const module = (await import(new URL(name, folder).href)) as { default: readonly GuidedTarget[] };
    listed.push(...module.default.map((target) => ({ ...target, file: name.replace(/\.ts$/, "") })));
  }
  return listed;
}

/** Each target with its budget, as many at a time as there are cores. */
export async function runTargets(
  targets: readonly ListedTarget[],
  budget: Budget,
  onResult: (target: ListedTarget, result: JobResult) => void,
  onProgress?: (running: ReadonlyMap<string, number>) => void,
): Promise<void> {
  const queue = [...targets];
  const running = new Map<string, number>();
  const next = async (): Promise<void> => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
      const { name, file } = target;
      const shared = new SharedArrayBuffer(8 + LONGEST);
      const result = await runJob({ file, target: name, shared, ...budget }, (runs) => {
        running.set(name, runs);
        onProgress?.(running);
      });
      running.delete(name);
      onResult(target, result);
    }
  };
  await Promise.all(Array.from({ length: cpus().length }, next));
}

function runJob(job: Job, onRuns: (runs: number) => void): Promise<JobResult> {
  const worker = new Worker(WORKER, { eval: true, workerData: job });
  const head = new Uint32Array(job.shared, 0, 2);
  return new Promise((resolve, reject) => {
    let [last, since] = [0, performance.now()];
    const watch = setInterval(() => {
      const now = performance.now();
      if (head[0] !== last) [last, since] = [head[0], now];
      onRuns(last);
      // Nothing has begun before the bundle is loaded.
      if (last === 0 || now - since < PATIENCE_MS) return;
      end();
      const failure = `${inputOf(job.shared)}\nstill runs after ${PATIENCE_MS / 1000} s`;
      resolve({ inputs: last, milliseconds: 0, covered: 0, corpus: [], failure });
    }, WATCH_MS);
    const end = (): void => {
      clearInterval(watch);
      void worker.terminate();
    };
    worker.once("message", (result: JobResult) => {
      end();
      resolve(result);
    });
    worker.once("error", (error) => {
      end();
      reject(error);
    });
  });
}

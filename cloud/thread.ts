import { Worker } from "node:worker_threads";

/**
 * Runs a module of ours in a thread.
 * @param module its URL
 * @param data what it finds in `workerData`
 */
export function startThread(module: string, data: object): Worker {
  return new Worker(new URL("thread-entry.mjs", import.meta.url), { workerData: { ...data, module } });
}

/**
 * Commits in a thread of its own: a disk that takes its time keeps nobody from deciding on the next requests. The rest
 * of the store, which is rare, stays where it is, with another connection to the same file.
 */

import { isMainThread, parentPort, type Worker, workerData } from "node:worker_threads";
import Database from "better-sqlite3";
import { startThread } from "../thread.js";
import { contextsOf, type PackedBatch, packBatch, unpackBatch } from "./batch-codec.js";
import { prepareCommit } from "./sqlite-commit.js";
import type { Batch, CommitResult, Outcome } from "./store.js";

/** Longer than anything that the other connection does at a time. */
const BUSY_MS = 10_000;

interface Order {
  readonly batch: PackedBatch;
  readonly passedOn: boolean;
}

/** Row numbers in the order of the batch: of readings, 0 for those that were there before, and of contexts. */
type Report =
  | { readonly readings: Float64Array; readonly contexts: Float64Array }
  | { readonly error: string };

/** How a connection that commits is set up. */
export function prepareConnection(database: Database.Database): void {
  database.pragma("journal_mode = WAL");
  // FULL: a commit is on the disk before it returns, not only in the system's cache.
  database.pragma("synchronous = FULL");
  database.pragma("foreign_keys = ON");
  database.pragma("cache_size = -65536");
  // Pages that change often are copied into the database once per 16 MB of log instead of once per 4.
  database.pragma("wal_autocheckpoint = 4000");
}

export class CommitThread {
  readonly #worker: Worker;
  #done: ((report: Report) => void) | undefined;
  #closing: Promise<unknown> | undefined;
  #failure: string | undefined;

  constructor(file: string) {
    this.#worker = startThread(import.meta.url, { committer: file });
    this.#worker.on("message", (report: Report) => this.#report(report));
    this.#worker.on("error", (error: Error) => this.#report({ error: error.message }));
    this.#worker.on("exit", () => {
      this.#failure ??= "the thread that commits has ended";
      this.#report({ error: this.#failure });
    });
    // It alone keeps no process alive; a commit under way does.
    this.#worker.unref();
  }

  /** As `Store.commit`. */
  commit(batch: Batch, passedOn: boolean, done: (result: CommitResult) => void): void {
    const packed = packBatch(batch);
    this.#done = (report) => done(apply(batch, report));
    if (this.#failure !== undefined) {
      queueMicrotask(() => this.#report({ error: this.#failure! }));
      return;
    }
    this.#worker.ref();
    this.#worker.postMessage({ batch: packed, passedOn } satisfies Order, [
      packed.numbers.buffer as ArrayBuffer,
      packed.bytes.buffer as ArrayBuffer,
    ]);
  }

  #report(report: Report): void {
    this.#worker.unref();
    if ("error" in report && this.#closing === undefined && this.#done === undefined)
      this.#failure = report.error;
    const done = this.#done;
    this.#done = undefined;
    done?.(report);
  }

  /** Behind the commit under way. */
  async close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.ref();
    this.#worker.postMessage("close");
    if (this.#failure === undefined) await this.#closing;
  }
}

function apply(batch: Batch, report: Report): CommitResult {
  if ("error" in report) {
    for (const { readings } of batch.requests) for (const reading of readings) reading.id = 0;
    return new Error(report.error);
  }
  let at = 0;
  for (const { readings } of batch.requests) {
    for (const reading of readings) reading.id = report.readings[at++];
  }
  contextsOf(batch).forEach((context, place) => {
    context.id = report.contexts[place];
  });
  return batch.requests.map((): Outcome => "stored");
}

function serve(file: string): void {
  const database = new Database(file, { timeout: BUSY_MS });
  prepareConnection(database);
  const outbox = { enabled: false };
  const commit = prepareCommit(database, outbox);
  const report = ({ batch: packed, passedOn }: Order): Report => {
    const batch = unpackBatch(packed);
    outbox.enabled = passedOn;
    try {
      commit(batch, []);
    } catch (error) {
      return { error: (error as Error).message };
    }
    const readings = batch.requests.flatMap((request) => request.readings.map(({ id }) => id));
    return {
      readings: Float64Array.from(readings),
      contexts: Float64Array.from(contextsOf(batch), ({ id }) => id),
    };
  };
  parentPort?.on("message", (order: Order | "close") => {
    if (order === "close") {
      database.close();
      process.exit(0);
    }
    parentPort?.postMessage(report(order));
  });
}

if (!isMainThread && typeof (workerData as { committer?: unknown } | null)?.committer === "string") {
  serve((workerData as { committer: string }).committer);
}

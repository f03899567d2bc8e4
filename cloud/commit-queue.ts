import type { Content, Exchange } from "../firmware/coap/message-layer.js";
import type { DeviceContext } from "./context.js";
import type { Device } from "./device.js";
import type { EventLog } from "./events.js";
import type { Metrics } from "./metrics.js";
import type { EventRecord, ReadingRecord } from "./model.js";
import type { AcceptedRequest, HealthRecord, Store } from "./store/store.js";

/** A request that was accepted in memory and waits for its commit. */
export interface Pending extends AcceptedRequest {
  readonly device: Device;
  readonly context: DeviceContext;
  /** The context that this one replaces, should it come to nothing. */
  readonly former: DeviceContext | undefined;
  /** Protected; `undefined` when none is wanted. */
  readonly answer: Content | undefined;
  /** The exchange it came in. */
  readonly exchange: Exchange;
  /** Those that brought copies of it since. */
  copies: Exchange[] | undefined;
  /** What it says, stored or not. */
  readonly live: readonly ReadingRecord[];
  readonly gateway: number | undefined;
}

/** All exchanges that an answer is due in. */
export function exchangesOf({ exchange, copies }: Pending): Exchange[] {
  return copies === undefined ? [exchange] : [exchange, ...copies];
}

/** What follows a commit. */
export interface CommitConsequences {
  stored(pending: Pending): void;
  /** Another server on the same store has accepted this Partial IV. */
  taken(pending: Pending): void;
  /** Behind `stored` and `taken` of all. */
  committed(events: readonly EventRecord[]): void;
  /** Nothing of it is on the disk, so nothing of it has happened. */
  failed(pending: readonly Pending[], error: Error): void;
}

/**
 * What waits for the disk: requests, health reports, events. Everything that came until the commit begins shares it, and
 * there is one at a time: what comes meanwhile shares the next.
 */
export class CommitQueue {
  readonly #store: Store;
  readonly #events: EventLog;
  readonly #metrics: Metrics;
  readonly #stopwatch: () => number;
  readonly #consequences: CommitConsequences;
  #pending: Pending[] = [];
  /** The newest pending request of each context. */
  readonly #newest = new Map<DeviceContext, Pending>();
  readonly #health = new Map<Device, HealthRecord>();
  #due = Number.POSITIVE_INFINITY;
  #committing = false;

  /** @param stopwatch ms, for the histogram of commits only */
  constructor(
    store: Store,
    events: EventLog,
    metrics: Metrics,
    stopwatch: () => number,
    consequences: CommitConsequences,
  ) {
    this.#store = store;
    this.#events = events;
    this.#metrics = metrics;
    this.#stopwatch = stopwatch;
    this.#consequences = consequences;
  }

  get length(): number {
    return this.#pending.length;
  }

  add(pending: Pending, now: number): void {
    this.#pending.push(pending);
    this.#newest.set(pending.context, pending);
    this.#due = Math.min(this.#due, now);
  }

  /** The newest request under these keys, while it waits. */
  newest(context: DeviceContext): Pending | undefined {
    return this.#newest.get(context);
  }

  setHealth(device: Device, record: HealthRecord): void {
    this.#health.set(device, record);
  }

  forget(device: Device): void {
    this.#health.delete(device);
  }

  /** When {@link flush} is due; never while a commit is under way. */
  get deadline(): number {
    return this.#committing ? Number.POSITIVE_INFINITY : Math.min(this.#due, this.#events.deadline);
  }

  /** Commits what waits, now; does nothing while a commit is under way. */
  flush(now: () => number): void {
    if (this.#committing) return;
    const pending = this.#pending;
    const events = this.#events.take();
    const health = [...this.#health.values()];
    if (pending.length === 0 && events.length === 0 && health.length === 0) return;
    this.#pending = [];
    this.#newest.clear();
    this.#health.clear();
    this.#due = Number.POSITIVE_INFINITY;
    this.#committing = true;
    const started = this.#stopwatch();
    this.#store.commit({ requests: pending, events, health }, (result) => {
      this.#committing = false;
      this.#metrics.commitSeconds.observe((this.#stopwatch() - started) / 1000);
      this.#metrics.commitRequests.observe(pending.length);
      if (result instanceof Error) {
        this.#metrics.commits.add("failed");
        this.#events.giveBack(events, now());
        this.#consequences.failed(pending, result);
      } else {
        this.#metrics.commits.add("done");
        for (let i = 0; i < pending.length; i++) {
          if (result[i] === "stored") this.#consequences.stored(pending[i]);
          else this.#consequences.taken(pending[i]);
        }
        this.#consequences.committed(events);
      }
    });
  }
}

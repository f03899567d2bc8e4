import type { Content, Exchange } from "../firmware/coap/message-layer.js";
import type { Change } from "../firmware/oscore/store.js";
import type { DeviceContext } from "./context.js";
import type { Device } from "./device.js";
import type { EventLog } from "./events.js";
import type { Metrics } from "./metrics.js";
import type { EventRecord, ReadingRecord } from "./model.js";
import type { AcceptedRequest, CommitResult, HealthRecord, ReplayRecord, Store } from "./store/store.js";

/** A request that was accepted in memory and waits for its commit. */
export interface Pending extends AcceptedRequest {
  readonly device: Device;
  readonly context: DeviceContext;
  readonly change: Change<DeviceContext>;
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
  /** Another server on the same store has accepted this very request: what it answered is the context's newest answer. */
  again(pending: Pending): void;
  /** Another server on the same store has accepted this Partial IV. */
  taken(pending: Pending): void;
  /** It was decided on what is not true any more: whoever sent it is to come again. */
  undone(pending: Pending): void;
  /** New keys have come to nothing: the former ones are the device's again. */
  revoked(pending: Pending, former: DeviceContext): void;
  /** Another server on the same store has put other keys into the place of these, or none. */
  replaced(device: Device): void;
  /** Behind all of the above. */
  committed(events: readonly EventRecord[]): void;
  /** Nothing of it is on the disk, so nothing of it has happened; behind all of the above. */
  failed(error: Error): void;
}

/** What is known of a context that the store cannot even show any more. */
const LOST: ReplayRecord = {
  highest: -1,
  seen: undefined,
  lastRequest: undefined,
  lastAnswer: undefined,
  version: 0,
};

/**
 * What waits for the disk: requests, health reports, events. Everything that came until the commit begins shares it, and
 * there is one at a time: what comes meanwhile shares the next.
 *
 * Requests are accepted in memory before their commit, those that come meanwhile on top of them. So when some come to
 * nothing, their contexts go back to what the store has, and what was accepted on top is decided once more.
 */
export class CommitQueue {
  readonly #store: Store;
  readonly #events: EventLog;
  readonly #metrics: Metrics;
  readonly #stopwatch: () => number;
  readonly #consequences: CommitConsequences;
  #pending: Pending[] = [];
  readonly #health = new Map<Device, HealthRecord>();
  #due = Number.POSITIVE_INFINITY;
  #committing = false;
  /** Called when the commit under way has ended. */
  #waiting: (() => void)[] = [];

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
    pending.context.waiting = pending;
    this.#due = Math.min(this.#due, now);
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
    this.#health.clear();
    this.#due = Number.POSITIVE_INFINITY;
    this.#committing = true;
    const started = this.#stopwatch();
    this.#store.commit({ requests: pending, events, health }, (result) => {
      const at = now();
      this.#committing = false;
      for (const one of pending) if (one.context.waiting === one) one.context.waiting = undefined;
      this.#metrics.commitSeconds.observe((this.#stopwatch() - started) / 1000);
      this.#metrics.commitRequests.observe(pending.length);
      this.#metrics.commits.add(result instanceof Error ? "failed" : "done");
      this.#settle(pending, result, at);
      if (result instanceof Error) {
        this.#events.giveBack(events, at);
        this.#consequences.failed(result);
      } else this.#consequences.committed(events);
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  /** Commits what waits now, behind the commit that is under way. Resolves when it is done, well or not. */
  async settle(now: () => number): Promise<void> {
    for (let commits = this.#committing ? 2 : 1; commits > 0; commits--) {
      this.flush(now);
      if (this.#committing) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #settle(pending: readonly Pending[], result: CommitResult, now: number): void {
    const stale: Pending[] = [];
    if (result instanceof Error) {
      if (pending.length > 0) this.#reconsider(pending, [], now);
      for (const one of pending) this.#consequences.undone(one);
      return;
    }
    for (let i = 0; i < pending.length; i++) {
      if (result[i] === "stored") this.#consequences.stored(pending[i]);
      else stale.push(pending[i]);
    }
    if (stale.length > 0) this.#reconsider(stale, stale, now);
  }

  /**
   * @param back requests that came to nothing: their contexts go back
   * @param again which of them are decided once more, before those that have come since
   */
  #reconsider(back: readonly Pending[], again: readonly Pending[], now: number): void {
    const waiting = this.#pending;
    this.#pending = [];
    for (const { context } of waiting) context.waiting = undefined;
    const restored = new Set<DeviceContext>();
    /** New keys that came to nothing, keys made out of these, and keys that are not in use any more. */
    const dead = new Set<DeviceContext>();
    for (const { context, former } of back) {
      if (former !== undefined) dead.add(context);
      if (restored.has(context) || dead.has(context)) continue;
      restored.add(context);
      const record = this.#store.replay(context);
      context.restore(record ?? LOST);
      if (record === undefined) dead.add(context);
    }
    for (const { context, former } of waiting) {
      if (former !== undefined && dead.has(former)) dead.add(context);
    }
    // The newest first, so that the oldest keys are left.
    for (const one of [...back, ...waiting].reverse()) {
      if (one.former !== undefined && dead.has(one.context)) this.#consequences.revoked(one, one.former);
    }
    for (const { device, context } of again) if (dead.has(context)) this.#consequences.replaced(device);

    for (const one of [...again, ...waiting]) {
      const { context, change } = one;
      if (dead.has(context)) this.#consequences.undone(one);
      else if (!restored.has(context)) this.add(one, now);
      else if (context.isLatest(one.exchange.request)) this.#consequences.again(one);
      else if (context.window === undefined && change.kind !== "resume") this.#consequences.undone(one);
      else if (context.window?.check(change.partialIv) === false) this.#consequences.taken(one);
      else {
        context.accept(change, one.exchange.request, one.answer);
        this.add(one, now);
      }
    }
  }
}

import { Allowances } from "./allowance.js";
import type { EventKind, EventRecord, Severity } from "./model.js";

/** What happened, before it is known whether it happened just now already. */
export interface Happening {
  readonly kind: EventKind;
  readonly severity: Severity;
  /** A short stable name. */
  readonly reason: string;
  /** A sentence for a person. What an attacker chooses freely does not belong into it. */
  readonly detail: string;
  readonly node?: string | undefined;
  readonly gateway?: string | undefined;
  /** How often, default 1. */
  readonly count?: number;
  /** What else tells two of the same reason apart. */
  readonly distinct?: string;
}

/** Identical events within this time of the first are one event with a count. */
const COALESCE_MS = 600_000;
/** Rows that may be made at once, and each second: what an attacker can fill the store with. */
const BURST = 100;
const RATE = 0.2;
/** A count that only grows is written at most this often: refusing must stay cheaper than attacking. */
const WRITE_MS = 1_000;

/**
 * The feed of security and system events. Bounded whatever comes: the same event again raises a count, new ones are
 * rationed, apart for what names a registered device and for what anybody on the network can cause, and what
 * exceeds the ration is one event that counts.
 */
export class EventLog {
  readonly #recent = new Map<string, EventRecord>();
  readonly #changed = new Set<EventRecord>();
  readonly #allowances = new Allowances(BURST, RATE);
  readonly #makeId: () => string;
  #writeAt = Number.POSITIVE_INFINITY;

  /** @param makeId a text that no other event has, now or in another run */
  constructor(makeId: () => string) {
    this.#makeId = makeId;
  }

  /** @param wall ms since 1970, for people; @param now the clock of deadlines */
  add(happening: Happening, wall: number, now: number): void {
    const { kind, reason, node, gateway } = happening;
    const key = JSON.stringify([kind, reason, node, gateway, happening.distinct]);
    const count = happening.count ?? 1;
    const recent = this.#recent.get(key);
    if (recent !== undefined && wall - recent.time < COALESCE_MS) {
      recent.count += count;
      recent.last = wall;
      recent.detail = happening.detail;
      this.#touch(recent, now + WRITE_MS);
      return;
    }
    const whose = node === undefined && gateway === undefined ? "anybody's" : "a device's";
    if (kind === "security" && !this.#allowances.take(whose, wall)) {
      // Of kind "system", so that it never waits for an allowance itself.
      this.add(
        {
          kind: "system",
          severity: "warning",
          reason: "events-not-listed",
          detail: "more events than are listed one by one: the metrics have counted them all",
          count,
        },
        wall,
        now,
      );
      return;
    }
    const event: EventRecord = {
      id: this.#makeId(),
      time: wall,
      last: wall,
      count,
      kind,
      severity: happening.severity,
      node,
      gateway,
      reason,
      detail: happening.detail,
    };
    this.#recent.delete(key);
    this.#recent.set(key, event);
    this.#forget(wall);
    this.#touch(event, now);
  }

  /** Entries stand in the order of their making, so the old ones are in front. */
  #forget(wall: number): void {
    for (const [key, event] of this.#recent) {
      if (wall - event.time < COALESCE_MS) break;
      this.#recent.delete(key);
    }
  }

  #touch(event: EventRecord, writeAt: number): void {
    this.#changed.add(event);
    this.#writeAt = Math.min(this.#writeAt, writeAt);
  }

  /** When what has changed wants to be written; `Infinity` when nothing has. */
  get deadline(): number {
    return this.#writeAt;
  }

  /** What has changed since the last call. */
  take(): EventRecord[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    this.#writeAt = Number.POSITIVE_INFINITY;
    return changed;
  }

  /** Writing failed: they want to be written again. */
  giveBack(events: readonly EventRecord[], now: number): void {
    for (const event of events) this.#changed.add(event);
    if (events.length > 0) this.#writeAt = Math.min(this.#writeAt, now + WRITE_MS);
  }
}

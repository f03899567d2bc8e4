import type { KeyValueStore } from "../../hal/hal.js";
import { ByteReader } from "../bytes/reader.js";
import { ByteWriter } from "../bytes/writer.js";
import type { MeshStorage } from "./mesh-storage.js";

const KEY = "mesh.iv";
const HOUR = 3_600_000;
/** At least this long in each of the two states (Mesh Profile §3.10.5) … */
const LEAST_HOURS = 96;
/** … and at most this long in the second one. */
const MOST_HOURS_UPDATING = 144;
/** Between two recoveries, or two updates that one node starts (§3.10.5, §3.10.6). */
const RECOVERY_HOURS = 192;
/** Furthest jump that a recovery may make (§3.10.6): 48 weeks. */
const RECOVERY_JUMP = 42;
/** Hours in the present state are stored this often: the clock does not run while the power is off. */
const STORE_EVERY_HOURS = 8;
const BUSY_RETRY = 1000;
const NEVER = Number.POSITIVE_INFINITY;

/** What became of a beacon's IV Index (§3.10.5). */
export type IvVerdict =
  | "same"
  | "changed"
  | "ignored-old"
  | "ignored-far"
  | "ignored-early"
  | "deferred"
  | "storage-failure";

/** Where the IV Index is kept, and what it begins with. */
export interface IvIndexOptions {
  /** A plain store will do too; its failures are exceptions then. */
  readonly storage: MeshStorage | KeyValueStore;
  readonly ivIndex: number;
  readonly updating: boolean;
  /** Lifts the limits of 96 and 192 hours (§3.10.5.1 IV Update test mode). */
  readonly testMode: boolean;
  readonly now: number;
  /** Called after a change has been stored, with whether PDUs are sent under another IV Index now. */
  readonly changed: (transmitChanged: boolean) => void;
  /** Own segmented messages are under way, which must end under the IV Index that they began with. */
  readonly busy: () => boolean;
}

/**
 * The IV Index and its update (Mesh Profile §3.10.5) and recovery (§3.10.6).
 *
 * What must not go wrong is the order on storage: a new IV Index is stored before the first PDU is sent under it, so
 * that no restart can fall back to an old one with sequence numbers starting at zero.
 */
export class IvIndex {
  readonly #options: IvIndexOptions;
  #current: number;
  #updating: boolean;
  /** Hours in the present state before {@link #since}. */
  #hoursBefore = 0;
  #since: number;
  #storedHours = 0;
  /** The network may be in its state for longer than this node knows: it was off, or has only just joined. */
  #hoursUnknown = true;
  #recoveredAt = Number.NEGATIVE_INFINITY;
  /** Normal operation is due, and waits for own messages: when to look again. */
  #retryAt = NEVER;

  constructor(options: IvIndexOptions) {
    this.#options = options;
    this.#current = options.ivIndex;
    this.#updating = options.updating;
    this.#since = options.now;
    const stored = options.storage.get(KEY);
    if (stored === undefined) return;
    const reader = new ByteReader(stored);
    const ivIndex = reader.u32() ?? 0;
    const updating = reader.u8() === 1;
    // What provisioning said counts when it is newer than what this node knew last.
    const newer =
      ivIndex > options.ivIndex || (ivIndex === options.ivIndex && (options.updating || !updating));
    if (!newer) return;
    this.#current = ivIndex;
    this.#updating = updating;
    this.#hoursBefore = reader.u16() ?? 0;
    this.#storedHours = this.#hoursBefore;
  }

  /** For receiving: PDUs of this IV Index and of the one before are taken. */
  get current(): number {
    return this.#current;
  }

  /** For sending: the one before while an update is in progress (§3.10.5). */
  get transmit(): number {
    return this.#updating ? this.#current - 1 : this.#current;
  }

  /** IV Update in Progress, as in the IV Update flag of beacons. */
  get updating(): boolean {
    return this.#updating;
  }

  get deadline(): number {
    if (this.#retryAt !== NEVER) return this.#retryAt;
    // Once the longest time has passed nothing hangs on the hours any more.
    const store =
      this.#storedHours < MOST_HOURS_UPDATING ? this.#at(this.#storedHours + STORE_EVERY_HOURS) : NEVER;
    return this.#updating ? Math.min(store, this.#at(LEAST_HOURS)) : store;
  }

  /** Ends an IV Update that has had its time at `now` (ms). */
  tick(now: number): void {
    // §3.10.5: after 96 hours every node goes back by itself.
    const due = this.#retryAt === NEVER ? this.#at(LEAST_HOURS) : this.#retryAt;
    if (this.#updating && now >= due) this.#leave(now);
    if (this.#storedHours < MOST_HOURS_UPDATING && now >= this.#at(this.#storedHours + STORE_EVERY_HOURS)) {
      this.#storeHours(now);
    }
  }

  /**
   * Starts an update, for instance because SEQ runs out (§3.10.5).
   * @returns false when one is in progress, or less than 96 hours have passed since the last change
   */
  start(now: number): boolean {
    if (this.#updating || (!this.#options.testMode && now < this.#at(LEAST_HOURS))) return false;
    if (this.#current === 0xffffffff) return false;
    return this.#change(this.#current + 1, true, now);
  }

  /** Goes back to normal operation in test mode, which otherwise happens by time. */
  finish(now: number): boolean {
    if (!this.#updating || !this.#options.testMode) return false;
    this.#leave(now);
    return true;
  }

  /** An authenticated beacon of the subnet that counts has said this (§3.10.5, §3.10.6). */
  heard(ivIndex: number, updating: boolean, now: number): IvVerdict {
    if (ivIndex < this.#current) return "ignored-old";
    if (ivIndex === this.#current) {
      if (updating === this.#updating) return "same";
      // The update is over for this node: a neighbour that is later does not bring it back.
      if (updating) return "ignored-old";
      if (!this.#mayFollow(now)) return "ignored-early";
      this.#leave(now);
      return this.#updating ? "deferred" : "changed";
    }
    if (ivIndex > this.#current + RECOVERY_JUMP) return "ignored-far";
    if (ivIndex === this.#current + 1 && updating && !this.#updating) {
      if (!this.#mayFollow(now)) return "ignored-early";
      return this.#change(ivIndex, true, now) ? "changed" : "storage-failure";
    }
    // This node has missed a step or more, because it was off or out of reach.
    const { testMode } = this.#options;
    if (!testMode && now - this.#recoveredAt < RECOVERY_HOURS * HOUR) return "ignored-early";
    if (!this.#change(ivIndex, updating, now)) return "storage-failure";
    this.#recoveredAt = now;
    return "changed";
  }

  /** Back to normal operation, as soon as no own message is under way, and at 144 hours in any case. */
  #leave(now: number): void {
    const busy = this.#options.busy() && now < this.#at(MOST_HOURS_UPDATING);
    if (busy || !this.#change(this.#current, false, now)) this.#retryAt = now + BUSY_RETRY;
  }

  #mayFollow(now: number): boolean {
    return this.#options.testMode || this.#hoursUnknown || now >= this.#at(LEAST_HOURS);
  }

  /** When the present state has lasted for so many hours. */
  #at(hours: number): number {
    return this.#since + (hours - this.#hoursBefore) * HOUR;
  }

  /** @returns false when the change cannot be stored, and is not made then */
  #change(ivIndex: number, updating: boolean, now: number): boolean {
    if (!this.#write(ivIndex, updating, 0)) return false;
    const before = this.transmit;
    this.#current = ivIndex;
    this.#updating = updating;
    this.#hoursBefore = 0;
    this.#storedHours = 0;
    this.#since = now;
    this.#hoursUnknown = false;
    this.#retryAt = NEVER;
    this.#options.changed(this.transmit !== before);
    return true;
  }

  #storeHours(now: number): void {
    // Rounded, so that a tick just before the full hour does not store the one before. Should the write fail, the
    // next one comes with the next hours.
    const hours = Math.round(this.#hoursBefore + (now - this.#since) / HOUR);
    this.#storedHours = Math.min(hours, MOST_HOURS_UPDATING);
    this.#write(this.#current, this.#updating, this.#storedHours);
  }

  #write(ivIndex: number, updating: boolean, hours: number): boolean {
    const writer = new ByteWriter(7)
      .u32(ivIndex)
      .u8(updating ? 1 : 0)
      .u16(hours);
    return this.#options.storage.set(KEY, writer.finish()) !== false;
  }
}

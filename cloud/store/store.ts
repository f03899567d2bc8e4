import type { EventKind, EventRecord, NodeKind, ReadingRecord, Severity } from "../model.js";

/** A registered device. */
export interface NodeRecord {
  readonly id: number;
  readonly name: string;
  readonly kind: NodeKind;
  readonly meshAddress: number | undefined;
  readonly place: string | undefined;
  readonly created: number;
}

/** What has been accepted from a node under one set of keys; durable, because a server that forgets it is open to replays. */
export interface ReplayRecord {
  /** Highest Partial IV accepted; −1 before the first. */
  readonly highest: number;
  /** The replay window as firmware/oscore saves it; `undefined` when it is not known any more what was accepted. */
  readonly seen: Uint8Array | undefined;
  /** The newest accepted request as received (OSCORE option and ciphertext), and the answer that went out for it. */
  readonly lastRequest: Uint8Array | undefined;
  readonly lastAnswer: Uint8Array | undefined;
  /** How often it was written, in a store that several servers share; else 0. */
  readonly version: number;
}

/** One set of OSCORE keys of one node. New keys make a new record, so that (record, Partial IV) never means two messages. */
export interface ContextRecord extends ReplayRecord {
  readonly id: number;
  readonly node: number;
  /** Sealed by the vault. */
  readonly keys: Uint8Array;
  readonly replayWindow: number;
}

/** A set of keys by its row; 0 for one that the store is about to get. */
export interface ContextRef {
  id: number;
  /** Of the {@link ReplayRecord} that the state in memory was made from; the store counts on with each commit of ours. */
  version: number;
}

/** A device as it is registered now. */
export interface Registered {
  readonly node: NodeRecord;
  readonly context: ContextRecord | undefined;
}

/** A set of keys with what was accepted under them, including all that is being committed. */
export interface ContextState extends ContextRef {
  /** As of now: a store asks while `commit` is called, not later. */
  state(): ReplayRecord;
}

/** What registering a device writes. */
export interface NodeDraft {
  readonly name: string;
  readonly kind: NodeKind;
  readonly meshAddress: number | undefined;
  readonly place: string | undefined;
  readonly now: number;
  /** `"keep"`: the keys it has, or none, with this window. */
  readonly context: ContextDraft | "keep";
  readonly replayWindow: number;
}

export interface ContextDraft {
  /** Recognises keys that were here before: their replay state goes on, even when the node had been removed. */
  readonly fingerprint: Uint8Array;
  readonly nodeId: Uint8Array;
  readonly idContext: Uint8Array | undefined;
  /** Sealed. */
  readonly keys: Uint8Array;
  /** The replay window to begin with; `undefined` when it is not known what was received under the keys. */
  readonly seen: Uint8Array | undefined;
  /** The first of our numbers that was never used under the keys; `undefined` when that is not known. */
  readonly senderSequence: number | undefined;
}

/** Keys that node and server have made out of others (RFC 8613 App. B.2), which they replace. */
export interface Takeover {
  readonly from: ContextRef;
  readonly fingerprint: Uint8Array;
  /** Sealed. */
  readonly keys: Uint8Array;
}

export interface SavedNode extends Registered {
  readonly created: boolean;
}

/** What a device last reported about itself, as JSON text: the store does not look inside. */
export interface HealthRecord {
  readonly node: number;
  readonly time: number;
  /** Where it came from, "host:port". */
  readonly source: string;
  readonly body: string;
  /** What of it is kept for good; only of gateways. */
  readonly figures?: HealthFigures;
}

/** What a gateway's report says in numbers. */
export interface HealthFigures {
  /** dBm */
  readonly rsrp: number | undefined;
  /** Datagrams that wait. */
  readonly queue: number | undefined;
  /** mV */
  readonly battery: number | undefined;
  /** Since its start, of all kinds. */
  readonly dropped: number | undefined;
  /** How many nodes it hears. */
  readonly heard: number | undefined;
}

/** Reports of a gateway over equal spans of time: means, and the worst where that is what matters. */
export interface HealthPoint {
  readonly time: number;
  readonly count: number;
  readonly rsrp: number | null;
  readonly rsrpMin: number | null;
  readonly rsrpMax: number | null;
  readonly queue: number | null;
  readonly queueMax: number | null;
  /** V */
  readonly battery: number | null;
  readonly dropped: number | null;
  readonly heard: number | null;
}

/** A request that passed the replay window in memory, and what it brings. */
/** ms. Ages are told in seconds: a copy whose time is earlier by less says nothing better. */
export const AGE_RESOLUTION = 1000;

export interface AcceptedRequest {
  /** Of a takeover: gets its number with the commit. */
  readonly context: ContextState;
  readonly takeover: Takeover | undefined;
  readonly partialIv: number;
  readonly received: number;
  readonly readings: readonly ReadingRecord[];
  /** The message as received, where sealed storage is wanted (DESIGN §4.10). */
  readonly sealed: Uint8Array | undefined;
}

/** What is written in one transaction. */
export interface Batch {
  readonly requests: readonly AcceptedRequest[];
  readonly events: readonly EventRecord[];
  readonly health: readonly HealthRecord[];
}

/**
 * What became of each request. "stale": another server on the same store has written under these keys, or replaced them,
 * since this one last looked, so that what it decided was decided on old knowledge. Nothing of the request has happened;
 * {@link Store.replay} has what is true now.
 * Readings that were stored now have their row number in `id`, those that were stored before have 0: of these the
 * earlier time is kept when a later message brings them, because on its way a reading can only have grown older than
 * it says.
 */
export type Outcome = "stored" | "stale";
export type CommitResult = readonly Outcome[] | Error;

export interface ReadingQuery {
  /** All nodes when absent. */
  readonly node?: number;
  /** Inclusive, by the time of measurement. */
  readonly from?: number;
  readonly to?: number;
  /** The newest ones are taken. */
  readonly limit: number;
}

export interface ReadingPage extends ReadingQuery {
  readonly after: { readonly time: number; readonly id: number };
}

/** A message as received (DESIGN §4.10): the outer CoAP message. */
export interface SealedMessage {
  readonly node: number;
  readonly context: number;
  readonly partialIv: number;
  readonly received: number;
  readonly message: Uint8Array;
  /** Sealed by the vault; `null` when they were forgotten. */
  readonly keys: Uint8Array | null;
}

export interface SealedQuery {
  readonly node?: number;
  readonly after: { readonly context: number; readonly partialIv: number };
  readonly limit: number;
}

/** How long what is kept, in ms. What is absent is kept for ever. */
export interface Keep {
  /** Single readings; then they become hourly means. Reports of gateways are let go of then. */
  readonly raw?: number;
  /** Hourly means; then they become daily ones. */
  readonly hourly?: number;
  /** Daily means. */
  readonly daily?: number;
  /** Sealed messages. */
  readonly sealed?: number;
  /** How many events. */
  readonly events?: number;
}

/** Means over equal spans of time: what a chart draws. */
export interface SeriesPoint {
  /** Start of the span. */
  readonly time: number;
  readonly count: number;
  readonly temperature: number | null;
  readonly temperatureMin: number | null;
  readonly temperatureMax: number | null;
  readonly humidity: number | null;
  readonly humidityMin: number | null;
  readonly humidityMax: number | null;
  readonly battery: number | null;
}

export interface EventQuery {
  readonly kind?: EventKind;
  readonly severity?: Severity;
  /** Name of the node or gateway concerned. */
  readonly node?: string;
  /** Only events before this time of their last occurrence. */
  readonly before?: number;
  /** With `before`: of those that last occurred at that very time, only the ones listed behind this one. */
  readonly beforeId?: string;
  /** Part of the reason, the detail or a name, whatever its case. */
  readonly text?: string;
  readonly limit: number;
}

/** Everything that the server keeps in memory from its start on. */
export interface Snapshot {
  readonly nodes: readonly NodeRecord[];
  /** Removed ones, whose readings are still there. */
  readonly former: readonly { readonly id: number; readonly name: string }[];
  readonly contexts: readonly ContextRecord[];
  readonly health: readonly HealthRecord[];
  /** The newest reading of each node. */
  readonly newest: readonly ReadingRecord[];
  /** ms between the last messages of each node that has brought several. */
  readonly intervals: readonly { readonly node: number; readonly interval: number }[];
  readonly readings: number;
}

/** Thrown by {@link Store.saveNode} when another registered node has these IDs. */
export class ContextTaken extends Error {
  readonly holder: string;
  constructor(holder: string) {
    super(`node "${holder}" has this OSCORE ID already`);
    this.holder = holder;
  }
}

/** Readings that were stored and are still to be passed on to others, in the order of their commits. */
export interface Outbox {
  /** Whether what is stored from now on is to be passed on. */
  enabled: boolean;
  /** The oldest ones. They stay until they have {@link passed}. */
  take(limit: number): Promise<ReadingRecord[]>;
  passed(readings: readonly ReadingRecord[]): Promise<void>;
  /** They did not pass, and another server may take them now; without this, in a minute. */
  giveBack(readings: readonly ReadingRecord[]): Promise<void>;
  /** Lets go of the oldest ones that exceed a number. @returns how many */
  trim(most: number): Promise<number>;
}

/**
 * Where everything that must outlive the process is. `commit` is the hot path and calls back, at once where the store
 * is synchronous; everything else is rare and gives promises, so that a store across a network fits behind it too.
 */
export interface Store {
  readonly outbox: Outbox;
  /** Called when another server on the same store has changed a device: its number; `undefined` when it may be any. */
  onChanged: (node: number | undefined) => void;
  /**
   * Notes what names the key that nodes' keys are sealed and recognised under, the first time.
   * @returns false when it was noted before, and is another one now: then keys that were here would not be recognised
   */
  claim(mark: Uint8Array): Promise<boolean>;
  load(): Promise<Snapshot>;
  /**
   * Durable when `done` is called with outcomes; nothing of it counts when it is called with an error. One at a time.
   * Of all servers on one store, one gets a Partial IV "stored".
   */
  commit(batch: Batch, done: (result: CommitResult) => void): void;
  /**
   * Takes `count` of our Sender Sequence Numbers under a set of keys, durably before it returns.
   * @returns the first; "lost" when it is not known which were used, "later" when none can be had at the moment
   */
  reserve(context: ContextRef, count: number): number | "lost" | "later";
  /**
   * What the store has of a set of keys, as far as it has heard, after a commit that was not stored; `undefined` when
   * they are not in use.
   */
  replay(context: ContextRef): ReplayRecord | undefined;
  /** The devices, or the one of this number. */
  registered(node?: number): Promise<Registered[]>;
  saveNode(draft: NodeDraft): Promise<SavedNode>;
  /** Keeps the replay state of its keys, forgets the keys. */
  removeNode(id: number, now: number): Promise<void>;
  /** The newest, ascending by time of measurement. */
  readings(query: ReadingQuery): Promise<ReadingRecord[]>;
  /** The next ones behind `after`, ascending by time and row: a large answer is read in pages, between which others write. */
  page(query: ReadingPage): Promise<ReadingRecord[]>;
  /** At most `points` spans of equal length between `from` and `to`; empty ones are left out. */
  series(node: number, from: number, to: number, points: number): Promise<SeriesPoint[]>;
  /** As `series`, of a gateway's reports. */
  healthSeries(node: number, from: number, to: number, points: number): Promise<HealthPoint[]>;
  /** Newest first. */
  events(query: EventQuery): Promise<EventRecord[]>;
  /** A page of the messages that were kept as received, by context and Partial IV. */
  sealed(query: SealedQuery): Promise<SealedMessage[]>;
  /**
   * Lets go of what is older than it is to be kept; readings become means first. Does a bounded piece of it.
   * @returns whether there is more to do
   */
  thin(keep: Keep, now: number): Promise<boolean>;
  /** A whole and consistent copy, while running. */
  backup(file: string): Promise<void>;
  close(): Promise<void>;
}

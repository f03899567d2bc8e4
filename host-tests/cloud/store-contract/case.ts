/** A store under test, and what it is asked with. */

import assert from "node:assert/strict";
import { FRESH } from "../../../cloud/context.js";
import type { EventRecord, ReadingRecord } from "../../../cloud/model.js";
import type {
  AcceptedRequest,
  Batch,
  CommitResult,
  ContextDraft,
  ContextState,
  NodeDraft,
  ReplayRecord,
  SavedNode,
  Store,
} from "../../../cloud/store/store.js";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** A midnight. */
export const START = Date.UTC(2026, 0, 2);
export const HIGHEST = 2 ** 40 - 1;

/** One implementation, with a place of its own for its data. */
export interface PlaceOfStore {
  /** Opens the store on what the place holds: the first time nothing, later what a killed process left. */
  open(): Promise<Store>;
  /** Closes what was opened, and removes the place. */
  close(): Promise<void>;
}

/** A set of keys as a store sees it. */
export class TestKeys implements ContextState {
  id: number;
  version: number;
  record: ReplayRecord;

  constructor(record: ReplayRecord & { readonly id: number }) {
    this.id = record.id;
    this.version = record.version;
    this.record = record;
  }

  state(): ReplayRecord {
    return this.record;
  }
}

export function contextDraft(seed: number, fields: Partial<ContextDraft> = {}): ContextDraft {
  const bytes = (length: number) => new Uint8Array(length).fill(seed);
  return {
    fingerprint: bytes(32),
    nodeId: Uint8Array.of(seed),
    idContext: undefined,
    keys: bytes(60),
    seen: FRESH.seen,
    senderSequence: 0,
    ...fields,
  };
}

export function nodeDraft(name: string, fields: Partial<NodeDraft> = {}): NodeDraft {
  return {
    name,
    kind: "node",
    meshAddress: undefined,
    place: undefined,
    now: START,
    context: "keep",
    replayWindow: 1,
    ...fields,
  };
}

export function commit(store: Store, batch: Partial<Batch>): Promise<CommitResult> {
  return new Promise((resolve) => store.commit({ requests: [], events: [], health: [], ...batch }, resolve));
}

/** A reading of a device under a Partial IV. */
export const readingOf = (
  { node }: SavedNode,
  partialIv: number,
  fields: Partial<ReadingRecord> = {},
): ReadingRecord => ({
  id: 0,
  node: node.id,
  time: START + partialIv,
  temperature: 2000,
  humidity: 4000,
  battery: 3000,
  received: START + partialIv,
  gateway: undefined,
  hops: undefined,
  partialIv,
  position: 0,
  ...fields,
});

/** An accepted request. */
export const request = (
  keys: ContextState,
  partialIv: number,
  readings: readonly ReadingRecord[] = [],
  fields: Partial<AcceptedRequest> = {},
): AcceptedRequest => ({
  context: keys,
  takeover: undefined,
  partialIv,
  received: START,
  readings,
  sealed: undefined,
  ...fields,
});

/** An event of the system. */
export const event = (id: string, fields: Partial<EventRecord> = {}): EventRecord => ({
  id,
  time: START,
  last: START,
  count: 1,
  kind: "system",
  severity: "info",
  node: undefined,
  gateway: undefined,
  reason: "test",
  detail: "a test",
  ...fields,
});

export const all = { limit: 100_000 };

/** The store of the test that runs, which may be closed and opened again. */
export class StoreCase {
  #place!: PlaceOfStore;
  store!: Store;

  async open(place: PlaceOfStore): Promise<void> {
    this.#place = place;
    this.store = await place.open();
  }

  async reopen(): Promise<Awaited<ReturnType<Store["load"]>>> {
    await this.store.close();
    this.store = await this.#place.open();
    return this.store.load();
  }

  /** A registered node with keys. */
  async register(
    name: string,
    seed: number,
    fields: Partial<NodeDraft> = {},
  ): Promise<SavedNode & { keys: TestKeys }> {
    const saved = await this.store.saveNode(nodeDraft(name, { context: contextDraft(seed), ...fields }));
    assert.ok(saved.context);
    return { ...saved, keys: new TestKeys(saved.context) };
  }

  async close(): Promise<void> {
    await this.store.close();
    await this.#place.close();
  }
}

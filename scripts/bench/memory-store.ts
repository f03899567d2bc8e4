import type {
  Batch,
  CommitResult,
  ContextRecord,
  ContextRef,
  NodeDraft,
  SavedNode,
  Snapshot,
  Store,
} from "../../cloud/store/store.js";

/** A store that forgets: what remains is the server without a disk. */
export class MemoryStore implements Store {
  onChanged: (node: number | undefined) => void = () => {};
  /** What it holds itself, to be taken off where memory is measured. */
  bytes = 0;
  readonly outbox = {
    enabled: false,
    take: async () => [],
    passed: async () => {},
    giveBack: async () => {},
    trim: async () => 0,
  };
  #next = 1;

  async claim(): Promise<boolean> {
    return true;
  }

  async load(): Promise<Snapshot> {
    return { nodes: [], former: [], contexts: [], health: [], newest: [], intervals: [], readings: 0 };
  }

  commit({ requests }: Batch, done: (result: CommitResult) => void): void {
    for (const { readings } of requests) for (const reading of readings) reading.id = this.#next++;
    done(requests.map(() => "stored" as const));
  }

  replay(): undefined {
    return undefined;
  }

  reserve(_context: ContextRef, _count: number): "lost" {
    return "lost";
  }

  async registered(): Promise<[]> {
    return [];
  }

  async saveNode({
    name,
    kind,
    meshAddress,
    place,
    now,
    context,
    replayWindow,
  }: NodeDraft): Promise<SavedNode> {
    const id = this.#next++;
    const record: ContextRecord | undefined =
      context === "keep"
        ? undefined
        : {
            id,
            node: id,
            keys: context.keys,
            replayWindow,
            highest: -1,
            seen: context.seen,
            lastRequest: undefined,
            lastAnswer: undefined,
            version: 0,
          };
    return { node: { id, name, kind, meshAddress, place, created: now }, context: record, created: true };
  }

  async removeNode(): Promise<void> {}
  async readings(): Promise<[]> {
    return [];
  }
  async page(): Promise<[]> {
    return [];
  }
  async healthSeries(): Promise<[]> {
    return [];
  }

  async series(): Promise<[]> {
    return [];
  }
  async events(): Promise<[]> {
    return [];
  }
  async sealed(): Promise<[]> {
    return [];
  }
  async thin(): Promise<boolean> {
    return false;
  }
  async backup(): Promise<void> {}
  async close(): Promise<void> {}
}

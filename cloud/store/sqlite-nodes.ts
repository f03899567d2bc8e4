import type Database from "better-sqlite3";
import { equalConstantTime } from "../../firmware/bytes/compare.js";
import type { ReadingRecord } from "../model.js";
import { fromRow, INTERVALS, nullable, READING_COLUMNS, type Row } from "./rows.js";
import {
  type ContextDraft,
  type ContextRecord,
  type ContextRef,
  ContextTaken,
  type HealthRecord,
  type NodeDraft,
  type NodeRecord,
  type Registered,
  type ReplayRecord,
  type SavedNode,
  type Snapshot,
} from "./store.js";

const CONTEXT_COLUMNS = `id, node, keys, replay_window AS replayWindow, replay_highest AS highest, replay_seen AS seen,
  last_request AS lastRequest, last_answer AS lastAnswer, 0 AS version`;
const NODE_COLUMNS = "id, name, kind, mesh_address AS meshAddress, place, created";

/** Devices and their keys. */
export class NodeTables {
  readonly #database: Database.Database;
  readonly #reserve: Database.Statement<[{ count: number; id: number }], { first: number | null }>;
  readonly save: (draft: NodeDraft) => SavedNode;
  readonly remove: (id: number, now: number) => void;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#reserve = database.prepare(
      `UPDATE contexts SET sender_sequence = sender_sequence + @count WHERE id = @id
       RETURNING sender_sequence - @count AS first`,
    );
    // Immediate: one that reads first could not write any more when the thread that commits was between.
    this.save = database.transaction((draft: NodeDraft) => this.#save(draft)).immediate;
    this.remove = database.transaction((id: number, now: number) => this.#remove(id, now)).immediate;
  }

  claim(mark: Uint8Array): boolean {
    this.#database.prepare("INSERT INTO claim SELECT ? WHERE NOT EXISTS (SELECT 1 FROM claim)").run(mark);
    const noted = this.#database.prepare<[], { mark: Buffer }>("SELECT mark FROM claim").get();
    return noted !== undefined && equalConstantTime(noted.mark, mark);
  }

  load(): Snapshot {
    const database = this.#database;
    const nodes = database
      .prepare<[], Row<NodeRecord>>(`SELECT ${NODE_COLUMNS} FROM nodes WHERE removed IS NULL ORDER BY id`)
      .all();
    const former = database
      .prepare<[], { id: number; name: string }>("SELECT id, name FROM nodes WHERE removed IS NOT NULL")
      .all();
    const contexts = database
      .prepare<[], Row<ContextRecord>>(`SELECT ${CONTEXT_COLUMNS} FROM contexts WHERE active = 1 ORDER BY id`)
      .all();
    const health = database.prepare<[], HealthRecord>("SELECT node, time, source, body FROM health").all();
    // One look into the index per node, however many readings it has.
    const newest = database
      .prepare<[], Row<ReadingRecord>>(
        `SELECT ${READING_COLUMNS} FROM readings WHERE id IN (
           SELECT (SELECT r.id FROM readings r WHERE r.node = n.id ORDER BY r.time DESC LIMIT 1) FROM nodes n)`,
      )
      .all();
    const intervals = database.prepare<[], { node: number; interval: number }>(INTERVALS).all();
    const { readings } = database
      .prepare<[], { readings: number }>("SELECT ifnull(max(id), 0) AS readings FROM readings")
      .get()!;
    return {
      nodes: nodes.map((row) => fromRow<NodeRecord>(row)),
      former,
      contexts: contexts.map((row) => fromRow<ContextRecord>(row)),
      health,
      newest: newest.map((row) => fromRow<ReadingRecord>(row)),
      intervals,
      readings,
    };
  }

  #save(draft: NodeDraft): SavedNode {
    const database = this.#database;
    const known = database
      .prepare<[string], { id: number; removed: number | null }>(
        "SELECT id, removed FROM nodes WHERE name = ?",
      )
      .get(draft.name);
    // A removed name that comes back is the same node again: its readings are still there.
    database
      .prepare(
        `INSERT INTO nodes (name, kind, mesh_address, place, created) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, mesh_address = excluded.mesh_address,
           place = excluded.place, removed = NULL`,
      )
      .run(draft.name, draft.kind, nullable(draft.meshAddress), nullable(draft.place), draft.now);
    const node = fromRow<NodeRecord>(
      database
        .prepare<[string], Row<NodeRecord>>(`SELECT ${NODE_COLUMNS} FROM nodes WHERE name = ?`)
        .get(draft.name)!,
    );
    const { replayWindow } = draft;
    const context =
      draft.context === "keep"
        ? this.#keep(node.id, replayWindow)
        : this.#activate(node.id, draft.context, replayWindow);
    return { node, context, created: known === undefined || known.removed !== null };
  }

  #keep(node: number, replayWindow: number): ContextRecord | undefined {
    this.#database
      .prepare("UPDATE contexts SET replay_window = ? WHERE node = ? AND active = 1")
      .run(replayWindow, node);
    const row = this.#database
      .prepare<[number], Row<ContextRecord>>(
        `SELECT ${CONTEXT_COLUMNS} FROM contexts WHERE node = ? AND active = 1`,
      )
      .get(node);
    return row && fromRow<ContextRecord>(row);
  }

  #activate(node: number, draft: ContextDraft, replayWindow: number): ContextRecord {
    const database = this.#database;
    const holder = database
      .prepare<[Uint8Array, Uint8Array | null, number], { name: string }>(
        `SELECT n.name FROM contexts c JOIN nodes n ON n.id = c.node
         WHERE c.active = 1 AND c.node_id = ? AND c.id_context IS ? AND c.node <> ?`,
      )
      .get(draft.nodeId, nullable(draft.idContext), node);
    if (holder !== undefined) throw new ContextTaken(holder.name);
    const current = database
      .prepare<[number], { provisioned: Buffer }>(
        "SELECT provisioned FROM contexts WHERE node = ? AND active = 1",
      )
      .get(node);
    // The same keys once more: what was made out of them since stays.
    if (current !== undefined && equalConstantTime(current.provisioned, draft.fingerprint)) {
      return this.#keep(node, replayWindow)!;
    }
    this.#dropContexts(node);
    database
      .prepare(
        `INSERT INTO contexts (node, generation, fingerprint, provisioned, node_id, id_context, keys, active,
           replay_window, replay_seen, sender_sequence)
         VALUES (@node, (SELECT ifnull(max(generation), 0) + 1 FROM contexts WHERE node = @node), @fingerprint,
           @fingerprint, @nodeId, @idContext, @keys, 1, @replayWindow, @seen, @senderSequence)
         ON CONFLICT (fingerprint) DO UPDATE SET node = excluded.node, active = 1, keys = excluded.keys,
           generation = CASE node WHEN excluded.node THEN generation ELSE excluded.generation END`,
      )
      .run({
        ...draft,
        node,
        replayWindow,
        idContext: nullable(draft.idContext),
        seen: nullable(draft.seen),
        senderSequence: nullable(draft.senderSequence),
      });
    return this.#keep(node, replayWindow)!;
  }

  /** Keys that nothing needs any more are forgotten; sealed messages need theirs. */
  #dropContexts(node: number): void {
    this.#database.prepare("UPDATE contexts SET active = 0 WHERE node = ? AND active = 1").run(node);
    this.#database
      .prepare(
        `UPDATE contexts SET keys = NULL WHERE node = ? AND active = 0
           AND NOT EXISTS (SELECT 1 FROM sealed s WHERE s.context = contexts.id)`,
      )
      .run(node);
  }

  replay(context: ContextRef): ReplayRecord | undefined {
    const row = this.#database
      .prepare<[number], Row<ContextRecord>>(`SELECT ${CONTEXT_COLUMNS} FROM contexts WHERE id = ?`)
      .get(context.id);
    return row && fromRow<ContextRecord>(row);
  }

  reserve(context: ContextRef, count: number): number | "lost" {
    return this.#reserve.get({ count, id: context.id })?.first ?? "lost";
  }

  registered(node?: number): Registered[] {
    const { nodes, contexts } = this.load();
    return nodes
      .filter(({ id }) => node === undefined || id === node)
      .map((record) => ({ node: record, context: contexts.find((context) => context.node === record.id) }));
  }

  #remove(id: number, now: number): void {
    this.#dropContexts(id);
    this.#database.prepare("DELETE FROM health WHERE node = ?").run(id);
    this.#database.prepare("UPDATE nodes SET removed = ? WHERE id = ?").run(now, id);
  }
}

import type { ClientBase } from "pg";
import { equalConstantTime } from "../../firmware/bytes/compare.js";
import type { ReadingRecord } from "../model.js";
import { isConflict, isDuplicate, type PostgresDatabase } from "./postgres-connection.js";
import { VERSION_TABLE } from "./postgres-schema.js";
import type { SequenceStock } from "./postgres-sequences.js";
import { CHANNEL } from "./postgres-watch.js";
import { fromRow, INTERVALS, nullable, READING_COLUMNS, type Row } from "./rows.js";
import {
  type ContextDraft,
  type ContextRecord,
  ContextTaken,
  type HealthRecord,
  type NodeDraft,
  type NodeRecord,
  type Registered,
  type ReplayRecord,
  type SavedNode,
  type Snapshot,
} from "./store.js";

const CONTEXT_COLUMNS = `id, node, keys, replay_window AS "replayWindow", version, replay_highest AS highest,
  replay_seen AS seen, last_request AS "lastRequest", last_answer AS "lastAnswer"`;
const NODE_COLUMNS = `id, name, kind, mesh_address AS "meshAddress", place, created`;

/**
 * Devices and their keys.
 *
 * Whoever changes a device holds its row in `nodes` first and those in `contexts` then, so that two servers that change
 * one device do it one after the other.
 */
export class PostgresNodes {
  readonly #database: PostgresDatabase;
  readonly #sequences: SequenceStock;
  /** Tells our notifications from those of others. */
  readonly #server: string;
  /** What the rows of the keys in use said when we last read or wrote them. */
  readonly known = new Map<number, ReplayRecord>();

  constructor(database: PostgresDatabase, sequences: SequenceStock, server: string) {
    this.#database = database;
    this.#sequences = sequences;
    this.#server = server;
  }

  async claim(mark: Uint8Array): Promise<boolean> {
    const { rows } = await this.#database.queries.query<{ claim: Buffer }>(
      `UPDATE ${VERSION_TABLE} SET claim = coalesce(claim, $1) RETURNING claim`,
      [mark],
    );
    return equalConstantTime(rows[0].claim, mark);
  }

  async load(): Promise<Snapshot> {
    const snapshot = await this.#database.transaction(
      async (client): Promise<Snapshot> => {
        const nodes = await client.query<Row<NodeRecord>>(
          `SELECT ${NODE_COLUMNS} FROM nodes WHERE removed IS NULL ORDER BY id`,
        );
        const former = await client.query<{ id: number; name: string }>(
          "SELECT id, name FROM nodes WHERE removed IS NOT NULL",
        );
        const contexts = await client.query<Row<ContextRecord>>(
          `SELECT ${CONTEXT_COLUMNS} FROM contexts WHERE active ORDER BY id`,
        );
        const health = await client.query<HealthRecord>("SELECT node, time, source, body FROM health");
        // One look into the index per node, however many readings it has.
        const newest = await client.query<Row<ReadingRecord>>(
          `SELECT r.* FROM nodes n CROSS JOIN LATERAL
             (SELECT ${READING_COLUMNS} FROM readings WHERE node = n.id ORDER BY time DESC LIMIT 1) r`,
        );
        const intervals = await client.query<{ node: number; interval: number }>(INTERVALS);
        const count = await client.query<{ readings: number }>(
          "SELECT coalesce(max(id), 0) AS readings FROM readings",
        );
        return {
          nodes: nodes.rows.map((row) => fromRow<NodeRecord>(row)),
          former: former.rows,
          contexts: contexts.rows.map((row) => fromRow<ContextRecord>(row)),
          health: health.rows,
          newest: newest.rows.map((row) => fromRow<ReadingRecord>(row)),
          intervals: intervals.rows,
          readings: count.rows[0].readings,
        };
      },
      { begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" },
    );
    for (const context of snapshot.contexts) this.known.set(context.id, context);
    return snapshot;
  }

  async registered(node?: number): Promise<Registered[]> {
    const [filter, parameters] = node === undefined ? ["", []] : ["AND id = $1", [node]];
    const [nodes, contexts] = await this.#database.transaction(
      async (client) => [
        await client.query<Row<NodeRecord>>(
          `SELECT ${NODE_COLUMNS} FROM nodes WHERE removed IS NULL ${filter} ORDER BY id`,
          parameters,
        ),
        await client.query<Row<ContextRecord>>(
          `SELECT ${CONTEXT_COLUMNS} FROM contexts WHERE active ${filter.replace("id", "node")}`,
          parameters,
        ),
      ],
      { begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" },
    );
    const byNode = new Map<number, ContextRecord>();
    for (const row of contexts.rows) {
      const context = fromRow<ContextRecord>(row);
      byNode.set(context.node, context);
      this.known.set(context.id, context);
    }
    await this.#sequences.fill([...byNode.values()].map(({ id }) => id));
    return nodes.rows.map((row) => {
      const record = fromRow<NodeRecord>(row);
      return { node: record, context: byNode.get(record.id) };
    });
  }

  async save(draft: NodeDraft): Promise<SavedNode> {
    const dropped: number[] = [];
    const attempt = () => this.#database.transaction((client) => this.#save(client, draft, dropped));
    // Another server may have registered the same at the same time: the second look sees what it did.
    const saved = await attempt().catch((error) => {
      if (isConflict(error) || isDuplicate(error)) return attempt();
      throw error;
    });
    for (const id of dropped) this.known.delete(id);
    if (saved.context !== undefined) {
      this.known.set(saved.context.id, saved.context);
      await this.#sequences.fill([saved.context.id]);
    }
    return saved;
  }

  async #save(client: ClientBase, draft: NodeDraft, dropped: number[]): Promise<SavedNode> {
    const { name, kind, meshAddress, place, now, replayWindow } = draft;
    const before = await client.query<{ removed: number | null }>(
      "SELECT removed FROM nodes WHERE name = $1 FOR NO KEY UPDATE",
      [name],
    );
    // A removed name that comes back is the same node again: its readings are still there.
    const { rows } = await client.query<Row<NodeRecord>>(
      `INSERT INTO nodes (name, kind, mesh_address, place, created) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, mesh_address = excluded.mesh_address,
         place = excluded.place, removed = NULL
       RETURNING ${NODE_COLUMNS}`,
      [name, kind, nullable(meshAddress), nullable(place), now],
    );
    const node = fromRow<NodeRecord>(rows[0]);
    const context =
      draft.context === "keep"
        ? await keep(client, node.id, replayWindow)
        : await activate(client, node.id, draft.context, replayWindow, dropped);
    await this.#tell(client, node.id);
    const created = before.rows.length === 0 || before.rows[0].removed !== null;
    return { node, context, created };
  }

  async remove(id: number, now: number): Promise<void> {
    const dropped: number[] = [];
    await this.#database.transaction(async (client) => {
      await client.query("UPDATE nodes SET removed = $2 WHERE id = $1", [id, now]);
      await dropContexts(client, id, dropped);
      await client.query("DELETE FROM health WHERE node = $1", [id]);
      await this.#tell(client, id);
    });
    for (const context of dropped) this.known.delete(context);
  }

  /** Other servers learn of a change when it is there. */
  async #tell(client: ClientBase, node: number): Promise<void> {
    await client.query("SELECT pg_notify($1, $2)", [CHANNEL, `${this.#server} ${node}`]);
  }
}

async function keep(
  client: ClientBase,
  node: number,
  replayWindow: number,
): Promise<ContextRecord | undefined> {
  const { rows } = await client.query<Row<ContextRecord>>(
    `UPDATE contexts SET replay_window = $2 WHERE node = $1 AND active RETURNING ${CONTEXT_COLUMNS}`,
    [node, replayWindow],
  );
  return rows.length === 0 ? undefined : fromRow<ContextRecord>(rows[0]);
}

async function activate(
  client: ClientBase,
  node: number,
  draft: ContextDraft,
  replayWindow: number,
  dropped: number[],
): Promise<ContextRecord | undefined> {
  const { fingerprint, nodeId, idContext, keys, seen, senderSequence } = draft;
  await refuseTaken(client, node, draft);
  const { rows: current } = await client.query<{ provisioned: Buffer }>(
    "SELECT provisioned FROM contexts WHERE node = $1 AND active",
    [node],
  );
  // The same keys once more: what was made out of them since stays.
  if (current.length > 0 && equalConstantTime(current[0].provisioned, fingerprint))
    return keep(client, node, replayWindow);
  await dropContexts(client, node, dropped);
  const { rows } = await client.query<{ id: number }>(
    `INSERT INTO contexts AS c (node, generation, fingerprint, provisioned, node_id, id_context, keys, active,
       replay_window, replay_seen)
     VALUES ($1, (SELECT coalesce(max(generation), 0) + 1 FROM contexts WHERE node = $1), $2, $2, $3, $4, $5, true, $6, $7)
     ON CONFLICT (fingerprint) DO UPDATE SET node = excluded.node, active = true, keys = excluded.keys,
       generation = CASE c.node WHEN excluded.node THEN c.generation ELSE excluded.generation END
     WHERE NOT c.active
     RETURNING id`,
    [node, fingerprint, nodeId, nullable(idContext), keys, replayWindow, nullable(seen)],
  );
  // Another server has given these very keys to another node since we looked.
  if (rows.length === 0) await refuseTaken(client, node, draft);
  await client.query("INSERT INTO sequences (context, next) VALUES ($1, $2) ON CONFLICT DO NOTHING", [
    rows[0].id,
    nullable(senderSequence),
  ]);
  return keep(client, node, replayWindow);
}

/** @throws ContextTaken when another node has these IDs */
async function refuseTaken(
  client: ClientBase,
  node: number,
  { nodeId, idContext }: ContextDraft,
): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT n.name FROM contexts c JOIN nodes n ON n.id = c.node
     WHERE c.active AND c.node_id = $1 AND c.id_context IS NOT DISTINCT FROM $2 AND c.node <> $3`,
    [nodeId, nullable(idContext), node],
  );
  if (rows.length > 0) throw new ContextTaken(rows[0].name);
}

/** Keys that nothing needs any more are forgotten; sealed messages need theirs. */
async function dropContexts(client: ClientBase, node: number, dropped: number[]): Promise<void> {
  const { rows } = await client.query<{ id: number }>(
    "UPDATE contexts SET active = false WHERE node = $1 AND active RETURNING id",
    [node],
  );
  for (const { id } of rows) dropped.push(id);
  await client.query(
    `UPDATE contexts SET keys = NULL WHERE node = $1 AND NOT active AND keys IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM sealed s WHERE s.context = contexts.id)`,
    [node],
  );
}

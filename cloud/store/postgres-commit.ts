import type { ClientBase } from "pg";
import type { ReadingRecord } from "../model.js";
import { bigints, byteas, texts } from "./postgres-arrays.js";
import { isConflict, type PostgresDatabase } from "./postgres-connection.js";
import type { PostgresNodes } from "./postgres-nodes.js";
import { FIRST_BLOCK, type SequenceStock } from "./postgres-sequences.js";
import { CHANNEL } from "./postgres-watch.js";
import { fromRow, type Row } from "./rows.js";
import {
  type AcceptedRequest,
  AGE_RESOLUTION,
  type Batch,
  type ContextState,
  type Outcome,
  type ReplayRecord,
} from "./store.js";

/**
 * The whole commit as one statement: one way to the database and back, one transaction.
 *
 * `held` takes hold of the rows of all contexts, in the order that every server takes them in, as long as nobody wrote
 * them since we last did. If one of them is not as we know it, nothing at all is written, and the answer says which
 * are: the caller comes again without the others. Arrays have as many elements as there are rows to write; the numbers
 * of their parameters are in `parametersOf`.
 */
const COMMIT = `
WITH held AS MATERIALIZED (
  SELECT c.id, g.highest, g.seen, g.last_request, g.last_answer
  FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[])
    AS g (id, version, highest, seen, last_request, last_answer)
  JOIN contexts c ON c.id = g.id
  WHERE c.version = g.version AND c.active
  ORDER BY c.id FOR NO KEY UPDATE OF c
), whole AS MATERIALIZED (
  SELECT count(*) = $1::bigint AS held FROM held
), wrote AS (
  UPDATE contexts c SET version = c.version + 1, replay_highest = h.highest, replay_seen = h.seen,
    last_request = h.last_request, last_answer = h.last_answer
  FROM held h WHERE c.id = h.id AND (SELECT held FROM whole)
), stored AS (
  INSERT INTO readings (context, node, time, temperature, humidity, battery, received, gateway, hops, partial_iv, position)
  SELECT * FROM unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
    $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[])
  WHERE (SELECT held FROM whole)
  ON CONFLICT (context, partial_iv, position) DO NOTHING
  RETURNING id, context, partial_iv, position
), mended AS (
  UPDATE readings r SET time = m.time
  FROM unnest($44::bigint[], $45::bigint[], $46::bigint[], $47::bigint[]) AS m (context, partial_iv, position, time)
  WHERE r.context = m.context AND r.partial_iv = m.partial_iv AND r.position = m.position
    AND r.time > m.time + ${AGE_RESOLUTION}
    AND (SELECT held FROM whole)
  RETURNING r.id, r.context, r.partial_iv, r.position
), put_out AS (
  INSERT INTO outbox (reading)
  SELECT id FROM (SELECT id FROM stored UNION ALL SELECT id FROM mended) o WHERE $48::bigint = 1
  ON CONFLICT (reading) DO UPDATE SET taken = NULL
), put_sealed AS (
  INSERT INTO sealed (context, partial_iv, received, message)
  SELECT * FROM unnest($19::bigint[], $20::bigint[], $21::bigint[], $22::bytea[])
  WHERE (SELECT held FROM whole)
  ON CONFLICT DO NOTHING
), put_events AS (
  INSERT INTO events (id, time, last, count, kind, severity, node, gateway, reason, detail)
  SELECT * FROM unnest($23::text[], $24::bigint[], $25::bigint[], $26::bigint[], $27::text[], $28::text[],
    $29::text[], $30::text[], $31::text[], $32::text[])
  WHERE (SELECT held FROM whole)
  ON CONFLICT (id) DO UPDATE SET last = excluded.last, count = excluded.count, detail = excluded.detail
), put_health AS (
  INSERT INTO health (node, time, source, body)
  SELECT * FROM unnest($33::bigint[], $34::bigint[], $35::text[], $36::text[]) AS h (node, time, source, body)
  WHERE (SELECT held FROM whole) ORDER BY h.node
  ON CONFLICT (node) DO UPDATE SET time = excluded.time, source = excluded.source, body = excluded.body
  WHERE health.time <= excluded.time
), put_figures AS (
  INSERT INTO health_history (node, time, rsrp, queue, battery, dropped, heard)
  SELECT * FROM unnest($37::bigint[], $38::bigint[], $39::bigint[], $40::bigint[], $41::bigint[], $42::bigint[],
    $43::bigint[])
  WHERE (SELECT held FROM whole) ON CONFLICT DO NOTHING
)
SELECT (SELECT coalesce(array_agg(id::bigint), '{}') FROM held) AS held, coalesce(array_agg(id), '{}') AS ids,
  coalesce(array_agg(context::bigint), '{}') AS contexts, coalesce(array_agg(partial_iv), '{}') AS "partialIvs",
  coalesce(array_agg(position::bigint), '{}') AS positions,
  (SELECT coalesce(json_object_agg(concat_ws(' ', context, partial_iv, position), id), '{}') FROM mended) AS mended
FROM stored`;

interface Answer {
  readonly held: readonly number[];
  readonly ids: readonly number[];
  readonly contexts: readonly number[];
  readonly partialIvs: readonly number[];
  readonly positions: readonly number[];
  /** Rows of readings whose time was corrected, by the readings' names. */
  readonly mended: Readonly<Record<string, number>>;
}

const FIGURES = ["rsrp", "queue", "battery", "dropped", "heard"] as const;

/** How often a transaction that another one was in the way of is tried. */
const ATTEMPTS = 3;

/** The hot path. One commit at a time. */
export class PostgresCommit {
  readonly #database: PostgresDatabase;
  readonly #nodes: PostgresNodes;
  readonly #sequences: SequenceStock;
  readonly #server: string;
  readonly #outbox: { readonly enabled: boolean };

  constructor(
    database: PostgresDatabase,
    nodes: PostgresNodes,
    sequences: SequenceStock,
    server: string,
    outbox: { readonly enabled: boolean },
  ) {
    this.#database = database;
    this.#nodes = nodes;
    this.#sequences = sequences;
    this.#server = server;
    this.#outbox = outbox;
  }

  /**
   * @throws what pg throws. When the connection was lost on the way, nobody knows what became of the commit: then
   * nothing of it counts here, and if it did happen, the versions in the rows tell us next time.
   */
  async commit(batch: Batch): Promise<Outcome[]> {
    // Before anything is waited for: what is accepted meanwhile belongs to the next commit.
    const states = new Map<ContextState, ReplayRecord>();
    for (const { context } of batch.requests) if (!states.has(context)) states.set(context, context.state());
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#try(batch, states);
      } catch (error) {
        forget(batch);
        if (!isConflict(error) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #try(batch: Batch, states: ReadonlyMap<ContextState, ReplayRecord>): Promise<Outcome[]> {
    const renewed = batch.requests.some(({ takeover }) => takeover !== undefined);
    const pool = this.#database.commits;
    const stale = renewed
      ? await this.#database.transaction(
          async (client) =>
            write(client, batch, states, await this.#takeOver(client, batch), this.#outbox.enabled),
          { pool },
        )
      : await write(pool, batch, states, new Set(), this.#outbox.enabled);
    if (stale.size > 0) await this.#look(stale);
    for (const [context, state] of states) {
      if (stale.has(context)) continue;
      context.version++;
      this.#nodes.known.set(context.id, { ...state, version: context.version });
    }
    const outcomes: Outcome[] = [];
    for (const { context, takeover } of batch.requests) {
      const isStale = stale.has(context);
      if (takeover !== undefined && !isStale) this.#sequences.begin(context.id);
      if (takeover !== undefined && isStale) context.id = 0;
      outcomes.push(isStale ? "stale" : "stored");
    }
    return outcomes;
  }

  /** Puts new keys into the place of old ones. @returns those whose old ones are not in use any more */
  async #takeOver(client: ClientBase, { requests }: Batch): Promise<Set<ContextState>> {
    const stale = new Set<ContextState>();
    const takeovers = requests.filter(({ takeover }) => takeover !== undefined);
    // Nodes before contexts, as whoever changes a device does.
    await client.query(
      "SELECT 1 FROM nodes WHERE id IN (SELECT node FROM contexts WHERE id = ANY ($1)) ORDER BY id FOR NO KEY UPDATE",
      [takeovers.map(({ takeover }) => takeover?.from.id)],
    );
    for (const { context, takeover } of takeovers) {
      if (takeover === undefined) continue;
      const { rows } = await client.query<{ node: number }>(
        `UPDATE contexts SET active = false,
           keys = CASE WHEN EXISTS (SELECT 1 FROM sealed s WHERE s.context = contexts.id) THEN keys END
         WHERE id = $1 AND active RETURNING node`,
        [takeover.from.id],
      );
      if (rows.length === 0) {
        stale.add(context);
        continue;
      }
      const made = await client.query<{ id: number }>(
        `INSERT INTO contexts (node, generation, fingerprint, provisioned, node_id, id_context, keys, active, replay_window)
         SELECT node, (SELECT max(generation) + 1 FROM contexts g WHERE g.node = c.node), $2, provisioned, node_id,
           id_context, $3, true, replay_window
         FROM contexts c WHERE id = $1 RETURNING id`,
        [takeover.from.id, takeover.fingerprint, takeover.keys],
      );
      context.id = made.rows[0].id;
      await client.query("INSERT INTO sequences (context, next) VALUES ($1, $2)", [context.id, FIRST_BLOCK]);
      await client.query("SELECT pg_notify($1, $2)", [CHANNEL, `${this.#server} ${rows[0].node}`]);
    }
    return stale;
  }

  /** What is there now in the place of what we knew. */
  async #look(contexts: ReadonlySet<ContextState>): Promise<void> {
    const ids = [...contexts].map(({ id }) => id);
    const { rows } = await this.#database.commits.query<Row<ReplayRecord & { readonly id: number }>>(
      `SELECT id, version, replay_highest AS highest, replay_seen AS seen, last_request AS "lastRequest",
         last_answer AS "lastAnswer" FROM contexts WHERE id = ANY ($1) AND active`,
      [ids],
    );
    for (const id of ids) this.#nodes.known.delete(id);
    for (const row of rows) this.#nodes.known.set(row.id, fromRow<ReplayRecord>(row));
  }
}

/** Nothing of a batch has happened. */
function forget({ requests }: Batch): void {
  for (const { context, takeover, readings } of requests) {
    for (const reading of readings) reading.id = 0;
    if (takeover !== undefined) context.id = 0;
  }
}

/** Writes all but the requests of `stale` and of those that turn out to be. @returns all of these */
async function write(
  client: Pick<ClientBase, "query">,
  batch: Batch,
  states: ReadonlyMap<ContextState, ReplayRecord>,
  stale: Set<ContextState>,
  passedOn: boolean,
): Promise<Set<ContextState>> {
  for (;;) {
    const contexts = [...states.keys()].filter((context) => !stale.has(context));
    const requests = batch.requests.filter(({ context }) => !stale.has(context));
    const { rows } = await client.query<Answer>({
      name: "commit",
      text: COMMIT,
      values: [...parametersOf(contexts, requests, states, batch), passedOn ? 1 : 0],
    });
    const [answer] = rows;
    if (answer.held.length === contexts.length) {
      number(requests, answer);
      return stale;
    }
    const held = new Set(answer.held);
    for (const context of contexts) if (!held.has(context.id)) stale.add(context);
  }
}

function parametersOf(
  contexts: readonly ContextState[],
  requests: readonly AcceptedRequest[],
  states: ReadonlyMap<ContextState, ReplayRecord>,
  { events, health }: Batch,
): (number | Buffer)[] {
  const records = contexts.map((context) => states.get(context)!);
  const sealed = requests.filter((request) => request.sealed !== undefined);
  const readings = requests.flatMap((request) => request.readings);
  const reports = health.filter(({ figures }) => figures !== undefined);
  const copies = copiesIn(requests);
  return [
    contexts.length,
    bigints(contexts.map(({ id }) => id)),
    bigints(contexts.map(({ version }) => version)),
    bigints(records.map(({ highest }) => highest)),
    byteas(records.map(({ seen }) => seen)),
    byteas(records.map(({ lastRequest }) => lastRequest)),
    byteas(records.map(({ lastAnswer }) => lastAnswer)),
    bigints(requests.flatMap(({ context, readings }) => readings.map(() => context.id))),
    bigints(readings.map(({ node }) => node)),
    bigints(copies.size === 0 ? readings.map(({ time }) => time) : earliestTimes(requests, copies)),
    bigints(readings.map(({ temperature }) => temperature)),
    bigints(readings.map(({ humidity }) => humidity)),
    bigints(readings.map(({ battery }) => battery)),
    bigints(readings.map(({ received }) => received)),
    bigints(readings.map(({ gateway }) => gateway)),
    bigints(readings.map(({ hops }) => hops)),
    bigints(readings.map(({ partialIv }) => partialIv)),
    bigints(readings.map(({ position }) => position)),
    bigints(sealed.map(({ context }) => context.id)),
    bigints(sealed.map(({ partialIv }) => partialIv)),
    bigints(sealed.map(({ received }) => received)),
    byteas(sealed.map((request) => request.sealed)),
    texts(events.map(({ id }) => id)),
    bigints(events.map(({ time }) => time)),
    bigints(events.map(({ last }) => last)),
    bigints(events.map(({ count }) => count)),
    texts(events.map(({ kind }) => kind)),
    texts(events.map(({ severity }) => severity)),
    texts(events.map(({ node }) => node)),
    texts(events.map(({ gateway }) => gateway)),
    texts(events.map(({ reason }) => reason)),
    texts(events.map(({ detail }) => detail)),
    bigints(health.map(({ node }) => node)),
    bigints(health.map(({ time }) => time)),
    texts(health.map(({ source }) => source)),
    texts(health.map(({ body }) => body)),
    bigints(reports.map(({ node }) => node)),
    bigints(reports.map(({ time }) => time)),
    ...FIGURES.map((name) => bigints(reports.map(({ figures }) => figures?.[name]))),
    bigints([...copies.values()].map(({ context }) => context.id)),
    bigints([...copies.values()].map(({ partialIv }) => partialIv)),
    bigints([...copies.values()].map(({ position }) => position)),
    bigints([...copies.values()].map(({ time }) => time)),
  ];
}

interface Copy {
  readonly context: ContextState;
  readonly partialIv: number;
  readonly position: number;
  time: number;
}

/**
 * The readings of a batch that have travelled before, by their names, each with the earliest time that anything in the
 * batch gives it: what waited less on its way says better when it was measured. One statement cannot see what it
 * inserts itself, so a first carriage in the same batch counts here.
 */
function copiesIn(requests: readonly AcceptedRequest[]): Map<string, Copy> {
  const copies = new Map<string, Copy>();
  for (const { context, partialIv: carrier, readings } of requests) {
    for (const reading of readings) {
      if (reading.partialIv === carrier) continue;
      const { partialIv, position, time } = reading;
      const name = nameOf(context, reading);
      const copy = copies.get(name);
      if (copy === undefined) copies.set(name, { context, partialIv, position, time });
      else copy.time = Math.min(copy.time, time);
    }
  }
  if (copies.size === 0) return copies;
  for (const { context, readings } of requests) {
    for (const reading of readings) {
      const copy = copies.get(nameOf(context, reading));
      if (copy !== undefined) copy.time = Math.min(copy.time, reading.time);
    }
  }
  return copies;
}

function earliestTimes(requests: readonly AcceptedRequest[], copies: ReadonlyMap<string, Copy>): number[] {
  return requests.flatMap(({ context, readings }) =>
    readings.map((reading) => copies.get(nameOf(context, reading))?.time ?? reading.time),
  );
}

function nameOf({ id }: ContextState, { partialIv, position }: ReadingRecord): string {
  return `${id} ${partialIv} ${position}`;
}

/** Gives readings the numbers of their rows, as `ReadingRecord.id` says. */
function number(
  requests: readonly AcceptedRequest[],
  { ids, contexts, partialIvs, positions, mended }: Answer,
): void {
  // Rows come back in the order they went in, without those that were there.
  let at = 0;
  const copies = copiesIn(requests);
  for (const { context, readings, partialIv: carrier } of requests) {
    for (const reading of readings) {
      const isNew =
        contexts[at] === context.id &&
        partialIvs[at] === reading.partialIv &&
        positions[at] === reading.position;
      if (isNew) reading.id = ids[at++];
      else {
        const row = reading.partialIv === carrier ? undefined : mended[nameOf(context, reading)];
        const corrects = row !== undefined && reading.time === copies.get(nameOf(context, reading))?.time;
        reading.id = corrects ? -row : 0;
      }
    }
  }
}

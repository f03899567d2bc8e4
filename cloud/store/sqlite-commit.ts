import type Database from "better-sqlite3";
import { nullable } from "./rows.js";
import { AGE_RESOLUTION, type Batch, type ContextState, type Outcome } from "./store.js";

/** The hot path: all statements prepared once, one transaction for each batch. */
export function prepareCommit(
  database: Database.Database,
  outbox: { readonly enabled: boolean },
): (batch: Batch, outcomes: Outcome[]) => void {
  const insertReading = database.prepare(`
    INSERT INTO readings (node, time, temperature, humidity, battery, received, gateway, hops, context, partial_iv, position)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (context, partial_iv, position) DO NOTHING`);
  // A copy that waited less on its way says better when the reading was measured.
  const mendTime = database.prepare<unknown[], { id: number }>(
    `UPDATE readings SET time = ? WHERE context = ? AND partial_iv = ? AND position = ? AND time > ? + ${AGE_RESOLUTION} RETURNING id`,
  );
  const updateReplay = database.prepare(`
    UPDATE contexts SET replay_highest = ?, replay_seen = ?, last_request = ?, last_answer = ? WHERE id = ?`);
  const takeOver = database.prepare(`
    INSERT INTO contexts (node, generation, fingerprint, provisioned, node_id, id_context, keys, active, replay_window)
    SELECT node, (SELECT max(generation) + 1 FROM contexts g WHERE g.node = c.node), ?, provisioned, node_id, id_context,
      ?, 1, replay_window FROM contexts c WHERE id = ?`);
  const retire = database.prepare(
    `UPDATE contexts SET active = 0, keys = CASE WHEN EXISTS (SELECT 1 FROM sealed WHERE context = contexts.id) THEN keys END
     WHERE id = ?`,
  );
  const insertSealed = database.prepare(
    "INSERT OR IGNORE INTO sealed (context, partial_iv, received, message) VALUES (?, ?, ?, ?)",
  );
  const putOut = database.prepare("INSERT OR IGNORE INTO outbox (reading) VALUES (?)");
  const upsertEvent = database.prepare(`
    INSERT INTO events (id, time, last, count, kind, severity, node, gateway, reason, detail)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET last = excluded.last, count = excluded.count, detail = excluded.detail`);
  const upsertHealth = database.prepare(`
    INSERT INTO health (node, time, source, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (node) DO UPDATE SET time = excluded.time, source = excluded.source, body = excluded.body`);

  const insertFigures = database.prepare("INSERT OR IGNORE INTO health_history VALUES (?, ?, ?, ?, ?, ?, ?)");

  return database.transaction((batch: Batch, outcomes: Outcome[]) => {
    // One context may have several requests in a batch: only its last state is written.
    const contexts = new Set<ContextState>();
    for (const request of batch.requests) {
      const { context, takeover } = request;
      if (takeover !== undefined) {
        retire.run(takeover.from.id);
        const { lastInsertRowid } = takeOver.run(takeover.fingerprint, takeover.keys, takeover.from.id);
        context.id = Number(lastInsertRowid);
      }
      for (const reading of request.readings) {
        const { changes, lastInsertRowid } = insertReading.run(
          reading.node,
          reading.time,
          nullable(reading.temperature),
          nullable(reading.humidity),
          nullable(reading.battery),
          reading.received,
          nullable(reading.gateway),
          nullable(reading.hops),
          context.id,
          reading.partialIv,
          reading.position,
        );
        reading.id = changes === 0 ? 0 : Number(lastInsertRowid);
        if (outbox.enabled && changes > 0) putOut.run(lastInsertRowid);
        if (changes === 0 && reading.partialIv !== request.partialIv) {
          const { time, partialIv, position } = reading;
          const mended = mendTime.get(time, context.id, partialIv, position, time);
          if (mended === undefined) continue;
          reading.id = -mended.id;
          if (outbox.enabled) putOut.run(mended.id);
        }
      }
      if (request.sealed !== undefined) {
        insertSealed.run(context.id, request.partialIv, request.received, request.sealed);
      }
      contexts.add(context);
      outcomes.push("stored");
    }
    for (const context of contexts) {
      const { highest, seen, lastRequest, lastAnswer } = context.state();
      updateReplay.run(highest, nullable(seen), nullable(lastRequest), nullable(lastAnswer), context.id);
    }
    for (const event of batch.events) {
      upsertEvent.run(
        event.id,
        event.time,
        event.last,
        event.count,
        event.kind,
        event.severity,
        nullable(event.node),
        nullable(event.gateway),
        event.reason,
        event.detail,
      );
    }
    for (const { node, time, source, body, figures } of batch.health) {
      upsertHealth.run(node, time, source, body);
      if (figures === undefined) continue;
      const { rsrp, queue, battery, dropped, heard } = figures;
      insertFigures.run(node, time, ...[rsrp, queue, battery, dropped, heard].map(nullable));
    }
  });
}

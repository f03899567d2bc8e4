/** The server's SQLite store as a power cut leaves it: its write-ahead log torn at any byte of any commit. */

import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCloud } from "../../cloud/cloud.js";
import { openSqlite } from "../../cloud/store/sqlite.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Random } from "../../sim/random.js";
import { Field, STORE_KEY } from "../soak/field.js";
import type { AttackSuite } from "./result.js";

/** The store's files at a moment, and what was acknowledged by then. */
interface Snapshot {
  readonly log: Buffer;
  readonly acknowledged: number;
  readonly recorded: number;
}

async function check(
  folder: string,
  log: Buffer,
  recorded: readonly Uint8Array[],
  acknowledged: number,
): Promise<string[]> {
  const file = join(folder, "torn.sqlite");
  for (const ending of ["", "-wal", "-shm"]) rmSync(file + ending, { force: true });
  copyFileSync(join(folder, "first.sqlite"), file);
  writeFileSync(`${file}-wal`, log);
  const effects: string[] = [];
  const store = openSqlite({ file });
  const before = await store.readings({ limit: Number.MAX_SAFE_INTEGER });
  if (before.length < acknowledged)
    effects.push(`${acknowledged - before.length} acknowledged readings are gone`);
  const cloud = await createCloud({ store, storeKey: STORE_KEY, crypto: hostCrypto, send: () => {} });
  // Whoever has recorded the day plays it again: all that is stored must not be stored once more.
  for (const [i, datagram] of recorded.entries()) cloud.endpoint.handle(datagram, "198.51.100.1:5683", i);
  await cloud.endpoint.settle();
  const after = await store.readings({ limit: Number.MAX_SAFE_INTEGER });
  const names = new Set(after.map(({ node, time, temperature }) => `${node} ${temperature} ${time}`));
  if (after.length - before.length > 1)
    effects.push(`${after.length - before.length} old messages were taken`);
  if (names.size < after.length) effects.push("a reading is there twice");
  await cloud.stop();
  return effects;
}

export const storeCutSuite: AttackSuite = async ({ seed, short }, onResult) => {
  const folder = mkdtempSync(join(tmpdir(), "robust-store-"));
  try {
    const file = join(folder, "live.sqlite");
    const field = await new Field({ seed, nodes: 2, settings: { interval: 10 }, storeFile: file }).start();
    const recorded: Uint8Array[] = [];
    field.gateway.onUplink = (datagram) => recorded.push(datagram);
    // Nothing of the log has been moved into the file itself by then, nor will be in this short a time.
    copyFileSync(file, join(folder, "first.sqlite"));
    const snapshots: Snapshot[] = [];
    for (let i = 0; i < (short ? 12 : 60); i++) {
      field.run(10);
      snapshots.push({
        log: readFileSync(`${file}-wal`),
        acknowledged: field.readings.length,
        recorded: recorded.length,
      });
    }
    await field.cloud.stop();
    const random = new Random(seed).fork("cuts");
    const effects = new Set<string>();
    let cuts = 0;
    for (const [i, { log, acknowledged, recorded: known }] of snapshots.slice(0, -1).entries()) {
      const next = snapshots[i + 1].log;
      for (let n = 0; n < (short ? 3 : 20); n++) {
        const end = log.length + random.below(next.length - log.length + 1);
        const torn = Buffer.from(next.subarray(0, end));
        // The last sector may hold anything.
        if (random.chance(0.5))
          torn.set(random.bytes(Math.min(512, end - log.length)), Math.max(log.length, end - 512));
        cuts++;
        for (const effect of await check(folder, torn, recorded.slice(0, known), acknowledged)) {
          effects.add(`commit ${i}, byte ${end}: ${effect}`);
        }
      }
    }
    onResult({
      layer: "power cuts, torn writes included",
      attack: "the server's SQLite store, its log torn at any byte",
      attempts: cuts,
      refusedBy: new Map([["opens with all that was acknowledged, and takes no replay", cuts]]),
      effects: [...effects],
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
};

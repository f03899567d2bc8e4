import { randomInt } from "node:crypto";
import { chmodSync, closeSync, copyFileSync, existsSync, openSync, renameSync, rmSync } from "node:fs";
import Database from "better-sqlite3";
import { StartupError } from "../errors.js";
import { AT_ONCE, inspectStore } from "./sqlite.js";

/**
 * Copies a store, whole and consistent, while a server may be writing to it. The nodes' keys in it are sealed as they
 * are in the store, so the copy is of use only with the store's key.
 * @throws StartupError when there is no store, or the copy would overwrite something
 */
export async function backupStore(storeFile: string, target: string): Promise<void> {
  if (!existsSync(storeFile)) throw new StartupError(`there is no store at ${storeFile}`);
  inspectStore(storeFile);
  makeBackupFile(target);
  const database = new Database(storeFile, { readonly: true, fileMustExist: true });
  try {
    await database.backup(target, AT_ONCE);
  } catch (error) {
    rmSync(target, { force: true });
    throw new StartupError(`the backup failed: ${(error as Error).message}`);
  } finally {
    database.close();
  }
}

/** Makes an empty file that its owner alone can read. @throws StartupError when it is there already */
export function makeBackupFile(target: string): void {
  try {
    closeSync(openSync(target, "wx", 0o600));
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new StartupError(
      exists ? `${target} is there already` : `${target} cannot be written: ${(error as Error).message}`,
    );
  }
}

/** How far numbers of ours jump: the server used some since the backup, nobody knows how many. */
export const JUMP = { least: 2 ** 32, most: 2 ** 38 };

/** What the store is called when another has taken its place. */
export function formerName(storeFile: string): string {
  return `${storeFile}.before-${new Date().toISOString().replaceAll(":", "")}`;
}

/**
 * Puts a backup into the place of the store. The caller holds the data directory.
 *
 * Since the backup was made, nodes have sent more. So what had been accepted is unknown: each node has to prove that
 * its next message is fresh (RFC 8613 App. B.1.2), and our own numbers go on far above all that were used (by a random
 * step, so that two restorations of one backup do not meet).
 * @returns where the former store is now, if there was one
 */
export function restoreStore(backup: string, storeFile: string): string | undefined {
  if (!existsSync(backup)) throw new StartupError(`there is no ${backup}`);
  inspectStore(backup);
  const fresh = `${storeFile}.restoring`;
  rmSync(fresh, { force: true });
  copyFileSync(backup, fresh);
  chmodSync(fresh, 0o600);
  const database = new Database(fresh);
  try {
    const wrong = database.pragma("integrity_check", { simple: true });
    if (wrong !== "ok") throw new StartupError(`${backup} is damaged: ${wrong}`);
    database.pragma("journal_mode = DELETE");
    database.transaction(() => {
      database
        .prepare("UPDATE contexts SET replay_seen = NULL, last_request = NULL, last_answer = NULL")
        .run();
      const ids = database.prepare<[], { id: number }>("SELECT id FROM contexts").all();
      const jump = database.prepare("UPDATE contexts SET sender_sequence = sender_sequence + ? WHERE id = ?");
      for (const { id } of ids) jump.run(randomInt(JUMP.least, JUMP.most), id);
    })();
  } catch (error) {
    database.close();
    rmSync(fresh, { force: true });
    if (error instanceof StartupError) throw error;
    throw new StartupError(`${backup} cannot be restored: ${(error as Error).message}`);
  }
  database.close();
  let former: string | undefined;
  if (existsSync(storeFile)) {
    former = formerName(storeFile);
    // Nothing may stay only in a log that belongs to another file.
    const old = new Database(storeFile);
    old.pragma("journal_mode = DELETE");
    old.close();
    renameSync(storeFile, former);
  }
  renameSync(fresh, storeFile);
  return former;
}

/** One technician at a time: a file beside the network file says who has it open. */

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { ProvisionError } from "./errors.js";

interface Owner {
  readonly pid: number;
  /** When the process was started, in the system's own count: a number that is used again is another process. */
  readonly started?: string;
  readonly host: string;
  readonly user: string;
  readonly since: string;
}

/**
 * Takes the lock of a file.
 * @param steal also when its owner seems to be alive: on another machine nobody can tell
 * @returns lets it go
 * @throws ProvisionError with the owner's name when another one has it
 */
export function takeLock(file: string, steal = false): () => void {
  const lock = `${file}.lock`;
  // The second round meets a lock that is ours to take; a third would mean that somebody is as quick as we are.
  for (let round = 0; round < 3; round++) {
    if (create(lock)) return () => release(lock);
    const owner = readOwner(lock);
    if (owner !== undefined && !steal && !isStale(owner)) throw taken(file, owner);
    remove(lock);
  }
  throw new ProvisionError("locked", `${file} is being opened by somebody else at this moment; try again.`);
}

function create(lock: string): boolean {
  let handle: number;
  try {
    handle = openSync(lock, "wx", 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new ProvisionError("locked", `${lock} cannot be made (${code}).`);
  }
  const started = startOf(process.pid);
  const owner: Owner = {
    pid: process.pid,
    ...(started !== undefined && { started }),
    host: hostname(),
    user: userName(),
    since: new Date().toISOString(),
  };
  writeSync(handle, JSON.stringify(owner));
  fsyncSync(handle);
  closeSync(handle);
  return true;
}

/** Moved away before it is deleted, so that of two who find it stale one deletes it, and not the other's new one. */
function remove(lock: string): void {
  const away = `${lock}.${process.pid}`;
  try {
    renameSync(lock, away);
    unlinkSync(away);
  } catch {
    // Somebody else was faster: the next round shows what there is now.
  }
}

function release(lock: string): void {
  if (readOwner(lock)?.pid !== process.pid) return;
  try {
    unlinkSync(lock);
  } catch {
    // Gone already.
  }
}

function readOwner(lock: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(lock, "utf8")) as Owner;
  } catch {
    return undefined;
  }
}

function isStale({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
  return started !== undefined && startOf(pid) !== started;
}

/** Field 22 of /proc/PID/stat; the name in field 2 may hold blanks and brackets. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function taken(file: string, { user, host, pid, since }: Owner): ProvisionError {
  return new ProvisionError(
    "locked",
    `${file} is open since ${since.slice(0, 16).replace("T", " ")} UTC by ${user} on ${host} (process ${pid}). ` +
      "Wait until it is closed; if that machine is gone, --steal-lock takes it over.",
  );
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown";
  }
}

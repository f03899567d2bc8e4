import { createHash, timingSafeEqual } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { iso } from "./model.js";

/** Of one copy of a network file; older ones go. */
const KEPT = 10;
const LONGEST_HEADER = 1024;
const NAME = /^([0-9a-f]{16})-([0-9a-z]{1,16})-(\d{13})-([0-9a-f]{64})$/;

/** Which network file, and whose copy of it. */
export interface BackupName {
  readonly network: string;
  readonly holder: string;
}

export interface BackupJson extends BackupName {
  readonly saved: string;
  readonly bytes: number;
  /** The file's first line: how a passphrase becomes a key. Nothing in it is secret. */
  readonly header: string;
}

interface Backup extends BackupName {
  readonly file: string;
  readonly saved: number;
  readonly proofHash: string;
}

/**
 * Network files of the provisioning, encrypted by whoever sent them: the server cannot open them and does not try.
 * Whoever proves to know the passphrase gets a file back (its owner has lost all else), so each is kept with the hash of
 * that proof. They are in the data directory beside the keys, whatever the store is.
 */
export class NetworkBackups {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Durable when it returns. @param proofHash SHA-256 of the proof, 64 hex digits; @param wall ms since 1970 */
  save({ network, holder }: BackupName, proofHash: string, file: Uint8Array, wall: number): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const before = this.#all().filter((one) => one.network === network && one.holder === holder);
    // Two in one millisecond, or a clock that was set back: the newest is the one that came last.
    const saved = Math.max(wall, 1 + (before.at(-1)?.saved ?? 0));
    const path = join(this.#directory, `${network}-${holder}-${`${saved}`.padStart(13, "0")}-${proofHash}`);
    const handle = openSync(`${path}.new`, "w", 0o600);
    try {
      for (let at = 0; at < file.length; ) at += writeSync(handle, file, at);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(`${path}.new`, path);
    const directory = openSync(this.#directory, "r");
    fsyncSync(directory);
    closeSync(directory);
    for (const { file: old } of before.slice(0, Math.max(0, before.length + 1 - KEPT))) unlinkSync(old);
  }

  /** The newest of each copy. */
  list(): BackupJson[] {
    return this.#newest().map(({ network, holder, saved, file }) => {
      const head = readFileSync(file).subarray(0, LONGEST_HEADER);
      const end = head.indexOf(0x0a);
      return {
        network,
        holder,
        saved: iso(saved),
        bytes: statSync(file).size,
        header: head.subarray(0, Math.max(0, end)).toString("utf8"),
      };
    });
  }

  /** The newest, and whether a proof is that of its passphrase. */
  find({
    network,
    holder,
  }: BackupName): { file: () => Uint8Array; proven: (proof: string) => boolean } | undefined {
    const found = this.#newest().find((one) => one.network === network && one.holder === holder);
    if (found === undefined) return undefined;
    return {
      file: () => new Uint8Array(readFileSync(found.file)),
      proven: (proof) =>
        timingSafeEqual(createHash("sha256").update(proof).digest(), Buffer.from(found.proofHash, "hex")),
    };
  }

  #newest(): Backup[] {
    const newest = new Map<string, Backup>();
    for (const one of this.#all()) newest.set(`${one.network}-${one.holder}`, one);
    return [...newest.values()];
  }

  /** In the order of their saving. */
  #all(): Backup[] {
    if (!existsSync(this.#directory)) return [];
    const all: Backup[] = [];
    for (const name of readdirSync(this.#directory)) {
      const parts = NAME.exec(name);
      if (parts === null) continue;
      const [, network, holder, saved, proofHash] = parts;
      all.push({ network, holder, saved: Number(saved), proofHash, file: join(this.#directory, name) });
    }
    return all.sort((a, b) => a.saved - b.saved);
  }
}

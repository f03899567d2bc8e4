import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Where a log lives: bytes that can be appended to, or replaced as a whole. */
export interface Medium {
  /** Everything that is there; empty when nothing is. */
  load(): Uint8Array;
  /** Durable when it returns. When it throws, any part of `bytes` may be there. */
  append(bytes: Uint8Array): void;
  /** Durable when it returns. When it throws, the old content or the new one is there, whole. */
  replace(bytes: Uint8Array): void;
  /** Cuts the content to its first `length` bytes. */
  truncate(length: number): void;
  close(): void;
}

/**
 * A file of mode 0600 as a medium. Appending ends with fsync; replacing writes a new file beside it, syncs it, renames
 * it over the old one and syncs the directory.
 */
export class FileMedium implements Medium {
  readonly #path: string;
  readonly #sync: boolean;
  #file: number | undefined;

  /** @param sync false leaves it to the operating system when data reach the disk: for throw-away data only */
  constructor(path: string, sync = true) {
    this.#path = path;
    this.#sync = sync;
  }

  load(): Uint8Array {
    try {
      return new Uint8Array(readFileSync(this.#path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Uint8Array(0);
      throw error;
    }
  }

  append(bytes: Uint8Array): void {
    writeAll(this.#open(), bytes);
    if (this.#sync) fsyncSync(this.#open());
  }

  replace(bytes: Uint8Array): void {
    const next = `${this.#path}.new`;
    const file = openSync(next, "w", 0o600);
    try {
      writeAll(file, bytes);
      if (this.#sync) fsyncSync(file);
    } finally {
      closeSync(file);
    }
    this.close();
    renameSync(next, this.#path);
    this.#syncDirectory();
  }

  truncate(length: number): void {
    ftruncateSync(this.#open(), length);
    if (this.#sync) fsyncSync(this.#open());
  }

  close(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
  }

  #open(): number {
    if (this.#file === undefined) {
      this.#file = openSync(this.#path, "a", 0o600);
      // The file may be new: its name has to be durable too.
      this.#syncDirectory();
    }
    return this.#file;
  }

  #syncDirectory(): void {
    if (!this.#sync) return;
    const directory = openSync(dirname(this.#path), "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

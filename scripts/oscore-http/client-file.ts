/**
 * The contexts that an OSCORE client shares with nodes, and how far their Sender Sequence Numbers have got. Both in one
 * file (0600): keys without their numbers must not exist, because a number that is used twice gives the keys away.
 */

import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { toHex } from "../../firmware/bytes/hex.js";
import type { ContextParameters } from "../../firmware/oscore/context.js";
import type { NumberReserve } from "../../firmware/oscore/sequence.js";
import { ContextsFileError, type NamedContext, readContexts } from "../oscore/contexts.js";

/** As scripts/oscore/contexts.ts reads it, with the first number that was never used. */
interface Entry {
  name: string;
  secret: string;
  salt: string;
  senderId: string;
  recipientId: string;
  next: number;
}

export class ClientFile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  get exists(): boolean {
    return existsSync(this.#path);
  }

  /** @throws ContextsFileError */
  contexts(): NamedContext[] {
    return readContexts(this.#path);
  }

  /** Adds a context that was never used before, in place of one with its name. */
  put(name: string, { masterSecret, masterSalt, senderId, recipientId }: ContextParameters): void {
    this.#change((entries) => {
      const entry: Entry = {
        name,
        secret: toHex(masterSecret),
        salt: toHex(masterSalt ?? new Uint8Array(0)),
        senderId: toHex(senderId),
        recipientId: toHex(recipientId),
        next: 0,
      };
      return [...entries.filter((other) => other.name !== name), entry];
    });
  }

  /** Sender Sequence Numbers of one context; taken in the file before they are used. */
  reserve(name: string): NumberReserve {
    return {
      reserve: (count) => {
        let first = 0;
        this.#change((entries) => {
          const entry = entries.find((one) => one.name === name);
          if (entry === undefined || !Number.isSafeInteger(entry.next) || entry.next < 0) {
            throw new ContextsFileError(`${this.#path}: ${name} has no sequence number "next"`);
          }
          first = entry.next;
          entry.next += count;
          return entries;
        });
        return first;
      },
    };
  }

  /** The old file or the new one, and one writer at a time. */
  #change(change: (entries: Entry[]) => Entry[]): void {
    const lock = `${this.#path}.lock`;
    let held: number;
    try {
      held = openSync(lock, "wx", 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new ContextsFileError(`another client uses ${this.#path}; if none does, remove ${lock}`);
    }
    try {
      const entries = this.exists ? (JSON.parse(readFileSync(this.#path, "utf8")) as Entry[]) : [];
      const beside = `${this.#path}.new`;
      writeFileSync(beside, `${JSON.stringify(change(entries), null, 2)}\n`, { mode: 0o600, flush: true });
      chmodSync(beside, 0o600);
      renameSync(beside, this.#path);
    } finally {
      closeSync(held);
      rmSync(lock);
    }
  }
}

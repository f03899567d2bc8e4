/** The network file on the disk: encrypted, readable by its owner alone, and after any cut the old one or the new one. */

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { KeyValueStore } from "../../hal/hal.js";
import { provisionerAddress } from "./allocation.js";
import { ProvisionError } from "./errors.js";
import { takeLock } from "./lock.js";
import { decodeNetwork, encodeNetwork, type Network, wipe } from "./network.js";
import { isWeak, newScrypt, PassphraseKey, readHeader, type SealedKind } from "./sealed.js";

export interface OpenOptions {
  /** To change it: nobody else may have it open. */
  readonly write: boolean;
  readonly stealLock?: boolean;
  /** Saving does nothing: what would be done is only shown. */
  readonly dry?: boolean;
}

export class NetworkFile {
  readonly path: string;
  network: Network;
  #key: PassphraseKey;
  #release: (() => void) | undefined;
  #dry = false;

  private constructor(path: string, network: Network, key: PassphraseKey, release: (() => void) | undefined) {
    this.path = path;
    this.network = network;
    this.#key = key;
    this.#release = release;
  }

  /** @throws ProvisionError when there is a file already */
  static create(path: string, passphrase: string, network: Network): NetworkFile {
    const release = takeLock(path);
    try {
      if (existsSync(path)) {
        throw new ProvisionError("file-exists", `${path} is there already; nothing was changed.`);
      }
      const file = new NetworkFile(path, network, new PassphraseKey(passphrase, newScrypt()), release);
      file.save();
      return file;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** @throws ProvisionError when it cannot be opened, with what to do */
  static open(path: string, passphrase: string, { write, stealLock, dry = false }: OpenOptions): NetworkFile {
    if (!existsSync(path)) {
      throw new ProvisionError(
        "no-file",
        `There is no network file ${path}. \`init\` makes one, \`init --recover\` brings one back from the server; --network names another.`,
      );
    }
    // A link stays a link: what it points to is replaced.
    const real = realpathSync(path);
    const release = write ? takeLock(real, stealLock) : undefined;
    try {
      const { key, plain } = openSealed(readBytes(real), real, "network", passphrase);
      const file = new NetworkFile(real, decodeNetwork(plain), key, release);
      file.#dry = dry;
      return file;
    } catch (error) {
      release?.();
      throw error;
    }
  }

  get writable(): boolean {
    return this.#release !== undefined;
  }

  get weak(): boolean {
    return isWeak(this.#key.parameters);
  }

  /** What shows the server that we may have its backup of this file. */
  get proof(): string {
    return this.#key.proof;
  }

  sealed(): Uint8Array {
    const { id, holder } = this.network;
    return this.#key.seal({ kind: "network", network: id, holder }, encodeNetwork(this.network));
  }

  save(): void {
    if (this.#dry) return;
    if (!this.writable) throw new Error(`${this.path} was opened to read`);
    writeAtomic(this.path, this.sealed());
  }

  changePassphrase(passphrase: string): void {
    this.#key.wipe();
    this.#key = new PassphraseKey(passphrase, newScrypt());
    this.save();
  }

  /**
   * Where our own mesh stack keeps its sequence numbers and what it heard: a number used twice would be a nonce used
   * twice. It is bound to this file in this place: a copy elsewhere begins as another provisioner.
   */
  provisioner(): { readonly address: number; readonly storage: KeyValueStore } {
    const where = `${machine()}:${this.path}`;
    if (this.network.provisioner?.where !== where) {
      this.network.provisioner = { address: provisionerAddress(this.network), where, storage: {} };
      this.save();
    }
    const { address, storage } = this.network.provisioner;
    return {
      address,
      storage: {
        get: (key) => storage[key]?.slice(),
        set: (key, value) => {
          storage[key] = value.slice();
          this.save();
        },
        delete: (key) => {
          delete storage[key];
          this.save();
        },
        keys: () => Object.keys(storage),
      },
    };
  }

  /** Nothing of it may be used any more: its keys are wiped. */
  close(): void {
    this.#key.wipe();
    wipe(this.network);
    this.#release?.();
    this.#release = undefined;
  }
}

/** Opens a sealed file of any kind. @throws ProvisionError */
export function openSealed(
  bytes: Uint8Array,
  name: string,
  kind: SealedKind | undefined,
  passphrase: string,
): { kind: SealedKind; key: PassphraseKey; plain: Uint8Array } {
  const header = readHeader(bytes);
  if (header instanceof Refusal) {
    throw new ProvisionError("bad-file", `${name} cannot be used: ${header.detail}.`);
  }
  if (kind !== undefined && header.kind !== kind) {
    throw new ProvisionError("bad-file", `${name} is no ${kind} file but one of ${header.kind}.`);
  }
  const key = new PassphraseKey(passphrase, header.scrypt);
  const plain = key.open(bytes);
  if (plain === undefined) {
    throw new ProvisionError(
      "wrong-passphrase",
      `${name} does not open: the passphrase is another one, or the file is damaged.`,
    );
  }
  return { kind: header.kind, key, plain };
}

export function readBytes(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new ProvisionError("bad-file", `${path} cannot be read (${codeOf(error)}).`);
  }
}

/** Writes beside, to the disk, and renames: the old file or the new one, also when the power goes. */
export function writeAtomic(path: string, bytes: Uint8Array): void {
  const beside = `${path}.new`;
  try {
    const handle = openSync(beside, "w", 0o600);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(beside, path);
    const directory = openSync(dirname(path), "r");
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
  } catch (error) {
    try {
      unlinkSync(beside);
    } catch {
      // It was not made, or is the file by now.
    }
    throw new ProvisionError(
      "file-not-written",
      `${path} could not be written: ${why(error)}. It is as it was.`,
    );
  }
}

/** A new file for somebody. @throws ProvisionError when there is one already */
export function writeNew(path: string, bytes: Uint8Array): void {
  if (existsSync(path))
    throw new ProvisionError("file-exists", `${path} is there already; nothing was written.`);
  writeAtomic(path, bytes);
}

/** Whether others than its owner may read a file. */
export function isOpenToOthers(path: string): boolean {
  return process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0;
}

function why(error: unknown): string {
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") return "the disk is full";
  if (code === "EROFS") return "the file system is read-only";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  return code;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

function machine(): string {
  try {
    return readFileSync("/etc/machine-id", "utf8").trim();
  } catch {
    return hostname();
  }
}

import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { StartupError } from "../errors.js";
import { inspectStore } from "./sqlite.js";

/** What a server finds in its data directory. */
export interface DataDirectory {
  /** The database. */
  readonly storeFile: string;
  /** 32 bytes: what the nodes' keys are sealed under. */
  readonly storeKey: Uint8Array;
  /** Lets clients write. */
  readonly apiToken: string;
  /** Lets another server have the directory. */
  release(): void;
}

const STORE = "store.db";
const KEY = "store.key";
const TOKEN = "api-token";
const TOKENS = "tokens.json";
const LOCK = "server.lock";

/** Where the tokens of other clients are. */
export function tokenFileOf(directory: string): string {
  return join(directory, TOKENS);
}

/**
 * Takes a data directory for this process, making it when it is not there. Everything in it is readable by its owner
 * alone. Whatever cannot be used is left as it was.
 *
 * @param given the store's key (64 hex digits) and the API's token, when they come from the environment; `database` when
 * the store is not in the directory but in a database that several servers share: then they may share the directory too
 * @throws StartupError with a sentence for a person
 */
export function openDataDirectory(
  directory: string,
  given: {
    readonly storeKey?: string | undefined;
    readonly apiToken?: string | undefined;
    readonly database?: { readonly holdsKeys: boolean } | undefined;
  } = {},
): DataDirectory {
  makeDirectory(directory);
  const storeFile = join(directory, STORE);
  const known = given.database?.holdsKeys ?? existsSync(storeFile);
  if (known && given.database === undefined) inspectStore(storeFile);
  const release = given.database === undefined ? takeLock(directory) : () => {};
  try {
    const storeKey = readStoreKey(join(directory, KEY), known, given.storeKey);
    const apiToken =
      given.apiToken ?? readOrMake(join(directory, TOKEN), () => randomBytes(24).toString("base64url"));
    if (apiToken === "") throw new StartupError(`the API token in ${join(directory, TOKEN)} is empty`);
    return { storeFile, storeKey, apiToken, release };
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Looks into a data directory that a server may be using, without taking or changing anything.
 * @throws StartupError when there is no store in it
 */
export function readDataDirectory(directory: string): { storeFile: string; storeKey: string | undefined } {
  const storeFile = join(directory, STORE);
  if (!existsSync(storeFile))
    throw new StartupError(`there is no store in ${directory}; name its directory with --data DIR`);
  inspectStore(storeFile);
  return { storeFile, storeKey: readStoreKeyFile(directory) };
}

/** The key in a data directory that a server may be using, 64 hex digits; `undefined` when there is none. */
export function readStoreKeyFile(directory: string): string | undefined {
  const key = join(directory, KEY);
  return existsSync(key) ? readFileSync(key, "utf8").trim() : undefined;
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!statSync(directory).isDirectory()) throw new Error("it is not a directory");
  } catch (error) {
    throw unusable(directory, error);
  }
}

function unusable(directory: string, error: unknown): StartupError {
  const { code, message } = error as NodeJS.ErrnoException;
  const why =
    code === "EACCES" || code === "EPERM"
      ? "permission denied"
      : code === "EEXIST" || code === "ENOTDIR"
        ? "it is not a directory"
        : code === "EROFS"
          ? "the file system is read-only"
          : message;
  return new StartupError(
    `the data directory ${directory} cannot be used: ${why}; choose another with --data DIR or DATA_DIR`,
  );
}

/**
 * Two servers on one store would each believe that they alone know what was accepted: a replay hole. The lock is a
 * database held exclusively, because that is the one lock here that no kill leaves behind.
 */
function takeLock(directory: string): () => void {
  let lock: Database.Database;
  try {
    closeSync(openSync(join(directory, LOCK), "a", 0o600));
    lock = new Database(join(directory, LOCK), { timeout: 0 });
  } catch (error) {
    throw unusable(directory, error);
  }
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if ((error as { code?: string }).code?.startsWith("SQLITE_BUSY")) {
      throw new StartupError(
        `the data directory ${directory} is in use by another server; stop it, or choose another with --data DIR`,
      );
    }
    throw unusable(directory, error);
  }
  return () => {
    lock.close();
  };
}

function readStoreKey(file: string, known: boolean, given: string | undefined): Uint8Array {
  if (given === undefined && known && !existsSync(file)) {
    throw new StartupError(
      `the key of the store is missing (${file}): bring it back from the backup, or give it in STORE_KEY`,
    );
  }
  const text = given ?? readOrMake(file, () => randomBytes(32).toString("hex"));
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new StartupError(`${given === undefined ? file : "STORE_KEY"} does not hold 64 hex digits`);
  }
  return new Uint8Array(Buffer.from(text, "hex"));
}

function readOrMake(file: string, make: () => string): string {
  try {
    if (existsSync(file)) return readFileSync(file, "utf8").trim();
    const text = make();
    writeFileSync(file, `${text}\n`, { mode: 0o600, flag: "wx", flush: true });
    return text;
  } catch (error) {
    // Another server that shares the directory was first.
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return readFileSync(file, "utf8").trim();
    throw new StartupError(`${file} cannot be read or made: ${(error as Error).message}`);
  }
}

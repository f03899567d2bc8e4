import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { StartupError } from "./errors.js";

/** What a client may do, each including those before: look; talk to nodes; register and remove them. */
export const ROLES = ["viewer", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Whether somebody of a role may do what takes another one. */
export function mayAct(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** Who a client turned out to be. */
export interface Identity {
  /** The token's name, for logs. */
  readonly name: string;
  readonly role: Role;
}

/** A token as it is kept: not the token itself, which its owner alone has. */
export interface TokenRecord extends Identity {
  /** SHA-256 in hex. A token is 24 random bytes, so nothing slower is needed. */
  readonly hash: string;
  /** ISO 8601 */
  readonly created: string;
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._@-]{0,63}$/u;

/** The tokens of a data directory: a file that its owner alone can read, read again when it has changed. */
export class TokenFile {
  readonly #file: string;
  #records: readonly TokenRecord[] = [];
  #stamp = "";

  /** @throws StartupError when the file is there and is none of ours */
  constructor(file: string) {
    this.#file = file;
    this.#records = this.list();
  }

  /** @throws StartupError */
  list(): readonly TokenRecord[] {
    if (!existsSync(this.#file)) {
      this.#stamp = "";
      return [];
    }
    try {
      const { mtimeMs, ino, size } = statSync(this.#file);
      const records = JSON.parse(readFileSync(this.#file, "utf8")) as unknown;
      if (!Array.isArray(records) || !records.every(isRecord)) throw new Error("it is no list of tokens");
      this.#stamp = `${mtimeMs} ${ino} ${size}`;
      return records;
    } catch (error) {
      throw new StartupError(`the tokens in ${this.#file} cannot be read: ${(error as Error).message}`);
    }
  }

  /** Those that are valid now, also when a command has changed them since. A file that was damaged changes nothing. */
  current(): readonly TokenRecord[] {
    try {
      const found = existsSync(this.#file) ? statSync(this.#file) : undefined;
      const stamp = found === undefined ? "" : `${found.mtimeMs} ${found.ino} ${found.size}`;
      if (stamp !== this.#stamp) this.#records = this.list();
    } catch {
      // As they were.
    }
    return this.#records;
  }

  /**
   * @returns the token, which nobody can tell again
   * @throws StartupError when the name is taken or is none
   */
  add(name: string, role: Role, now: Date): string {
    if (!NAME.test(name)) {
      throw new StartupError(`"${name}" is no name of a token: letters, digits and . _ @ -, at most 64`);
    }
    const records = this.list();
    if (records.some((record) => record.name === name)) {
      throw new StartupError(`there is a token "${name}" already; remove it first`);
    }
    const token = randomBytes(24).toString("base64url");
    const hash = digest(token).toString("hex");
    this.#write([...records, { name, role, hash, created: now.toISOString() }]);
    return token;
  }

  /** @throws StartupError when there is none of this name */
  remove(name: string): void {
    const records = this.list();
    const rest = records.filter((record) => record.name !== name);
    if (rest.length === records.length) throw new StartupError(`there is no token "${name}"`);
    this.#write(rest);
  }

  #write(records: readonly TokenRecord[]): void {
    const fresh = `${this.#file}.new`;
    writeFileSync(fresh, `${JSON.stringify(records, undefined, 2)}\n`, { mode: 0o600, flush: true });
    renameSync(fresh, this.#file);
    this.#records = this.list();
  }
}

function isRecord(value: unknown): value is TokenRecord {
  const { name, role, hash } = value as TokenRecord;
  return typeof name === "string" && ROLES.includes(role) && /^[0-9a-f]{64}$/.test(hash);
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/**
 * Whom a token belongs to; `undefined` for one that nobody has. The time it takes tells nothing about the tokens.
 * @param apiToken the one of the data directory: an administrator's
 */
export function identify(
  token: string,
  apiToken: string,
  records: readonly TokenRecord[],
): Identity | undefined {
  const given = digest(token);
  let found: Identity | undefined = timingSafeEqual(given, digest(apiToken))
    ? { name: "api-token", role: "admin" }
    : undefined;
  for (const { name, role, hash } of records) {
    if (timingSafeEqual(given, Buffer.from(hash, "hex"))) found = { name, role };
  }
  return found;
}

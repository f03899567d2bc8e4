/** Security contexts from a file, so that a capture can be opened without looking for its context, or typing a key. */

import { readFileSync } from "node:fs";
import { fromHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { type ContextParameters, checkParameters, Hkdf } from "../../firmware/oscore/context.js";

export interface NamedContext {
  readonly name: string;
  readonly parameters: ContextParameters;
}

/** A file that holds no contexts; says where. Values are never repeated: they may be keys. */
export class ContextsFileError extends Error {}

const HEX_FIELDS = ["secret", "salt", "senderId", "recipientId", "idContext"] as const;

/**
 * Reads a JSON array of objects: `secret`, `senderId` and `recipientId` in hex, and where they are not the default
 * `salt`, `idContext`, `alg` (COSE number), `hkdf` ("sha-256" or "sha-512"), `name`.
 * @throws ContextsFileError
 */
export function readContexts(path: string): NamedContext[] {
  let list: unknown;
  try {
    list = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    const problem = error instanceof SyntaxError ? "not JSON" : (error as NodeJS.ErrnoException).code;
    throw new ContextsFileError(`${path}: ${problem}`);
  }
  if (!Array.isArray(list)) throw new ContextsFileError(`${path}: not a list of contexts`);
  return list.map((entry: unknown, index) => parseContext(entry, `${path}, context ${index + 1}`, index));
}

function parseContext(entry: unknown, where: string, index: number): NamedContext {
  if (typeof entry !== "object" || entry === null) throw new ContextsFileError(`${where}: not an object`);
  const fields = entry as Record<string, unknown>;
  const bytes: { [name in (typeof HEX_FIELDS)[number]]?: Uint8Array } = {};
  for (const name of HEX_FIELDS) {
    const text = fields[name];
    if (text === undefined) continue;
    const value = typeof text === "string" ? fromHex(text) : undefined;
    if (value === undefined || value instanceof Refusal)
      throw new ContextsFileError(`${where}: ${name} is not hex`);
    bytes[name] = value;
  }
  const { secret, senderId, recipientId } = bytes;
  if (secret === undefined || senderId === undefined || recipientId === undefined) {
    throw new ContextsFileError(`${where}: needs secret, senderId and recipientId`);
  }
  const { alg, hkdf, name } = fields;
  if (alg !== undefined && typeof alg !== "number")
    throw new ContextsFileError(`${where}: alg is not a number`);
  if (hkdf !== undefined && hkdf !== "sha-256" && hkdf !== "sha-512") {
    throw new ContextsFileError(`${where}: hkdf is neither sha-256 nor sha-512`);
  }
  const parameters: ContextParameters = {
    masterSecret: secret,
    masterSalt: bytes.salt,
    senderId,
    recipientId,
    idContext: bytes.idContext,
    algorithm: alg,
    hkdf: hkdf === "sha-512" ? Hkdf.SHA_512 : Hkdf.SHA_256,
  };
  const error = checkParameters(parameters);
  if (error !== undefined) throw new ContextsFileError(`${where}: ${error.message}`);
  return { name: typeof name === "string" ? name : `context ${index + 1}`, parameters };
}

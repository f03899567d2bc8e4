import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";

import { concat } from "../firmware/bytes/compare.js";

/** What a node and the server share (RFC 8613 §3.1), named from neither side: the node's ID and the server's. */
export interface ContextKeys {
  readonly masterSecret: Uint8Array;
  readonly masterSalt: Uint8Array;
  /** The node's Sender ID, our Recipient ID. */
  readonly nodeId: Uint8Array;
  /** Our Sender ID. */
  readonly serverId: Uint8Array;
  readonly idContext: Uint8Array | undefined;
  /** COSE number of the AEAD. */
  readonly algorithm: number;
}

const IV_LENGTH = 12;
const TAG_LENGTH = 16;

/**
 * Keeps the nodes' keys unreadable in the database, its backups and its write-ahead log: AES-256-GCM under a key that
 * lives elsewhere.
 */
export class Vault {
  readonly #sealing: Uint8Array;
  readonly #naming: Uint8Array;

  /** @param key 32 bytes; throws RangeError for any other length */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError(`the store's key has ${key.length} bytes, not 32`);
    // Two uses, two keys.
    const derive = (use: string) => new Uint8Array(hkdfSync("sha256", key, "", `oscore-mesh ${use}`, 32));
    this.#sealing = derive("keys at rest");
    this.#naming = derive("fingerprint");
  }

  /** Names this vault's key without telling it. */
  get mark(): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#naming).update("this key").digest());
  }

  seal(keys: ContextKeys): Uint8Array {
    const iv = randomBytes(IV_LENGTH);
    const cipher = createCipheriv("aes-256-gcm", this.#sealing, iv);
    const plain = pack(keys);
    const sealed = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    plain.fill(0);
    return new Uint8Array(sealed);
  }

  /** `undefined` when this vault did not seal it: another key, or a changed byte. */
  open(sealed: Uint8Array): ContextKeys | undefined {
    if (sealed.length < IV_LENGTH + TAG_LENGTH) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", this.#sealing, sealed.subarray(0, IV_LENGTH));
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_LENGTH));
    // GCM is a stream: all of it comes from `update`, before it is known whether it is genuine.
    const plain = decipher.update(sealed.subarray(IV_LENGTH, sealed.length - TAG_LENGTH));
    try {
      decipher.final();
      return unpack(plain);
    } catch {
      return undefined;
    } finally {
      plain.fill(0);
    }
  }

  /** Names these keys without telling them: the same keys have the same fingerprint, also after a node was removed. */
  fingerprint(keys: ContextKeys): Uint8Array {
    const plain = pack(keys);
    const digest = createHmac("sha256", this.#naming).update(plain).digest();
    plain.fill(0);
    return new Uint8Array(digest);
  }
}

/** Each field with its length in front; 0xFF stands for "none". */
function pack(keys: ContextKeys): Uint8Array {
  const fields = [keys.masterSecret, keys.masterSalt, keys.nodeId, keys.serverId, keys.idContext];
  const parts: Uint8Array[] = [];
  for (const field of fields) {
    if (field === undefined) parts.push(new Uint8Array([0xff]));
    else parts.push(new Uint8Array([field.length]), field);
  }
  const algorithm = new Uint8Array(2);
  new DataView(algorithm.buffer).setInt16(0, keys.algorithm);
  parts.push(algorithm);
  // No copy of the keys but this one, which the caller zeros.
  return concat(...parts);
}

function unpack(bytes: Uint8Array): ContextKeys {
  let at = 0;
  const field = (): Uint8Array | undefined => {
    const length = bytes[at++];
    if (length === 0xff) return undefined;
    at += length;
    return new Uint8Array(bytes.subarray(at - length, at));
  };
  const masterSecret = field() ?? new Uint8Array(0);
  const masterSalt = field() ?? new Uint8Array(0);
  const nodeId = field() ?? new Uint8Array(0);
  const serverId = field() ?? new Uint8Array(0);
  const idContext = field();
  const algorithm = new DataView(bytes.buffer, bytes.byteOffset + at, 2).getInt16(0);
  return { masterSecret, masterSalt, nodeId, serverId, idContext, algorithm };
}

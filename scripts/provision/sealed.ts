/**
 * Files that hold keys, encrypted under a passphrase: one line of JSON that says how, then the ciphertext. The line is
 * authenticated with the rest. scrypt (RFC 7914) makes a passphrase dear to guess, XChaCha20-Poly1305 has nonces long
 * enough to be drawn at random.
 */

import { randomBytes, scryptSync } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { fromHex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";

export const SEALED_KINDS = ["network", "registrations"] as const;
export type SealedKind = (typeof SEALED_KINDS)[number];

/** RFC 7914 §2. N is 2 to the power of `logN`. */
export interface ScryptParameters {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Uint8Array;
}

/** The first line of a file. Nothing in it is secret. */
export interface Header {
  readonly kind: SealedKind;
  /** Which network it is of, and whose copy. */
  readonly network: string;
  readonly holder: string;
  readonly scrypt: ScryptParameters;
}

export type SealedRefusal = Refusal<
  "not-a-network-file" | "newer-version" | "weak-parameters" | "wrong-passphrase-or-damaged"
>;

/** 128 MiB and about half a second for each guess. */
const DEFAULT_LOG_N = 17;
/** A header comes from anywhere, the server too: it must not make us take all memory, nor guess for free. */
const MOST_LOG_N = 20;
const VERSION = 1;
const NONCE = 24;
const LONGEST_HEADER = 1024;

/**
 * The cost for new files. Tests derive hundreds of keys: `OSCORE_MESH_TEST_SCRYPT` lowers it, and a file made so is
 * called weak whenever it is opened without the variable.
 */
export function scryptCost(): number {
  const text = process.env.OSCORE_MESH_TEST_SCRYPT;
  return text !== undefined && /^\d{1,2}$/.test(text) ? Number(text) : DEFAULT_LOG_N;
}

export function newScrypt(): ScryptParameters {
  return { logN: scryptCost(), r: 8, p: 1, salt: new Uint8Array(randomBytes(16)) };
}

/** What a passphrase gives, once it has been through scrypt: two keys for two uses. */
export class PassphraseKey {
  readonly parameters: ScryptParameters;
  readonly #sealing: Uint8Array;
  /** Shows the server that somebody knows the passphrase of a backup; tells nothing of the key that opens it. */
  readonly proof: string;

  constructor(passphrase: string, parameters: ScryptParameters) {
    const { logN, r, p, salt } = parameters;
    this.parameters = parameters;
    const N = 2 ** logN;
    // One passphrase typed on two keyboards is one passphrase (RFC 8265 §4.2.2: NFC).
    const root = scryptSync(passphrase.normalize("NFC"), salt, 32, { N, r, p, maxmem: 256 * N * r });
    const derive = (use: string) =>
      hkdf(sha256, root, undefined, new TextEncoder().encode(`oscore-mesh ${use}`), 32);
    this.#sealing = derive("file");
    this.proof = Buffer.from(derive("backup")).toString("base64url");
    root.fill(0);
  }

  /** Takes the key out of memory. The passphrase was a string, and those are the engine's. */
  wipe(): void {
    this.#sealing.fill(0);
  }

  /** @param plain is wiped */
  seal(header: Omit<Header, "scrypt">, plain: Uint8Array): Uint8Array {
    const nonce = new Uint8Array(randomBytes(NONCE));
    const line = headerLine({ ...header, scrypt: this.parameters });
    const body = xchacha20poly1305(this.#sealing, nonce, line).encrypt(plain);
    plain.fill(0);
    return new Uint8Array(Buffer.concat([line, nonce, body]));
  }

  /** @returns `undefined` when it was sealed under another passphrase, or is not as it was written */
  open(file: Uint8Array): Uint8Array | undefined {
    const end = file.indexOf(0x0a) + 1;
    const line = file.subarray(0, end);
    const nonce = file.subarray(end, end + NONCE);
    if (nonce.length < NONCE) return undefined;
    try {
      return xchacha20poly1305(this.#sealing, nonce, line).decrypt(file.subarray(end + NONCE));
    } catch {
      return undefined;
    }
  }
}

function headerLine({ kind, network, holder, scrypt }: Header): Uint8Array {
  const { logN, r, p, salt } = scrypt;
  const fields = {
    "oscore-mesh": kind,
    version: VERSION,
    network,
    holder,
    kdf: { name: "scrypt", logN, r, p, salt: toHex(salt) },
    aead: "xchacha20-poly1305",
  };
  return new TextEncoder().encode(`${JSON.stringify(fields)}\n`);
}

/** What a file says of itself, before anybody has proved that it says the truth. */
export function readHeader(file: Uint8Array): Header | SealedRefusal {
  const end = file.subarray(0, LONGEST_HEADER).indexOf(0x0a);
  const strange = (why: string) => new Refusal("not-a-network-file" as const, why);
  if (end < 0) return strange("it does not begin with a header");
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder().decode(file.subarray(0, end)));
  } catch {
    return strange("its header is not JSON");
  }
  const kind = SEALED_KINDS.find((one) => one === fields?.["oscore-mesh"]);
  if (kind === undefined) return strange("its header does not say so");
  if (fields.version !== VERSION) {
    return new Refusal("newer-version", `it is of version ${fields.version}, this program knows ${VERSION}`);
  }
  const { network, holder } = fields;
  const { logN, r, p, salt: text } = (fields.kdf ?? {}) as Record<string, unknown>;
  const salt = typeof text === "string" ? fromHex(text) : undefined;
  if (typeof network !== "string" || typeof holder !== "string" || !(salt instanceof Uint8Array)) {
    return strange("its header is incomplete");
  }
  if (
    !Number.isInteger(logN) ||
    (logN as number) < 1 ||
    (logN as number) > MOST_LOG_N ||
    r !== 8 ||
    p !== 1
  ) {
    return new Refusal("weak-parameters", `scrypt with logN ${logN}, r ${r}, p ${p}`);
  }
  return { kind, network, holder, scrypt: { logN: logN as number, r, p, salt } };
}

export function isWeak({ logN }: ScryptParameters): boolean {
  return logN < Math.min(DEFAULT_LOG_N, scryptCost());
}

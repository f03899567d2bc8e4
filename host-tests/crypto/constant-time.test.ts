import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOMS = ["firmware", "hal", "cloud", "scripts/provision"];

/** How we call what nobody may find out byte by byte. */
const SECRET =
  /secret|passphrase|password|\b(?:\w*[kK]ey|oob)\b(?!\.(?:index|id))|\b(?:tag|mac|mic|proof|token|echo|authValue|confirmation|fingerprint|mark)\b/i;

/** Public all the same: what a board tells everybody who asks it, and what is compared for equality of our own names. */
const PUBLIC = [
  // SHA-256 of an identity, told by `hello` and by the identity server's report.
  /\bfound\.fingerprint\b|\bequal\(fingerprint, expected\)/,
  // Entity tags (RFC 7252 §5.10.6), public keys.
  /\bequal\(tag, etag\)|\bequal\(parameters, publicKey\)/,
];

/** Comparisons of one line that stop at the first difference, although what they compare has the name of a secret. */
function leaks(line: string): boolean {
  if (PUBLIC.some((known) => known.test(line))) return false;
  for (const [, given] of line.matchAll(/(?<![\w.])equal\(((?:[^()]|\([^()]*\))*)\)/g)) {
    if (SECRET.test(given)) return true;
  }
  // Strings: identifiers on both sides; a literal, `undefined` or a length is no secret.
  for (const [, left, right] of line.matchAll(/([\w.#]+) [!=]== ([\w.#]+)/g)) {
    const ours = [left, right].map((one) => one.split(".").pop()!);
    if (ours.some((one) => /^(?:undefined|null|true|false|length|\d+)$/.test(one))) continue;
    if (ours.some((one) => /secret$|passphrase$|password$|^(?:proof|apiToken|authValue)$/i.test(one)))
      return true;
  }
  return false;
}

function* sources(path: string): Generator<string> {
  if (path.endsWith(".ts")) {
    yield path;
    return;
  }
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory() || entry.name.endsWith(".ts")) yield* sources(join(path, entry.name));
  }
}

describe("comparisons of secrets", () => {
  it("take a time that tells nothing: `equal` and `===` are for public values", () => {
    const found: string[] = [];
    let files = 0;
    for (const path of ROOMS.flatMap((room) => [...sources(room)])) {
      files++;
      for (const [i, line] of readFileSync(path, "utf8").split("\n").entries()) {
        if (leaks(line)) found.push(`${path}:${i + 1}: ${line.trim()}`);
      }
    }
    assert.ok(files > 100);
    assert.deepEqual(found, []);
  });

  it("are found where they leak, and only there", () => {
    for (const line of [
      "if (equal(a.masterSecret, b.masterSecret)) return;",
      "if (!equal(subnet.current.key, key)) return;",
      "return equal(tag, this.#tag(value));",
      "if (passphrase !== again) throw new Error();",
      "return given === options.apiToken;",
      "if (equal(proofOf(oob, challenge), proof)) return;",
    ]) {
      assert.ok(leaks(line), line);
    }
    for (const line of [
      "if (!equalConstantTime(expected, this.#peerConfirmation)) return;",
      "if (equal(kid, context.recipientId)) return;",
      "if (secret === undefined || equal(parameters, publicKeyOf(point).x)) return;",
      'if (token === "-") return;',
      "if (token.length !== given.length) return;",
    ]) {
      assert.ok(!leaks(line), line);
    }
  });
});

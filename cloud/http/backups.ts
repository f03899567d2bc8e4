import type { FastifyInstance } from "fastify";
import { Allowances } from "../allowance.js";
import type { BackupName, NetworkBackups } from "../network-backups.js";
import { HttpError } from "./app.js";
import { described, NOTHING } from "./descriptions.js";
import { query } from "./schemas.js";

/** A network of ten thousand devices has some 8 MB. */
const BODY_LIMIT = 32 * 1024 * 1024;
/** Proofs of one address at once, and each second: a person mistypes a passphrase, a program tries thousands. */
const BURST = 10;
const RATE = 0.1;

const TEXT = { type: "string" } as const;
const WHICH = {
  network: { type: "string", pattern: "^[0-9a-f]{16}$" },
  holder: { type: "string", pattern: "^[0-9a-z]{1,16}$" },
} as const;
const LIST = {
  type: "array",
  items: {
    type: "object",
    required: ["network", "holder", "saved", "bytes", "header"],
    properties: { ...WHICH, saved: TEXT, bytes: { type: "integer" }, header: TEXT },
  },
} as const;
const SEALED = {
  content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } },
} as const;

/**
 * Network files of `npm run provision`, encrypted. An administrator saves them, with the hash of a proof; whoever has the
 * proof, which follows from the passphrase, gets them back. The list shows no more than what it takes to make a proof:
 * salt and cost.
 */
export function backupRoutes(
  app: FastifyInstance,
  { backups, wallTime }: { readonly backups: NetworkBackups; readonly wallTime: () => number },
): void {
  const guesses = new Allowances(BURST, RATE);
  const find = (which: BackupName) => {
    const backup = backups.find(which);
    if (backup === undefined) throw new HttpError(404, "not-found", "no backup of this network file");
    return backup;
  };

  app.get(
    "/api/network-backups",
    {
      config: { role: "anybody" },
      schema: described("Network files that are kept here, encrypted", "backups", { 200: LIST }),
    },
    async () => backups.list(),
  );

  app.get<{ Querystring: BackupName }>(
    "/api/network-backup",
    {
      config: { role: "admin" },
      ...query(described("A network file, encrypted", "backups", { 200: SEALED }), WHICH, Object.keys(WHICH)),
    },
    async (request, reply) => {
      reply.type("application/octet-stream");
      return Buffer.from(find(request.query).file());
    },
  );

  app.get<{ Querystring: BackupName }>(
    "/api/network-backup/recovery",
    {
      config: { role: "anybody" },
      ...query(
        described("A network file, for the proof of its passphrase", "backups", { 200: SEALED }),
        WHICH,
        Object.keys(WHICH),
      ),
    },
    async (request, reply) => {
      const proof = /^Proof +(\S{1,100})$/i.exec(request.headers.authorization ?? "")?.[1];
      // Before it is compared: a guess that is not looked at tells nothing.
      if (!guesses.take(request.ip, wallTime())) {
        throw new HttpError(429, "too-many-requests", "too many passphrases were tried: wait a minute");
      }
      const backup = backups.find(request.query);
      if (proof === undefined || backup?.proven(proof) !== true) {
        throw new HttpError(401, "unauthorized", "the passphrase is another one, or there is no such backup");
      }
      reply.type("application/octet-stream");
      return Buffer.from(backup.file());
    },
  );

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      "application/octet-stream",
      { parseAs: "buffer", bodyLimit: BODY_LIMIT },
      (_request, body, done) => done(null, body),
    );
    scope.put<{ Querystring: BackupName; Body: Buffer }>(
      "/api/network-backup",
      {
        bodyLimit: BODY_LIMIT,
        ...query(
          described("Keeps a network file, encrypted by whoever sends it", "backups", { 204: NOTHING }),
          WHICH,
          Object.keys(WHICH),
        ),
      },
      async (request, reply) => {
        const hash = request.headers["x-proof-hash"];
        if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash)) {
          throw new HttpError(400, "bad-request", "x-proof-hash: 64 hex digits, SHA-256 of the proof");
        }
        const body = request.body;
        if (!(body instanceof Uint8Array) || body.length === 0) {
          throw new HttpError(400, "bad-request", "the body is the encrypted file");
        }
        backups.save(request.query, hash, body, wallTime());
        return reply.code(204).send();
      },
    );
  });
}

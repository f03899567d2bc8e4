import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkBackups } from "../../cloud/network-backups.js";
import { type RunningServer, startServer } from "../../cloud/server.js";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const WHICH = { network: "0123456789abcdef", holder: "office" };
const HEADER = '{"oscore-mesh":"network"}';
const FILE = new TextEncoder().encode(`${HEADER}\nsealed`);

describe("backups of network files", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "backups-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("keeps the newest ten of each copy, and says of each no more than its first line", () => {
    const backups = new NetworkBackups(join(directory, "b"));
    assert.deepEqual(backups.list(), []);
    for (let i = 0; i < 12; i++) {
      // A clock that goes back is no reason to give an older file back.
      backups.save(WHICH, sha256(`proof ${i}`), new TextEncoder().encode(`${HEADER}\n${i}`), 1000 - i);
    }
    backups.save({ ...WHICH, holder: "anna" }, sha256("hers"), FILE, 5);
    const files = readdirSync(join(directory, "b"));
    assert.equal(files.length, 11);
    for (const file of files) assert.equal(statSync(join(directory, "b", file)).mode & 0o777, 0o600);
    const newest = backups.find(WHICH)!;
    assert.equal(new TextDecoder().decode(newest.file()), `${HEADER}\n11`);
    assert.deepEqual(
      [newest.proven("proof 11"), newest.proven("proof 10"), newest.proven("")],
      [true, false, false],
    );
    assert.deepEqual(
      backups.list().map(({ holder, header, bytes }) => [holder, header, bytes]),
      [
        ["anna", HEADER, FILE.length],
        ["office", HEADER, HEADER.length + 3],
      ],
    );
    // What a cut has left, and what is somebody else's, is passed over.
    writeFileSync(join(directory, "b", `${files[0]}.new`), "half");
    writeFileSync(join(directory, "b", "README"), "");
    assert.equal(backups.list().length, 2);
    assert.equal(backups.find({ ...WHICH, network: "f".repeat(16) }), undefined);
  });

  describe("over HTTP", () => {
    let server: RunningServer;
    const url = (path: string) => `${server.httpUrl}${path}?${new URLSearchParams(WHICH)}`;
    const put = (headers: Record<string, string>, body: Uint8Array = FILE) =>
      fetch(url("/api/network-backup"), {
        method: "PUT",
        headers: { "content-type": "application/octet-stream", ...headers },
        body: Buffer.from(body),
      });
    const admin = () => ({ authorization: `Bearer ${server.apiToken}` });
    const recover = (proof: string) =>
      fetch(url("/api/network-backup/recovery"), { headers: { authorization: `Proof ${proof}` } });
    beforeEach(async () => {
      server = await startServer({
        dataDir: directory,
        http: { host: "127.0.0.1", port: 0 },
        coap: { host: "127.0.0.1", port: 0 },
      });
    });
    afterEach(() => server.stop());

    it("is written with the token, and given back for the token or for the proof of the passphrase", async () => {
      const hash = { "x-proof-hash": sha256("proof") };
      assert.equal((await put(hash)).status, 401);
      assert.equal((await put({ ...admin() })).status, 400);
      assert.equal((await put({ ...admin(), ...hash }, new Uint8Array(0))).status, 400);
      assert.equal((await put({ ...admin(), ...hash })).status, 204);
      const [listed] = (await (await fetch(`${server.httpUrl}/api/network-backups`)).json()) as {
        header: string;
      }[];
      assert.equal(listed.header, HEADER);
      const whole = await fetch(url("/api/network-backup"), { headers: admin() });
      assert.deepEqual(new Uint8Array(await whole.arrayBuffer()), FILE);
      assert.deepEqual(new Uint8Array(await (await recover("proof")).arrayBuffer()), FILE);
      assert.equal((await fetch(url("/api/network-backup"))).status, 401);
    });

    it("takes a few proofs of one address, right or wrong, and then none", async () => {
      await put({ ...admin(), "x-proof-hash": sha256("proof") });
      const tried: number[] = [];
      for (let i = 0; i < 10; i++) tried.push((await recover(`guess ${i}`)).status);
      assert.deepEqual(new Set(tried), new Set([401]));
      assert.equal((await recover("proof")).status, 429, "the right one tells nothing either");
    });

    it("a registration may insist on being the first of its name", async () => {
      const post = (body: object, headers: Record<string, string> = {}) =>
        fetch(`${server.httpUrl}/api/nodes`, {
          method: "POST",
          headers: { ...admin(), "content-type": "application/json", ...headers },
          body: JSON.stringify(body),
        });
      const first = { "if-none-match": "*" };
      assert.equal((await post({ name: "relay-1", kind: "relay" }, first)).status, 201);
      assert.equal((await post({ name: "relay-1", kind: "relay" }, first)).status, 412);
      assert.equal((await post({ name: "relay-1", kind: "relay" })).status, 200);
    });
  });
});

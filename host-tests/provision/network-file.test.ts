import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { newDevice } from "../../scripts/provision/commands/add.js";
import { ProvisionError } from "../../scripts/provision/errors.js";
import { takeLock } from "../../scripts/provision/lock.js";
import { members, newNetwork } from "../../scripts/provision/network.js";
import { NetworkFile } from "../../scripts/provision/network-file.js";
import { isWeak, newScrypt, PassphraseKey, readHeader, scryptCost } from "../../scripts/provision/sealed.js";
import { PASSPHRASE, provision, ROOT } from "./command.js";

const failsWith =
  (reason: string, sentence = /./) =>
  (error: unknown) =>
    error instanceof ProvisionError && error.reason === reason && sentence.test(error.message);

function someNetwork() {
  return newNetwork({ name: "office", gateways: "one", ttl: 7, interval: 60, confirmable: true });
}

describe("network file", () => {
  let directory: string;
  let path: string;
  const before = process.env.OSCORE_MESH_TEST_SCRYPT;
  beforeEach(() => {
    process.env.OSCORE_MESH_TEST_SCRYPT = "4";
    directory = mkdtempSync(join(tmpdir(), "network-file-"));
    path = join(directory, "network");
  });
  afterEach(() => {
    if (before === undefined) delete process.env.OSCORE_MESH_TEST_SCRYPT;
    else process.env.OSCORE_MESH_TEST_SCRYPT = before;
    rmSync(directory, { recursive: true, force: true });
  });
  const open = (write = false) => NetworkFile.open(path, PASSPHRASE, { write });

  it("comes back as it was saved, only its owner may read it, and no key of it is in the bytes", () => {
    const network = someNetwork();
    const device = newDevice(network, { name: "Küche", kind: "node" });
    const file = NetworkFile.create(path, PASSPHRASE, structuredClone(network));
    file.close();
    assert.deepEqual(open().network, network);
    assert.ok(
      file.network.keys[0].netKey.every((byte) => byte === 0),
      "wiped",
    );
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const bytes = readFileSync(path);
    for (const key of [network.keys[0].netKey, device.next!.secrets!.masterSecret!]) {
      assert.equal(bytes.includes(Buffer.from(key)), false);
      assert.equal(bytes.includes(toHex(key)), false);
    }
    assert.equal(bytes.includes("Küche"), false);
    assert.deepEqual(readdirSync(directory), ["network"]);
  });

  it("does not open with another passphrase, nor when any byte of it is another one", () => {
    NetworkFile.create(path, PASSPHRASE, someNetwork()).close();
    const other = () => NetworkFile.open(path, "another one", { write: false });
    assert.throws(other, failsWith("wrong-passphrase", /passphrase is another one, or the file is damaged/));
    const good = readFileSync(path);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bad = Buffer.from(good);
        bad[at] ^= change;
        writeFileSync(path, bad);
        assert.throws(open, (error) => error instanceof ProvisionError);
      }),
      { numRuns: 200 },
    );
    for (const length of [0, 1, 100, good.length - 1]) {
      writeFileSync(path, good.subarray(0, length));
      assert.throws(open, (error) => error instanceof ProvisionError);
    }
    writeFileSync(path, good);
    assert.equal(open().network.name, "office");
  });

  it("costs 128 MiB for each guess unless a test says otherwise, and says so then", () => {
    delete process.env.OSCORE_MESH_TEST_SCRYPT;
    assert.deepEqual({ ...newScrypt(), salt: 0 }, { logN: 17, r: 8, p: 1, salt: 0 });
    assert.equal(isWeak({ ...newScrypt(), logN: 16 }), true);
    process.env.OSCORE_MESH_TEST_SCRYPT = "4";
    assert.equal(scryptCost(), 4);
  });

  it("a header that asks for all memory, or for none, is refused before anything is derived", () => {
    const header = { kind: "network", network: "0".repeat(16), holder: "office" } as const;
    const sealed = new PassphraseKey(PASSPHRASE, newScrypt()).seal(header, new Uint8Array(9));
    const text = Buffer.from(sealed).toString("latin1");
    for (const [from, to, reason] of [
      ['"logN":4', '"logN":31', "weak-parameters"],
      ['"r":8', '"r":8000', "weak-parameters"],
      ['"version":1', '"version":2', "newer-version"],
      ['"salt":"', '"salt":"x', "not-a-network-file"],
      ["oscore-mesh", "oscore-mush", "not-a-network-file"],
    ]) {
      const read = readHeader(Buffer.from(text.replace(from, to), "latin1"));
      assert.ok(read instanceof Refusal && read.reason === reason, `${to}: ${JSON.stringify(read)}`);
    }
  });

  it("two technicians do not have it open at once; a lock whose owner is dead is nobody's", () => {
    NetworkFile.create(path, PASSPHRASE, someNetwork()).close();
    const first = open(true);
    assert.throws(
      () => open(true),
      failsWith("locked", new RegExp(`on ${hostname()} \\(process ${process.pid}\\)`)),
    );
    assert.equal(open().network.name, "office", "reading needs no lock");
    first.close();
    const lock = `${path}.lock`;
    const owner = { pid: 2 ** 22 + 1, host: hostname(), user: "anna", since: "2026-01-01T00:00:00Z" };
    writeFileSync(lock, JSON.stringify(owner));
    open(true).close();
    // The number of the process is another process's by now.
    writeFileSync(lock, JSON.stringify({ ...owner, pid: process.pid, started: "1" }));
    open(true).close();
    writeFileSync(lock, "");
    open(true).close();
    // On another machine nobody can tell.
    writeFileSync(lock, JSON.stringify({ ...owner, host: "elsewhere" }));
    assert.throws(() => open(true), failsWith("locked", /by anna on elsewhere.*--steal-lock/));
    NetworkFile.open(path, PASSPHRASE, { write: true, stealLock: true }).close();
    assert.equal(existsSync(lock), false);
    takeLock(path)();
  });

  it("a link stays a link, and a file that is there is not made anew", () => {
    NetworkFile.create(path, PASSPHRASE, someNetwork()).close();
    const link = join(directory, "link");
    symlinkSync(path, link);
    const file = NetworkFile.open(link, PASSPHRASE, { write: true });
    newDevice(file.network, { name: "node-1", kind: "node" });
    file.save();
    file.close();
    assert.equal(members(open().network).length, 1);
    assert.throws(() => NetworkFile.create(path, PASSPHRASE, someNetwork()), failsWith("file-exists"));
    assert.equal(existsSync(`${path}.lock`), false);
  });

  it("our own place in the mesh is of this file in this place", () => {
    const file = NetworkFile.create(path, PASSPHRASE, someNetwork());
    const { address, storage } = file.provisioner();
    storage.set("mesh.seq", Uint8Array.of(1, 2));
    file.close();
    const again = open(true);
    assert.equal(again.provisioner().address, address);
    assert.deepEqual(again.provisioner().storage.get("mesh.seq"), Uint8Array.of(1, 2));
    again.close();
    const copy = join(directory, "copy");
    writeFileSync(copy, readFileSync(path));
    chmodSync(copy, 0o600);
    const elsewhere = NetworkFile.open(copy, PASSPHRASE, { write: true });
    assert.equal(elsewhere.provisioner().storage.get("mesh.seq"), undefined, "its numbers were used already");
    elsewhere.close();
  });
});

describe("network file under faults", function () {
  this.timeout(120_000);
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "network-file-"));
    path = join(directory, "network");
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const preload = join(ROOT, "host-tests/provision/faults.mjs");
  const file = () => ["--network", path, "--offline"];
  const grant = (name: string) => ["export", join(directory, name), "--for", name, ...file()];
  const faulty = (fault: string, args: readonly string[]) =>
    provision(args, { preload, env: { FAULT: fault, FAULT_PATH: path } });

  it("killed at every operation on the file, it is the old one or the new one, and opens", async () => {
    assert.equal((await provision(["init", "--name", "x", ...file()])).code, 0);
    let holders = 1;
    let at = 1;
    for (; ; at++) {
      const { signal } = await faulty(`kill:${at}`, grant(`k${at}`));
      const now = NetworkFile.open(path, PASSPHRASE, { write: false }).network.holders.length;
      rmSync(`${path}.lock`, { force: true });
      if (signal === null) {
        assert.equal(now, holders + 1);
        break;
      }
      assert.ok(now === holders || now === holders + 1, `operation ${at}: ${now} after ${holders}`);
      holders = now;
    }
    // The lock: open, write, to the disk, and its end; the file: open, write, to the disk, rename.
    assert.equal(at, 9);
  });

  it("a full disk is said in a sentence, and the file is as it was", async () => {
    assert.equal((await provision(["init", "--name", "x", ...file()])).code, 0);
    const before = readFileSync(path);
    // Behind the lock's three operations the file's own begin.
    for (const at of [5, 7]) {
      const { code, errors } = await faulty(`full:${at}`, grant(`f${at}`));
      assert.equal(code, 1);
      assert.match(errors, /could not be written: the disk is full\. It is as it was\./);
      assert.deepEqual(readFileSync(path), before);
      assert.deepEqual(
        readdirSync(directory).filter((name) => name.startsWith("network")),
        ["network"],
      );
    }
  });
});

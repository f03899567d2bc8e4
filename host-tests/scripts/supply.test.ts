import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { isPermissive, packagesOf } from "../../scripts/supply/licences.js";
import { packServer } from "../../scripts/supply/server-package.js";

/** Starts a packed server on free ports, asks it, and ends it. */
async function answersOf(server: string, directory: string): Promise<Record<string, number>> {
  const place = ["--http", "127.0.0.1:0", "--coap", "127.0.0.1:0", "--data", join(directory, "data")];
  const child = spawn(process.execPath, [server, ...place], { cwd: directory });
  try {
    let said = "";
    child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
    for await (const line of createInterface({ input: child.stdout })) {
      said += `${line}\n`;
      const page = /^Page +(http:\S+)/.exec(line)?.[1];
      if (page === undefined) continue;
      const answers: Record<string, number> = {};
      for (const path of ["/readyz", "/page.js"]) answers[path] = (await fetch(new URL(path, page))).status;
      return answers;
    }
    throw new Error(`the server has ended:\n${said}`);
  } finally {
    child.kill();
  }
}

describe("supply chain", function () {
  // npm is started several times.
  this.timeout(120_000);
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-supply-"));
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  it("packs the server into the same bytes twice, and the package runs", async () => {
    const first = await packServer(join(directory, "first"));
    const second = await packServer(join(directory, "second"));
    assert.ok(readFileSync(first).equals(readFileSync(second)));

    execFileSync("tar", ["xzf", first, "-C", directory]);
    // What npm would install beside it, and nothing else of ours.
    mkdirSync(join(directory, "node_modules"));
    for (const name of ["better-sqlite3", "bindings", "file-uri-to-path"]) {
      symlinkSync(resolve("node_modules", name), join(directory, "node_modules", name));
    }
    const server = join(directory, "package", "server.js");
    const help = execFileSync(process.execPath, [server, "--help"], { encoding: "utf8", cwd: directory });
    assert.match(help, /--coap <address>/);
    assert.deepEqual(await answersOf(server, directory), { "/readyz": 200, "/page.js": 200 });

    const notices = readFileSync(join(directory, "package", "THIRD-PARTY.txt"), "utf8");
    for (const name of ["fastify", "@noble/ciphers", "pg"]) assert.ok(notices.includes(`\n${name} `), name);
  });

  it("ships nothing but what is permissively licensed", () => {
    const shipped = packagesOf("shipped");
    assert.ok(shipped.length > 20);
    assert.deepEqual(
      shipped.filter(({ licence }) => !isPermissive(licence)),
      [],
    );
  });

  it("takes a licence for what it is", () => {
    for (const good of [
      "MIT",
      "(MIT OR GPL-3.0-only)",
      "MIT AND ISC",
      "(BSD-2-Clause OR MIT OR Apache-2.0)",
    ]) {
      assert.ok(isPermissive(good), good);
    }
    for (const bad of ["LGPL-3.0", "unknown", "", "MIT AND GPL-2.0-only", "SEE LICENSE IN x", "UNLICENSED"]) {
      assert.ok(!isPermissive(bad), bad);
    }
  });
});

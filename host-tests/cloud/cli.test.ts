import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Run {
  readonly code: number | null;
  readonly output: string;
}

describe("cloud command line", function () {
  this.timeout(60_000);
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "oscore-mesh-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const launch = (script: string, options: string[], env: Record<string, string> = {}): ChildProcess =>
    spawn(process.execPath, ["--import", "tsx", `scripts/${script}.ts`, ...options], {
      cwd: ROOT,
      env: { ...process.env, ...env },
    });
  const run = async (script: string, options: string[], env?: Record<string, string>): Promise<Run> => {
    const child = launch(script, options, env);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (data) => {
        output += data;
      });
    }
    const [code] = await once(child, "close");
    return { code, output };
  };

  it("says what is wrong and exits 2 for wrong usage, 0 for help, 1 for what cannot be done", async () => {
    const taken = createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", resolve));
    const { port } = taken.address();
    const data = join(directory, "data");
    const cases: [string, string[], Record<string, string>, number, RegExp][] = [
      ["server", ["--help"], {}, 0, /--coap <address>/],
      ["server", ["--coap", "1:99999"], {}, 2, /0 \(any free one\) to 65535/],
      ["server", ["--keep", "raw=3"], {}, 2, /raw=30d/],
      ["server", [], { COAP_PORT: "x" }, 2, /COAP_PORT="x" is no port/],
      ["server", ["--data", "/dev/null"], {}, 1, /data directory \/dev\/null cannot be used/],
      [
        "server",
        ["--http", "0", "--coap", `127.0.0.1:${port}`, "--data", data],
        {},
        1,
        new RegExp(`CoAP port ${port} .* in use already; choose another with --coap`),
      ],
      ["store", ["export", "--data", directory], {}, 1, /there is no store in/],
    ];
    await Promise.all(
      cases.map(async ([script, options, env, code, output]) => {
        const result = await run(script, options, env);
        assert.equal(result.code, code, `${options}: ${result.output}`);
        assert.match(result.output, output);
        assert.doesNotMatch(result.output, /at .*\.ts:\d+/, "no stack traces");
      }),
    );
    taken.close();
  });

  it("ends cleanly on a signal, and its store can be copied and read while it runs", async () => {
    const data = join(directory, "data");
    const child = launch("server", ["--http", "0", "--coap", "127.0.0.1:0", "--data", data]);
    let output = "";
    child.stdout?.on("data", (text) => {
      output += text;
    });
    while (!output.includes("CoAP  coap://")) await once(child.stdout!, "data");
    assert.match(output, /Page {2}http:\/\/127\.0\.0\.1:\d+/);
    const copy = join(directory, "copy.db");
    const [backup, csv, second] = await Promise.all([
      run("store", ["backup", copy, "--data", data]),
      run("store", ["export", "--data", data]),
      run("server", ["--http", "0", "--coap", "127.0.0.1:0", "--data", data]),
    ]);
    assert.equal(backup.code, 0, backup.output);
    assert.equal(csv.output, "node,time,temperature,humidity,battery,received,gateway,hops\r\n");
    assert.equal(second.code, 1);
    assert.match(second.output, /in use by another server/);
    assert.equal((await run("store", ["restore", copy, "--data", data])).code, 1, "not while it runs");

    child.kill("SIGINT");
    const [code] = await once(child, "close");
    assert.equal(code, 0);
    const restored = await run("store", ["restore", copy, "--data", data]);
    assert.equal(restored.code, 0, restored.output);
    assert.ok(readdirSync(data).some((name) => name.startsWith("store.db.before-")));
  });
});

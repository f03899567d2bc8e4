import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { MemoryStore } from "../../hal/host/storage.js";
import type { Progress } from "../../scripts/provision/way.js";
import { openOverTheAir, openSerial } from "../../scripts/provision/ways.js";
import { someIdentity } from "./cable.js";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** A board as a process of its own, with what it says. */
class BoardProcess {
  readonly child: ChildProcess;
  readonly said: string[] = [];

  constructor(...options: string[]) {
    this.child = spawn(process.execPath, ["--import", "tsx", "scripts/sim-board.ts", ...options], {
      cwd: REPOSITORY,
      stdio: ["pipe", "pipe", "inherit"],
    });
  }

  /** The last word of its first line: where it is. */
  ready(): Promise<string> {
    return new Promise((resolve, reject) => {
      createInterface({ input: this.child.stdout! }).on("line", (line) => {
        this.said.push(line);
        resolve(line.slice(line.lastIndexOf(" ") + 1));
      });
      this.child.on("exit", () => reject(new Error("the board has ended")));
    });
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
  }
}

describe("simulated boards as processes", function () {
  this.timeout(60_000);
  let directory: string;
  const running: BoardProcess[] = [];

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "sim-board-"));
  });
  afterEach(async () => {
    for (const board of running.splice(0)) await board.end();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function start(...options: string[]): Promise<{ board: BoardProcess; at: string }> {
    const board = new BoardProcess(...options);
    running.push(board);
    return { board, at: await board.ready() };
  }

  it("a real pseudo-terminal, pulled three times with the power in it: the board has its identity, also the next day", async () => {
    const link = join(directory, "console");
    const options = ["--pty", link, "--storage", join(directory, "board.store"), "--powered"];
    const pulls = ["--pull-at", "9", "--pull-at", "14", "--pull-at", "3", "--replug", "50"];
    const { board, at } = await start(...options, ...pulls);
    assert.equal(at, link);
    const notes: Progress[] = [];
    const way = await openSerial(link, { onProgress: (step) => notes.push(step) });
    const identity = someIdentity("node");
    await way.write(identity);
    assert.equal(await way.verify(identity), "same");
    await way.close();
    assert.equal(board.said.filter((line) => line === "cable out").length, 3);
    assert.equal(notes.filter(({ note }) => note?.includes("out")).length, 3);
    await running.pop()!.end();

    await start(...options);
    const tomorrow = await openSerial(link);
    assert.equal(await tomorrow.verify(identity), "same");
    await tomorrow.close();
  });

  it("over the air between processes, through a gateway's console", async () => {
    const { at: air } = await start("--hub", "0");
    const [gateway, node] = await Promise.all([
      start("--tcp", "0", "--kind", "gateway", "--air", air),
      start("--tcp", "0", "--kind", "node", "--air", air),
    ]);
    const bridge = await openSerial(gateway.at);
    const { mesh, ...rest } = someIdentity("gateway");
    await bridge.write({ ...rest, mesh });
    await bridge.close();
    const console = await openSerial(node.at);
    const label = await console.label();
    await console.close();

    const { netKey, ivIndex, ttl } = mesh;
    const network = {
      netKey,
      appKey: mesh.appKey!,
      ivIndex,
      ttl,
      address: 0x7f00,
      storage: new MemoryStore(),
    };
    const way = await openOverTheAir({ bridge: gateway.at, network, ...label });
    const other = someIdentity("node");
    const identity = {
      ...other,
      mesh: { ...other.mesh, netKey, appKey: mesh.appKey!, ivIndex, address: 0x0200 },
    };
    await way.write(identity);
    await way.close();
    // Its console says the same.
    const after = await openSerial(node.at, { oob: label.oob });
    assert.equal(await after.verify(identity), "same");
    await after.close();
  });
});

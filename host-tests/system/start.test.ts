import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import type { EventJson, ReadingJson } from "../../cloud/model.js";
import { findChromium } from "../../scripts/start/chromium.js";
import { XsUnavailable, xsWorker } from "../../sim/xs/worker.js";

/** A process of ours, its output, and its end. */
class Command {
  readonly child: ChildProcess;
  output = "";
  readonly exit: Promise<number | null>;

  constructor(script: string, args: readonly string[], env: Record<string, string>) {
    this.child = spawn(process.execPath, ["--import", "tsx", `scripts/${script}.ts`, ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.exit = once(this.child, "exit").then(([code]) => code as number | null);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk) => {
        this.output += chunk;
        this.#seen();
      });
    }
    this.child.on("exit", () => this.#seen());
  }

  #seen: () => void = () => {};

  /** The first match in what it says. */
  async says(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const match = this.output.match(pattern);
      if (match !== null) return match;
      if (this.child.exitCode !== null) throw new Error(`ended without saying ${pattern}: ${this.output}`);
      await new Promise<void>((resolve) => {
        this.#seen = resolve;
      });
    }
  }

  interrupt(): Promise<number | null> {
    this.child.kill("SIGINT");
    return this.exit;
  }
}

/** Reads the server's stream of events until `enough` says so. */
async function follow<T>(url: string, type: string, enough: (item: T) => boolean): Promise<void> {
  const response = await fetch(`${url}/api/stream`);
  assert.ok(response.body !== null);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const data = block.match(/^data: ?(.*)$/m)?.[1];
      if (block.match(/^event: ?(.*)$/m)?.[1] !== type || data === undefined) continue;
      if (enough(JSON.parse(data) as T)) return;
    }
  }
  throw new Error("the stream ended");
}

const get = async <T>(url: string): Promise<T> => (await fetch(url)).json() as Promise<T>;

describe("npm start", function () {
  this.timeout(90_000);
  let directory: string;
  let dataDir: string;
  const running: Command[] = [];
  const start = (...args: string[]) => {
    const command = new Command("start", args, { HTTP_PORT: "0", COAP_PORT: "0", DATA_DIR: dataDir });
    running.push(command);
    return command;
  };

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "start-"));
    dataDir = join(directory, "data");
  });
  after(() => {
    for (const { child } of running) child.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  });

  const pageOf = async (command: Command) => (await command.says(/Page: (\S+)/))[1];

  const allNodes = (url: string) => {
    const nodes = new Set<string>();
    return follow<ReadingJson>(url, "reading", ({ node }) => nodes.add(node).size === 5);
  };

  const assertMeasured = (readings: readonly ReadingJson[], csv: string) => {
    const rows = readFileSync(csv, "utf8").trim().split("\n").slice(1);
    const measured = new Set(
      rows.map((row) => {
        const [, node, temperature, humidity] = row.split(",");
        return `${node} ${Number(temperature)} ${Number(humidity)}`;
      }),
    );
    for (const { node, temperature, humidity } of readings) {
      assert.ok(measured.has(`${node} ${temperature} ${humidity}`), `${node} ${temperature} ${humidity}`);
    }
  };

  it("shows readings of all five nodes as their sensors measured them, ends cleanly, and goes on where it was", async () => {
    const options = ["--nodes", "5", "--relays", "3", "--loss", "0.1", "--interval", "2"];
    const csv = join(directory, "measured.csv");
    const first = start(...options, "--measured", csv);
    const url = await pageOf(first);
    await allNodes(url);
    const readings = await get<ReadingJson[]>(`${url}/api/readings?limit=1000`);
    assert.equal(await first.interrupt(), 0, first.output);
    await assert.rejects(fetch(`${url}/healthz`), "the server is gone");

    assertMeasured(readings, csv);
    for (const file of ["network.json", "store.db", "api-token"]) {
      assert.equal(statSync(join(dataDir, file)).mode & 0o077, 0, `${file} is for its owner only`);
    }

    const keys = readFileSync(join(dataDir, "network.json"), "utf8");
    const second = start(...options);
    const again = await pageOf(second);
    await allNodes(again);
    const events = await get<EventJson[]>(`${again}/api/events`);
    assert.deepEqual(
      events.filter(({ kind }) => kind === "security"),
      [],
    );
    const kept = await get<ReadingJson[]>(`${again}/api/readings?limit=1000`);
    assert.ok(kept.length > readings.length, "the readings of before are still there");
    assert.equal(await second.interrupt(), 0, second.output);
    assert.equal(readFileSync(join(dataDir, "network.json"), "utf8"), keys);
    for (const text of [first.output, second.output]) {
      for (const [secret] of keys.matchAll(/[0-9a-f]{16,}/g))
        assert.ok(!text.includes(secret), "a key was printed");
    }
  });

  it("goes on in XS with what it had on Node, each device in a machine of its own", async function () {
    this.timeout(240_000);
    try {
      await xsWorker();
    } catch (error) {
      if (error instanceof XsUnavailable) this.skip();
      throw error;
    }
    const csv = join(directory, "measured-in-xs.csv");
    const from = new Date().toISOString();
    const options = ["--engine", "xs", "--nodes", "5", "--relays", "1", "--interval", "2", "--measured", csv];
    const command = start(...options);
    const url = await pageOf(command);
    await allNodes(url);
    const readings = await get<ReadingJson[]>(`${url}/api/readings?limit=1000&from=${from}`);
    const events = await get<EventJson[]>(`${url}/api/events`);
    assert.equal(await command.interrupt(), 0, command.output);
    assert.match(command.output, /XS: 7 machines/);
    assert.ok(readings.length >= 5);
    assertMeasured(readings, csv);
    assert.deepEqual(
      events.filter(({ kind }) => kind === "security"),
      [],
    );
  });

  it("shows cards, a line with points and a refused tampering in a real browser", async function () {
    const executablePath = findChromium();
    if (executablePath === undefined) {
      assert.notEqual(process.env.CI, "true", "CI needs a Chromium");
      this.skip();
    }
    const command = start("--nodes", "3", "--relays", "1", "--interval", "1", "--tamper");
    const url = await pageOf(command);
    let browser: Browser | undefined;
    try {
      browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error.message));
      await page.goto(url);
      await page.getByTestId("node-card").nth(2).waitFor();
      await page
        .locator('[data-testid="event-row"][data-kind="security"]')
        .first()
        .waitFor({ timeout: 40_000 });
      const few = ["0", "1", "2"].map((points) => `:not([data-points="${points}"])`).join("");
      await page.locator(`[data-testid="spark"]${few}`).first().waitFor({ timeout: 40_000 });
      assert.deepEqual(errors, []);
    } finally {
      await browser?.close();
    }
    assert.equal(await command.interrupt(), 0);
  });
});

describe("the command line", () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "cli-"));
  });
  after(() => rmSync(directory, { recursive: true }));
  const run = async (script: string, args: string[], env: Record<string, string> = {}) => {
    const command = new Command(script, args, {
      HTTP_PORT: "0",
      COAP_PORT: "0",
      DATA_DIR: join(directory, "d"),
      ...env,
    });
    return { code: await command.exit, output: command.output };
  };

  for (const [args, said] of [
    [["--nodes", "none"], /--nodes.*whole number from 1 to/s],
    [["--nodes", "0"], /--nodes.*whole number from 1 to/s],
    [["--loss", "2"], /--loss.*number from 0 to 0\.9/s],
    [["--colour", "red"], /unknown option '--colour'/],
    [["now"], /too many arguments/],
  ] as const) {
    it(`npm start -- ${args.join(" ")} says what is wrong and exits 2`, async () => {
      const { code, output } = await run("start", [...args]);
      assert.equal(code, 2, output);
      assert.match(output, said);
    });
  }

  it("--help lists the options and exits 0", async () => {
    const { code, output } = await run("start", ["--help"]);
    assert.equal(code, 0);
    for (const option of [
      "--nodes",
      "--relays",
      "--gateways",
      "--interval",
      "--loss",
      "--seed",
      "--engine",
      "--tamper",
      "DATA_DIR",
    ]) {
      assert.ok(output.includes(option), option);
    }
  });

  it("--engine xs without an XS says so in one sentence and exits 1", async () => {
    const { code, output } = await run("start", ["--engine", "xs"], { XSNAP_WORKER: "/nowhere/xsnap" });
    assert.equal(code, 1);
    assert.equal(output, "XSNAP_WORKER=/nowhere/xsnap is not there.\n");
  });

  it("a port that is no number is named", async () => {
    const { code, output } = await run("start", [], { HTTP_PORT: "eighty" });
    assert.equal(code, 1);
    assert.match(output, /HTTP_PORT=eighty/);
  });

  it("a taken port says which and how to choose another", async () => {
    const taken = createServer();
    taken.listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const { code, output } = await run("start", [], { HTTP_PORT: String(port) });
    taken.close();
    assert.equal(code, 1, output);
    assert.match(output, new RegExp(`${port}.*HTTP_PORT`, "s"));
  });

  it("a data directory that cannot be used stops it with a sentence, and nothing is touched", async () => {
    const file = join(directory, "a-file");
    writeFileSync(file, "mine");
    const { code, output } = await run("start", [], { DATA_DIR: file });
    assert.equal(code, 1, output);
    assert.ok(output.includes(file) && !output.includes("    at "), output);
    assert.equal(readFileSync(file, "utf8"), "mine");
  });

  it("a damaged network file stops it with a sentence, and stays as it is", async () => {
    const dataDir = join(directory, "damaged");
    mkdirSync(dataDir);
    chmodSync(dataDir, 0o700);
    writeFileSync(join(dataDir, "network.json"), "{ half");
    const { code, output } = await run("start", [], { DATA_DIR: dataDir });
    assert.equal(code, 1, output);
    assert.match(output, /network\.json/);
    assert.ok(!output.includes("    at "), output);
    assert.equal(readFileSync(join(dataDir, "network.json"), "utf8"), "{ half");
  });
});

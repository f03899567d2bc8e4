import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ReadingJson } from "../../cloud/model.js";
import { hex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeReport } from "../../firmware/reading/codec.js";
import { readBlocks } from "./read-pcapng.js";
import { fields, needTshark } from "./tshark.js";

/** Resolves with the first match in what a process says; rejects when it ends without. */
function says(child: ChildProcess, pattern: RegExp): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    let output = "";
    const take = (chunk: Buffer) => {
      output += chunk;
      const match = output.match(pattern);
      if (match !== null) resolve(match);
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    child.on("exit", () => reject(new Error(`ended without saying ${pattern}: ${output}`)));
  });
}

/** Waits until the server's stream of events has told of so many readings. */
async function awaitReadings(page: string, count: number): Promise<void> {
  const { body } = await fetch(`${page}/api/stream`);
  assert.ok(body !== null);
  let text = "";
  for await (const chunk of body) {
    text += new TextDecoder().decode(chunk as Uint8Array, { stream: true });
    if (text.split("event: reading").length > count) return;
  }
  throw new Error("the stream ended");
}

describe("npm start -- --capture", function () {
  this.timeout(60_000);
  let directory: string;
  let child: ChildProcess | undefined;
  const start = (...args: string[]) => ["--import", "tsx", "scripts/start.ts", ...args];
  const environment = () => ({
    ...process.env,
    HTTP_PORT: "0",
    COAP_PORT: "0",
    DATA_DIR: join(directory, "data"),
  });

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "start-capture-"));
  });
  after(() => {
    child?.kill("SIGKILL");
    rmSync(directory, { recursive: true });
  });

  it("writes a file that tshark decrypts with the keys of capture-keys", async function () {
    needTshark(this);
    const file = join(directory, "run.pcapng");
    child = spawn(process.execPath, start("--nodes", "2", "--interval", "1", "--capture", file), {
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [, port, page] = await says(child, /CoAP on 127\.0\.0\.1:(\d+)[\s\S]*Page: (\S+)/);
    await awaitReadings(page, 4);
    const readings = (await (await fetch(`${page}/api/readings`)).json()) as ReadingJson[];
    const ended = once(child, "exit");
    child.kill("SIGINT");
    assert.deepEqual((await ended)[0], 0);

    // The last blocks are the statistics of the air and of the gateway's modem: nothing was cut off.
    const types = readBlocks(readFileSync(file)).map(({ type }) => type);
    assert.deepEqual(types.slice(-2), [5, 5]);

    const profile = join(directory, "profile");
    const keys = ["--data", join(directory, "data"), "--out", profile, "--coap-port", port];
    const command = spawnSync(process.execPath, ["--import", "tsx", "scripts/capture-keys.ts", ...keys]);
    assert.equal(command.status, 0);
    const found = new Set<string>();
    for (const packet of fields(profile, file, "udp && oscore.tag", ["data.data"])) {
      const plain = packet["data.data"].split(",")[1];
      if (plain === undefined) continue;
      const report = decodeReport(hex(plain));
      assert.ok(!(report instanceof Refusal), plain);
      if (report.kind === "health") continue;
      for (const { temperature, humidity } of report.readings) found.add(`${temperature} ${humidity}`);
    }
    assert.ok(readings.length >= 4);
    for (const { temperature, humidity } of readings) {
      const hundredths = [temperature, humidity].map((value) => value && Math.round(value * 100));
      assert.ok(found.has(hundredths.join(" ")), `${temperature} °C, ${humidity} %`);
    }
  });

  it("writes over no file, and says when it cannot make one", () => {
    const file = join(directory, "mine.pcapng");
    writeFileSync(file, "mine");
    const run = (path: string) =>
      spawnSync(process.execPath, start("--capture", path), { encoding: "utf8", env: environment() });
    const taken = run(file);
    assert.equal(taken.status, 2);
    assert.match(taken.stderr, /The file is there already/);
    assert.equal(readFileSync(file, "utf8"), "mine");
    const nowhere = run(join(directory, "nowhere", "run.pcapng"));
    assert.equal(nowhere.status, 1);
    assert.match(nowhere.stderr, /nowhere.run\.pcapng cannot be made: ENOENT/);
  });
});

/** Some of the firmware's tests in XS, where its engine is installed. `npm run test:xs` runs all. */

import assert from "node:assert/strict";
import { runTestFile } from "../../scripts/xs/run-test.js";
import { XsMachine } from "../../scripts/xs/worker.js";
import { SyncMachine } from "../../sim/xs/sync-machine.js";
import { XsError, XsUnavailable, xsWorker } from "../../sim/xs/worker.js";

describe("XS", function () {
  this.timeout(60_000);
  let worker: string;

  before(async function () {
    // The first one compiles it.
    this.timeout(240_000);
    try {
      worker = await xsWorker();
    } catch (error) {
      if (error instanceof XsUnavailable) this.skip();
      throw error;
    }
  });

  it("evaluates, answers commands, and tells what was thrown", async () => {
    const machine = new XsMachine(worker);
    const commands: string[] = [];
    machine.onCommand = (bytes) => {
      commands.push(new TextDecoder().decode(bytes));
      return Uint8Array.of(42);
    };
    const meter = await machine.evaluate(
      `const answer = new Uint8Array(issueCommand(Uint8Array.of(104, 105).buffer)); if (answer[0] !== 42) throw new Error("no answer");`,
    );
    assert.ok(meter > 0);
    assert.deepEqual(commands, ["hi"]);
    await assert.rejects(machine.evaluate("missing()"), XsError);
    machine.close();
    await assert.rejects(machine.evaluate("1"), XsError);
  });

  it("answers within the call, and says when its process has ended", () => {
    const machine = new SyncMachine(worker, "node-1");
    machine.onCommand = (bytes) => bytes.map((byte) => byte + 1);
    machine.evaluate("globalThis.handleCommand = (bytes) => issueCommand(bytes);");
    assert.deepEqual(Uint8Array.from(machine.command(Uint8Array.of(1, 2))), Uint8Array.of(2, 3));
    const large = new Uint8Array(300_000).fill(7);
    assert.deepEqual(Uint8Array.from(machine.command(large)), large.fill(8));
    assert.throws(() => machine.evaluate("missing()"), /^Error: node-1: .*missing/);
    assert.equal(machine.command(Uint8Array.of(4))[0], 5);
    process.kill(machine.pid!, "SIGKILL");
    assert.throws(() => machine.command(Uint8Array.of(1)), /^Error: node-1: its XS machine has ended/);
    assert.throws(() => machine.command(Uint8Array.of(1)), XsError);
    machine.close();
  });

  for (const file of [
    "bytes/cbor.test.ts",
    "coap/codec.test.ts",
    "mesh/stack.test.ts",
    "modem/driver.test.ts",
    "oscore/appendix-c.test.ts",
    "reading/codec.test.ts",
  ]) {
    it(`runs ${file}`, async () => {
      const outcome = await runTestFile(worker, `host-tests/${file}`);
      assert.ok(typeof outcome === "object", `${outcome}`);
      assert.deepEqual(outcome.failures, []);
      assert.ok(outcome.passed > 0);
    });
  }
});

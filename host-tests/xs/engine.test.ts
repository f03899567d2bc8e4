/** Some of the firmware's tests in XS, where its engine is installed. `npm run test:xs` runs all. */

import assert from "node:assert/strict";
import { runTestFile } from "../../scripts/xs/run-test.js";
import { XsError, XsMachine } from "../../scripts/xs/worker.js";
import { XsUnavailable, xsWorker } from "../../sim/xs/worker.js";

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

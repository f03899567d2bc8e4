/** One test file in an XS machine of its own. */

import { XsError } from "../../sim/xs/worker.js";
import { bundleTest, NeedsNode } from "./bundle.js";
import { XsMachine } from "./worker.js";

/** A file that takes longer has lost itself. */
const LIMIT_MS = 600_000;

/** Tests that hold our code against the platform's own, where XS 13 is wrong and we are not. */
const ENGINE_IS_WRONG = new Map([
  ["utf8: decodes, and refuses, as the platform does", "its TextDecoder takes ED 00 80 for UTF-8"],
]);

export interface XsOutcome {
  readonly passed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}

/** @returns the reason, for a file that imports what only Node has */
export async function runTestFile(worker: string, file: string): Promise<XsOutcome | string> {
  let script: string;
  try {
    script = await bundleTest(file);
  } catch (error) {
    if (error instanceof NeedsNode) return error.message;
    throw error;
  }
  const machine = new XsMachine(worker);
  let outcome: XsOutcome | undefined;
  machine.onCommand = (bytes) => {
    outcome = JSON.parse(new TextDecoder().decode(bytes)) as XsOutcome;
    return new Uint8Array(0);
  };
  const limit = setTimeout(() => machine.close(), LIMIT_MS);
  try {
    await machine.evaluate(script);
  } catch (error) {
    if (!(error instanceof XsError)) throw error;
    return { passed: 0, skipped: 0, failures: [error.message] };
  } finally {
    clearTimeout(limit);
    machine.close();
  }
  if (outcome === undefined)
    return { passed: 0, skipped: 0, failures: ["the tests did not come to their end"] };
  const failures = outcome.failures.filter(
    (failure) => ![...ENGINE_IS_WRONG.keys()].some((title) => failure.startsWith(title)),
  );
  return { ...outcome, skipped: outcome.skipped + outcome.failures.length - failures.length, failures };
}

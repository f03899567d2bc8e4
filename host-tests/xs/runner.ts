/**
 * As much of mocha as our tests use, inside of a bare engine: tests are gathered while the files are loaded, then run
 * one after the other. The outcome goes to the host as one command.
 */

import { decodeUtf8, encodeUtf8 } from "../../firmware/bytes/utf8.js";

type Body = (this: Context) => unknown;

/** What mocha gives as `this`. */
interface Context {
  timeout(ms: number): Context;
  skip(): never;
}

interface Suite {
  readonly name: string;
  readonly parent: Suite | undefined;
  readonly before: Body[];
  readonly after: Body[];
  readonly beforeEach: Body[];
  readonly afterEach: Body[];
  readonly entries: (Suite | { readonly name: string; readonly body: Body })[];
}

class Skipped extends Error {}

const context: Context = {
  timeout: () => context,
  skip: () => {
    throw new Skipped();
  },
};

function newSuite(name: string, parent?: Suite): Suite {
  return { name, parent, before: [], after: [], beforeEach: [], afterEach: [], entries: [] };
}

let current = newSuite("");
const root = current;
const globals = globalThis as unknown as Record<string, unknown>;

globals.describe = (name: string, body: Body) => {
  const suite = newSuite(name, current);
  current.entries.push(suite);
  current = suite;
  body.call(context);
  current = suite.parent!;
  return context;
};
globals.it = (name: string, body: Body) => {
  current.entries.push({ name, body });
  return context;
};
for (const hook of ["before", "after", "beforeEach", "afterEach"] as const) {
  globals[hook] = (nameOrBody: string | Body, body?: Body) => {
    current[hook].push(typeof nameOrBody === "string" ? body! : nameOrBody);
  };
}

/** Numbers that only have to differ: the engine has no randomness, and tests must not depend on any. */
let seed = 0x2545f491;
globals.crypto ??= {
  getRandomValues(array: Uint8Array) {
    for (let i = 0; i < array.length; i++) {
      seed ^= seed << 13;
      seed ^= seed >>> 17;
      seed ^= seed << 5;
      array[i] = seed;
    }
    return array;
  },
};

/** What tests use of Node's: UTF-8 and back. The firmware itself has no Buffer anywhere. */
globals.Buffer ??= {
  from: (content: string | Uint8Array) => {
    const bytes = typeof content === "string" ? encodeUtf8(content) : content.slice();
    return Object.defineProperty(bytes, "toString", { value: () => String(decodeUtf8(bytes)) });
  },
};

// Kept by libraries when they are loaded; our tests have virtual time only.
for (const name of ["setTimeout", "clearTimeout", "setInterval", "clearInterval"]) {
  globals[name] ??= () => {
    throw new Error(`${name}: there is no time in here`);
  };
}

export interface Outcome {
  passed: number;
  skipped: number;
  readonly failures: string[];
}

const outcome: Outcome = { passed: 0, skipped: 0, failures: [] };

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `; ${describeError(error.cause)}`;
  return `${error.name}: ${error.message}${cause}`;
}

async function runTest(title: string, suite: Suite, body: Body): Promise<void> {
  const chain: Suite[] = [];
  for (let at: Suite | undefined = suite; at !== undefined; at = at.parent) chain.unshift(at);
  try {
    for (const { beforeEach } of chain) for (const hook of beforeEach) await hook.call(context);
    await body.call(context);
    for (const { afterEach } of chain.reverse()) for (const hook of afterEach) await hook.call(context);
    outcome.passed++;
  } catch (error) {
    if (error instanceof Skipped) outcome.skipped++;
    else outcome.failures.push(`${title}: ${describeError(error)}`);
  }
}

async function runSuite(suite: Suite, path: string): Promise<void> {
  const title = path === "" ? suite.name : `${path}: ${suite.name}`;
  try {
    for (const hook of suite.before) await hook.call(context);
    for (const entry of suite.entries) {
      if ("entries" in entry) await runSuite(entry, title);
      else await runTest(`${title}: ${entry.name}`, suite, entry.body);
    }
    for (const hook of suite.after) await hook.call(context);
  } catch (error) {
    if (error instanceof Skipped) outcome.skipped++;
    else outcome.failures.push(`${title}: ${describeError(error)}`);
  }
}

/** UTF-8 of what is told to the host; escaped, so that ASCII is enough. */
function bytesOf(value: unknown): ArrayBuffer {
  const text = JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

export function run(): void {
  const issueCommand = globals.issueCommand as (command: ArrayBuffer) => ArrayBuffer;
  runSuite(root, "").then(() => issueCommand(bytesOf(outcome)));
}

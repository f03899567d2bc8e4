/** `node:assert/strict` for an engine without Node: what the specification tests use of it. */

class AssertionError extends Error {}

function show(value: unknown): string {
  if (value instanceof Uint8Array)
    return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (typeof value === "object" && value !== null) return JSON.stringify(value) ?? "object";
  return String(value);
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Map && b instanceof Map) return same([...a], [...b]);
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  return keys.every((key) => key in right && same(left[key], right[key]));
}

function assert(condition: unknown, message?: string): asserts condition {
  if (!condition) throw new AssertionError(message ?? `${show(condition)} is not true`);
}

assert.ok = assert;

assert.equal = (actual: unknown, expected: unknown, message?: string): void => {
  if (!Object.is(actual, expected)) {
    throw new AssertionError(message ?? `${show(actual)} instead of ${show(expected)}`);
  }
};

assert.deepEqual = (actual: unknown, expected: unknown, message?: string): void => {
  if (!same(actual, expected))
    throw new AssertionError(message ?? `${show(actual)} instead of ${show(expected)}`);
};

assert.notDeepEqual = (actual: unknown, expected: unknown, message?: string): void => {
  if (same(actual, expected)) throw new AssertionError(message ?? `${show(actual)} is the same`);
};

assert.notEqual = (actual: unknown, unexpected: unknown, message?: string): void => {
  if (Object.is(actual, unexpected)) throw new AssertionError(message ?? `${show(actual)} is the same`);
};

assert.match = (actual: string, pattern: RegExp, message?: string): void => {
  if (!pattern.test(actual))
    throw new AssertionError(message ?? `${actual} does not match ${String(pattern)}`);
};

assert.doesNotMatch = (actual: string, pattern: RegExp, message?: string): void => {
  if (pattern.test(actual)) throw new AssertionError(message ?? `${actual} matches ${String(pattern)}`);
};

assert.fail = (message?: string): never => {
  throw new AssertionError(message ?? "failed");
};

/** A class of errors, a pattern for what they say, properties that they have, or a function that judges them. */
type Expected = (new (...values: never[]) => Error) | RegExp | object | ((error: unknown) => boolean);

function checkThrown(error: unknown, expected: Expected | undefined): void {
  if (expected === undefined || typeof expected === "string") return;
  if (expected instanceof RegExp) {
    if (!expected.test(String(error))) throw new AssertionError(`threw ${String(error)}`);
  } else if (typeof expected === "function") {
    const { prototype } = expected as { prototype?: unknown };
    const isClass = typeof prototype === "object" && prototype !== null;
    const fits = isClass
      ? error instanceof (expected as new () => Error)
      : (expected as (error: unknown) => boolean)(error) === true;
    if (!fits) throw new AssertionError(`threw ${String(error)}`);
  } else {
    for (const [name, value] of Object.entries(expected)) {
      const actual = (error as Record<string, unknown>)[name];
      const fits = value instanceof RegExp ? value.test(String(actual)) : same(actual, value);
      if (!fits) throw new AssertionError(`threw an error whose ${name} is ${show(actual)}`);
    }
  }
}

assert.throws = (body: () => unknown, expected?: Expected): void => {
  try {
    body();
  } catch (error) {
    checkThrown(error, expected);
    return;
  }
  throw new AssertionError("nothing was thrown");
};

assert.doesNotThrow = (body: () => unknown): void => {
  body();
};

assert.rejects = async (
  work: Promise<unknown> | (() => Promise<unknown>),
  expected?: Expected,
): Promise<void> => {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    checkThrown(error, expected);
    return;
  }
  throw new AssertionError("nothing was thrown");
};

export default assert;

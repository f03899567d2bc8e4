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

assert.match = (actual: string, pattern: RegExp): void => {
  if (!pattern.test(actual)) throw new AssertionError(`${actual} does not match ${String(pattern)}`);
};

assert.throws = (body: () => void, expected?: unknown): void => {
  try {
    body();
  } catch (error) {
    if (typeof expected === "function" && !(error instanceof (expected as new () => Error))) {
      throw new AssertionError(`threw ${show(error)}`);
    }
    return;
  }
  throw new AssertionError("nothing was thrown");
};

export default assert;

/**
 * As much of mocha as specification tests need, for an engine without Node: tests run where they are written, in
 * order, and each outcome is told at once, so that a log that breaks off shows where.
 */

export interface Outcomes {
  passed: number;
  failed: number;
}

type Body = () => void;

/** Puts `describe` and `it` where test files look for them. Import it before any of those. */
export function installRunner(tell: (line: string) => void): Outcomes {
  const outcomes: Outcomes = { passed: 0, failed: 0 };
  const path: string[] = [];
  let before: Body[] = [];
  const globals = globalThis as unknown as Record<string, unknown>;

  globals.describe = (name: string, body: Body) => {
    const outer = before;
    before = [...outer];
    path.push(name);
    body();
    path.pop();
    before = outer;
  };
  globals.beforeEach = (body: Body) => before.push(body);
  globals.it = (name: string, body: Body) => {
    const title = [...path, name].join(": ");
    try {
      for (const prepare of before) prepare();
      body();
      outcomes.passed++;
      tell(`PASS ${title}`);
    } catch (error) {
      outcomes.failed++;
      tell(`FAIL ${title}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return outcomes;
}

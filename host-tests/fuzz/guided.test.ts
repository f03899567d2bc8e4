import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { readCorpus } from "../../scripts/fuzz/guided/corpus.js";
import { FuzzEngine, FuzzFailure } from "../../scripts/fuzz/guided/engine.js";
import { COUNTERS, instrument } from "../../scripts/fuzz/guided/instrument.js";
import { listTargets } from "../../scripts/fuzz/guided/run.js";
import { Random } from "../../sim/random.js";

/** Runs a module's text, with the counters that it wants. */
function evaluate<T>(code: string, counters: Uint8Array): T {
  return new Function(COUNTERS, `${code.replace("export default", "return")}`)(counters) as T;
}

type Gates = (input: Uint8Array) => number;

const GATES = `
export default (input) => {
  if (input[0] !== 0x4d) return 1;
  if (input[1] === 0x45 && input[2] === 0x53) {
    switch (input.length) {
      case 5:
        return input[3] > input[4] ? 2 : 3;
      case 9: {
        for (const byte of input) if (byte === 0xa5) throw new Error("found");
      }
    }
  } else return 4;
  return input.length > 3 || input[1] === 7 ? 5 : 6;
};
`;

describe("coverage-guided fuzzing", () => {
  it("counts branches without changing what the code does", () => {
    const { code, next } = instrument(GATES, 0);
    assert.ok(next >= 10, `${next} branches`);
    const counters = new Uint8Array(next);
    const plain = evaluate<Gates>(GATES, counters);
    const counted = evaluate<Gates>(code, counters);
    for (const input of [
      "",
      "4d",
      "4d4553",
      "4d45530201",
      "4d45530102",
      "4d07",
      "4d4553000000000000",
      "00",
    ]) {
      assert.equal(counted(hex(input)), plain(hex(input)), input);
    }
    assert.equal(Math.max(...counters), 9, "the loop of the longest input");
    assert.ok(counters.includes(8), "the function itself, eight times");
  });

  it("finds what is behind several comparisons, from nothing, and names the input", () => {
    const { code, next, words } = instrument(GATES, 0);
    const counters = new Uint8Array((next + 3) & ~3);
    const gates = evaluate<Gates>(code, counters);
    const engine = new FuzzEngine({
      target: {
        name: "gates",
        holds: "nothing is found",
        longest: 16,
        seeds: [],
        run: gates,
      },
      counters,
      words,
      random: new Random(1),
    });
    engine.start([]);
    assert.throws(
      () => engine.step(200_000),
      (error: unknown) =>
        error instanceof FuzzFailure && toHex(error.input).startsWith("4d4553") && error.input.length === 9,
    );
    const least = engine.corpus();
    assert.ok(least.length > 2 && least.length <= engine.kept, `${least.length} of ${engine.kept}`);
  });

  it("repeats itself with the same seed", () => {
    const history = () => {
      const { code, next, words } = instrument(GATES.replace('throw new Error("found")', "return 7"), 0);
      const counters = new Uint8Array((next + 3) & ~3);
      const gates = evaluate<Gates>(code, counters);
      const target = {
        name: "gates",
        holds: "",
        longest: 16,
        seeds: [],
        run: gates,
      };
      const engine = new FuzzEngine({ target, counters, words, random: new Random(5) });
      engine.start([]);
      engine.step(5000);
      return engine.corpus().map(toHex);
    };
    assert.deepEqual(history(), history());
  });
});

const targets = await listTargets();

describe("the corpus", () => {
  for (const target of targets) {
    it(`${target.name}: ${target.holds}`, () => {
      const inputs = [...target.seeds, ...readCorpus(target.name)];
      assert.ok(inputs.length > 0);
      for (const input of inputs) target.run(input.slice());
    });
  }
});

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { decode, encode, type Instruction } from "../../scripts/board/byte-code.js";
import { shorten, simplify } from "../../scripts/board/shorten.js";
import { assemble, listing, set } from "./instructions.js";

const shortened = (text: string) => listing(shorten(assemble(text), set));

describe("board build: byte code", () => {
  it("comes out as it went in, with operands as narrow as they may be", () => {
    const code = assemble("GET_LOCAL_2 3\nINTEGER_4 -5\nINTEGER_2 300\nNUMBER 7\nAT_2\nSTRING_2 4\nEND");
    assert.deepEqual(listing(encode(decode(code, set), set)), listing(code));
    assert.equal(encode(decode(code, set), set).length, 2 + 2 + 3 + 9 + 1 + 6 + 1);
  });

  it("has branches as wide as the way is long, forth and back", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { minLength: 2, maxLength: 12 }), fc.nat(), (gaps, seed) => {
        const lines = gaps.flatMap((gap) => ["BRANCH_IF_4", ...new Array<string>(gap).fill("DUB")]);
        const instructions = decode(assemble(lines.join("\n")), set);
        const branches = instructions.filter(({ name }) => name === "BRANCH_IF");
        for (const [i, branch] of branches.entries()) {
          branch.target = instructions[(seed + i * 7919) % instructions.length];
        }
        const again = decode(encode(instructions, set), set);
        const place = (all: typeof instructions, of: (typeof instructions)[number]) =>
          all.indexOf(of.target!);
        for (const [i, instruction] of instructions.entries()) {
          if (instruction.target) assert.equal(place(again, again[i]!), place(instructions, instruction));
        }
      }),
    );
  });

  it("refuses what it does not know", () => {
    assert.throws(() => decode(Uint8Array.of(250), set), /instruction 250 at 0/);
    assert.throws(() => decode(assemble("BRANCH_1 1\nGET_LOCAL_1 1\nEND"), set), /a branch to 3/);
    assert.throws(() => decode(assemble("GET_LOCAL_2 1").subarray(0, 2), set), /beyond the end/);
  });

  it("lets variables be without names, and takes values in one step", () => {
    assert.deepEqual(
      shortened(
        "NEW_LOCAL 90\nARGUMENT 0\nVAR_LOCAL_1 1\nPOP\nUNDEFINED\nCONST_LOCAL_1 2\nPOP\nGET_LOCAL_1 2\nTHROW",
      ),
      ["NEW_TEMPORARY", "ARGUMENT 0", "PULL_LOCAL 1", "UNDEFINED", "THROW"],
    );
    assert.deepEqual(shortened("INTEGER_1 0\nVOID\nSET_RESULT\nEND"), ["UNDEFINED", "SET_RESULT", "END"]);
    assert.deepEqual(shortened("INTEGER_1 0\nNOT\nSET_RESULT\nEND"), ["TRUE", "SET_RESULT", "END"]);
    assert.deepEqual(shortened("NEW_PROPERTY 9\nINTEGER_1 0\nVOID\nEND"), [
      "NEW_PROPERTY 9",
      "INTEGER 0",
      "VOID",
      "END",
    ]);
  });

  it("ends where a branch would lead to the end, and drops what nothing leads to", () => {
    assert.deepEqual(
      shortened("THIS\nBRANCH_ELSE_2 4\nSET_RESULT\nBRANCH_2 1\nTHROW\nUNWIND_1 2\nEND_ARROW"),
      ["THIS", "BRANCH_ELSE 2", "SET_RESULT", "END_ARROW", "THROW"],
    );
    assert.deepEqual(shortened("BRANCH_2 1\nTHROW\nTHIS\nEND"), ["THIS", "END"]);
    assert.deepEqual(shortened("THIS\nNOT\nBRANCH_ELSE_2 1\nDUB\nEND"), [
      "THIS",
      "BRANCH_IF 1",
      "DUB",
      "END",
    ]);
  });

  it("joins nothing over a place that a branch leads to", () => {
    const text = "THIS\nBRANCH_ELSE_2 2\nVAR_LOCAL_1 1\nPOP\nEND";
    assert.deepEqual(shortened(text), ["THIS", "BRANCH_ELSE 2", "VAR_LOCAL 1", "POP", "END"]);
  });

  it("reads strings and inner functions where they lie, inner ones shortened too", () => {
    const inner = assemble("UNWIND_1 1\nEND");
    const code = Uint8Array.of(
      ...assemble(`STRING_1 3\nCODE_2 ${inner.length}`),
      ...inner,
      ...assemble("END"),
    );
    const [string, outer] = decode(shorten(code, set), set);
    assert.equal(string?.name, "STRING_ARCHIVE");
    assert.equal(outer?.name, "CODE_ARCHIVE");
    assert.deepEqual(outer?.operand, assemble("END"));
  });

  it("leaves alone what uses variables by name", () => {
    assert.deepEqual(shortened("NEW_LOCAL 90\nEVAL\nEND"), ["NEW_LOCAL 90", "EVAL", "END"]);
  });

  it("keeps nothing for variables that nobody reads", () => {
    assert.deepEqual(shortened("INTEGER_1 3\nPULL_LOCAL_1 1\nCALL\nSET_LOCAL_1 2\nSET_RESULT\nEND"), [
      "CALL",
      "SET_RESULT",
      "END",
    ]);
    const stored = "INTEGER_1 3\nPULL_LOCAL_1 1\nSTORE_1 1\nEND";
    assert.deepEqual(shortened(stored), ["INTEGER 3", "PULL_LOCAL 1", "STORE 1", "END"]);
  });
});

/** An instruction a line; `a: NAME 1 >b` has the label a and leads to b. */
function labelled(text: string): Instruction[] {
  const places = new Map<string, Instruction>();
  const leads: [Instruction, string][] = [];
  const all = text
    .trim()
    .split(/\s*\n\s*/)
    .map((line) => {
      const [, label, name, operand, to] = /^(?:(\w+): )?(\w+)(?: (\d+))?(?: >(\w+))?$/.exec(line)!;
      const instruction: Instruction = {
        name: name!,
        operand: operand === undefined ? undefined : Number(operand),
      };
      if (label !== undefined) places.set(label, instruction);
      if (to !== undefined) leads.push([Object.assign(instruction, { operand: 0 }), to]);
      return instruction;
    });
  for (const [instruction, to] of leads) instruction.target = places.get(to)!;
  return all;
}

describe("board build: loops", () => {
  const LOOP = `
    THIS\nFOR_OF\nSET_LOCAL 1\nGET_PROPERTY 9\nPULL_LOCAL 2\nCATCH 0 >handler
    start: TRUE\nPULL_LOCAL 3\nGET_LOCAL 1\nGET_LOCAL 2\nCALL\nRUN 0\nCHECK_INSTANCE
    SET_LOCAL 4\nGET_PROPERTY 8\nSET_LOCAL 3\nBRANCH_IF 0 >normal
    TRUE\nPULL_LOCAL 3\nGET_LOCAL 4\nGET_PROPERTY 7\nFALSE\nPULL_LOCAL 3\nPULL_LOCAL 7
    GET_LOCAL 7\nBRANCH_IF 0 >start
    INTEGER 1\nPULL_LOCAL 6\nBRANCH 0 >finally
    handler: EXCEPTION\nPULL_LOCAL 5\nINTEGER 0\nPULL_LOCAL 6\nBRANCH 0 >close
    normal: INTEGER 2\nPULL_LOCAL 6
    finally: UNCATCH
    close: CATCH 0 >again
    GET_LOCAL 3\nBRANCH_IF 0 >done\nGET_LOCAL 1\nGET_PROPERTY 6\nBRANCH_CHAIN 0 >returned
    GET_LOCAL 1\nSWAP\nCALL\nRUN 0\nCHECK_INSTANCE
    returned: POP
    done: UNCATCH\nBRANCH 0 >end
    again: GET_LOCAL 6\nBRANCH_ELSE 0 >end\nEXCEPTION\nPULL_LOCAL 5\nINTEGER 0\nPULL_LOCAL 6
    end: GET_LOCAL 6\nBRANCH_IF 0 >next\nGET_LOCAL 5\nTHROW
    next: GET_LOCAL 6\nINTEGER 1\nSTRICT_EQUAL\nBRANCH_IF 0 >out\nTHIS\nSET_RESULT
    out: END`;

  it("have no handlers, and go on where they did by each way out", () => {
    const instructions = labelled(LOOP);
    simplify(instructions);
    const names = instructions.map(({ name }) => name);
    for (const gone of ["CATCH", "UNCATCH", "EXCEPTION", "THROW", "SWAP", "BRANCH_CHAIN"]) {
      assert.ok(!names.includes(gone), gone);
    }
    // Which way it was is still told to what asks for it; what only closing asked for is not kept.
    assert.equal(
      instructions.filter(({ name, operand }) => name === "PULL_LOCAL" && operand === 6).length,
      2,
    );
    assert.ok(!instructions.some(({ name, operand }) => name === "PULL_LOCAL" && operand === 3));
    const [exit, back] = instructions.filter(({ name }) => name === "BRANCH_IF");
    assert.deepEqual([exit?.target?.name, exit?.target?.operand], ["INTEGER", 2]);
    assert.equal(back?.target?.name, "GET_LOCAL");
  });

  it("stay as they are in another form", () => {
    const instructions = labelled(LOOP.replace("SWAP\n", ""));
    simplify(instructions);
    assert.equal(instructions.filter(({ name }) => name === "CATCH").length, 2);
  });

  it("go without closing, because no generator of the firmware's waits for it", () => {
    for (const [file, text] of boardSources()) {
      const generates = /function\*|^\s+(async )?\*\s*[\w#[]+.*\(.*\{$/m.test(text);
      assert.ok(!(generates && /\bfinally\b/.test(text)), `${file}: a generator and finally`);
      assert.doesNotMatch(text, /^\s+return\(.*\{$/m, `${file}: an iterator that wants to be closed`);
    }
  });
});

describe("board build: a C library in part", () => {
  it("is asked for whole powers only", () => {
    for (const [file, text] of boardSources()) {
      assert.doesNotMatch(
        text,
        /Math\.(pow|exp|log|cbrt|hypot)\b/,
        `${file}: functions that boardC.c has not`,
      );
      assert.doesNotMatch(
        text,
        /(?<!\/)\*\*\s*(-?\d*\.\d|\([^)]*(\/|\.\d))/,
        `${file}: a power with a fraction`,
      );
    }
  });
});

function* boardSources(): Generator<[file: string, text: string]> {
  for (const folder of ["firmware", "hal/nrf52", "manifests"]) {
    for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (file.endsWith(".ts")) yield [file, readFileSync(join(folder, file), "utf8")];
    }
  }
}

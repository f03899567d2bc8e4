import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, encode } from "../../scripts/board/byte-code.js";
import { shorten } from "../../scripts/board/shorten.js";
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
      shortened("NEW_LOCAL 90\nARGUMENT 0\nVAR_LOCAL_1 1\nPOP\nUNDEFINED\nCONST_LOCAL_1 2\nPOP\nEND"),
      ["NEW_TEMPORARY", "ARGUMENT 0", "PULL_LOCAL 1", "UNDEFINED", "PULL_LOCAL 2", "END"],
    );
    assert.deepEqual(shortened("LET_LOCAL_1 2\nPOP\nGET_LOCAL_1 2\nSET_RESULT\nEND"), [
      "SET_LOCAL 2",
      "SET_RESULT",
      "END",
    ]);
    assert.deepEqual(shortened("INTEGER_1 0\nVOID\nSET_RESULT\nEND"), ["UNDEFINED", "SET_RESULT", "END"]);
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
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, encode, InstructionSet } from "../../scripts/board/byte-code.js";
import { shorten } from "../../scripts/board/shorten.js";

/** Bytes of operands by the kinds that XS has: none, a byte, a name, widths of one, two and four, a length. */
const ONE =
  "AT_2 CALL DUB END END_ARROW NOT POP RUN SET_RESULT THIS THROW UNDEFINED VOID NEW_TEMPORARY EVAL".split(
    " ",
  );
const INDEXED = "GET_LOCAL SET_LOCAL PULL_LOCAL VAR_LOCAL CONST_LOCAL LET_LOCAL RESET_LOCAL UNWIND".split(
  " ",
);
const WIDE = "BRANCH BRANCH_ELSE BRANCH_IF CATCH CODE CODE_ARCHIVE INTEGER".split(" ");
const NAMED = "NEW_LOCAL GET_PROPERTY NEW_PROPERTY".split(" ");

function instructionSet(): InstructionSet {
  const rows: [string, number][] = [
    ["NO_CODE", 1],
    ["NUMBER", 9],
    ["ARGUMENT", 2],
  ];
  for (const name of ONE) rows.push([name, 1]);
  for (const name of NAMED) rows.push([name, 0]);
  for (const name of INDEXED) rows.push([`${name}_1`, 2], [`${name}_2`, 3]);
  for (const name of WIDE) rows.push([`${name}_1`, 2], [`${name}_2`, 3], [`${name}_4`, 5]);
  for (const name of ["STRING", "STRING_ARCHIVE"])
    rows.push([`${name}_1`, -1], [`${name}_2`, -2], [`${name}_4`, -4]);
  while (rows.length < 200) rows.push([`OTHER${rows.length}`, 1]);
  const full = (name: string) => (name === "NO_CODE" ? "XS_NO_CODE" : `XS_CODE_${name}`);
  return InstructionSet.of(
    `enum {\n${rows.map(([name], i) => `  ${full(name)}${i === 0 ? " = 0" : ""},`).join("\n")}\n  XS_CODE_COUNT\n};`,
    `const txS1 gxCodeSizes[XS_CODE_COUNT] ICACHE_FLASH_ATTR = {\n#ifdef mx32bitID\n${rows.map(([name, size]) => `#else\n  ${size} /* ${full(name)} */,\n#endif`).join("\n#ifdef mx32bitID\n")}\n};`,
  );
}

const set = instructionSet();

/** `GET_LOCAL_1 3`, `BRANCH_2 5`: an instruction a line, operands as numbers. */
function assemble(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const line of text.trim().split(/\s*\n\s*/)) {
    const [name, operand = "0"] = line.split(" ");
    const size = set.sizes[set.number(name!)]!;
    const width = size === 0 ? 2 : size < 0 ? -size : size - 1;
    bytes.push(set.number(name!));
    for (let i = 0; i < width; i++) bytes.push((Number(operand) >> (8 * i)) & 0xff);
    if (size < 0) for (let i = 0; i < Number(operand); i++) bytes.push(0x41);
  }
  return Uint8Array.from(bytes);
}

const listing = (code: Uint8Array) =>
  decode(code, set).map(({ name, operand }) => (operand === undefined ? name : `${name} ${operand}`));
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

/** A small set of instructions in the form of XS's sources, to take byte code apart in tests. */

import { decode, InstructionSet } from "../../scripts/board/byte-code.js";

/** Bytes of operands by the kinds that XS has: none, a byte, a name, widths of one, two and four, a length. */
const ONE =
  "AT_2 CALL DUB END END_ARROW NOT POP RUN SET_RESULT THIS THROW TRUE FALSE SUPER UNDEFINED VOID NEW_TEMPORARY EVAL ENVIRONMENT RETRIEVE_THIS".split(
    " ",
  );
const INDEXED =
  "GET_LOCAL SET_LOCAL PULL_LOCAL VAR_LOCAL CONST_LOCAL LET_LOCAL RESET_LOCAL UNWIND GET_CLOSURE SET_CLOSURE STORE RETRIEVE RESERVE".split(
    " ",
  );
const WIDE = "BRANCH BRANCH_ELSE BRANCH_IF CATCH CODE CODE_ARCHIVE INTEGER".split(" ");
const NAMED = "NEW_LOCAL GET_PROPERTY NEW_PROPERTY".split(" ");

function instructionSet(): InstructionSet {
  const rows: [string, number][] = [
    ["NO_CODE", 1],
    ["NUMBER", 9],
    ["ARGUMENT", 2],
    ["BEGIN_STRICT", 2],
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

export const set = instructionSet();

/** `GET_LOCAL_1 3`, `BRANCH_2 5`: an instruction a line, operands as numbers. */
export function assemble(text: string): Uint8Array {
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

export const listing = (code: Uint8Array) =>
  decode(code, set).map(({ name, operand }) => (operand === undefined ? name : `${name} ${operand}`));

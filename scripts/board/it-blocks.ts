/**
 * IT blocks of an image (ARMv7-M Architecture Reference Manual §A7.3): up to four instructions that run or not by a
 * condition, which the processor carries along.
 */

import type { Elf } from "./elf.js";

/** The addresses from its IT instruction to behind its last one. */
export interface ItBlock {
  readonly from: number;
  readonly to: number;
}

const THUMB = "$t";

/** Blocks in the order of their addresses. */
export function itBlocks(elf: Elf): ItBlock[] {
  const blocks: ItBlock[] = [];
  for (const [from, to] of thumbCode(elf)) {
    const code = elf.halfwords(from, to);
    if (code === undefined) continue;
    let left = 0;
    let began = 0;
    for (let at = 0; at < code.length; ) {
      const first = code[at]!;
      const begins = left === 0 ? instructionsOfIt(first) : 0;
      const address = from + 2 * at;
      // §A5.1: what begins with 0b11101, 0b11110 or 0b11111 has a second half-word.
      at += first >= 0xe800 ? 2 : 1;
      if (begins > 0) [left, began] = [begins, address];
      else if (left > 0 && --left === 0) blocks.push({ from: began, to: from + 2 * at });
    }
  }
  return blocks;
}

/** How many instructions an IT is for, 0 when it is none (§A7.7.38: the mask's lowest 1 says it). */
function instructionsOfIt(instruction: number): number {
  const mask = instruction & 0xf;
  if ((instruction & 0xff00) !== 0xbf00 || mask === 0) return 0;
  return 4 - Math.log2(mask & -mask);
}

/** Where Thumb code is: from a mapping symbol `$t` to the next one (ELF for the Arm Architecture §5.5.5). */
function thumbCode(elf: Elf): [number, number][] {
  const marks = elf.symbols
    .filter(({ name }) => /^\$[tad](\.|$)/.test(name))
    .sort((a, b) => a.value - b.value);
  const ranges: [number, number][] = [];
  marks.forEach(({ name, value }, index) => {
    const end = marks[index + 1]?.value ?? value;
    if (name.startsWith(THUMB) && end > value) ranges.push([value, end]);
  });
  return ranges;
}

/** Blocks that lie on both sides of a page's end. @param shift bytes that all code is moved up */
export function torn(blocks: readonly ItBlock[], page: number, shift = 0): number {
  return blocks.filter(
    ({ from, to }) => Math.floor((from + shift) / page) !== Math.floor((to - 1 + shift) / page),
  ).length;
}

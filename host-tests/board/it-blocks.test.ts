/** IT blocks found in Thumb code, by a small ELF made here. */

import assert from "node:assert/strict";
import { Elf } from "../../scripts/board/elf.js";
import { itBlocks, torn } from "../../scripts/board/it-blocks.js";

const TEXT = 0x27000;

/** An ARM ELF of a .text with these half-words, and mapping symbols at these offsets. */
function elfOf(code: readonly number[], marks: readonly (readonly [name: string, offset: number])[]): Elf {
  const strings = "\0.text\0.symtab\0.strtab\0$t\0$d\0";
  const nameAt = (name: string) => strings.indexOf(`\0${name}\0`) + 1;
  const text = new Uint8Array(Uint16Array.from(code).buffer);
  const symbols = new Uint8Array(16 * (1 + marks.length));
  const symbolView = new DataView(symbols.buffer);
  marks.forEach(([name, offset], index) => {
    symbolView.setUint32(16 * (index + 1), nameAt(name), true);
    symbolView.setUint32(16 * (index + 1) + 4, TEXT + offset, true);
  });
  const parts = [text, symbols, new TextEncoder().encode(strings)];
  const offsets: number[] = [];
  let at = 52;
  for (const part of parts) {
    offsets.push(at);
    at += part.length;
  }
  const file = new Uint8Array(at + 40 * 4);
  parts.forEach((part, index) => {
    file.set(part, offsets[index]);
  });
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x7f454c46);
  view.setUint16(18, 40, true);
  view.setUint32(32, at, true);
  [40, 4, 3].forEach((value, index) => {
    view.setUint16(46 + 2 * index, value, true);
  });
  // name, type, flags, address, offset, size, link
  const sections = [
    [nameAt(".text"), 1, 2, TEXT, offsets[0]!, text.length, 0],
    [nameAt(".symtab"), 2, 0, 0, offsets[1]!, symbols.length, 3],
    [nameAt(".strtab"), 3, 0, 0, offsets[2]!, strings.length, 0],
  ];
  sections.forEach((section, index) => {
    section.forEach((value, field) => {
      view.setUint32(at + 40 * (index + 1) + 4 * field, value, true);
    });
  });
  return new Elf(file);
}

const NOP = 0xbf00;
/** itte eq: three instructions. */
const ITTE = 0xbf06;
const MOVS = 0x2001;
/** A 32-bit instruction: bl. */
const BL = [0xf000, 0xf800] as const;

describe("board build: IT blocks", () => {
  it("finds where they end, with instructions of both lengths", () => {
    const elf = elfOf(
      [NOP, ITTE, MOVS, ...BL, MOVS, NOP, 0xbf18, ...BL, NOP],
      [
        ["$t", 0],
        ["$d", 22],
      ],
    );
    assert.deepEqual(itBlocks(elf), [
      { from: TEXT + 2, to: TEXT + 12 },
      { from: TEXT + 14, to: TEXT + 20 },
    ]);
  });

  it("takes no data for code", () => {
    const elf = elfOf(
      [MOVS, ITTE, ITTE, MOVS, ITTE, MOVS, MOVS, MOVS],
      [
        ["$t", 0],
        ["$d", 2],
        ["$t", 6],
        ["$d", 16],
      ],
    );
    assert.deepEqual(itBlocks(elf), [{ from: TEXT + 8, to: TEXT + 16 }]);
  });

  it("says which lie across the end of a page, also after a shift", () => {
    const blocks = [{ from: 0x3fe, to: 0x402 }];
    assert.equal(torn(blocks, 1024), 1);
    assert.equal(torn(blocks, 1024, 4), 0);
    assert.equal(torn([{ from: 0x3f0, to: 0x400 }], 1024), 0);
  });
});

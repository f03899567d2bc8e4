import assert from "node:assert/strict";
import { forgetNames, stringsOf } from "../../scripts/board/keys.js";
import type { Slot } from "../../scripts/board/slots.js";

const key = (id: number, name: string, next?: number): Slot => ({
  next,
  id: String(id),
  flag: "0x87",
  kind: "KEY_X",
  value: `.value = { .key = { "${name}", 0x1a${id} } }},`,
});
const at = (...indexes: readonly number[]) =>
  indexes.map((index) => `\t(txSlot*)&gxHeap[${index}],\n`).join("");
const tables = (keys: string, names: string) =>
  `static const txSlot* const gxKeys[mxKeysCount] ICACHE_FLASH1_ATTR = {\n${keys}};\n` +
  `static const txSlot* const gxNames[mxNamesCount] ICACHE_FLASH1_ATTR = {\n${names}};\n`;

describe("board build: names without their texts", () => {
  it("have one slot; the others are found by number and by text as before", () => {
    const slots = [
      key(1, "aa"),
      key(2, "kept", 0),
      key(3, "toJSON", 1),
      { ...key(4, ""), kind: "SYMBOL" },
      key(5, "ab"),
    ];
    const given = new Set<number>();
    const after = forgetNames(slots, tables(at(0, 1, 2, 3, 4), at(2, 4)), (name) => name === "kept", given);
    assert.deepEqual([...given], [0, 2, 4]);
    assert.equal(slots.length, 6);
    assert.equal(slots[5]!.value, '.value = { .key = { "", 0 } }},');
    assert.deepEqual(
      slots.map(({ next }) => next),
      [undefined, undefined, 1, undefined, undefined, undefined],
    );
    assert.equal(after, tables(at(5, 1, 5, 3, 5), `${at(1)}\tNULL,\n`));
  });

  it("are none where strings are all that may be asked for", () => {
    const slots = [key(1, "kept")];
    const before = tables(at(0), at(0));
    assert.equal(
      forgetNames(slots, before, () => true, new Set()),
      before,
    );
    assert.equal(slots.length, 1);
  });

  it("are none of the strings of code, preloaded or not, and of constants", () => {
    const isString = stringsOf(
      '{ .code = { (txByte*)"\\x0a\\x03\\x61\\x62\\x00\\xbb", NULL } }\n{ .string = "changes" }\n' +
        "static const txU1 gxCode6[6] = {\n\t0x0a, 0x03, 0x63, 0x64,\n\t0x00, 0xbb\n};\n" +
        '{ .key = { "other", 0x17 } }',
    );
    for (const name of ["ab", "cd", "changes"]) assert.ok(isString(name), name);
    for (const name of ["b", "abc", "other", "change"]) assert.ok(!isString(name), name);
  });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { decode } from "../../scripts/board/byte-code.js";
import { Body, chainOf, placeOf } from "../../scripts/board/environments.js";
import { mergeSlots } from "../../scripts/board/slots.js";
import { assemble, listing, set } from "./instructions.js";

const code = (text: string) => new Body(assemble(text), set);
const around = (before: string, inner: Uint8Array, after: string) =>
  Uint8Array.of(...assemble(`${before}\nCODE_ARCHIVE_2 ${inner.length}`), ...inner, ...assemble(after));

describe("board build: one chain of all environments", () => {
  it("has the members of each list side by side", () => {
    const list = fc.uniqueArray(fc.constantFrom(..."abcdefghij"), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(list, { maxLength: 12 }), (lists) => {
        const chain = chainOf(lists);
        for (const members of lists) assert.notEqual(placeOf(chain, new Set(members)), undefined);
        assert.ok(chain.length <= lists.flat().length);
      }),
    );
  });

  it("is shorter than the lists: what is part of another costs nothing", () => {
    assert.deepEqual(chainOf([["a"], ["b", "a"], ["c", "b"], ["b"]]).length, 3);
    assert.deepEqual(chainOf([]), []);
  });
});

describe("board build: what a function takes from outside", () => {
  it("is known where it is taken first of all, and in no other way", () => {
    assert.equal(code("BEGIN_STRICT 0\nRESERVE_1 3\nRETRIEVE_1 2\nEND").retrieved, 2);
    assert.equal(code("BEGIN_STRICT 0\nEND").retrieved, undefined);
    assert.equal(code("NEW_TEMPORARY\nRETRIEVE_1 2\nEND").retrieved, undefined);
    assert.equal(code("BEGIN_STRICT 0\nRETRIEVE_1 2\nRETRIEVE_THIS\nEND").retrieved, undefined);
    assert.equal(code("BEGIN_STRICT 0\nRETRIEVE_1 2\nEVAL\nEND").retrieved, undefined);
  });

  it("gets other numbers, what is its own keeps them", () => {
    const body = code(
      "BEGIN_STRICT 0\nRETRIEVE_1 2\nGET_CLOSURE_1 1\nSET_CLOSURE_1 2\nGET_LOCAL_1 3\nARGUMENT 1\nEND",
    );
    body.renumber(
      new Map([
        [1, 2],
        [2, 1],
      ]),
    );
    assert.deepEqual(listing(body.code).slice(2), [
      "GET_CLOSURE 2",
      "SET_CLOSURE 1",
      "GET_LOCAL 3",
      "ARGUMENT 1",
      "END",
    ]);
  });

  it("is read directly where it is only read, in inner functions too", () => {
    const inner = assemble("BEGIN_STRICT 0\nRETRIEVE_1 1\nGET_CLOSURE_1 1\nEND");
    const outer = around(
      "BEGIN_STRICT 0\nRETRIEVE_1 2",
      inner,
      "ENVIRONMENT\nSTORE_1 2\nPOP\nGET_CLOSURE_1 1\nEND",
    );
    const body = new Body(outer, set);
    assert.ok(body.onlyReads(1) && body.onlyReads(2));
    body.readDirectly(2);
    const [, , function_, , , , get] = decode(body.code, set);
    assert.deepEqual(listing(function_?.operand as Uint8Array).at(-2), "GET_LOCAL 1");
    assert.equal(get?.name, "GET_CLOSURE");
  });

  it("stays a variable where any of them assigns it", () => {
    assert.ok(!code("BEGIN_STRICT 0\nRETRIEVE_1 1\nSET_CLOSURE_1 1\nEND").onlyReads(1));
    const inner = assemble("BEGIN_STRICT 0\nRETRIEVE_1 1\nSET_CLOSURE_1 1\nEND");
    const outer = around("BEGIN_STRICT 0\nRETRIEVE_1 2", inner, "ENVIRONMENT\nSTORE_1 2\nPOP\nEND");
    assert.ok(!new Body(outer, set).onlyReads(2));
    assert.ok(new Body(outer, set).onlyReads(1));
  });
});

const c = (rows: readonly string[]) =>
  [
    `#define mxHeapCount ${rows.length + 1}`,
    "static const txSlot gxHeap[mxHeapCount] = {",
    ...rows.map((row, i) => `/* ${String(i).padStart(4, "0")} */\t${row},`),
    "/* 0099 */\t{ NULL, {.ID = XS_NO_ID, .flag = XS_NO_FLAG, .kind = XS_REFERENCE_KIND}, .value = { .reference = NULL } }};",
    "static const txSlot gxStack[1] = { (txSlot*)&gxHeap[2] };",
    "static const txSlot gxOthers[1] = { (txSlot*)&gxHeap[4] };",
    "",
  ].join("\n");
const at = (index: number | undefined) => (index === undefined ? "NULL" : `(txSlot*)&gxHeap[${index}]`);
const row = (kind: string, next: number | undefined, value: string, flag = "0x8b", id = "XS_NO_ID") =>
  `{ ${at(next)}, {.ID = ${id}, .flag = ${flag}, .kind = XS_${kind}_KIND}, .value = { ${value} } }`;
const hex = (text: string) => Buffer.from(assemble(text)).toString("hex").replaceAll(/../g, "\\x$&");

describe("board build: slots", () => {
  const function_ = (text: string, home: number, environment: number) =>
    row("CODE_X", home, `.code = { (txByte*)"${hex(text)}", ${at(environment)} }`);
  const text = "BEGIN_STRICT 0\nRETRIEVE_1 2\nGET_CLOSURE_1 1\nSET_CLOSURE_1 2\nEND";
  const rows = [
    row("REFERENCE", undefined, `.reference = ${at(16)}`, "XS_NO_FLAG"),
    row("INTEGER", undefined, ".integer = 7", "0x88"), // a constant
    row("INSTANCE", 3, ".instance = { NULL, NULL }"),
    function_(text, 12, 6),
    row("INSTANCE", 5, ".instance = { NULL, NULL }"),
    function_("BEGIN_STRICT 0\nRETRIEVE_1 1\nSET_CLOSURE_1 1\nEND", 13, 10),
    row("INSTANCE", 7, ".instance = { NULL, NULL }"),
    row("UNDEFINED", 8, ".number = 0"),
    row("CLOSURE", 9, `.closure = ${at(1)}`, "0x8e", "xsID_a"),
    row("CLOSURE", undefined, `.closure = ${at(15)}`, "0x86", "xsID_b"),
    row("INSTANCE", 11, ".instance = { NULL, NULL }"),
    row("UNDEFINED", 14, ".number = 0"),
    row("HOME", undefined, `.home = { ${at(2)}, NULL }`, "0x8b", "1"),
    row("HOME", undefined, `.home = { ${at(4)}, NULL }`, "0x8b", "2"),
    row("CLOSURE", undefined, `.closure = ${at(15)}`, "0x86", "xsID_b"),
    row("STRING_X", undefined, '.string = "changes"', "0x80", "3"),
  ];

  it("are one chain with the constant in it and the variable behind a pointer, and one home", () => {
    const merged = mergeSlots(c(rows), set);
    const kinds = Array.from(merged.matchAll(/XS_(\w+)_KIND\}, \.value/g), ([, kind]) => kind).slice(0, -1);
    assert.deepEqual(kinds.sort(), [
      ...["CLOSURE", "CODE_X", "CODE_X", "HOME", "INSTANCE", "INSTANCE", "INTEGER"],
      ...["REFERENCE", "STRING_X", "UNDEFINED", "UNDEFINED"],
    ]);
    assert.match(merged, /mxHeapCount 12\n/);
    // The first slot names the last; others' pointers follow their slots.
    assert.match(merged, /\/\* 0000 \*\/.*&gxHeap\[11\]/);
    assert.match(merged, /gxStack\[1\] = \{ \(txSlot\*\)&gxHeap\[1\] \}/);
    assert.match(merged, /gxOthers\[1\] = \{ \(txSlot\*\)&gxHeap\[3\] \}/);
  });

  it("give each function what it had, two slots behind the one that it names", () => {
    const merged = mergeSlots(c(rows), set);
    const all = Array.from(merged.matchAll(/^\/\* \d+ \*\/\t(.*),$/gm), ([, found]) => found!);
    const nextOf = (index: number) => Number(/^\{ \(txSlot\*\)&gxHeap\[(\d+)\]/.exec(all[index]!)![1]);
    const found = all.flatMap((slot) => {
      const taken = /"([^"]*)", \(txSlot\*\)&gxHeap\[(\d+)\] \} \} \}/.exec(slot);
      if (taken === null) return [];
      const instructions = listing(Buffer.from(taken[1]!.replaceAll("\\x", ""), "hex"));
      const slots: string[] = [];
      for (let i = nextOf(nextOf(Number(taken[2]))); slots.length < 2; i = nextOf(i)) {
        slots.push(/XS_(\w+)_KIND/.exec(all[i]!)![1]!);
        if (all[i]!.startsWith("{ NULL")) break;
      }
      return [{ instructions, slots }];
    });
    const kindAt = ({ slots }: (typeof found)[number], instruction: string | undefined) =>
      slots[Number(instruction?.split(" ")[1]) - 1];
    for (const user of found) {
      const read = user.instructions.find((line) => line.startsWith("GET_LOCAL"));
      if (read !== undefined) assert.equal(kindAt(user, read), "INTEGER");
      assert.equal(
        kindAt(
          user,
          user.instructions.find((line) => line.startsWith("SET_CLOSURE")),
        ),
        "CLOSURE",
      );
    }
    assert.ok(found.some(({ instructions }) => instructions.some((line) => line.startsWith("GET_LOCAL"))));
    assert.equal(found.length, 2);
  });

  it("keep the home of what asks for its base class", () => {
    const asking = rows.with(
      5,
      function_("BEGIN_STRICT 0\nRETRIEVE_1 1\nSUPER\nSET_CLOSURE_1 1\nEND", 13, 10),
    );
    assert.match(mergeSlots(c(asking), set), /\.home = \{ \(txSlot\*\)&gxHeap\[3\], NULL \}/);
  });

  it("stand at no distance from their object that XS would go by", () => {
    const colors = "static const txID gxColors[mxKeysCount] ICACHE_FLASH1_ATTR = {\n\t0,\n\t3,\n};\n\n";
    const preparation =
      "static const txPreparation gxPreparation = {\n\t(txSlot*)gxStack,\n\t(txID*)gxColors,\n\tmxKeysCount,\n};\n";
    const merged = mergeSlots(`${c(rows)}${colors}${preparation}`, set);
    assert.doesNotMatch(merged, /gxColors/);
    assert.match(merged, /\(txSlot\*\)gxStack,\n\tNULL,\n\tmxKeysCount,/);
    assert.throws(() => mergeSlots(`${c(rows)}const txID* colors = gxColors;\n`, set), /distances/);
  });

  it("are refused in a form that is not known", () => {
    assert.throws(() => mergeSlots("int main;", set), /no table/);
    assert.throws(() => mergeSlots(c(["{ what }"]), set), /no slot/);
  });
});

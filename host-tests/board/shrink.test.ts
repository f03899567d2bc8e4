import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flattenModule } from "../../scripts/board/flatten.js";
import { pruneBuilders } from "../../scripts/board/link.js";
import { askedOf, identifiersOf, NamePool } from "../../scripts/board/names.js";
import { shrink } from "../../scripts/board/shrink.js";

/** Some of XS's own. */
const BUILT_IN = new Set(
  "abs acos getUTCDay getUTCHours setUTCDay floor forEach map push length constructor then Math Map".split(
    " ",
  ),
);

async function shrunk(files: Record<string, string>, reserved: string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "shrink-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await shrink({
      from: folder,
      entry: "app.js",
      reserved: new Set(["default", ...reserved]),
      builtIn: BUILT_IN,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function run(code: string): Promise<unknown> {
  const module = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  return (module as { default: unknown }).default;
}

describe("board build: a smaller module that does the same", () => {
  it("over modules, with fields, private names, accessors, constants, errors and names in strings", async () => {
    const files = {
      "parts.js": `
        export const Opcode = { GET: 0x8201, SET: 0x8202 };
        export const LIMIT = 7;
        export class Refusal extends Error {
          constructor(reason) { super(reason); this.name = "Refusal"; this.reason = reason; }
        }
        export class Counters {
          #counts = new Map();
          untouched;
          add(name, by = 1) { this.#counts.set(name, (this.#counts.get(name) ?? 0) + by); return this; }
          get total() { let sum = 0; for (const [, count] of this.#counts) sum += count; return sum; }
        }
        export function twice(value) { return value * 2; }
        export function unused() { return "never here"; }`,
      "app.js": `
        import { Counters, LIMIT, Opcode, Refusal, twice } from "./parts.js";
        class Base { #state = 1; base() { return this.#state; } }
        class Derived extends Base {
          #state = 2;
          static #made = 0;
          constructor() { super(); Derived.#made++; }
          both() { return [this.base(), this.#state, Derived.#made]; }
        }
        const Key = { address: 1, netKey: 2 };
        const BYTES = [3, 4];
        let sum = 0;
        BYTES.forEach((byte) => { sum += byte; });
        const field = (name) => Key[name];
        const counters = new Counters().add("one").add("two", LIMIT);
        const error = new Refusal("late");
        const { length } = [1, 2, 3].map((n) => Math.floor(n / 2));
        export default [
          counters.total, twice(LIMIT), Opcode.SET, new Derived().both(), field("address"), field("netKey"),
          error instanceof Error, error.name, error.reason, length, "total" in counters, early(), sum,
        ];
        function early() { return twice(LIMIT) + 1; }`,
    };
    const { code } = await shrunk(files);
    assert.deepEqual(await run(code), [
      8,
      14,
      0x8202,
      [1, 2, 1],
      1,
      2,
      true,
      "Refusal",
      "late",
      3,
      true,
      15,
      7,
    ]);
    assert.doesNotMatch(code, /never here|Opcode|0x8201|33281|counts|#/);
    assert.match(code, /address/);
  });

  it("leaves what others know by name, and host functions in the form that XS knows", async () => {
    const files = {
      "app.js": `
        function start(callback) { return native("board_start").call(this, callback); }
        class Key extends Native("board_destructor") {
          constructor(key) { super(); native("board_key").call(this, key); }
        }
        export default (pins) => [start(pins.transmit), new Key(pins.mine)];`,
    };
    const { code } = await shrunk(files, ["transmit"]);
    assert.match(code, /\.transmit/);
    assert.doesNotMatch(code, /\.mine/);
    assert.match(code, /^function \w+\((\w+)\) \{\s*return native\("board_start"\)\.call\(this, \1\);\s*\}/m);
    assert.match(code, /extends Native\("board_destructor"\)/);
    assert.match(code, /super\(\);\s*native\("board_key"\)\.call\(this, \w+\);/);
  });

  it("calls ours by names that XS has anyway, but for those that mean something", async () => {
    const { code, names } = await shrunk({
      "app.js": `const reading = (o) => ({ temperature: o.a1, humidity: o.b1 }); export default [reading, [].map];`,
    });
    for (const name of identifiersOf(code, BUILT_IN)) {
      if (!["const", "export", "as", "default"].includes(name))
        assert.ok(BUILT_IN.has(name), `${name} in ${code}`);
    }
    assert.ok(names.has("map") && !names.has("temperature"));
    const pool = new NamePool(BUILT_IN, names);
    const given = Array.from({ length: 8 }, (_, n) => pool.get(n));
    assert.equal(new Set(given).size, 8);
    for (const taken of ["map", "then", "constructor", "length", "Math"])
      assert.ok(!given.includes(taken), taken);
  });
});

describe("board build: a flat module", () => {
  it("makes functions arrows where they may be, and variables constants", async () => {
    const flat = flattenModule(`
      var a = later(1), b = 2, changed = 0;
      var c = 3;
      function later(n) { return n + (() => n)(); }
      function mine() { return this; }
      function counts() { return arguments.length; }
      function inner() { return function () { return this; }; }
      function* many() { yield c; }
      changed += b;
      export default [a, later(2), mine.call(5), counts(1, 2), inner().call(6), [...many()], changed];`);
    assert.match(flat, /const later = \(n\) => \{/);
    assert.match(flat, /const inner = /);
    assert.match(flat, /const c = 3/);
    assert.match(flat, /var a = /);
    for (const kept of ["mine", "counts", "many"]) assert.match(flat, new RegExp(`function\\*? ${kept}`));
    const [, ...rest] = (await run(flat)) as unknown[];
    assert.deepEqual(rest, [4, 5, 2, 6, [3], 2]);
  });

  it("tells what is asked of a class from what is asked of its instances", () => {
    const names = identifiersOf(
      "Math.max(a.at(1)); const { seal } = b; /x/.test(c); BYTES.forEach(a);",
      BUILT_IN,
    );
    assert.deepEqual(
      [...names].sort(),
      [".max", "BYTES", "Math", "RegExp", "forEach", "a", "at", "b", "c", "seal", "test"].sort(),
    );
  });
});

describe("board build: what is asked of built-in objects", () => {
  it("is what stands behind a dot, in a pattern or for something global, not what is called so", () => {
    const source = `
      import { at } from "parts";
      class Own extends Map { fill(join) { const reverse = join; return { sort: reverse }; } }
      export const use = (list, { size }) => list.some((find) => find["with"](size)) + Math.max(parseInt("7"), 1);
      export const later = async (x) => x ? /x/ : at;`;
    assert.deepEqual([...askedOf(source, new Set(["Map", "Math"]))].sort(), [
      "Map",
      "Math",
      "Math.max",
      "Promise",
      "RegExp",
      "parseInt",
      "size",
      "some",
      "with",
    ]);
  });
});

describe("board build: what the linker wrote, smaller", () => {
  const c = [
    "static const xsHostBuilder gxBuilders[3] = {",
    "\t{ fx_one, 1, xsID_one },",
    "\t{ fxDeadStrip, 1, xsID_two },",
    "\t{ fx_three, 1, xsID_three },",
    "};",
    "",
    ".value = { .hostFunction = { &gxBuilders[2], 134 } }},",
    ".value = { .hostFunction = { &gxBuilders[0], 1 } }},",
    ".value = { .hostFunction = { &gxBuilders[2], 134 } }},",
    '.kind = XS_CODE_X_KIND}, .value = { .code = { (txByte*)"\\x0c\\x00\\xbb\\x44\\x00\\x00\\x00", NULL } } },',
    "",
  ].join("\n");

  it("leaves out functions that no slot names", () => {
    const pruned = pruneBuilders(c);
    assert.match(
      pruned,
      /gxBuilders\[2\] = \{\n\t\{ fx_three, 1, xsID_three \},\n\t\{ fx_one, 1, xsID_one \},\n\};/,
    );
    assert.deepEqual(
      Array.from(pruned.matchAll(/&gxBuilders\[(\d)\]/g), ([, place]) => place),
      ["0", "1", "0"],
    );
    assert.throws(() => pruneBuilders("int main;"), /no table/);
  });
});

import assert from "node:assert/strict";
import { openPrivateNames, PrivateNameError } from "../../scripts/board/open-private.js";

/** The value of a module's `export default`, private names opened. */
async function run(source: string): Promise<unknown> {
  const opened = openPrivateNames(source);
  const module = await import(`data:text/javascript,${encodeURIComponent(opened)}`);
  return (module as { default: unknown }).default;
}

describe("board build: private names become plain ones", () => {
  it("fields, methods, accessors, statics, optional access", async () => {
    const source = `
      class A {
        static #made = 0;
        #value = 1;
        get #twice() { return this.#value * 2; }
        #add(n) { this.#value += n; return this; }
        static make() { A.#made++; return new A(); }
        run(other) { this.#add(2); return [this.#twice, A.#made, other?.#value, #value in this, #value in {}]; }
      }
      export default A.make().run(A.make());
    `;
    assert.deepEqual(await run(source), [6, 2, 1, true, false]);
  });

  it("the same name in a base and in a derived class stays two", async () => {
    const source = `
      class A { #x = 1; a() { return this.#x; } }
      class B extends A { #x = 2; b() { return this.#x; } }
      const it = new B();
      export default [it.a(), it.b()];
    `;
    assert.deepEqual(await run(source), [1, 2]);
  });

  it("an inner class reaches the outer one's names, and hides them by its own", async () => {
    const source = `
      class Outer {
        #x = 1;
        #y = 2;
        inner() {
          return class { #x = 3; read(outer) { return [this.#x, outer.#y]; } };
        }
        run() { return [this.#x, ...new (this.inner())().read(this)]; }
      }
      export default new Outer().run();
    `;
    assert.deepEqual(await run(source), [1, 3, 2]);
  });

  it("strings, templates, regular expressions and comments stay as they are", async () => {
    const source = `
      // #comment in a class {
      class A {
        #n = 2; /* #n } */
        run() {
          return [
            "#n", '}', \`#n \${this.#n} \${[1].map((x) => { return \`\${x + this.#n}\`; })} }\`,
            /#n[/}]/.test("#n}"), 4 / this.#n / 1,
          ];
        }
      }
      export default new A().run();
    `;
    const opened = openPrivateNames(source);
    assert.ok(opened.includes("// #comment in a class {") && opened.includes("/* #n } */"));
    assert.deepEqual(await run(source), ["#n", "}", "#n 2 3 }", true, 2]);
  });

  it("refuses what it would get wrong", () => {
    assert.throws(() => openPrivateNames("class A { #x = 1; $0 = 2; }"), PrivateNameError);
    assert.throws(() => openPrivateNames("class A { f() { return this.#nowhere; } }"), PrivateNameError);
  });

  it("classes share their names", () => {
    const opened = openPrivateNames(
      "class A { #x = 1; #y = 2; } class B { #z = 3; get #w() {} set #w(v) {} }",
    );
    assert.equal(opened, "class A { $0 = 1; $1 = 2; } class B { $0 = 3; get $1() {} set $1(v) {} }");
  });

  it("leaves source without private names alone", () => {
    const source = "export const x = 1; class A { y = x; }";
    assert.equal(openPrivateNames(source), source);
  });
});

/** Names for what is renamed in an image. */

import { parse } from "acorn";
import { simple } from "acorn-walk";

/**
 * Names of a source's variables and properties, and of the classes that its syntax stands for; what it asks of a
 * built-in class or namespace itself (`Math.max`) with a dot before it: `.max`.
 */
export function identifiersOf(source: string, builtIn: ReadonlySet<string>): Set<string> {
  const names = new Set<string>();
  const tokens = new Map<number, string>();
  const program = parse(source, {
    ecmaVersion: 2022,
    sourceType: "module",
    onToken({ type, start, end }) {
      if (type.label === "name") tokens.set(start, source.slice(start, end));
    },
  });
  simple(program, {
    MemberExpression({ object, property, computed }) {
      if (computed || object.type !== "Identifier" || !/^[A-Z]/.test(object.name)) return;
      // No constant of ours: `BYTES.map` is asked of an array.
      if (!builtIn.has(object.name)) return;
      names.add(`.${tokens.get(property.start)}`);
      tokens.delete(property.start);
    },
    Literal({ regex }) {
      if (regex !== undefined) names.add("RegExp");
    },
    Function({ async, generator }) {
      if (async) names.add("Promise");
      if (generator) names.add("Generator");
    },
  });
  for (const name of tokens.values()) names.add(name);
  return names;
}

/** Functions in global scope; classes have capitals. */
const GLOBAL =
  /^([A-Z]\w*|is(NaN|Finite)|parse(Int|Float)|(un)?escape|(de|en)codeURI(Component)?|trace|eval)$/;

/** Where a class's static functions are: those of typed arrays in the class that they all come from. */
function ownerOf(name: string): string {
  return /^\w+Array$/.test(name) ? "TypedArray" : name;
}

/**
 * Names that a source asks built-in objects for: of {@link identifiersOf}'s those that stand behind a dot, in a pattern
 * or for something global; of a class or namespace itself with its name (`Math.max`). What it calls a variable or a property of its own is none.
 */
export function askedOf(source: string, builtIn: ReadonlySet<string>): Set<string> {
  const asked = new Set<string>();
  simple(parse(source, { ecmaVersion: 2022, sourceType: "module" }), {
    MemberExpression({ object, property, computed }) {
      if (computed) {
        if (property.type === "Literal") asked.add(String(property.value));
      } else if (property.type === "Identifier") {
        const of = object.type === "Identifier" && /^[A-Z]/.test(object.name) && builtIn.has(object.name);
        asked.add(of ? `${ownerOf(object.name)}.${property.name}` : property.name);
      }
    },
    ObjectPattern({ properties }) {
      for (const property of properties) {
        if (property.type === "Property" && property.key.type === "Identifier") asked.add(property.key.name);
      }
    },
    Identifier({ name }) {
      if (GLOBAL.test(name)) asked.add(name);
    },
    Literal({ regex }) {
      if (regex !== undefined) asked.add("RegExp");
    },
    Class({ superClass }) {
      if (superClass?.type === "Identifier") asked.add(superClass.name);
    },
    Function({ async, generator }) {
      if (async) asked.add("Promise");
      if (generator) asked.add("Generator");
    },
  });
  return asked;
}

/**
 * Built-in names that nothing else may be called: they mean something to the language or to XS on any object, or in any
 * scope.
 */
export const MEANT: ReadonlySet<string> = new Set(
  (
    "arguments await async constructor prototype length name message stack cause errors description " +
    "toString valueOf toJSON toLocaleString hasOwnProperty isPrototypeOf propertyIsEnumerable " +
    "apply bind call caller callee then catch finally next done value return throw get set has raw index input " +
    "enumerable configurable writable default delete function import export eval native trace undefined global " +
    "globalThis this new super with try throw in of for from as let static yield null true false typeof void var if " +
    "else do while switch case break continue const class extends instanceof enum debugger package private protected " +
    "public implements interface isNaN isFinite parseInt parseFloat escape unescape decodeURI encodeURI " +
    "decodeURIComponent encodeURIComponent"
  ).split(" "),
);

/**
 * A name costs 22 bytes of flash and its text; XS's own some 700 are in every image. Those that the code does not use
 * for what they mean stand for ours: a field may be called `getUTCDay`.
 */
export class NamePool {
  readonly #names: readonly string[];

  constructor(builtIn: ReadonlySet<string>, used: ReadonlySet<string>) {
    this.#names = [...builtIn].filter(
      (name) => /^[a-z][A-Za-z0-9]*$/.test(name) && !MEANT.has(name) && !used.has(name),
    );
  }

  /** The nth, for terser: `nth_identifier`. */
  get(n: number): string {
    return this.#names[n] ?? short(n - this.#names.length);
  }
}

/** a, b, …, Z, aa, ab, … */
function short(n: number): string {
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const head = n < letters.length ? "" : short(Math.floor(n / letters.length) - 1);
  return head + letters[n % letters.length];
}

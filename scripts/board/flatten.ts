/**
 * Makes the top level of a bundled module cheap in XS: functions that need no `this` become arrow functions, which have
 * no prototype object (48 bytes of flash each), and variables that nobody assigns become constants, which take no entry
 * in the table of what the machine may change.
 */

import { type AnyNode, type FunctionDeclaration, type Program, parse } from "acorn";
import { ancestor, simple } from "acorn-walk";

interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

export function flattenModule(source: string): string {
  const program = parse(source, { ecmaVersion: 2022, sourceType: "module" });
  const assigned = assignedNames(program);
  const edits: Edit[] = [];
  const functions: string[] = [];
  for (const node of program.body) {
    if (node.type === "FunctionDeclaration" && !assigned.has(node.id.name) && canBeArrow(node)) {
      const [first, last] = [node.params[0], node.params.at(-1)];
      const parameters = first === undefined ? "" : source.slice(first.start, last!.end);
      const body = source.slice(node.body.start, node.body.end);
      functions.push(`const ${node.id.name} = (${parameters}) => ${body};\n`);
      edits.push({ from: node.start, to: node.end, text: "" });
    } else if (node.type === "VariableDeclaration" && node.kind === "var") {
      const constant = node.declarations.every(
        ({ id, init }) => id.type === "Identifier" && init != null && !assigned.has(id.name),
      );
      if (constant) edits.push({ from: node.start, to: node.start + 3, text: "const" });
    }
  }
  // Function declarations are there before the first statement runs; so are these.
  let result = functions.join("");
  let done = 0;
  for (const { from, to, text } of edits.sort((a, b) => a.from - b.from)) {
    result += source.slice(done, from) + text;
    done = to;
  }
  return result + source.slice(done);
}

/** Names that are assigned somewhere after their declaration, whatever scope they belong to. */
function assignedNames(program: Program): Set<string> {
  const names = new Set<string>();
  const take = (pattern: AnyNode) => {
    simple(pattern, {
      Identifier({ name }) {
        names.add(name);
      },
      VariablePattern({ name }: { name: string }) {
        names.add(name);
      },
    } as Parameters<typeof simple>[1]);
  };
  simple(program, {
    AssignmentExpression: ({ left }) => take(left),
    UpdateExpression: ({ argument }) => take(argument),
    ForInStatement: ({ left }) => left.type !== "VariableDeclaration" && take(left),
    ForOfStatement: ({ left }) => left.type !== "VariableDeclaration" && take(left),
  } as Parameters<typeof simple>[1]);
  return names;
}

/** Neither `this` nor `arguments` of its own, and no other kind of function; `native` is XS's own form. */
function canBeArrow(node: FunctionDeclaration): boolean {
  if (node.async || node.generator) return false;
  let fits = true;
  const refuseUnlessInner = (_found: AnyNode, _state: unknown, parents: AnyNode[]) => {
    const owner = parents.findLast(
      ({ type }) => type === "FunctionDeclaration" || type === "FunctionExpression" || type === "ClassBody",
    );
    if (owner === undefined || owner === node) fits = false;
  };
  ancestor(node, {
    ThisExpression: refuseUnlessInner,
    MetaProperty: refuseUnlessInner,
    Identifier(found, state, parents) {
      if (found.name === "arguments") refuseUnlessInner(found, state, parents);
      if (found.name === "native") fits = false;
    },
  });
  return fits;
}

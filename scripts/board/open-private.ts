/**
 * Turns private names (`#name`) of classes into plain properties (`$0`, `$1`, … in each class).
 *
 * In XS every function that uses a private name holds it as a closure variable: 16 bytes of flash for each name in
 * each method. And every distinct name of a property costs 16 bytes and its text: so the classes share theirs.
 * Privacy has done its work when the compiler has passed.
 */

import { type AnyNode, type Class, type PrivateIdentifier, parse } from "acorn";
import { ancestor } from "acorn-walk";

/** The source cannot be taken apart; the message says where. */
export class PrivateNameError extends Error {}

type Names = Map<string, string>;

/** @throws PrivateNameError for source that it cannot take apart, or where a name is taken already */
export function openPrivateNames(source: string): string {
  if (!source.includes("#")) return source;
  const classes = new Map<AnyNode, Names>();
  const uses: { readonly node: PrivateIdentifier; readonly asked: boolean; readonly within: AnyNode[] }[] =
    [];
  const use = (node: PrivateIdentifier, parents: AnyNode[], asked = false) =>
    uses.push({ node, asked, within: parents.filter(isClass) });
  const member = (node: { readonly key: AnyNode }, _state: unknown, parents: AnyNode[]) => {
    if (node.key.type === "PrivateIdentifier") use(node.key, parents);
  };
  let plain = 0;
  ancestor(parseModule(source), {
    Class(node) {
      classes.set(node as AnyNode, declaredBy(node, plain++));
    },
    MethodDefinition: member,
    PropertyDefinition: member,
    MemberExpression(node, _state, parents) {
      if (node.property.type === "PrivateIdentifier") use(node.property, parents);
    },
    BinaryExpression(node, _state, parents) {
      if (node.left.type === "PrivateIdentifier") use(node.left, parents, true);
    },
  });
  let result = "";
  let done = 0;
  for (const { node, asked, within } of uses.sort((a, b) => a.node.start - b.node.start)) {
    // Methods and their keys: a name may be met by way of its class and of its member.
    if (node.start < done) continue;
    const name = within.map((owner) => classes.get(owner)?.get(node.name)).findLast(Boolean);
    if (name === undefined) throw new PrivateNameError(`#${node.name} at ${node.start} belongs to no class`);
    result += source.slice(done, node.start) + (asked ? `"${name}"` : name);
    done = node.end;
  }
  return result + source.slice(done);
}

function parseModule(source: string) {
  try {
    return parse(source, { ecmaVersion: 2022, sourceType: "module" });
  } catch (error) {
    throw new PrivateNameError((error as Error).message);
  }
}

function isClass(node: AnyNode): boolean {
  return node.type === "ClassDeclaration" || node.type === "ClassExpression";
}

/** The plain names of a class's own private ones; a getter and its setter have one name. */
function declaredBy(node: Class, index: number): Names {
  const names: Names = new Map();
  // A derived class must not meet its base's, and a name that is asked for (`#name in it`) belongs to one class.
  const own = node.superClass != null || asksFor(node) ? `$${index}` : "";
  for (const member of node.body.body) {
    if (!("key" in member)) continue;
    const { key } = member;
    if (key.type === "PrivateIdentifier" && !names.has(key.name)) names.set(key.name, `$${names.size}${own}`);
    else if (key.type === "Identifier" && /^\$\d/.test(key.name)) {
      throw new PrivateNameError(`${key.name} is a name already`);
    }
  }
  return names;
}

function asksFor(node: Class): boolean {
  let found = false;
  ancestor(node as AnyNode, {
    BinaryExpression({ left }) {
      if (left.type === "PrivateIdentifier") found = true;
    },
  });
  return found;
}

/** Counts, in a module of JavaScript, how often each of its branches is taken. */

import { type AnyNode, type Expression, type Program, parse, type Statement } from "acorn";
import { full } from "acorn-walk";
import MagicString from "magic-string";

/** The name under which instrumented code finds its counters: a Uint8Array, one byte a branch. */
export const COUNTERS = "__branches";

export interface Instrumented {
  readonly code: string;
  /** The next branch's number. */
  readonly next: number;
  /** Values that the module compares with, as they could stand in an input: what mutation alone would not hit upon. */
  readonly words: readonly Uint8Array[];
}

/** @param first the number of the module's first branch */
export function instrument(source: string, first: number): Instrumented {
  const text = new MagicString(source);
  const words: Uint8Array[] = [];
  let next = first;
  const count = (): string => `${COUNTERS}[${next++}]++`;

  const inExpression = (node: Expression): void => {
    text.prependRight(node.start, `(${count()}, `).appendLeft(node.end, ")");
  };
  const inStatement = (node: Statement): void => {
    if (node.type === "BlockStatement") text.prependRight(node.start + 1, `${count()};`);
    else text.prependRight(node.start, `{${count()};`).appendLeft(node.end, "}");
  };

  const visit = (node: AnyNode): void => {
    switch (node.type) {
      case "FunctionDeclaration":
      case "FunctionExpression":
        inStatement(node.body);
        break;
      case "ArrowFunctionExpression":
        if (node.body.type === "BlockStatement") inStatement(node.body);
        else inExpression(node.body);
        break;
      case "IfStatement":
        inStatement(node.consequent);
        if (node.alternate) inStatement(node.alternate);
        else text.appendLeft(node.end, ` else ${count()};`);
        break;
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
      case "WhileStatement":
      case "DoWhileStatement":
        inStatement(node.body);
        break;
      case "CatchClause":
        inStatement(node.body);
        break;
      case "SwitchCase":
        if (node.consequent.length > 0) text.prependRight(node.consequent[0]!.start, `${count()};`);
        break;
      case "ConditionalExpression":
        inExpression(node.consequent);
        inExpression(node.alternate);
        break;
      case "LogicalExpression":
        inExpression(node.right);
        break;
      case "Literal":
        words.push(...wordsOf(node.value));
        break;
    }
  };
  // Inner nodes are visited before outer ones, so what is put around an outer one goes outside.
  const program: Program = parse(source, { ecmaVersion: "latest", sourceType: "module" });
  full(program, visit);
  return { code: text.toString(), next, words };
}

function wordsOf(value: unknown): Uint8Array[] {
  if (typeof value === "string") {
    return value.length > 1 && value.length <= 32 ? [new TextEncoder().encode(value)] : [];
  }
  if (typeof value !== "number" || !Number.isInteger(value) || value < 16 || value > 0xffffffff) return [];
  if (value <= 0xff) return [Uint8Array.of(value)];
  if (value <= 0xffff) return [Uint8Array.of(value >> 8, value), Uint8Array.of(value, value >> 8)];
  return [Uint8Array.of(value >>> 24, value >> 16, value >> 8, value)];
}

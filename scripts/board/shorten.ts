/**
 * Makes preloaded byte code smaller that does the same. It is what XS's compiler writes for any JavaScript, for ours is
 * known what the compiler of TypeScript has seen to: nobody asks for a variable before it has a value, nobody assigns a
 * constant, nobody calls `eval`.
 */

import { decode, encode, type Instruction, type InstructionSet } from "./byte-code.js";
import { withoutClosing } from "./loops.js";

const NEVER_GOES_ON = /^(END\w*|BRANCH|THROW|RETURN)$/;
const ENDS = /^END\w*$/;
/** Of a variable with a number, whatever sees its value. */
const READS = /^(?!NEW_|SET_LOCAL|PULL_LOCAL|VAR_LOCAL)\w+_(CLOSURE|LOCAL|PRIVATE)$|^(STORE|USED)$/;
const CONSTANT = /^(INTEGER|TRUE|FALSE|UNDEFINED|NULL)$/;
/** Variables by name, code that is taken up in its middle. */
const LEFT_ALONE = /^(EVAL\w*|WITH|PROGRAM_ENVIRONMENT|START_\w+)$/;

export function shorten(code: Uint8Array, set: InstructionSet): Uint8Array {
  const instructions = decode(code, set);
  if (!instructions.some(({ name }) => LEFT_ALONE.test(name))) simplify(instructions);
  for (const instruction of instructions) {
    // Byte code is in flash: neither a string nor an inner function needs a copy in RAM.
    if (instruction.name === "STRING") instruction.name = "STRING_ARCHIVE";
    if (instruction.name === "CODE") instruction.name = "CODE_ARCHIVE";
    if (instruction.name === "CODE_ARCHIVE") {
      instruction.operand = shorten(instruction.operand as Uint8Array, set);
    }
  }
  return encode(instructions, set);
}

/** The same in fewer instructions, in place. */
export function simplify(instructions: Instruction[]): void {
  // What the linker fills up with, to whole chunks.
  while (instructions.at(-1)?.name === "NO_CODE") instructions.pop();
  for (const instruction of instructions) {
    // A local variable has its number; its name is for messages. It has a value from the start.
    if (instruction.name === "NEW_LOCAL") {
      instruction.name = "NEW_TEMPORARY";
      instruction.operand = undefined;
    } else if (instruction.name === "CONST_LOCAL" || instruction.name === "LET_LOCAL") {
      instruction.name = "VAR_LOCAL";
    }
  }
  untilSettled(instructions);
  withoutClosing(instructions);
  untilSettled(instructions);
}

function untilSettled(instructions: Instruction[]): void {
  for (let before = -1; before !== instructions.length; ) {
    before = instructions.length;
    thread(instructions);
    dropUnreachable(instructions);
    dropUnread(instructions);
    joinNeighbours(instructions);
  }
}

/** A branch to a branch leads to where that does, one to the end of the function is the end. */
function thread(instructions: Instruction[]): void {
  const following = new Map(instructions.map((instruction, i) => [instruction, instructions[i + 1]]));
  for (const instruction of instructions) {
    if (instruction.target === undefined) continue;
    instruction.target = destination(instruction.target, following);
    if (instruction.name === "BRANCH" && ENDS.test(instruction.target.name)) {
      instruction.name = instruction.target.name;
      instruction.operand = undefined;
      instruction.target = undefined;
    }
  }
}

function destination(target: Instruction, following: ReadonlyMap<Instruction, Instruction | undefined>) {
  let to = target;
  for (let steps = 0; steps < 8; steps++) {
    const next: Instruction | undefined =
      to.name === "BRANCH"
        ? to.target
        : // The end of a function takes its variables with it.
          to.name === "UNWIND" && ENDS.test(following.get(to)?.name ?? "")
          ? following.get(to)
          : undefined;
    if (next === undefined) break;
    to = next;
  }
  return to;
}

function dropUnreachable(instructions: Instruction[]): void {
  const targets = targetsOf(instructions);
  let reached = true;
  rewrite(instructions, (instruction) => {
    if (targets.has(instruction)) reached = true;
    const kept = reached;
    if (NEVER_GOES_ON.test(instruction.name)) reached = false;
    return kept ? undefined : { remove: 1 };
  });
}

/** Values that are put where nobody reads. */
function dropUnread(instructions: Instruction[]): void {
  const targets = targetsOf(instructions);
  const read = new Set<Instruction["operand"]>();
  for (const { name, operand } of instructions) {
    if (READS.test(name)) read.add(operand);
  }
  rewrite(instructions, (first, second) => {
    if (first.name === "SET_LOCAL" && !read.has(first.operand)) return { remove: 1 };
    const unread = second?.name === "PULL_LOCAL" && !read.has(second.operand) && !targets.has(second);
    return unread && CONSTANT.test(first.name) ? { remove: "both" } : undefined;
  });
}

function joinNeighbours(instructions: Instruction[]): void {
  const targets = targetsOf(instructions);
  rewrite(instructions, (first, second, previous) => {
    const { name, operand } = first;
    if (name === "RESET_LOCAL" || name === "REFRESH_LOCAL") return { remove: 1 };
    if (second === undefined) return undefined;
    if (name === "UNWIND" && ENDS.test(second.name)) return { remove: 1 };
    if (name === "BRANCH" && first.target === second) return { remove: 1 };
    // A branch may lead to the first: it becomes both.
    if (targets.has(second)) return undefined;
    if (name === "UNWIND" && second.name === "UNWIND") {
      return { remove: 2, name, operand: (operand as number) + (second.operand as number) };
    }
    // What follows a property is its flags.
    if (name === "INTEGER" && !/^NEW_P/.test(previous?.name ?? "")) {
      if (second.name === "VOID") return { remove: 2, name: "UNDEFINED", operand: undefined };
      if (second.name === "NOT")
        return { remove: 2, name: operand === 0 ? "TRUE" : "FALSE", operand: undefined };
    }
    if ((name === "VAR_LOCAL" || name === "SET_LOCAL") && second.name === "POP") {
      return { remove: 2, name: "PULL_LOCAL", operand };
    }
    if (name === "PULL_LOCAL" && second.name === "GET_LOCAL" && operand === second.operand) {
      return { remove: 2, name: "SET_LOCAL", operand };
    }
    if (name === "NOT" && (second.name === "BRANCH_ELSE" || second.name === "BRANCH_IF")) {
      const opposite = second.name === "BRANCH_ELSE" ? "BRANCH_IF" : "BRANCH_ELSE";
      return { remove: 2, name: opposite, operand: second.operand, target: second.target };
    }
    return undefined;
  });
}

function targetsOf(instructions: readonly Instruction[]): Set<Instruction> {
  return new Set(instructions.flatMap(({ target }) => target ?? []));
}

interface Change extends Partial<Instruction> {
  /** The first, the second with the first changed, or both of them. */
  readonly remove: 1 | 2 | "both";
}

/** One pass: takes instructions out, or makes one of two; branches to what is gone lead to what follows it. */
function rewrite(
  instructions: Instruction[],
  change: (
    first: Instruction,
    second: Instruction | undefined,
    previous: Instruction | undefined,
  ) => Change | undefined,
): void {
  const kept: Instruction[] = [];
  const gone = new Map<Instruction, number>();
  for (let i = 0; i < instructions.length; i++) {
    const first = instructions[i]!;
    const { remove, ...into } = change(first, instructions[i + 1], kept.at(-1)) ?? { remove: 0 };
    if (remove === 1 || remove === "both") gone.set(first, kept.length);
    else kept.push(Object.assign(first, into));
    if (remove === 2 || remove === "both") i++;
  }
  for (const instruction of kept) {
    const place = instruction.target === undefined ? undefined : gone.get(instruction.target);
    if (place !== undefined) instruction.target = kept[place];
  }
  instructions.splice(0, instructions.length, ...kept);
}

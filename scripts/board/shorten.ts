/**
 * Makes preloaded byte code smaller that does the same. It is what XS's compiler writes for any JavaScript, for ours is
 * known what the compiler of TypeScript has seen to: nobody asks for a variable before it has a value, nobody assigns a
 * constant, nobody calls `eval`.
 */

import { decode, encode, type Instruction, type InstructionSet } from "./byte-code.js";

const NEVER_GOES_ON = /^(END\w*|BRANCH|THROW|RETURN)$/;
const ENDS = /^END\w*$/;
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

function simplify(instructions: Instruction[]): void {
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
  for (let before = -1; before !== instructions.length; ) {
    before = instructions.length;
    thread(instructions);
    dropUnreachable(instructions);
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
    // What follows a property is its flags.
    if (name === "INTEGER" && second.name === "VOID" && !/^NEW_P/.test(previous?.name ?? "")) {
      return { remove: 2, name: "UNDEFINED", operand: undefined };
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
  readonly remove: 1 | 2;
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
    if (remove === 1) gone.set(first, kept.length);
    else kept.push(Object.assign(first, into));
    if (remove === 2) i++;
  }
  for (const instruction of kept) {
    const place = instruction.target === undefined ? undefined : gone.get(instruction.target);
    if (place !== undefined) instruction.target = kept[place];
  }
  instructions.splice(0, instructions.length, ...kept);
}

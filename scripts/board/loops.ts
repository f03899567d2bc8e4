/**
 * `for (… of …)` and `[a, b] = …` without what closes an iterator early.
 *
 * When a loop ends before its iterator does, JavaScript calls the iterator's `return`, whatever way the loop ends, an
 * exception included: so XS wraps each in two handlers of exceptions, 30 to 60 bytes and as many microseconds. Arrays,
 * typed arrays, Maps and Sets have iterators without `return`; a generator has one, which does something only with
 * `finally` around its `yield`, and there is none in firmware/ (a test sees to it).
 */

import type { Instruction } from "./byte-code.js";

/** Behind the way out of a loop, as XS's compiler writes it. */
const LOOP_END =
  "UNCATCH CATCH GET_LOCAL BRANCH_IF GET_LOCAL GET_PROPERTY BRANCH_CHAIN GET_LOCAL SWAP CALL RUN CHECK_INSTANCE POP " +
  "UNCATCH BRANCH GET_LOCAL BRANCH_ELSE EXCEPTION PULL_LOCAL INTEGER PULL_LOCAL GET_LOCAL BRANCH_IF GET_LOCAL THROW";
/** Behind that of a pattern. */
const PATTERN_END =
  "UNCATCH GET_LOCAL BRANCH_IF EXCEPTION PULL_LOCAL CATCH GET_LOCAL BRANCH_IF GET_LOCAL GET_PROPERTY BRANCH_CHAIN " +
  "GET_LOCAL SWAP CALL RUN CHECK_INSTANCE POP GET_LOCAL BRANCH_IF UNCATCH GET_LOCAL THROW";

/** Takes the handlers out; leaves what nothing leads to any more. */
export function withoutClosing(instructions: Instruction[]): void {
  const index = new Map(instructions.map((instruction, i) => [instruction, i]));
  const gone = new Set<Instruction>();
  for (const [i, { name }] of instructions.entries()) {
    if (name !== "FOR_OF") continue;
    const guard = instructions.slice(i + 1, i + 8).find((instruction) => instruction.name === "CATCH");
    const handler = guard?.target === undefined ? undefined : index.get(guard.target);
    if (guard === undefined || handler === undefined) continue;
    const way = wayOut(instructions, index, handler);
    if (way === undefined) continue;
    gone.add(guard);
    Object.assign(way.from, { name: "BRANCH", operand: 0, target: way.to });
  }
  const kept = instructions.filter((instruction) => !gone.has(instruction));
  const after = (instruction: Instruction) => {
    let to = instruction;
    while (gone.has(to)) to = instructions[index.get(to)! + 1]!;
    return to;
  };
  for (const instruction of kept) if (instruction.target) instruction.target = after(instruction.target);
  instructions.splice(0, instructions.length, ...kept);
}

/** The instruction that all ways out of a loop come to, and where they go on when the iterator is closed. */
function wayOut(
  instructions: readonly Instruction[],
  index: ReadonlyMap<Instruction, number>,
  handler: number,
): { readonly from: Instruction; readonly to: Instruction } | undefined {
  const form = (from: number, names: string) => {
    const all = names.split(" ");
    return all.every((name, i) => instructions[from + i]?.name === name)
      ? instructions.slice(from, from + all.length)
      : undefined;
  };
  const leaving = form(handler, "EXCEPTION PULL_LOCAL INTEGER PULL_LOCAL BRANCH")?.at(-1)?.target;
  const loop = leaving === undefined ? undefined : form(index.get(leaving)! - 1, LOOP_END);
  if (loop !== undefined) return { from: loop[0]!, to: loop[22]!.target! };
  const pattern = form(handler - 1, PATTERN_END);
  return pattern === undefined ? undefined : { from: pattern[0]!, to: pattern[18]!.target! };
}

/**
 * What functions use from outside of them, in less flash.
 *
 * XS gives each function a list of its own: two slots, one for each variable, and each variable a slot that the lists
 * of all its users point to. A function reads as many slots of its list as its byte code says, from the third on. So all
 * lists can be places in one chain, a function's variables in whatever order they stand there; and what never changes
 * can stand there itself, in place of a pointer to it.
 */

import { decode, encode, type Instruction, type InstructionSet } from "./byte-code.js";

/** Instructions whose operand is the number of a variable. */
const INDEXED = /^(?!NEW_LOCAL|NEW_CLOSURE)\w+_(CLOSURE|LOCAL|PRIVATE)$|^(STORE|USED)$/;

/** A function's byte code with those of the functions in it. */
export class Body {
  readonly instructions: Instruction[];
  readonly #inner = new Map<Instruction, Body>();
  readonly #set: InstructionSet;
  /** By instruction STORE: for which inner function, and its number there. */
  readonly #stores = new Map<Instruction, readonly [Body, number]>();

  constructor(code: Uint8Array, set: InstructionSet) {
    this.#set = set;
    this.instructions = decode(code, set);
    let latest: Body | undefined;
    let storing: Body | undefined;
    let stored = 0;
    for (const instruction of this.instructions) {
      if (instruction.operand instanceof Uint8Array && instruction.name.startsWith("CODE")) {
        latest = new Body(instruction.operand, set);
        this.#inner.set(instruction, latest);
      } else if (instruction.name === "ENVIRONMENT") {
        storing = latest;
        stored = 0;
      } else if (instruction.name === "STORE" && storing !== undefined) {
        this.#stores.set(instruction, [storing, ++stored]);
      }
    }
  }

  get code(): Uint8Array {
    for (const [instruction, body] of this.#inner) instruction.operand = body.code;
    return encode(this.instructions, this.#set);
  }

  /** How many variables it takes from outside, before it has any of its own; undefined: it does so in another way. */
  get retrieved(): number | undefined {
    const at = this.instructions.findIndex(({ name }) => name === "RETRIEVE");
    const before = this.instructions.slice(0, Math.max(at, 0));
    const otherwise = this.instructions.some(
      ({ name }, i) => (i !== at && name.startsWith("RETRIEVE")) || /^EVAL|^WITH|^PROGRAM_ENV/.test(name),
    );
    if (at < 0 || otherwise || !before.every(({ name }) => /^(BEGIN_|RESERVE)/.test(name))) return undefined;
    return this.instructions[at]!.operand as number;
  }

  /** Whether it, or a function in it, may ask for its base class. */
  get asksForHome(): boolean {
    return (
      this.instructions.some(({ name }) => name.includes("SUPER") || name.startsWith("EVAL")) ||
      [...this.#inner.values()].some((body) => body.asksForHome)
    );
  }

  /** Whether it only reads the variable that it takes from outside with this number, from 1, and inner functions too. */
  onlyReads(index: number): boolean {
    return this.instructions.every((instruction) => {
      if (!INDEXED.test(instruction.name) || instruction.operand !== index) return true;
      if (instruction.name !== "STORE") return instruction.name === "GET_CLOSURE";
      const store = this.#stores.get(instruction);
      return store?.[0].retrieved !== undefined && store[0].onlyReads(store[1]);
    });
  }

  /** Makes it find the value itself where it had a pointer to the variable. */
  readDirectly(index: number): void {
    for (const instruction of this.instructions) {
      if (!INDEXED.test(instruction.name) || instruction.operand !== index) continue;
      if (instruction.name === "GET_CLOSURE") instruction.name = "GET_LOCAL";
      const store = this.#stores.get(instruction);
      if (store !== undefined) store[0].readDirectly(store[1]);
    }
  }

  /** Gives what it takes from outside other numbers. @param numbers by the former ones, from 1 */
  renumber(numbers: ReadonlyMap<number, number>): void {
    for (const instruction of this.instructions) {
      if (!INDEXED.test(instruction.name)) continue;
      instruction.operand = numbers.get(instruction.operand as number) ?? instruction.operand;
    }
  }
}

/** One sequence in which the members of each list stand side by side, in any order; as short as is easily found. */
export function chainOf(lists: readonly (readonly string[])[]): string[] {
  const chain: string[] = [];
  let left = lists.filter(({ length }) => length > 0).map((list) => new Set(list));
  const uses = new Map<string, number>();
  for (const list of left) for (const member of list) uses.set(member, (uses.get(member) ?? 0) + 1);
  while (left.length > 0) {
    const overlapOf = (list: ReadonlySet<string>) => {
      let overlap = 0;
      while (overlap < list.size && overlap < chain.length && list.has(chain[chain.length - 1 - overlap]!)) {
        overlap++;
      }
      return overlap;
    };
    let best = left[0]!;
    let most = overlapOf(best);
    for (const list of left) {
      const overlap = overlapOf(list);
      if (overlap > most || (overlap === most && list.size > best.size)) [best, most] = [list, overlap];
    }
    const there = new Set(most === 0 ? [] : chain.slice(-most));
    const rest = [...best].filter((member) => !there.has(member));
    chain.push(...rest.sort((a, b) => uses.get(a)! - uses.get(b)! || (a < b ? -1 : 1)));
    left = left.filter((list) => {
      if (placeOf(chain, list, chain.length - rest.length - list.size) === undefined) return true;
      for (const member of list) uses.set(member, uses.get(member)! - 1);
      return false;
    });
  }
  return chain;
}

/** Where all members of a list stand side by side. */
export function placeOf(chain: readonly string[], list: ReadonlySet<string>, from = 0): number | undefined {
  for (let at = Math.max(from, 0); at + list.size <= chain.length; at++) {
    const window = new Set(chain.slice(at, at + list.size));
    if (window.size === list.size && [...window].every((member) => list.has(member))) return at;
  }
  return undefined;
}

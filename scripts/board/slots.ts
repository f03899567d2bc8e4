/** The slots that XS's linker wrote for preloaded objects, fewer of them. */

import type { InstructionSet } from "./byte-code.js";
import { Body, chainOf, placeOf } from "./environments.js";
import { forgetNames } from "./keys.js";

export interface Slot {
  next: number | undefined;
  /** An item of an array has its place in it instead. */
  readonly place?: string | undefined;
  readonly id: string;
  readonly flag: string;
  readonly kind: string;
  /** From `.value` on. */
  value: string;
}

/** Its last slot is the end that the first one names. */
const TABLE = /(static const txSlot gxHeap\[mxHeapCount\] = \{\n)([\s\S]*?)(\n\/\* \d+ \*\/[^\n]*\};\n)/;
const ROW =
  /^\/\* \d+ \*\/\s*\{ (?:NULL|\(txSlot\*\)&gxHeap\[(\d+)\]|(\(txSlot\*\)\d+)), \{\.ID = ([^,]+), \.flag = ([^,]+), \.kind = XS_(\w+)_KIND\}, (.*)$/;
const CODE = /\(txByte\*\)"((?:\\x..)+)"/;
const REFERRED = /&gxHeap\[(\d+)\]/g;
/** What a variable may be that never changes. */
const PLAIN = /^(REFERENCE|INTEGER|NUMBER|STRING_X|HOST_FUNCTION|BOOLEAN)$/;
const DONT_SET = 8;

/**
 * The same heap with the environments of all functions in one chain, and one home for all that have the same.
 * @param isText whether a property's name may be asked for by its text; default: all
 */
export function mergeSlots(c: string, set: InstructionSet, isText = (_name: string) => true): string {
  const table = TABLE.exec(withoutDistances(c));
  if (table === null) throw new Error("the linker's output has no table of slots");
  const slots = table[2]!.split("\n").map(parseSlot);
  const limit = slots.length;
  // The first slot says where the heap ends.
  slots[0]!.value = slots[0]!.value.replace(`[${limit}]`, "[end]");
  const given = new Set<number>();
  mergeEnvironments(slots, set, given);
  mergeHomes(slots, set, given);
  const head = table.input.slice(0, table.index);
  const tail = forgetNames(slots, table.input.slice(table.index + table[0].length), isText, given);
  const outside = head + tail;
  const kept = withoutUnused(slots, given, outside);
  const places = new Map(kept.map((index, i) => [index, i]));
  const renumbered = (text: string) =>
    text.replaceAll(REFERRED, (_all, index: string) => `&gxHeap[${places.get(Number(index))}]`);
  const rows = kept.map((index, i) => {
    const { next, place, id, flag, kind, value } = slots[index]!;
    const to = next === undefined ? (place ?? "NULL") : `(txSlot*)&gxHeap[${places.get(next)}]`;
    const rest = renumbered(value).replace("[end]", `[${kept.length}]`);
    return `/* ${String(i).padStart(4, "0")} */\t{ ${to}, {.ID = ${id}, .flag = ${flag}, .kind = XS_${kind}_KIND}, ${rest}`;
  });
  return (
    renumbered(head).replace(/#define mxHeapCount \d+/, `#define mxHeapCount ${kept.length + 1}`) +
    table[1] +
    rows.join("\n") +
    table[3] +
    renumbered(tail)
  );
}

/**
 * XS's linker gives every name a distance (`gxColors`) and puts the slot of a preloaded object's property so far from
 * the object's own. What stands there and has the name is taken for the object's property, so that an object that was
 * moved may be given another's. Without distances XS looks through an object's own list: 1 to 2 % slower, measured with
 * the bench image, and two bytes less for each name.
 */
function withoutDistances(c: string): string {
  const without = c.replace(/static const txID gxColors\[[^;]*;\n*/, "").replace("(txID*)gxColors,", "NULL,");
  if (without.includes("gxColors")) throw new Error("the linker's table of distances is in an unknown form");
  return without;
}

function parseSlot(row: string): Slot {
  const found = ROW.exec(row);
  if (found === null) throw new Error(`no slot: ${row.slice(0, 120)}`);
  const [, next, place, id, flag, kind, value] = found;
  return {
    next: next === undefined ? undefined : Number(next),
    place,
    id: id!,
    flag: flag!,
    kind: kind!,
    value: value!,
  };
}

interface User {
  readonly slot: Slot;
  readonly body: Body;
  /** What it takes from outside, by what the slots say. */
  readonly members: string[];
}

function mergeEnvironments(slots: Slot[], set: InstructionSet, given: Set<number>): void {
  const users: User[] = [];
  const members = new Map<string, Slot>();
  for (const slot of slots) {
    const environment = environmentOf(slot);
    if (environment === undefined) continue;
    const body = bodyOf(slot, set)!;
    const count = body.retrieved;
    const list = listOf(slots, environment);
    if (count === undefined || count > list.length) continue;
    const mine: string[] = [];
    for (const [i, index] of list.slice(0, count).entries()) {
      const member = memberOf(slots, index, body.onlyReads(i + 1));
      if (member !== slots[index]) body.readDirectly(i + 1);
      // Two variables of the same value stay two: what follows them has its number.
      let key = `${member.kind} ${member.flag} ${member.value}`;
      while (mine.includes(key)) key += " ";
      members.set(key, member);
      mine.push(key);
    }
    for (const index of [environment, slots[environment]!.next!, ...list]) given.add(index);
    for (const index of list) for (const target of referredBy(slots[index]!)) given.add(target);
    users.push({ slot, body, members: mine });
  }
  if (users.length === 0) return;
  const chain = chainOf(users.map((user) => user.members));
  const start = slots.length;
  const head = { id: "XS_NO_ID", flag: "0x80", kind: "UNDEFINED", value: ".value = { .number = 0 } }," };
  slots.push({ ...head, next: start + 1 }, { ...head, next: start + 2 });
  for (const [i, key] of chain.entries()) {
    slots.push({ ...members.get(key)!, next: i + 1 === chain.length ? undefined : start + 3 + i });
  }
  for (const { slot, body, members: mine } of users) {
    const at = placeOf(chain, new Set(mine))!;
    const numbers = new Map(mine.map((key, i) => [i + 1, chain.slice(at).indexOf(key) + 1]));
    body.renumber(numbers);
    // Two slots before the first.
    slot.value = withCode(slot.value, body.code).replace(
      /&gxHeap\[\d+\](?= \} \} \},$)/,
      `&gxHeap[${start + at}]`,
    );
  }
}

/** What stands in the chain: the value of what never changes and is only read, or a pointer to the variable. */
function memberOf(slots: readonly Slot[], index: number, onlyRead: boolean): Slot {
  const slot = slots[index]!;
  const target = slot.kind === "CLOSURE" ? slots[referredBy(slot)[0] ?? -1] : undefined;
  if (!onlyRead || target === undefined || !PLAIN.test(target.kind)) return slot;
  const constant = (Number(target.flag) & DONT_SET) !== 0 && target.id === "XS_NO_ID";
  return constant ? { ...target, next: undefined } : slot;
}

/** @returns the first slot of what a function has from outside */
function environmentOf({ kind, value }: Slot): number | undefined {
  if (kind !== "CODE_X" || !CODE.test(value)) return undefined;
  const found = /&gxHeap\[(\d+)\] \} \} \},$/.exec(value);
  return found === null ? undefined : Number(found[1]);
}

function listOf(slots: readonly Slot[], environment: number): number[] {
  const list: number[] = [];
  let at = slots[slots[environment]!.next!]!.next;
  for (; at !== undefined; at = slots[at]!.next) list.push(at);
  return list;
}

function bodyOf({ value }: Slot, set: InstructionSet): Body | undefined {
  const code = CODE.exec(value)?.[1];
  return code === undefined ? undefined : new Body(Buffer.from(code.replaceAll("\\x", ""), "hex"), set);
}

function withCode(value: string, code: Uint8Array): string {
  return value.replace(CODE, `(txByte*)"${literal(code)}"`);
}

/** Bytes as C writes them in a string. */
export function literal(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex").replaceAll(/../g, "\\x$&");
}

/** A function's home is its class, for `super`, and its module. Its number is for the profiler. */
function mergeHomes(slots: Slot[], set: InstructionSet, given: Set<number>): void {
  const homes = new Map<string, number>();
  for (const slot of slots.slice()) {
    if (!/^(CODE|CALLBACK)_X$/.test(slot.kind) || slot.next === undefined) continue;
    const home = slots[slot.next]!;
    if (home.kind !== "HOME" || home.next !== undefined) continue;
    const body = bodyOf(slot, set);
    const value =
      body === undefined || body.asksForHome
        ? home.value
        : home.value.replace(/\{ \.home = \{ [^,]+,/, "{ .home = { NULL,");
    const key = `${home.flag} ${value}`;
    given.add(slot.next);
    if (!homes.has(key)) homes.set(key, slots.push({ ...home, id: "0", value }) - 1);
    slot.next = homes.get(key)!;
  }
}

function referredBy({ value }: Slot): number[] {
  return Array.from(value.matchAll(REFERRED), ([, index]) => Number(index));
}

/** Takes out what was given up and is not used otherwise. */
function withoutUnused(slots: readonly Slot[], given: ReadonlySet<number>, outside: string): number[] {
  const used = new Set<number>(Array.from(outside.matchAll(REFERRED), ([, index]) => Number(index)));
  const waiting = slots.flatMap((_slot, index) => (given.has(index) && !used.has(index) ? [] : [index]));
  const reached = new Set(waiting);
  for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
    const slot = slots[index]!;
    for (const to of [...referredBy(slot), ...(slot.next === undefined ? [] : [slot.next])]) {
      if (reached.has(to)) continue;
      reached.add(to);
      waiting.push(to);
    }
  }
  return slots.flatMap((_slot, index) => (reached.has(index) ? [index] : []));
}

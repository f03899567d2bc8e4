/**
 * Names of properties, after the link. The machine works with their numbers; the text of one is needed when a string is
 * made a number at run time (`it["text"]`, a module's name) and in messages of errors. A slot of 16 bytes, its text and
 * its place in the table of names go with each that no string can be: those that stand for others in a shrunk module.
 */

import type { Slot } from "./slots.js";

const KEY = /\.key = \{ "((?:[^"\\]|\\.)*)", 0x[0-9a-f]+ \}/;
const REFERRED = /&gxHeap\[(\d+)\]/g;
/** The tables by a name's number and by the sum of its text. */
const NUMBERS = /(gxKeys\[mxKeysCount\][^{;]*= \{)([^}]*)\}/;
const TEXTS = /(gxNames\[mxNamesCount\][^{;]*= \{)([^}]*)\}/;

/**
 * Takes the texts of names away, in place: all of those names have one slot, without a text.
 * @param tables what stands behind the slots @param given told of slots that nobody names any more
 * @returns the tables, as they are then
 */
export function forgetNames(
  slots: Slot[],
  tables: string,
  needed: (name: string) => boolean,
  given: Set<number>,
): string {
  const forgotten = new Set<number>();
  for (const [index, { kind, value }] of slots.entries()) {
    const name = kind === "KEY_X" ? KEY.exec(value)?.[1] : undefined;
    if (name !== undefined && !needed(name)) forgotten.add(index);
  }
  const [first] = forgotten;
  if (first === undefined) return tables;
  const shared = slots.push({
    ...slots[first]!,
    id: "XS_NO_ID",
    next: undefined,
    value: slots[first]!.value.replace(KEY, '.key = { "", 0 }'),
  });
  const following = (index: number | undefined): number | undefined => {
    let at = index;
    while (at !== undefined && forgotten.has(at)) at = slots[at]!.next;
    return at;
  };
  for (const slot of slots) if (slot.kind === "KEY_X") slot.next = following(slot.next);
  for (const index of forgotten) given.add(index);
  return tables
    .replace(NUMBERS, (_all, head: string, rows: string) => {
      const inPlace = rows.replaceAll(REFERRED, (one, index: string) =>
        forgotten.has(Number(index)) ? `&gxHeap[${shared - 1}]` : one,
      );
      return `${head}${inPlace}}`;
    })
    .replace(TEXTS, (_all, head: string, rows: string) => {
      const inPlace = rows.replaceAll(/\(txSlot\*\)&gxHeap\[(\d+)\]/g, (_one, index: string) => {
        const at = following(Number(index));
        return at === undefined ? "NULL" : `(txSlot*)&gxHeap[${at}]`;
      });
      return `${head}${inPlace}}`;
    });
}

/** What strings a program's code and constants have: a name that is none of them is asked for by its number alone. */
export function stringsOf(c: string): (name: string) => boolean {
  const code = Array.from(c.matchAll(/"((?:\\x..)+)"/g), ([, text]) => text!.replaceAll("\\x", ""));
  const others = Array.from(c.matchAll(/\bgxCode\d+\[\d+\] = \{([^}]*)\}/g), ([, bytes]) =>
    bytes!.replaceAll(/0x|[^0-9a-f]/g, ""),
  );
  const bytes = Buffer.from([...code, ...others].join(""), "hex").toString("latin1");
  const texts = new Set(Array.from(c.matchAll(/\.string = "((?:[^"\\]|\\.)*)"/g), ([, text]) => text!));
  return (name) => texts.has(name) || bytes.includes(`${String.fromCharCode(name.length + 1)}${name}\0`);
}

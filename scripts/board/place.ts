/**
 * Stands in for the C linker in a board build (manifests/nrf52.mk): moves the code up by some words so that no IT block
 * lies across a page's end.
 *
 * The chip does not mind. The emulator translates code page by page, may take an interrupt between two pages, and then
 * forgets the condition of a block that goes on in the second: instructions run that must not. One such block in a much
 * used function of XS or FreeRTOS, and an image fails after minutes for no reason of its own.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Elf } from "./elf.js";
import { itBlocks, torn } from "./it-blocks.js";

/** Of the emulator's processor, bytes. */
const PAGE = 1024;
/** Links that are tried: alignment makes some shifts come out otherwise than reckoned. */
const ATTEMPTS = 24;

function run(command: string, parameters: readonly string[]): void {
  const { status, error } = spawnSync(command, parameters, { stdio: "inherit" });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** @param parameters the compiler's, for a link */
function place(compiler: string, parameters: readonly string[]): void {
  const output = parameters[parameters.indexOf("-o") + 1]!;
  const [source, object] = ["s", "o"].map((ending) => join(dirname(output), `shift.${ending}`)) as [
    string,
    string,
  ];
  // Of two definitions the first is taken: what stands in for another's comes before it.
  const isOurs = (parameter: string) => parameter.endsWith("/boardC.c.o");
  const ours = parameters.filter(isOurs);
  const ordered = [...ours, ...parameters.filter((parameter) => !isOurs(parameter))];
  const link = (shift: number) => {
    // First among the objects, and asked for, so that it is not left out.
    writeFileSync(source, `.global codeShift\n.section .text.shift, "ax"\ncodeShift: .space ${shift}\n`);
    run(compiler, ["-mcpu=cortex-m4", "-mthumb", "-c", source, "-o", object]);
    run(compiler, [...(shift === 0 ? [] : [object, "-Wl,--undefined=codeShift"]), ...ordered]);
    return itBlocks(new Elf(readFileSync(output)));
  };
  const unmoved = link(0);
  let best = { shift: 0, count: torn(unmoved, PAGE) };
  const shifts = Array.from({ length: PAGE / 4 - 1 }, (_, i) => 4 * (i + 1))
    .map((shift) => ({ shift, count: torn(unmoved, PAGE, shift) }))
    .sort((a, b) => a.count - b.count || a.shift - b.shift);
  for (const { shift } of shifts.slice(0, ATTEMPTS)) {
    if (best.count === 0) return;
    const count = torn(link(shift), PAGE);
    if (count >= best.count) continue;
    best = { shift, count };
    if (count === 0) return;
  }
  link(best.shift);
}

const [compiler, ...parameters] = process.argv.slice(2);
place(compiler!, parameters);

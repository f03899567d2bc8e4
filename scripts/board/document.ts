/** The parts of docs/BOARD.md that commands write. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "./build.js";

const DOCUMENT = join(REPOSITORY, "docs", "BOARD.md");

/** Replaces what stands between `<!-- name -->` and `<!-- end of name -->`. @throws Error where they are missing */
export function writeSection(name: string, text: string): void {
  const document = readFileSync(DOCUMENT, "utf8");
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [document.indexOf(begin), document.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/BOARD.md has no section ${begin}`);
  writeFileSync(DOCUMENT, `${document.slice(0, from + begin.length)}\n${text}\n${document.slice(to)}`);
}

/** Corpora: one text file a target, one input a line in hex, so that a change can be read. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fromHex, toHex } from "../../../firmware/bytes/hex.js";
import { Refusal } from "../../../firmware/bytes/refusal.js";

const FOLDER = new URL("../../../host-tests/corpus/", import.meta.url);

function fileOf(target: string): string {
  return fileURLToPath(new URL(`${target}.txt`, FOLDER));
}

export function readCorpus(target: string): Uint8Array[] {
  const file = fileOf(target);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.slice(0, -1).map((line, index) => {
    const bytes = fromHex(line);
    if (bytes instanceof Refusal) throw new Error(`${file}:${index + 1}: ${bytes}`);
    return bytes;
  });
}

export function writeCorpus(target: string, inputs: readonly Uint8Array[]): void {
  const lines = inputs.map(toHex).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  writeFileSync(fileOf(target), lines.map((line) => `${line}\n`).join(""));
}

/** What guided fuzzing has found out, as a page of docs/. */

import { cpus } from "node:os";
import type { ListedTarget } from "./run.js";
import type { JobResult } from "./worker.js";

export function reportOf(results: ReadonlyMap<ListedTarget, JobResult>, command: string, date: Date): string {
  const rows = [...results].map(([{ name, holds }, { inputs, milliseconds, covered, corpus, failure }]) =>
    [
      `\`${name}\``,
      holds,
      inputs.toLocaleString("en"),
      `${covered}`,
      `${corpus.length}`,
      Math.round((inputs / milliseconds) * 1000).toLocaleString("en"),
      failure === undefined ? "none" : "**one**",
    ].join(" | "),
  );
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}, Node ${process.version}`;
  return [
    `Made by \`${command}\`, ${date.toISOString().slice(0, 10)}, on ${machine}.`,
    "",
    "| Target | What must hold | Inputs | Branches reached | Corpus | Inputs/s | Failures |",
    "|---|---|---:|---:|---:|---:|---|",
    ...rows.map((row) => `| ${row} |`),
    "",
  ].join("\n");
}

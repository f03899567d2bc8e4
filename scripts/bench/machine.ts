/** On what it was measured: figures without this say nothing. */

import { execFileSync } from "node:child_process";
import { arch, cpus, release, totalmem, type } from "node:os";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory: string;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  readonly openssl: string;
  readonly commit: string;
}

export function thisMachine(): Machine {
  const { node, v8, openssl } = process.versions;
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()} ${arch()}`,
    node,
    v8,
    openssl,
    commit: commit(),
  };
}

export function describe({ cpu, cores, memory, system, node, commit }: Machine): string {
  return `${cpu}, ${cores} cores, ${memory}, ${system}, Node ${node}, commit ${commit}`;
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown";
  }
}

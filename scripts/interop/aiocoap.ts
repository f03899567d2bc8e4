/** aiocoap, the implementation that is not ours: its installation, its contexts, its processes. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../firmware/bytes/hex.js";
import { AEAD_ALGORITHMS } from "../../firmware/oscore/algorithms.js";
import { type ContextParameters, Hkdf } from "../../firmware/oscore/context.js";

/** The version that was looked at; a newer one is a decision. */
const REQUIREMENT = "aiocoap[oscore]==0.4.17";

/** Why there is no aiocoap here. */
export class Unavailable extends Error {}

/**
 * Makes a virtual environment with aiocoap, once.
 * @returns the path of its Python
 * @throws Unavailable
 */
export function install(directory: string): string {
  const venv = join(directory, REQUIREMENT.replace(/\W+/g, "-"));
  const python = join(venv, "bin", "python");
  const done = join(venv, "installed");
  if (existsSync(done)) return python;
  try {
    execFileSync("python3", ["-c", "import sys, venv; sys.exit(sys.version_info < (3, 10))"], {
      stdio: "pipe",
    });
  } catch {
    throw new Unavailable("Python 3.10 or newer with venv is not installed");
  }
  try {
    mkdirSync(directory, { recursive: true });
    execFileSync("python3", ["-m", "venv", venv], { stdio: "pipe" });
    execFileSync(python, ["-m", "pip", "install", "--quiet", REQUIREMENT], { stdio: "pipe" });
  } catch (error) {
    const { stderr } = error as { stderr?: Uint8Array };
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    throw new Unavailable(`${REQUIREMENT} could not be installed: ${lines.at(-1)}`);
  }
  writeFileSync(done, "");
  return python;
}

/**
 * Writes a context as aiocoap reads it.
 * @param lost as after a crash: the replay window is unknown, and has to be recovered by Echo; otherwise never used
 * @returns its directory
 */
export function writeContext(directory: string, parameters: ContextParameters, lost = false): string {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const { algorithm = 10, idContext } = parameters;
  const settings = {
    "sender-id_hex": toHex(parameters.senderId),
    "recipient-id_hex": toHex(parameters.recipientId),
    secret_hex: toHex(parameters.masterSecret),
    salt_hex: toHex(parameters.masterSalt ?? new Uint8Array(0)),
    algorithm: AEAD_ALGORITHMS.get(algorithm)?.name,
    "kdf-hashfun": parameters.hkdf === Hkdf.SHA_512 ? "sha512" : "sha256",
    ...(idContext === undefined ? {} : { "id-context_hex": toHex(idContext) }),
  };
  writeFileSync(join(directory, "settings.json"), JSON.stringify(settings));
  if (lost) writeFileSync(join(directory, "sequence.json"), '{"next-to-send": 1000, "received": "unknown"}');
  return directory;
}

/** A Python process whose lines of output are handed on. */
export class PythonProcess {
  readonly #child: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<number>;

  constructor(python: string, script: string, args: readonly string[], onLine: (line: string) => void) {
    this.#child = spawn(python, [script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    let rest = "";
    this.#child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("exit", (code) => resolve(code ?? 1));
      this.#child.once("error", () => resolve(1));
    });
  }

  /** Lets it end by itself, then waits for that. */
  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.ended;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

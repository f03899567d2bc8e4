/** `npm run provision` as a process: with pipes as a script has it, or on a terminal as a person has it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { build } from "esbuild";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const PASSPHRASE = "correct horse battery";

/** Opens a terminal, runs a command on it, and copies: terminal → stdout, stdin → terminal. Its exit code is ours. */
const PTY = `
import fcntl, os, pty, select, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
inputs = [fd, 0]
while True:
    ready, _, _ = select.select(inputs, [], [])
    if 0 in ready:
        data = os.read(0, 4096)
        if data: os.write(fd, data)
        else: inputs.remove(0)
    if fd in ready:
        try: data = os.read(fd, 4096)
        except OSError: data = b""
        if not data: break
        os.write(1, data)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

export interface RunOptions {
  readonly env?: Record<string, string | undefined>;
  /** Loaded before the command: to let writes fail, or the process die. */
  readonly preload?: string;
  readonly input?: string;
  readonly onStart?: (child: ChildProcess) => void;
}

function environment(env: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  return {
    ...process.env,
    OSCORE_MESH_PASSPHRASE: PASSPHRASE,
    OSCORE_MESH_COPY_PASSPHRASE: PASSPHRASE,
    // One guess in tests need not cost what it costs a thief.
    OSCORE_MESH_TEST_SCRYPT: "4",
    ...env,
  };
}

let bundled: Promise<string> | undefined;

/**
 * The command in few files: started a hundred times, it need not be translated a hundred times. What is imported late
 * stays apart, so that it is read by those who need it only.
 */
function bundle(): Promise<string> {
  bundled ??= (async () => {
    // Another run of the tests may be at it too.
    const outdir = join(ROOT, "node_modules/.cache/oscore-mesh", `provision-${process.pid}`);
    await build({
      entryPoints: [join(ROOT, "scripts/provision.ts")],
      outdir,
      outExtension: { ".js": ".mjs" },
      bundle: true,
      splitting: true,
      platform: "node",
      format: "esm",
      target: "node20",
      external: ["serialport", "jimp", "jimp/fonts", "pdfkit"],
      // What came as CommonJS asks for Node's modules so.
      banner: {
        js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
      },
      logLevel: "silent",
    });
    process.once("exit", () => rmSync(outdir, { recursive: true, force: true }));
    return join(outdir, "provision.mjs");
  })();
  return bundled;
}

async function commandLine(args: readonly string[], preload?: string): Promise<string[]> {
  return [...(preload === undefined ? [] : ["--import", preload]), await bundle(), ...args];
}

/** As a script runs it. */
export async function provision(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const child = spawn(process.execPath, await commandLine(args, options.preload), {
    cwd: ROOT,
    env: environment(options.env),
  });
  options.onStart?.(child);
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  let [output, errors] = ["", ""];
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.on("data", (data) => {
    errors += data;
  });
  const [code, signal] = await once(child, "close");
  return { code, signal, output, errors };
}

/** What `--json` prints. @throws AssertionError-like when it is no JSON */
export async function provisionJson(
  args: readonly string[],
  options: RunOptions = {},
): Promise<{ code: number | null; json: Record<string, unknown>; errors: string }> {
  const { code, output, errors } = await provision([...args, "--json"], options);
  try {
    return { code, json: JSON.parse(output), errors };
  } catch {
    throw new Error(`no JSON (exit ${code}): ${output} ${errors}`);
  }
}

/** What a person types when something is on the screen. */
export interface Line {
  readonly when: RegExp;
  readonly type: string;
}

/** `npm run provision` as a person runs it. */
export async function atTerminal(
  args: readonly string[],
  lines: readonly Line[],
  options: RunOptions = {},
): Promise<Ended & { readonly screen: string }> {
  const command = [process.execPath, ...(await commandLine(args))];
  return onTerminal(command, lines, environment(options.env), options.onStart);
}

/** A command on a terminal, with a keyboard. */
export async function onTerminal(
  command: readonly string[],
  lines: readonly Line[],
  env: NodeJS.ProcessEnv,
  onStart?: (child: ChildProcess) => void,
): Promise<Ended & { readonly screen: string }> {
  const child = spawn("python3", ["-c", PTY, ...command], {
    cwd: ROOT,
    env: { ...env, TERM: "xterm-256color", CI: undefined, NO_COLOR: undefined },
  });
  onStart?.(child);
  let output = "";
  let errors = "";
  let from = 0;
  const left = [...lines];
  child.stdout.on("data", (data) => {
    output += data;
    const [next] = left;
    if (next === undefined) return;
    const match = next.when.exec(stripVTControlCharacters(output.slice(from)));
    if (match === null) return;
    left.shift();
    from = output.length;
    child.stdin.write(next.type);
  });
  child.stderr.on("data", (data) => {
    errors += data;
  });
  const [code, signal] = await once(child, "close");
  return { code, signal, output, errors, screen: stripVTControlCharacters(output) };
}

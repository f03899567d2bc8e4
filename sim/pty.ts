import { type ChildProcess, spawn } from "node:child_process";
import { symlinkSync, unlinkSync } from "node:fs";

/**
 * Opens a pseudo-terminal, prints the path of its slave in a line on stderr, and copies: master → stdout, stdin →
 * master. It keeps the slave open itself, or the master would report an error whenever a driver closes its end.
 */
const PYTHON = `
import os, pty, select, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
sys.stderr.write(os.ttyname(slave) + "\\n")
sys.stderr.flush()
while True:
    ready, _, _ = select.select([master, 0], [], [])
    if master in ready:
        data = os.read(master, 4096)
        if data: os.write(1, data)
    if 0 in ready:
        data = os.read(0, 4096)
        if not data: break
        while data: data = data[os.write(master, data):]
`;

/** A pseudo-terminal whose other end a program opens like a serial port. */
export interface Pty {
  /** The path to open: the link that was asked for. */
  readonly path: string;
  write(bytes: Uint8Array): void;
  close(): void;
}

export class PtyError extends Error {}

/** Node has no pseudo-terminals of its own, and a native package would be one more to build: so a small helper has it. */
const HELPERS = [
  {
    program: "socat",
    arguments: (link: string) => ["-d", "-d", `PTY,link=${link},raw,echo=0,wait-slave=0`, "STDIO"],
    /** It makes the link itself and says so. */
    ready: /PTY is (\S+)/,
  },
  { program: "python3", arguments: (_link: string) => ["-c", PYTHON], ready: /^(\/dev\/\S+)$/m },
];

/**
 * Makes a pseudo-terminal by `socat` or `python3`, whichever there is, and a symbolic link to it.
 *
 * @param link the path that drivers open; must not exist
 * @param onData bytes that a driver has written
 * @param onEnd the helper has gone, with the reason
 * @throws {PtyError} when neither program is there or the link cannot be made
 */
export async function openPty(
  link: string,
  onData: (bytes: Uint8Array) => void,
  onEnd: (reason: string) => void,
): Promise<Pty> {
  for (const helper of HELPERS) {
    const child = spawn(helper.program, helper.arguments(link), { stdio: ["pipe", "pipe", "pipe"] });
    const path = await slavePath(child, helper.ready);
    if (path === undefined) continue;
    if (helper.program !== "socat") {
      try {
        symlinkSync(path, link);
      } catch (error) {
        child.kill();
        throw new PtyError(`${link} cannot be linked to ${path}: ${(error as Error).message}`);
      }
    }
    let closed = false;
    child.stdout.on("data", onData);
    child.stdin.on("error", () => {});
    child.on("exit", (code) => {
      if (!closed) onEnd(`${helper.program} ended with ${code ?? "a signal"}`);
    });
    return {
      path: link,
      write: (bytes) => {
        child.stdin.write(bytes);
      },
      close: () => {
        closed = true;
        child.kill();
        try {
          unlinkSync(link);
        } catch {
          // socat removes its link itself.
        }
      },
    };
  }
  throw new PtyError(
    "a pseudo-terminal needs socat or python3, and neither was found; --tcp PORT needs nothing",
  );
}

/** The slave's path as the helper prints it, or `undefined` when the helper is not there or fails. */
function slavePath(child: ChildProcess, ready: RegExp): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    child.on("error", () => resolve(undefined));
    child.on("exit", () => resolve(undefined));
    child.stderr?.on("data", (data: Buffer) => {
      text += data.toString();
      const match = ready.exec(text);
      if (match !== null) resolve(match[1]);
    });
  });
}

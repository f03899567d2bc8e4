/** The commands in a page of Markdown, and how each is run where nobody watches. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

export type Plan =
  | { readonly kind: "run"; readonly command: string }
  /** It goes on until it is told to stop. */
  | { readonly kind: "serve"; readonly command: string; readonly ready: RegExp }
  | { readonly kind: "skip"; readonly why: string };

/** Commands of npm and tshark in blocks of shell, fenced or indented; what stands behind `#` is for the reader. */
export function commandsOf(page: string): string[] {
  const commands: string[] = [];
  let fence: string | undefined;
  for (const line of page.split("\n")) {
    const mark = /^```(\w*)/.exec(line);
    if (mark !== null) fence = fence === undefined ? mark[1] : undefined;
    const text = fence === undefined ? /^ {4}(\S.*)$/.exec(line)?.[1] : isShell(fence) ? line : undefined;
    const command = text?.replace(/\s+#.*$/, "").trim();
    if (command !== undefined && OURS.test(command)) commands.push(command);
  }
  return commands;
}

/** tshark looks at what our commands have written. */
const OURS = /^(npm |WIRESHARK_CONFIG_DIR=\S+ tshark )/;

function isShell(fence: string): boolean {
  return fence === "sh" || fence === "bash" || fence === "shell";
}

/** Names that stand for something of the reader's own. */
const EXAMPLES: readonly [name: RegExp, value: string][] = [
  [/\bHEX\b/g, "410212340a920900ffadc6fc7408e49794a7952e8009d2c49eae81e5"],
  [/\brun\.pcapng\b/g, "DIRECTORY/run.pcapng"],
  [/=data\/wireshark\b/g, "=DIRECTORY/data/wireshark"],
  [/ csv\|senml\|json\b/g, " csv"],
  [/--pty \/tmp\/\S+/g, "--pty DIRECTORY/tty"],
  [/ --(json|report|capture) FILE\b/g, " --$1 DIRECTORY/$1"],
];

/** What is made short: the documents speak of days and millions. */
const SHORTER: readonly [long: RegExp, short: string][] = [
  [/--minutes [\d.]+/g, "--minutes 0.05"],
  [/--inputs \d+/g, "--inputs 2000"],
  [/--days [\d.]+/g, "--days 0.1"],
  [/--keep\b/g, ""],
  [/--full\b/g, "--help"],
];

/** Commands that take long unless they are made short: that they exist and know their options is what is checked. */
const LONG = /^npm run (bench|soak|mesh-study|mesh-day|test:\S+|energy|growth|fuzz)\b/;
const SERVERS = /^npm (start|run (server|modem|sim-board|board|plugtest -- server))\b/;
/** What a server says when it is there: its address, or where its serial port is. */
const READY = /https?:\/\/|listen|ready|(modem|node|relay|gateway)\b.* at \S/i;
const NEEDS: readonly [what: RegExp, why: string][] = [
  [/^npm (ci|install)\b/, "it installs what this command already needs"],
  [/^npm test\b/, "it is the other half of CI"],
  [/^npm run docs:check\b/, "it is this command"],
  [/--tls-cert\b/, "it needs a certificate; host-tests/cloud/access.test.ts makes one"],
  [/^npm run build:emulator\b/, "it needs the Unicorn library; host-tests/board/emulator.test.ts builds it"],
  [/^npm run (flash|build:board|board|energy)\b|test:board/, "it needs the board's SDK"],
];

/** @param directory for what the command writes */
export function howToRun(text: string, directory: string): Plan {
  const documented = text.replace(/^npm ci && /, "");
  if (/ --help\b/.test(documented)) return { kind: "run", command: documented };
  for (const [what, why] of NEEDS) if (what.test(documented)) return { kind: "skip", why };
  if (/ tshark /.test(documented) && !isInstalled("tshark"))
    return { kind: "skip", why: "tshark is not installed" };
  let shorter = documented;
  for (const [long, short] of SHORTER) shorter = shorter.replace(long, short);
  const isShort = shorter !== documented || / --short\b/.test(shorter);
  let command = shorter;
  for (const [name, value] of EXAMPLES) command = command.replace(name, value);
  command = command.replaceAll("DIRECTORY", directory).trim();
  // What is still in capitals is the reader's own: a port, a board, a file.
  if (/ [A-Z][A-Z_]{2,}\b/.test(command)) return { kind: "run", command: helpOf(command) };
  if (SERVERS.test(command)) return { kind: "serve", command: onFreePorts(command), ready: READY };
  if (LONG.test(command) && !isShort) return { kind: "run", command: helpOf(command) };
  return { kind: "run", command };
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((place) => existsSync(join(place, program)));
}

function helpOf(command: string): string {
  const [name] = /^npm run \S+/.exec(command) ?? [command];
  return `${name} -- --help`;
}

function onFreePorts(command: string): string {
  return command
    .replace(/--http \S+/, "--http 127.0.0.1:0")
    .replace(/--coap \S+/, "--coap 127.0.0.1:0")
    .replace(/--tcp \d+/, "--tcp 0")
    .replace(/--data \S+/, "");
}

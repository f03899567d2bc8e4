/** The commands in a page of Markdown, and how each is run where nobody watches. */

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { Surrounding } from "./surroundings.js";

export type Plan =
  | { readonly kind: "run"; readonly command: string; readonly needs?: Surrounding }
  /** It goes on until it is told to stop. */
  | {
      readonly kind: "serve";
      readonly command: string;
      readonly ready: RegExp;
      readonly needs?: Surrounding;
    }
  | { readonly kind: "skip"; readonly why: string };

/** Commands of npm, curl and tshark in blocks of shell, fenced or indented; what stands behind `#` is for the reader. */
export function commandsOf(page: string): string[] {
  const commands: string[] = [];
  let fence: string | undefined;
  for (const line of page.replaceAll(/\\\n\s*/g, "").split("\n")) {
    const mark = /^```(\w*)/.exec(line);
    if (mark !== null) fence = fence === undefined ? mark[1] : undefined;
    const text = fence === undefined ? /^ {4}(\S.*)$/.exec(line)?.[1] : isShell(fence) ? line : undefined;
    const command = text?.replace(/\s+#.*$/, "").trim();
    if (command !== undefined && OURS.test(command)) commands.push(command);
  }
  return commands;
}

/** tshark looks at what our commands have written, curl asks our server. */
const OURS = /^((\w+_URL=\S+ )?npm |WIRESHARK_CONFIG_DIR=\S+ tshark |curl )/;

function isShell(fence: string): boolean {
  return fence === "sh" || fence === "bash" || fence === "shell";
}

/** Names that stand for something of the reader's own. */
const EXAMPLES: readonly [name: RegExp, value: string][] = [
  [/\bHEX\b/g, "410212340a920900ffadc6fc7408e49794a7952e8009d2c49eae81e5"],
  [/\brun\.pcapng\b/g, "DIRECTORY/run.pcapng"],
  [/=data\/wireshark\b/g, "=DIRECTORY/data/wireshark"],
  [/ fullchain\.pem\b/g, " $CERTIFICATE"],
  [/ key\.pem\b/g, " $CERTIFICATE_KEY"],
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
/** The emulator's library, where Debian has it. */
const UNICORN = "/usr/include/unicorn/unicorn.h";
const SERVERS = /^npm (start|run (server|modem|sim-board|board|plugtest -- server))\b/;
/** What a server says when it is there: its address, or where its serial port is. */
const READY = /https?:\/\/|listen|ready|(modem|node|relay|gateway)\b.* at \S/i;
const NEEDS: readonly [what: RegExp, why: string][] = [
  [/^npm (ci|install)\b/, "it installs what this command already needs"],
  [/^npm test\b/, "it is the other half of CI"],
  [/^npm run docs:check\b/, "it is this command"],
];
/** Without a board's SDK these are asked for their help: that they exist and know their options. */
const BOARD = /^npm run (flash|build:board|board|energy|test:board)\b/;
/** What curl finds in the network that runs meanwhile. */
const OF_NETWORK: readonly [name: RegExp, value: string][] = [
  [/http:\/\/127\.0\.0\.1:8080|https:\/\/server\.example/g, "$NETWORK"],
  [/\bdata\/api-token\b/g, "$NETWORK_DATA/api-token"],
  [/\$TOKEN\b/g, "$(cat $NETWORK_DATA/api-token)"],
  [/^curl /, "curl -fsS "],
];
/** What a command is told by its environment, and what is there for it. */
const TOLD: readonly [name: RegExp, needs: Surrounding][] = [
  [/^DATABASE_URL=\S+ /, "postgres"],
  [/^MQTT_URL=\S+ /, "broker"],
];

/** @param directory for what the command writes */
export function howToRun(text: string, directory: string): Plan {
  const documented = text.replace(/^npm ci && /, "");
  if (/ --help\b/.test(documented)) return { kind: "run", command: documented };
  for (const [what, why] of NEEDS) if (what.test(documented)) return { kind: "skip", why };
  if (/ tshark /.test(documented) && !isInstalled("tshark"))
    return { kind: "skip", why: "tshark is not installed" };
  if (documented.startsWith("curl ")) {
    if (!isInstalled("curl")) return { kind: "skip", why: "curl is not installed" };
    return { kind: "run", command: replaced(documented, OF_NETWORK), needs: "network" };
  }
  for (const [name, needs] of TOLD) {
    if (!name.test(documented)) continue;
    const plan = howToRun(documented.replace(name, ""), directory);
    return plan.kind === "skip" ? plan : { ...plan, needs };
  }
  if (BOARD.test(documented)) return { kind: "run", command: helpOf(documented) };
  if (/^npm run build:emulator\b/.test(documented) && !existsSync(UNICORN))
    return { kind: "run", command: helpOf(documented) };
  const shorter = replaced(documented, SHORTER);
  const isShort = shorter !== documented || / --short\b/.test(shorter);
  const command = replaced(shorter, EXAMPLES).replaceAll("DIRECTORY", directory).trim();
  // What is still in capitals is the reader's own: a port, a board, a file.
  if (/ [A-Z][A-Z_]{2,}\b/.test(command)) return { kind: "run", command: helpOf(command) };
  if (SERVERS.test(command)) {
    const needs = /--tls-cert\b/.test(command) ? ({ needs: "certificate" } as const) : {};
    return { kind: "serve", command: onFreePorts(command), ready: READY, ...needs };
  }
  if (LONG.test(command) && !isShort) return { kind: "run", command: helpOf(command) };
  return { kind: "run", command };
}

function replaced(text: string, all: readonly [what: RegExp, by: string][]): string {
  return all.reduce((result, [what, by]) => result.replace(what, by), text);
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

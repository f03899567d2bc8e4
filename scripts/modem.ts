/** The SARA-R4 simulator alone: `npm run modem -- --pty LINK | --tcp PORT` */

import { existsSync, readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { redact } from "../firmware/modem/at/log.js";
import { ControlError, ModemControl, parseScript } from "../sim/modem/control.js";
import { DEFAULT_FIRMWARE, FIRMWARE } from "../sim/modem/firmware.js";
import { isIpv4 } from "../sim/modem/modem-network.js";
import { SaraR4Simulator } from "../sim/modem/sara-r4-simulator.js";
import { DEFAULT_SETTINGS, FAST_SETTINGS, type SimulatorSettings } from "../sim/modem/settings.js";
import { UdpNetwork } from "../sim/modem/udp-network.js";
import { PacedClock } from "../sim/paced-clock.js";
import { openPty, PtyError } from "../sim/pty.js";
import { Random } from "../sim/random.js";
import { EXIT_USAGE, fail, newCommand, wholeNumber } from "./cli.js";

/** ms until a lost connection to a board is tried again. */
const RECONNECT = 300;

interface Options {
  readonly pty?: string;
  readonly tcp?: number;
  readonly control?: number;
  readonly firmware: string;
  readonly fast?: boolean;
  readonly off?: boolean;
  readonly pin?: string;
  readonly bind: string;
  readonly host: readonly string[];
  readonly set: readonly string[];
  readonly script?: string;
  readonly seed: number;
  readonly log?: boolean;
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

const port = wholeNumber(0, 65535);
const command = newCommand(
  "npm run modem --",
  "A simulated u-blox SARA-R4 whose sockets are real UDP sockets of this machine.",
)
  .option("--pty <link>", "a pseudo-terminal, with a link to it at this path (needs socat or python3)")
  .option(
    "--tcp <port>",
    "the UART's bytes over TCP: connects to 127.0.0.1 where an emulated board listens at this port, else listens itself for one client at a time; 0: any free port",
    port,
  )
  .option(
    "--control <port>",
    "control lines (power, coverage, faults) over TCP on 127.0.0.1; also taken on stdin",
    port,
  )
  .option("--firmware <name>", Object.keys(FIRMWARE).join(", "), DEFAULT_FIRMWARE)
  .option("--fast", "short times for boot and registration")
  .option("--off", "start switched off: `power on` or `pulse power 300` switches it on")
  .option("--pin <pin>", "the SIM asks for this PIN")
  .option("--bind <address>", "the address that its UDP sockets are bound to", "127.0.0.1")
  .option("--host <name=address>", "a name that +UDNSRN resolves (repeatable)", collect, [])
  .option("--set <name=value>", "a setting, as `set` of the control lines (repeatable)", collect, [])
  .option("--script <file>", "control lines, each behind the second at which it is carried out")
  .option("--seed <n>", "of jitter, loss and garbage", wholeNumber(0, 0xffffffff), 1)
  .option("--log", "print the AT dialogue, without secrets and payloads")
  .addHelpText("after", "\nControl lines: `help` on stdin lists them.")
  .parse();
const options = command.opts<Options>();

function usage(sentence: string): never {
  process.stderr.write(`${sentence}\n(--help lists the options)\n`);
  process.exit(EXIT_USAGE);
}

/** `name=value`, both parts there. */
function pair(option: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) usage(`${option} ${text}: expected NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function names(): Record<string, string> {
  const found = options.host.map((text) => pair("--host", text));
  for (const [name, address] of found)
    if (!isIpv4(address)) usage(`--host ${name}=${address}: ${address} is no IPv4 address`);
  return Object.fromEntries(found);
}

function settings(): Partial<SimulatorSettings> {
  const numbers: Record<string, number> = {};
  for (const [name, value] of options.set.map((text) => pair("--set", text))) {
    const known = (DEFAULT_SETTINGS as unknown as Record<string, unknown>)[name];
    if (typeof known !== "number") usage(`--set ${name}: there is no such number among the settings`);
    if (!Number.isFinite(Number(value))) usage(`--set ${name}=${value}: ${value} is no number`);
    numbers[name] = Number(value);
  }
  return { ...(options.fast === true && FAST_SETTINGS), ...numbers, pin: options.pin };
}

function script(): ReturnType<typeof parseScript> {
  if (options.script === undefined) return [];
  try {
    return parseScript(readFileSync(options.script, "utf8"));
  } catch (error) {
    return usage(`--script ${options.script}: ${(error as Error).message}`);
  }
}

if ((options.pty === undefined) === (options.tcp === undefined))
  usage("Give either --pty LINK or --tcp PORT.");
if (!Object.hasOwn(FIRMWARE, options.firmware))
  usage(`--firmware ${options.firmware}: there are ${Object.keys(FIRMWARE).join(", ")}`);
if (options.pty !== undefined && existsSync(options.pty)) fail(`${options.pty} is there already`);

const clock = new PacedClock();
const network = new UdpNetwork({
  bind: options.bind,
  names: names(),
  enter: (callback) => clock.enter(callback),
  onError: (error) => process.stderr.write(`udp: ${error.message}\n`),
});

/** Where the modem's bytes go; nowhere while nobody is connected. */
let output: (bytes: Uint8Array) => void = () => {};

/** Prints whole lines of one direction. */
function lineLogger(direction: string): (bytes: Uint8Array) => void {
  if (options.log !== true) return () => {};
  let line = "";
  return (bytes) => {
    for (const byte of bytes) {
      if (byte === 13 || byte === 10) {
        if (line.length > 0) process.stdout.write(`${direction} ${redact(line)}\n`);
        line = "";
      } else line += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".";
    }
  };
}
const logIn = lineLogger(">");
const logOut = lineLogger("<");

const modem = new SaraR4Simulator({
  clock,
  network,
  random: new Random(options.seed),
  firmware: FIRMWARE[options.firmware],
  settings: settings(),
  onOutput: (bytes) => {
    logOut(bytes);
    output(bytes);
  },
  onPower: (state) => process.stdout.write(`power: ${state}\n`),
});
const control = new ModemControl(modem, (milliseconds, callback) => {
  clock.at(clock.now() + milliseconds, callback);
});

/** Bytes from the host, at the present time. */
function fromHost(bytes: Uint8Array): void {
  logIn(bytes);
  const copy = Uint8Array.from(bytes);
  clock.enter(() => modem.receive(copy));
}

function controlLine(line: string, print: (text: string) => void): void {
  clock.enter(() => {
    try {
      const answer = control.run(line);
      if (answer !== "") print(answer);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      print(`error: ${error.message}`);
    }
  });
}

const servers: Server[] = [];
const clients = new Set<Socket>();

/** Listens on the loopback address. Resolves with the port. */
function listen(wanted: number, onClient: (client: Socket) => void): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer((client) => {
      clients.add(client);
      client.on("close", () => clients.delete(client));
      client.on("error", () => {});
      onClient(client);
    });
    server.on("error", (error: NodeJS.ErrnoException) => {
      fail(
        error.code === "EADDRINUSE"
          ? `port ${wanted} of 127.0.0.1 is taken: choose another, or 0 for any free one`
          : `port ${wanted}: ${error.message}`,
      );
    });
    server.listen(wanted, "127.0.0.1", () => {
      servers.push(server);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : wanted);
    });
  });
}

/** Makes a connection the modem's UART until it ends. */
function wire(socket: Socket, onEnd: () => void): void {
  socket.setNoDelay(true);
  output = (bytes) => socket.write(Uint8Array.from(bytes));
  socket.on("data", fromHost);
  socket.on("close", () => {
    output = () => {};
    onEnd();
  });
}

/** A connection to whoever listens at this port already: an emulated board, whose UART is the listening side. */
function reach(wanted: number): Promise<Socket | undefined> {
  if (wanted === 0) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = connect(wanted, "127.0.0.1");
    socket.once("connect", () => resolve(socket));
    socket.on("error", () => resolve(undefined));
  });
}

/** Is the modem at a board's UART, again and again: a board that is reset comes back. */
function attach(wanted: number, socket: Socket): void {
  clients.add(socket);
  process.stdout.write(`modem connected to tcp 127.0.0.1:${wanted}\n`);
  wire(socket, async () => {
    clients.delete(socket);
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, RECONNECT));
      if (ended) return;
      const again = await reach(wanted);
      if (again === undefined) continue;
      attach(wanted, again);
      return;
    }
  });
}

/** Listens, and is the modem of whoever connects. */
async function serveTcp(wanted: number): Promise<void> {
  let current: Socket | undefined;
  const actual = await listen(wanted, (client) => {
    if (current !== undefined) {
      client.end("The modem's UART is in use.\n");
      return;
    }
    current = client;
    wire(client, () => {
      current = undefined;
    });
  });
  process.stdout.write(`modem at tcp 127.0.0.1:${actual}\n`);
}

let ended = false;
let closePty = () => {};
if (options.pty !== undefined) {
  try {
    const pty = await openPty(options.pty, fromHost, (reason) =>
      fail(`the pseudo-terminal is gone: ${reason}`),
    );
    output = (bytes) => pty.write(bytes);
    closePty = () => pty.close();
    process.stdout.write(`modem at ${pty.path}\n`);
  } catch (error) {
    if (error instanceof PtyError) fail(error.message);
    throw error;
  }
} else {
  const board = await reach(options.tcp!);
  if (board === undefined) await serveTcp(options.tcp!);
  else attach(options.tcp!, board);
}
if (options.control !== undefined) {
  const actual = await listen(options.control, (client) => {
    createInterface({ input: client }).on("line", (line) =>
      controlLine(line, (text) => client.write(`${text}\n`)),
    );
  });
  process.stdout.write(`control at tcp 127.0.0.1:${actual}\n`);
}

const console = createInterface({ input: process.stdin });
console.on("line", (line) => controlLine(line, (text) => process.stdout.write(`${text}\n`)));
for (const { at, command: line } of script())
  clock.at(at, () => controlLine(line, (text) => process.stdout.write(`script: ${line}: ${text}\n`)));

clock.start();
if (options.off !== true) clock.enter(() => modem.switchOn());

function end(): void {
  ended = true;
  clock.stop();
  console.close();
  network.shutDown();
  closePty();
  for (const server of servers) server.close();
  for (const client of clients) client.destroy();
  process.exit(0);
}
process.on("SIGINT", end);
process.on("SIGTERM", end);
// npm hands a SIGTERM to its shell, which dies of it and tells nobody.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) end();
}, 1000);

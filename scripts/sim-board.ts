/** A simulated board alone: `npm run sim-board -- --pty LINK | --tcp PORT`. What provisioning is tried out with. */

import { existsSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { hostCrypto } from "#hal/crypto.js";
import { fromHex, toHex } from "../firmware/bytes/hex.js";
import { Refusal } from "../firmware/bytes/refusal.js";
import { KINDS, type Kind } from "../firmware/console/label.js";
import type { KeyValueStore } from "../hal/hal.js";
import { MemoryStore, openFileStore } from "../hal/host/storage.js";
import { Air } from "../sim/air/air.js";
import { listenAirHub } from "../sim/air/hub.js";
import { HubRadio } from "../sim/air/hub-radio.js";
import { fixedRange } from "../sim/air/propagation.js";
import { SimulatedBoard } from "../sim/board.js";
import { UdpNetwork } from "../sim/modem/udp-network.js";
import { PacedClock } from "../sim/paced-clock.js";
import { openPty, type Pty, PtyError } from "../sim/pty.js";
import { Random } from "../sim/random.js";
import { EXIT_USAGE, fail, newCommand, wholeNumber } from "./cli.js";
import { untilEnd } from "./until-end.js";

/** Where the simulator keeps the chip id of a board in its storage. */
const CHIP_KEY = "sim.chip";

interface Options {
  readonly pty?: string;
  readonly tcp?: number;
  readonly kind: string;
  readonly storage?: string;
  readonly chip?: string;
  readonly air?: number;
  readonly hub?: number;
  readonly pullAt: readonly number[];
  readonly powered?: boolean;
  readonly replug: number;
}

const port = wholeNumber(0, 65535);
const command = newCommand(
  "npm run sim-board --",
  "A simulated board with its console: out of the box it waits for an identity, with one it has its role.",
)
  .option("--pty <link>", "its console is a pseudo-terminal, with a link to it at this path")
  .option("--tcp <port>", "its console is this TCP port of 127.0.0.1; 0: any free one", port)
  .option("--kind <kind>", KINDS.join(", "), "node")
  .option("--storage <file>", "what outlives its power; without it nothing does")
  .option("--chip <hex>", "its chip id, 8 bytes; default: made at random and kept in the storage")
  .option("--air <port>", "the air hub that its radio is a member of (`nrf52840 --hub`, or --hub)", port)
  .option("--hub <port>", "no board but an air, for boards with --air; 0: any free port", port)
  .option(
    "--pull-at <n>",
    "pulls the cable in the middle of the nth line that crosses it since it was put in, either way (repeatable: one after the other)",
    (value: string, before: number[]) => [...before, wholeNumber(1, 1_000_000)(value)],
    [],
  )
  .option("--powered", "it gets its power by the cable: a pull is a power cut too")
  .option("--replug <ms>", "how long a pulled cable stays out", wholeNumber(0, 3_600_000), 500)
  .addHelpText("after", "\nLines on stdin: `power off`, `power on`, `pull`.")
  .allowExcessArguments(false)
  .parse();
const options = command.opts<Options>();

function usage(sentence: string): never {
  process.stderr.write(`${sentence}\n(--help lists the options)\n`);
  process.exit(EXIT_USAGE);
}

if ([options.pty, options.tcp, options.hub].filter((way) => way !== undefined).length !== 1)
  usage("Give one of --pty LINK, --tcp PORT and --hub PORT.");
if (!KINDS.includes(options.kind as Kind)) usage(`--kind ${options.kind}: there are ${KINDS.join(", ")}`);
if (options.pty !== undefined && existsSync(options.pty)) fail(`${options.pty} is there already`);

const clock = new PacedClock();
const ending: (() => void)[] = [];

function chipIdOf(storage: KeyValueStore): Uint8Array {
  if (options.chip !== undefined) {
    const chip = fromHex(options.chip);
    if (chip instanceof Refusal || chip.length !== 8)
      usage(`--chip ${options.chip}: 8 bytes in hex expected`);
    return chip;
  }
  const stored = storage.get(CHIP_KEY);
  if (stored !== undefined) return stored;
  const chip = hostCrypto.random(8);
  storage.set(CHIP_KEY, chip);
  return chip;
}

/** A cable that can be pulled: while it is out, nobody finds the port. */
interface Cable {
  /** @returns the port's name */
  plug(): Promise<string>;
  unplug(): void;
  write(bytes: Uint8Array): void;
}

function ptyCable(link: string, onData: (bytes: Uint8Array) => void): Cable {
  let pty: Pty | undefined;
  return {
    plug: async () => {
      pty = await openPty(link, onData, (reason) => fail(`the pseudo-terminal is gone: ${reason}`));
      return pty.path;
    },
    unplug: () => {
      pty?.close();
      pty = undefined;
    },
    write: (bytes) => pty?.write(bytes),
  };
}

function tcpCable(wanted: number, onData: (bytes: Uint8Array) => void): Cable {
  let server: Server | undefined;
  let client: Socket | undefined;
  let bound = wanted;
  return {
    plug: () =>
      new Promise((resolve) => {
        server = createServer((socket) => {
          client?.destroy();
          client = socket;
          socket.setNoDelay(true);
          socket.on("data", onData);
          socket.on("error", () => {});
        });
        server.on("error", (error) => fail(`port ${bound} of 127.0.0.1: ${error.message}`));
        server.listen(bound, "127.0.0.1", () => {
          const address = server?.address();
          if (typeof address === "object" && address !== null) bound = address.port;
          resolve(`tcp:127.0.0.1:${bound}`);
        });
      }),
    unplug: () => {
      server?.close();
      client?.destroy();
      client = undefined;
    },
    write: (bytes) => client?.write(bytes),
  };
}

async function runBoard(): Promise<void> {
  const storage = options.storage === undefined ? new MemoryStore() : openFileStore(options.storage);
  const chipId = chipIdOf(storage);
  const kind = options.kind as Kind;
  const pulls = [...options.pullAt];
  let plugged = true;
  let lines = 0;

  /** Counts the lines in some bytes. @returns how many of the bytes come through before the cable is pulled */
  const crosses = (bytes: Uint8Array): number => {
    if (!plugged) return 0;
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== 10 || i === 0) continue;
      lines++;
      if (pulls[0] !== lines) continue;
      pulls.shift();
      return i >> 1;
    }
    return bytes.length;
  };
  const carry = (bytes: Uint8Array, to: (bytes: Uint8Array) => void) => {
    const through = crosses(bytes);
    if (through > 0) to(bytes.slice(0, through));
    if (through < bytes.length && plugged) pull();
  };
  const fromHost = (bytes: Uint8Array) =>
    clock.enter(() => carry(bytes, (through) => board.receive(through)));
  const cable =
    options.pty === undefined ? tcpCable(options.tcp!, fromHost) : ptyCable(options.pty, fromHost);
  const radio = options.air === undefined ? undefined : new HubRadio(clock, options.air, chipId.slice(2));
  const board = new SimulatedBoard({
    kind,
    chipId,
    storage,
    around: {
      clock,
      random: new Random(chipId[7]),
      internet: () => new UdpNetwork({ enter: (callback) => clock.enter(callback) }),
      server: { host: "127.0.0.1", port: 5683 },
      timeScale: 1,
    },
    ...(radio !== undefined && { bearer: radio }),
    onOutput: (bytes) => carry(bytes, (through) => cable.write(through)),
  });

  const pull = () => {
    plugged = false;
    if (options.powered === true) board.powerOff();
    cable.unplug();
    process.stdout.write("cable out\n");
    setTimeout(async () => {
      lines = 0;
      await plugIn();
      if (options.powered === true) clock.enter(() => board.powerOn());
      process.stdout.write("cable in\n");
    }, options.replug);
  };
  const plugIn = async () => {
    try {
      const name = await cable.plug();
      plugged = true;
      return name;
    } catch (error) {
      if (error instanceof PtyError) fail(error.message);
      throw error;
    }
  };
  createInterface({ input: process.stdin }).on("line", (line) => {
    if (line === "power off") clock.enter(() => board.powerOff());
    else if (line === "power on") clock.enter(() => board.powerOn());
    else if (line === "pull") clock.enter(pull);
    else process.stdout.write(`${line}: there are power off, power on, pull\n`);
  });
  ending.push(() => {
    board.powerOff();
    cable.unplug();
    radio?.close();
  });
  const name = await plugIn();
  clock.start();
  clock.enter(() => board.powerOn());
  process.stdout.write(`${kind} ${toHex(chipId)} at ${name}\n`);
}

async function runHub(wanted: number): Promise<void> {
  clock.start();
  const air = new Air({ clock, random: new Random(1), propagation: fixedRange(1000) });
  const { port: bound, close } = await listenAirHub(wanted, { air, clock });
  ending.push(() => void close());
  process.stdout.write(`air at ${bound}\n`);
}

untilEnd(async () => {
  for (const stop of ending) stop();
  clock.stop();
});
if (options.hub !== undefined) await runHub(options.hub);
else await runBoard();

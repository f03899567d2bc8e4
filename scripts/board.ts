/** `npm run board`: emulated boards and simulated nodes in one air, with the modem simulator, the server and its page. */

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { StartupError } from "../cloud/errors.js";
import type { DeviceKind } from "../sim/network.js";
import { BuildFailed, buildImage, TARGETS, type Target } from "./board/build.js";
import { EmulatedNetwork } from "./board/emulated-network.js";
import { findEmulator, withEmulator } from "./board/find-emulator.js";
import { BoardStatus } from "./board/status.js";
import { findBuildTools, MissingTool } from "./board/tools.js";
import { decimal, fail, newCommand, wholeNumber } from "./cli.js";
import { untilEnd } from "./until-end.js";

const KINDS: readonly DeviceKind[] = ["node", "relay", "gateway"];

type Images = Partial<Record<DeviceKind, string>>;

/** Gathers `node=FILE`, one by one. */
function image(text: string, before: Images): Images {
  const [kind, file] = [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)];
  if (!(KINDS as readonly string[]).includes(kind)) {
    throw new InvalidArgumentError(`Expected node=ELF, relay=ELF or gateway=ELF.`);
  }
  if (!existsSync(file)) throw new InvalidArgumentError(`There is no file ${file}.`);
  return { ...before, [kind]: file };
}

interface Cut {
  readonly device: string;
  readonly at: number;
  readonly off: number;
}

/** Gathers `node-1@20` or `node-1@20+5`: the power of a board is cut at so many seconds, for two seconds or so long. */
function cut(text: string, before: Cut[]): Cut[] {
  const [, device, at, off] = /^([a-z]+-\d+)@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?$/.exec(text) ?? [];
  if (device === undefined) {
    throw new InvalidArgumentError("Expected DEVICE@SECONDS or DEVICE@SECONDS+SECONDS, as node-1@20+5.");
  }
  return [...before, { device, at: Number(at), off: Number(off ?? 2) }];
}

const command = withEmulator(
  newCommand(
    "board",
    "Runs real board images on emulated nRF52840s, with simulated nodes in the same air if you like, the SARA-R4 simulator, the server and its web page. Builds the images with the Moddable SDK, or takes those that you name.",
  ),
)
  .option("--node <n>", "emulated sensor nodes", wholeNumber(0, 50), 2)
  .option(
    "--relay <n>",
    "emulated relays; where there are some, nodes only reach them",
    wholeNumber(0, 20),
    1,
  )
  .option("--gateway <n>", "emulated gateways, each with a simulated modem", wholeNumber(1, 5), 1)
  .option("--sim-nodes <n>", "simulated nodes in the same air", wholeNumber(0, 100), 0)
  .option("--loss <p>", "probability that a frame is lost on a link, 0 to 0.9", decimal(0, 0.9), 0.05)
  .option(
    "--cut <device@s[+s]>",
    "cuts a board's power at so many seconds, for 2 s or so long; may be given more than once",
    cut,
    [],
  )
  .option("--interval <s>", "seconds between a node's readings", decimal(0.5, 86_400), 5)
  .addOption(
    new Option("--target <board>", "the board that images are built for").choices(TARGETS).default("dk"),
  )
  .option("--image <kind=elf>", "an image that is there already; may be given for each kind", image, {})
  .option("--http <port>", "of the web page; 0 for any free one", wholeNumber(0, 65_535), 8080)
  .option(
    "--seed <n>",
    "of the boards' ids and of what chance does in the air",
    wholeNumber(0, 20_000_000),
    1,
  )
  .option("--seconds <n>", "ends after so long; exit 1 if an image did what none may", wholeNumber(1, 86_400))
  .addHelpText(
    "after",
    "\nCompiles the emulator of this repository where none is installed; needs, to build images, MODDABLE, NRF_SDK_DIR and the ARM compiler.\nTime is the wall's, slower where the machine cannot keep up. Keys and data are made anew each time and kept nowhere. Ctrl-C ends it.",
  )
  .allowExcessArguments(false)
  .parse();

const options = command.opts<{
  node: number;
  relay: number;
  gateway: number;
  simNodes: number;
  loss: number;
  interval: number;
  target: Target;
  image: Images;
  http: number;
  seed: number;
  seconds?: number;
  emulator?: string;
  cut: Cut[];
}>();

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The images that are named, and what is built of those that are needed besides. */
async function images(): Promise<Record<DeviceKind, string>> {
  const elf = { node: "", relay: "", gateway: "", ...options.image };
  for (const kind of KINDS) {
    if (elf[kind] !== "" || options[kind] === 0) continue;
    const tools = findBuildTools();
    say(`building the image of the ${kind} for ${options.target} …`);
    elf[kind] = (
      await buildImage(kind, tools, { target: options.target, config: { heapReport: "yes" } })
    ).elf;
  }
  return elf;
}

const directory = mkdtempSync(join(tmpdir(), "board-"));
process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

try {
  if (options.node + options.simNodes === 0) fail("There is no node: give --node or --sim-nodes.");
  const emulator = findEmulator(options.emulator);
  const elf = await images();
  const status = new BoardStatus(process.stdout);
  const network = await EmulatedNetwork.start({
    emulator,
    elf,
    nodes: options.node,
    simulatedNodes: options.simNodes,
    relays: options.relay,
    gateways: options.gateway,
    loss: options.loss,
    seed: options.seed,
    interval: options.interval,
    directory,
    httpPort: options.http,
    onLine: (device, line) => status.take(device, line),
  });
  status.show(network);
  for (const { device, at, off } of options.cut) {
    if (!network.boards.has(device)) fail(`--cut: there is no board ${device}.`);
    setTimeout(() => {
      status.take(device, `power cut at ${at} s`);
      void network.cutPower(device, off);
    }, at * 1000);
  }
  const end = async () => {
    status.end();
    await network.stop();
  };
  untilEnd(end);
  if (options.seconds !== undefined) {
    setTimeout(async () => {
      await end();
      process.exit(network.complaints.length === 0 ? 0 : 1);
    }, options.seconds * 1000);
  }
} catch (error) {
  if (error instanceof MissingTool || error instanceof BuildFailed || error instanceof StartupError) {
    fail(error.message);
  }
  throw error;
}

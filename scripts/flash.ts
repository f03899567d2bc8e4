/** `npm run flash`: builds an image, or takes one, and puts it on a board. */

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { createInterface } from "node:readline/promises";
import {
  BuildFailed,
  buildImage,
  MODDABLE_WAYS,
  type ModdableWay,
  moddableTool,
  REPOSITORY,
  TARGETS,
  type Target,
} from "./board/build.js";
import { type ImageConfig, imageConfigOf, withImageConfig } from "./board/image-config.js";
import { findBuildTools, MissingTool, onPath } from "./board/tools.js";
import { EXIT_USAGE, fail, newCommand } from "./cli.js";
import {
  describeDrive,
  FlashFailed,
  isUf2Drive,
  probeCommands,
  putUf2,
  runTool,
  type ToolCommand,
  uf2Drives,
} from "./flash/put.js";
import { BadImage, checkUf2, parseHex, toUf2 } from "./flash/uf2.js";
import { portOpener } from "./provision/port.js";
import { WayError } from "./provision/way.js";

const ROLES = ["node", "relay", "gateway"];
/** A board in its bootloader is a drive after this at the latest, ms. */
const BOOTLOADER = 15_000;
/** Opening a port at this speed is how boards with a bootloader are asked into it. */
const TOUCH_BAUD = 1200;

interface Options extends ImageConfig {
  readonly target: string;
  readonly image?: string;
  readonly uf2?: string | true;
  readonly probe?: string | true;
  readonly moddable?: string | true;
  readonly port?: string;
  readonly softdevice?: boolean;
  readonly provision?: boolean;
  readonly network?: string;
  readonly name?: string;
  readonly dryRun: boolean;
  readonly verbose: boolean;
}

const command = withImageConfig(
  newCommand(
    "npm run flash --",
    "Builds the image of a board with the Moddable SDK, or takes one, puts it on the board, and offers to provision it.",
  ),
)
  .argument("<role>", ROLES.join(", "))
  .option("--target <board>", `one of ${TARGETS.join(", ")}`, "dk")
  .option("--image <file>", "an image that is there already: .hex, or .uf2 for a drive")
  .option(
    "--uf2 [drive]",
    "copy to the drive of a UF2 bootloader; without a path: the one that is mounted. With --port it is waited for",
  )
  .option(
    "--probe [serial]",
    "by a debug probe, with nrfjprog or pyocd; its serial number if there are several",
  )
  .option(
    "--moddable [way]",
    `by Moddable's own tools: mcconfig's ${MODDABLE_WAYS.join(", ")}, or xs-dev (default: deploy)`,
  )
  .option(
    "--port <path>",
    "the board's console: alone, the board is asked into its bootloader by it; provisioning goes on there",
  )
  .option("--softdevice", "with --probe: put the S140 of NRF_SDK_DIR on it first, for a new chip")
  .option("--provision", "provision it afterwards, without being asked")
  .option("--no-provision", "do not offer to provision it")
  .option("--network <file>", "the network file, for provisioning")
  .option("--name <name>", "the board's name, for provisioning")
  .option("--dry-run", "show what would be done, and touch nothing", false)
  .option("--verbose", "what the tools print, too", false)
  .allowExcessArguments(false)
  .parse();

const options = command.opts<Options>();
const [role] = command.args;
const say = (line: string) => process.stdout.write(`${line}\n`);
const tell = options.verbose ? (line: string) => process.stderr.write(`${line}\n`) : () => {};

function usage(sentence: string): never {
  process.stderr.write(`${sentence}\n(--help lists the options)\n`);
  process.exit(EXIT_USAGE);
}

if (!ROLES.includes(role!)) usage(`There is no role ${role}; there are ${ROLES.join(", ")}.`);
const config = imageConfigOf(options);
if (role !== "node" && Object.keys(config).length > 0) {
  usage(`Only a node's image has a choice of --${Object.keys(config).join(" and --")}.`);
}
if (!(TARGETS as readonly string[]).includes(options.target)) {
  usage(`There is no target ${options.target}; there are ${TARGETS.join(", ")}.`);
}
const chosen = [options.uf2, options.probe, options.moddable].filter((way) => way !== undefined);
if (chosen.length === 0 && options.port === undefined) {
  usage("Say how: --uf2 DRIVE, --probe, --moddable or --port PORT.");
}
if (chosen.length > 1) usage("--uf2, --probe and --moddable: one of them.");
const moddableWays: readonly string[] = [...MODDABLE_WAYS, "xs-dev"];
const moddable = options.moddable === true ? "deploy" : options.moddable;
if (moddable !== undefined) {
  if (!moddableWays.includes(moddable)) {
    usage(`There is no way ${moddable}; there are ${moddableWays.join(", ")}.`);
  }
  if (options.image !== undefined) usage("--moddable builds its image: no --image.");
  if (moddable === "installDFU" && options.port === undefined) usage("installDFU needs --port PORT.");
}
if (options.softdevice === true && options.probe === undefined) usage("--softdevice needs --probe.");
const given = options.image === undefined ? undefined : extname(options.image).toLowerCase();
if (given !== undefined && given !== ".hex" && given !== ".uf2")
  usage(`--image ${options.image}: .hex or .uf2`);
if (given === ".uf2" && options.probe !== undefined) usage("A probe takes a .hex, no .uf2.");

/** One line that counts up where a person watches, one at the end where not. */
function counter(what: string): (done: number, of: number) => void {
  return (done, of) => {
    const text = `${what} ${Math.floor((100 * done) / of)} %`;
    if (process.stdout.isTTY) process.stdout.write(`\r${text}${done === of ? "\n" : ""}`);
    else if (done === of) say(text);
  };
}

/** The path of the image, .hex or .uf2. */
async function image(): Promise<string> {
  if (options.image !== undefined) {
    if (!existsSync(options.image)) fail(`${options.image} is not there`);
    return options.image;
  }
  const { target } = options;
  if (options.dryRun) {
    say(`would build ${role} for ${target} with the Moddable SDK`);
    return `build/board/bin/nrf52/${target}/release/${role}/xs_nrf52.hex`;
  }
  const tools = findBuildTools();
  say(`building ${role} for ${target}: a minute or two`);
  const { hex, figures } = await buildImage(role!, tools, {
    target: target as Target,
    config,
    onLine: tell,
  });
  say(`built: ${(figures.flash / 1024).toFixed(0)} KB`);
  return hex;
}

/** S140 as the nRF5 SDK has it. */
function softDevice(): string {
  const folder = join(process.env.NRF_SDK_DIR ?? "", "components", "softdevice", "s140", "hex");
  const found = existsSync(folder) ? readdirSync(folder).find((name) => name.endsWith(".hex")) : undefined;
  if (process.env.NRF_SDK_DIR === undefined || found === undefined) {
    throw new MissingTool("--softdevice: NRF_SDK_DIR names no nRF5 SDK with components/softdevice/s140/hex.");
  }
  return join(folder, found);
}

async function byProbe(file: string): Promise<void> {
  const serial = options.probe === true ? undefined : options.probe;
  const files = options.softdevice === true ? [softDevice(), file] : [file];
  if (!options.dryRun) for (const hex of files) parseHex(readFileSync(hex, "utf8"));
  for (const step of probeCommands(files, serial)) {
    const text = [basename(step.program), ...step.arguments].join(" ");
    if (options.dryRun) say(`would run ${text}`);
    else {
      say(text);
      await runTool(step, tell);
    }
  }
}

/** Moddable's own tools, with what they need; in a dry run only what they would be asked. */
function moddableStep(way: string): ToolCommand | undefined {
  const { port, target, dryRun } = options;
  if (!dryRun)
    return moddableTool(role!, findBuildTools(), target as Target, way as ModdableWay | "xs-dev", port);
  const program = way === "xs-dev" ? "xs-dev run" : `mcconfig -t ${way}`;
  say(`would run ${program} in manifests/${role}${port === undefined ? "" : ` for ${port}`}`);
  return undefined;
}

function uf2Of(file: string): Uint8Array {
  const bytes = readFileSync(file);
  if (extname(file).toLowerCase() === ".uf2") {
    checkUf2(bytes);
    return bytes;
  }
  return toUf2(parseHex(bytes.toString("latin1")));
}

function toDrive(file: string, drive: string): void {
  const board = describeDrive(drive);
  if (options.dryRun) {
    say(`would copy ${file} as UF2 to ${drive} (${board})`);
    return;
  }
  putUf2(drive, `${role}.uf2`, uf2Of(file), counter(`${board}, ${drive}:`));
}

/** The one drive that is there. */
function theDrive(): string {
  const drives = uf2Drives();
  if (drives.length === 1) return drives[0]!;
  throw new FlashFailed(
    drives.length === 0
      ? "No drive of a UF2 bootloader is mounted: press reset twice, or name its folder (--uf2 DRIVE)."
      : `There are several: ${drives.join(", ")}. Name one (--uf2 DRIVE).`,
  );
}

/** @returns `undefined` when one is to be waited for, wherever it comes */
function askedDrive(): string | undefined {
  if (options.uf2 !== true) return options.uf2;
  return options.port !== undefined && uf2Drives().length === 0 ? undefined : theDrive();
}

/**
 * Asks the board into its bootloader through its port, and waits for the drive.
 * @param named where it will be; default: wherever one comes
 */
async function byPort(file: string, port: string, named?: string): Promise<void> {
  if (options.dryRun) {
    say(
      `would open ${port} at ${TOUCH_BAUD} baud, wait for ${named ?? "the bootloader's drive"}, and copy ${file} to it`,
    );
    return;
  }
  const before = new Set(uf2Drives());
  const touched = await portOpener(port, TOUCH_BAUD)();
  touched.close();
  say(`${port}: asked into the bootloader`);
  for (const until = Date.now() + BOOTLOADER; Date.now() < until; ) {
    const drive =
      named === undefined
        ? uf2Drives().find((folder) => !before.has(folder))
        : isUf2Drive(named)
          ? named
          : undefined;
    if (drive !== undefined) {
      toDrive(file, drive);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new FlashFailed(
    `${port}: no bootloader's drive came. Press reset twice and use --uf2, or a debug probe and --probe.`,
  );
}

async function offerProvisioning(): Promise<void> {
  const list = ["run", "provision", "--", "add", ...(options.name === undefined ? [] : [options.name])];
  list.push("--port", options.port ?? "PORT", "--kind", role!);
  if (options.network !== undefined) list.push("--network", options.network);
  const text = `npm ${list.join(" ")}`;
  if (options.provision === false) return;
  if (options.dryRun || options.port === undefined) {
    say(`to provision it: ${text}`);
    return;
  }
  if (options.provision !== true) {
    if (!process.stdin.isTTY) {
      say(`to provision it: ${text}`);
      return;
    }
    const asked = createInterface({ input: process.stdin, output: process.stdout });
    const answer = await asked.question("Provision it now? [Y/n] ");
    asked.close();
    if (!/^(y|yes|)$/i.test(answer.trim())) return;
  }
  say(text);
  const { status, error } = spawnSync(onPath("npm") ?? "npm", list, { stdio: "inherit", cwd: REPOSITORY });
  if (error !== undefined) fail(`npm: ${error.message}`);
  process.exitCode = status ?? 1;
}

try {
  // What is missing is better said before a build that takes minutes.
  if (options.probe !== undefined) probeCommands([], undefined);
  const drive = askedDrive();
  const there = drive !== undefined && (options.port === undefined || isUf2Drive(drive));
  if (there) describeDrive(drive);
  const tool = moddable === undefined ? undefined : moddableStep(moddable);
  const file = await image();
  if (tool !== undefined) {
    say([basename(tool.program), ...tool.arguments].join(" "));
    await runTool(tool, say);
  } else if (options.probe !== undefined) await byProbe(file);
  else if (there) toDrive(file, drive);
  else if (moddable === undefined) await byPort(file, options.port!, drive);
  if (!options.dryRun) say(`${role}: done`);
  await offerProvisioning();
} catch (error) {
  const told = [MissingTool, BuildFailed, BadImage, FlashFailed, WayError];
  if (told.some((kind) => error instanceof kind)) fail((error as Error).message);
  throw error;
}

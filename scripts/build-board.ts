/** `npm run build:board`: a board image with Moddable, and what it takes. */

import { relative } from "node:path";
import { BuildFailed, type BuiltImage, buildImage, imageNames, TARGETS, type Target } from "./board/build.js";
import { type ImageConfig, imageConfigOf, withImageConfig } from "./board/image-config.js";
import { findBuildTools, MissingTool } from "./board/tools.js";
import { EXIT_USAGE, fail, newCommand } from "./cli.js";

const command = withImageConfig(
  newCommand(
    "build:board",
    "Builds a board image with the Moddable SDK (MODDABLE, NRF_SDK_DIR), and prints its flash and RAM figures and the path of the ELF.",
  ),
)
  .argument("<image>", `one of ${imageNames().join(", ")}`)
  .option("--target <board>", `one of ${TARGETS.join(", ")}`, "dk")
  .option("--json", "the figures as JSON", false)
  .option("--verbose", "what the tools print, too", false)
  .allowExcessArguments(false)
  .parse();

const options = command.opts<ImageConfig & { target: string; json: boolean; verbose: boolean }>();
const { target, json, verbose } = options;
const config = imageConfigOf(options);
const [name] = command.args;

function wrongUsage(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(EXIT_USAGE);
}

if (!imageNames().includes(name!))
  wrongUsage(`There is no image ${name}; there are ${imageNames().join(", ")}.`);
if (!(TARGETS as readonly string[]).includes(target)) {
  wrongUsage(`There is no target ${target}; there are ${TARGETS.join(", ")}.`);
}

if (name !== "node" && Object.keys(config).length > 0) {
  wrongUsage(`Only a node's image has a choice of --${Object.keys(config).join(" and --")}.`);
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1024).toFixed(1).padStart(7)} KB`;
}

function share(bytes: number, of: number): string {
  return `${((100 * bytes) / of).toFixed(1)} %`;
}

function show({ figures, elf, hex, uf2 }: BuiltImage): void {
  const { flash, flashRegion, ram, ramRegion, cHeap, jsHeap, flashBy, codeBy } = figures;
  const lines = [
    `flash  ${kilobytes(flash)}  ${share(flash, flashRegion)} of the application region`,
    ...[...flashBy].map(([part, bytes]) => `         ${kilobytes(bytes)}  ${part}`),
    `RAM    ${kilobytes(ram + cHeap)}  ${share(ram + cHeap, ramRegion)}, of which`,
    `         ${kilobytes(ram)}  static`,
    `         ${kilobytes(cHeap)}  C heap; of it ${kilobytes(jsHeap).trim()} for the JavaScript machine`,
    ...(codeBy.size > 0 ? ["JavaScript by folder, before it is compiled"] : []),
    ...[...codeBy].map(([folder, bytes]) => `         ${kilobytes(bytes)}  ${folder}`),
    `hex    ${relative(process.cwd(), hex)}`,
    `UF2    ${uf2 === undefined ? "not made: UF2CONV names no converter" : relative(process.cwd(), uf2)}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n${elf}\n`);
}

try {
  const tools = findBuildTools();
  const image = await buildImage(name!, tools, {
    target: target as Target,
    config,
    ...(verbose && { onLine: (line: string) => process.stderr.write(`${line}\n`) }),
  });
  if (json) {
    const { flashBy, codeBy, ...figures } = image.figures;
    const figuresJson = {
      ...figures,
      flashBy: Object.fromEntries(flashBy),
      codeBy: Object.fromEntries(codeBy),
    };
    process.stdout.write(`${JSON.stringify({ ...image, figures: figuresJson }, undefined, 2)}\n`);
  } else show(image);
} catch (error) {
  if (error instanceof MissingTool || error instanceof BuildFailed) fail(error.message);
  throw error;
}

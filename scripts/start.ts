/** `npm start`: the whole system on this machine. */

import { createWriteStream, existsSync } from "node:fs";
import { InvalidArgumentError, Option } from "commander";
import { StartupError } from "../cloud/errors.js";
import { XsError, XsUnavailable, xsWorker } from "../sim/xs/worker.js";
import { decimal, fail, newCommand, wholeNumber } from "./cli.js";
import { showStatus } from "./start/status.js";
import { startSystem } from "./start/system.js";
import { untilEnd } from "./until-end.js";

/** A file that is there already is somebody's. */
function newFile(file: string): string {
  if (existsSync(file)) throw new InvalidArgumentError("The file is there already.");
  return file;
}

function port(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535) fail(`${name}=${text} is no port: expected 0 to 65535.`);
  return value;
}

const command = newCommand(
  "start",
  "Runs the whole system on this machine: simulated nodes, relays and gateways on a lossy mesh, the SARA-R4 simulator, the server on real UDP, and its web page.",
)
  .option("--nodes <n>", "sensor nodes", wholeNumber(1, 500), 5)
  .option("--relays <n>", "blind relays", wholeNumber(0, 200), 3)
  .option("--gateways <n>", "gateways, each with a modem", wholeNumber(1, 10), 1)
  .option(
    "--interval <s>",
    "seconds between a node's readings; the recorded minutes go by as fast",
    decimal(0.5, 86_400),
    5,
  )
  .option("--loss <p>", "probability that a frame is lost on a link, 0 to 0.9", decimal(0, 0.9), 0.05)
  .option(
    "--seed <n>",
    "what chance does in the air; the same seed gives the same air",
    wholeNumber(0, 2 ** 32 - 1),
    1,
  )
  .addOption(
    new Option("--engine <name>", "what the devices run in: Node, or XS, the engine of the board")
      .choices(["node", "xs"])
      .default("node"),
  )
  .option("--tamper", "put a hostile relay and a hostile gateway into the network", false)
  .option(
    "--measured <file>",
    "write every measurement of every sensor to this CSV file, to compare with what arrives",
    newFile,
  )
  .option(
    "--capture <file>",
    "write the air and the modems' UDP to this pcapng file, for Wireshark (docs/CAPTURE.md)",
    newFile,
  )
  .addHelpText(
    "after",
    "\nEnvironment: HTTP_PORT (8080), COAP_PORT (5683), DATA_DIR (./data): what is kept between starts.\nCtrl-C ends it; started again, it goes on with the same keys and numbers.",
  )
  .allowExcessArguments(false)
  .parse();

const options = command.opts<{
  nodes: number;
  relays: number;
  gateways: number;
  interval: number;
  loss: number;
  seed: number;
  engine: "node" | "xs";
  tamper: boolean;
  measured?: string;
  capture?: string;
}>();

const measured = options.measured === undefined ? undefined : createWriteStream(options.measured);
measured?.write("time,node,temperature,humidity\n");

// A device's machine that somebody has killed: nothing goes on without it.
process.on("uncaughtException", (error) => {
  fail(error instanceof XsError ? error.message : (error.stack ?? String(error)));
});

try {
  const compiling = () => process.stdout.write("XS is compiled first, once: up to a minute …\n");
  const system = await startSystem({
    ...options,
    ...(options.engine === "xs" && { xsWorker: await xsWorker(compiling) }),
    dataDir: process.env.DATA_DIR || "data",
    httpPort: port("HTTP_PORT", 8080),
    coapPort: port("COAP_PORT", 5683),
    onMeasured: ({ node, temperature, humidity }) => {
      measured?.write(`${new Date().toISOString()},${node},${temperature ?? ""},${humidity ?? ""}\n`);
    },
  });
  const endStatus = showStatus(system, process.stdout);
  untilEnd(async () => {
    endStatus();
    await system.stop();
    measured?.end();
  });
} catch (error) {
  if (error instanceof StartupError || error instanceof XsUnavailable) fail(error.message);
  throw error;
}

/** `npm run provision`: what is typed, and which command it is. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { decimal, EXIT_USAGE, newCommand, wholeNumber } from "../cli.js";
import { add, placeSentence, replace } from "./commands/add.js";
import { batch } from "./commands/batch.js";
import { doctor } from "./commands/doctor.js";
import { exportFile, importFile } from "./commands/exchange.js";
import { init } from "./commands/init.js";
import { label } from "./commands/label.js";
import { list, show } from "./commands/look.js";
import { remove } from "./commands/remove.js";
import { rotate } from "./commands/rotate.js";
import { ProvisionError, UsageError } from "./errors.js";
import { DEVICE_KINDS } from "./network.js";
import { type Globals, Session } from "./session.js";
import type { Ways } from "./way.js";

const DESCRIPTION =
  "Brings boards into a network, and the server to know them. All that it knows is in one encrypted file.";

const ENVIRONMENT = `
Environment:
  OSCORE_MESH_NETWORK         the network file (default: network.sealed)
  OSCORE_MESH_PASSPHRASE      its passphrase, where nobody is asked
  OSCORE_MESH_COPY_PASSPHRASE, OSCORE_MESH_NEW_PASSPHRASE  of export and import; of rotate --passphrase
  OSCORE_MESH_TOKEN           the token of the server's API, in the place of the file's

Exit codes: 0 done, 1 not done (and why), 2 wrong usage.`;

/** Runs one command line. Ends the process. */
export async function runProvision(ways: Ways, argv: readonly string[] = process.argv): Promise<void> {
  const program = newCommand("npm run provision --", DESCRIPTION)
    .addOption(
      new Option("--network <file>", "the network file").env("OSCORE_MESH_NETWORK").default("network.sealed"),
    )
    .option("--yes", "answer every question with yes", false)
    .option("--json", "one JSON document on stdout, and no question", false)
    .option("--dry-run", "show what would be done, and change nothing", false)
    .option("--offline", "do not ask the server: it is told by the next command", false)
    .option(
      "--patience <s>",
      "wait so long for a pulled cable, or a board over the air",
      decimal(0, 3600),
      60,
    )
    .option("--steal-lock", "open the file although somebody on another machine seems to have it open", false)
    .addHelpText("after", ENVIRONMENT);
  let session: Session | undefined;
  const start = (): Session => {
    session = new Session(program.opts<Globals>(), ways);
    return session;
  };
  commands(program, start);
  onInterrupt(() => session);
  try {
    await program.parseAsync(argv);
    session?.close();
    process.exit(0);
  } catch (error) {
    session?.close();
    if (error instanceof UsageError) {
      session?.ui.failed({ reason: "usage", message: error.message });
      process.exit(EXIT_USAGE);
    }
    if (!(error instanceof ProvisionError)) throw error;
    session?.ui.failed(error, session.result);
    process.exit(1);
  }
}

function commands(program: Command, start: () => Session): void {
  const board = (command: Command): Command =>
    command
      .option("--port <path>", "the console of the board: a serial port, a pseudo-terminal or tcp:HOST:PORT")
      .option("--bridge <path>", "over the air instead, through the gateway with this console")
      .option("--label <file>", "file with the text of the board's label, - for stdin: a scanner types it")
      .addOption(new Option("--kind <kind>", "refuse a board of another kind").choices(DEVICE_KINDS))
      .option("--place <text>", "where it hangs")
      .option("--interval <s>", "seconds between its measurements", decimal(1, 86_400))
      .option("--force", "write also a board that another network has provisioned");

  command(program, "init", "makes a new network file, or brings a lost one back from the server")
    .option("--name <name>", "what the network is called")
    .option("--server <url>", "address of the server's page, like https://mesh.example")
    .option("--token-file <file>", "token of the server's API: api-token in its data directory")
    .option("--uplink <host:port>", "the server's CoAP, as gateways reach it")
    .option("--apn <name>", "access point of the gateways' SIM cards")
    .addOption(
      new Option("--gateways <n>", "how many there will be").choices(["one", "several"]).default("one"),
    )
    .option("--ttl <n>", "how far messages go: relays on the way, and two", wholeNumber(2, 127), 7)
    .option("--interval <s>", "seconds between measurements", decimal(1, 86_400), 60)
    .option("--no-confirmable", "readings are sent once, and not kept until the server has them")
    .option("--client", "nodes get a context with a client that asks them end to end: npm run oscore-http")
    .option("--recover", "bring a lost file back, with its passphrase and nothing else")
    .action((options) => init(start(), options));

  board(command(program, "add", "brings one board into the network, or goes on where that was cut"))
    .argument("[name]", "its name; asked for, or suggested, where a person sits")
    .action((name, options) => add(start(), name, options));

  command(program, "batch", "brings one board after another into the network, as they are plugged in")
    .argument(
      "[list]",
      "CSV with columns name, kind, place, chip, interval, label (- for stdin); without: what is planned",
    )
    .option("--port <path>", "a console, or many: /dev/ttyACM* (in quotes); may be repeated", collect)
    .option("--bridge <path>", "reach the rows that have a label over the air, through this gateway")
    .option("--timeout <s>", "end when no board comes for so long", decimal(1, 86_400), 600)
    .option("--force", "write also boards that another network has provisioned")
    .action((file, options) => batch(start(), file, options));

  command(program, "list", "shows the devices")
    .option("--all", "removed ones too")
    .action((options) => list(start(), options));

  command(program, "show", "shows one device, or the network, with its history")
    .argument("[name]")
    .action((name) => show(start(), name));

  command(program, "label", "prints labels: who a board is, and the secret that proves it; no key")
    .argument("[name...]", "default: all whose label is known")
    .option("--port <path>", "of the board on this console, which has no identity yet")
    .option("--out <file>", "write a PDF (a page each) or a PNG (one label) of 62 × 29 mm")
    .action((names, options) => label(start(), names, options));

  board(command(program, "replace", "gives a device's name to another board, with new keys"))
    .argument("<name>")
    .option("--lost", "the old board is not here: the keys of the mesh in it are to be refreshed")
    .action((name, options) => replace(start(), name, options));

  command(program, "remove", "takes a device out: its keys at the server, the keys of the mesh, its board")
    .argument("<name>")
    .option("--port <path>", "its board is here: erase it")
    .option("--bridge <path>", "refresh the keys of the mesh at once, through the gateway with this console")
    .option("--leave-behind", "go on without devices that do not answer")
    .action((name, options) => remove(start(), name, options));

  command(program, "rotate", "gives new keys: to the whole mesh over the air, or to one device by cable")
    .argument("[name]", "one device")
    .option("--bridge <path>", "the gateway with this console, to refresh the keys of the mesh through")
    .option("--port <path>", "the console of the device")
    .option("--leave-behind", "go on without devices that do not answer")
    .option("--passphrase", "another passphrase for the network file")
    .action((name, options) => rotate(start(), name, options));

  command(
    program,
    "export",
    "writes a copy for somebody in the field, or registrations for the server; encrypted",
  )
    .argument("<file>")
    .option("--for <name>", "a copy for this person, with addresses of its own to give out")
    .option("--room <n>", "for how many more devices of each kind", wholeNumber(1, 2000), 32)
    .option("--with-keys", "with the keys of the devices that are there already")
    .option("--without-token", "without the token of the server's API")
    .option("--registrations", "what a server that is not reached from here has to know")
    .option("--all", "of all devices, not only of those that it does not know")
    .option("--client", "the contexts of a client that asks nodes end to end, into its file; each once")
    .action((file, options) => exportFile(start(), file, options));

  command(program, "import", "takes over what another copy has, or registers devices at a server")
    .argument("<file>")
    .option("--server <url>", "for registrations: address of the server's page")
    .option("--token-file <file>", "for registrations: token of the server's API")
    .action((file, options) => importFile(start(), file, options));

  command(program, "doctor", "looks for what is wrong")
    .option("--port <path>", "look at the board on this console too")
    .action((options) => doctor(start(), options));
}

function command(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .allowExcessArguments(false)
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(--help lists the options)")
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE));
}

function collect(path: string, before: string[] | undefined): string[] {
  if (path === "") throw new InvalidArgumentError("A path.");
  return [...(before ?? []), path];
}

/** Ctrl-C: what a board is in the middle of is said; everything is noted already, so the next run goes on. */
function onInterrupt(session: () => Session | undefined): void {
  let times = 0;
  const stop = () => {
    const running = session();
    if (running !== undefined) running.interrupted = true;
    const device = running?.current;
    // A board that is being brought in is brought in; who presses again means it.
    if (device !== undefined && ++times === 1) {
      process.stderr.write(`\nOne moment: "${device.name}" is being written. Ctrl-C again ends at once.\n`);
      return;
    }
    const network = running?.network;
    const where =
      device === undefined || network === undefined
        ? ""
        : ` ${device.name}: ${placeSentence(network, device)}`;
    running?.ui.failed({ reason: "cancelled", message: `Interrupted.${where}` }, running.result);
    running?.close();
    process.exit(1);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}

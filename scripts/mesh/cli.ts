/** `npm run mesh`: what mesh PDUs say, layer by layer, as a function that tests can call. */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { fromHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import type { Io } from "../oscore/cli.js";
import { Decoder } from "./decode.js";
import type { Friendship } from "./keys.js";

/** Exit codes of DESIGN §7. */
const FAILURE = 1;
const USAGE = 2;

interface DecodeOptions {
  readonly netkey?: readonly Uint8Array[];
  readonly appkey?: readonly Uint8Array[];
  readonly devkey?: readonly Uint8Array[];
  readonly label?: readonly Uint8Array[];
  readonly ivIndex: number;
  readonly friendship?: Friendship;
  readonly json?: boolean;
}

/** Runs one command line. @returns the exit code */
export function run(args: readonly string[], io: Io): number {
  let exit = 0;
  const program = new Command("mesh")
    .description("Bluetooth Mesh PDUs, explained layer by layer.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.error(text.trimEnd()),
    })
    .showHelpAfterError("Try --help.")
    .addHelpText(
      "after",
      `
PDU is a network PDU in hex, or a whole AD structure (network PDU, beacon or PB-ADV) with its length and type; blanks
and colons in it do no harm, and - reads them from standard input, one in a line. Segments of one message are put
together. Keys may be given several times; each is 32 hex digits.

Example (Mesh Profile 8.3.22):
  npm run mesh -- decode --netkey 7dd7364cd842ad18c17c2b820c84c3d6 --appkey 63964771734fbd76e3b40519d1d94a48 \\
      --label 0073e7e4d8b9440faf8415df4c56c0e1 --iv-index 0x12345677 \\
      e8d85caecef1e3ed31f3fdcf88a411135fea55df730b6b28e255`,
    );

  program
    .command("decode")
    .description("explain PDUs; how far depends on the keys that are given")
    .addOption(keyOption("--netkey <hex>", "NetKey: opens the network layer"))
    .addOption(keyOption("--appkey <hex>", "AppKey: opens application messages"))
    .addOption(keyOption("--devkey <hex>", "device key: opens configuration messages of its node"))
    .addOption(keyOption("--label <hex>", "Label UUID of a virtual address"))
    .addOption(
      new Option(
        "--iv-index <number>",
        "the IV Index now, decimal or with 0x; the one before it is tried too",
      )
        .argParser(parseIvIndex)
        .default(0),
    )
    .addOption(
      new Option(
        "--friendship <lpn,friend,lpnCounter,friendCounter>",
        "four numbers that make a friendship's credentials",
      ).argParser(parseFriendship),
    )
    .option("--json", "print one JSON array instead of text")
    .argument("<pdu...>", "PDUs in hex")
    .action((pdus: string[], options: DecodeOptions) => {
      exit = decode(pdus, options, io);
    });

  try {
    program.parse(args, { from: "user" });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.code === "commander.helpDisplayed" || error.code === "commander.version" ? 0 : USAGE;
  }
}

function decode(texts: readonly string[], options: DecodeOptions, io: Io): number {
  const pdus = texts.flatMap((text) => (text === "-" ? io.input().split("\n") : [text]));
  const decoder = new Decoder({
    netkey: options.netkey ?? [],
    appkey: options.appkey ?? [],
    devkey: options.devkey ?? [],
    label: options.label ?? [],
    ivIndex: options.ivIndex,
    friendship: options.friendship,
  });
  const results: { pdu: string; lines: readonly string[]; reason?: string }[] = [];
  let failed = false;
  for (const text of pdus) {
    const pdu = text.replace(/0x|[\s:]/g, "");
    if (pdu === "") continue;
    const bytes = fromHex(pdu);
    const explanation =
      bytes instanceof Refusal ? { lines: [], reason: `not hex (${bytes})` } : decoder.explain(bytes);
    const { lines, reason } = explanation;
    if (reason !== undefined) failed = true;
    results.push({ pdu, lines, ...(reason === undefined ? {} : { reason }) });
    if (options.json === true) continue;
    if (results.length > 1) io.out("");
    for (const line of lines) io.out(line);
    if (reason !== undefined) io.error(`error: ${reason}`);
  }
  if (options.json === true) io.out(JSON.stringify(results, null, 2));
  if (results.length === 0) {
    io.error("error: no PDU was given");
    return USAGE;
  }
  return failed ? FAILURE : 0;
}

function keyOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string, before: Uint8Array[] | undefined) => {
    const bytes = fromHex(text.replace(/^0x/, ""));
    if (bytes instanceof Refusal) throw new InvalidArgumentError(`It is not hex (${bytes}).`);
    if (bytes.length !== 16) throw new InvalidArgumentError(`It has ${bytes.length} bytes, not 16.`);
    return [...(before ?? []), bytes];
  });
}

function parseIvIndex(text: string): number {
  const value = Number(text);
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text) || value > 0xffffffff) {
    throw new InvalidArgumentError("Expected a number from 0 to 0xffffffff.");
  }
  return value;
}

function parseFriendship(text: string): Friendship {
  const numbers = text.split(",").map(Number);
  if (numbers.length !== 4 || numbers.some((n) => !Number.isInteger(n) || n < 0 || n > 0xffff)) {
    throw new InvalidArgumentError("Expected four numbers of 16 bits, with commas between.");
  }
  const [lowPowerNode, friend, lowPowerCounter, friendCounter] = numbers;
  return { lowPowerNode, friend, lowPowerCounter, friendCounter };
}

/** `npm run oscore`: OSCORE on one CoAP message, as a function that tests can call. */

import { readFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { decodeMessage, encodeMessage } from "../../firmware/coap/codec.js";
import type { CoapMessage } from "../../firmware/coap/message.js";
import { isRequest } from "../../firmware/coap/numbers.js";
import { AEAD_ALGORITHMS } from "../../firmware/oscore/algorithms.js";
import {
  type ContextParameters,
  checkParameters,
  deriveContext,
  Hkdf,
} from "../../firmware/oscore/context.js";
import { ProtectError } from "../../firmware/oscore/fields.js";
import { oscoreOptionOf } from "../../firmware/oscore/option.js";
import { MAX_SEQUENCE_NUMBER } from "../../firmware/oscore/partial-iv.js";
import { protectRequest, protectResponse } from "../../firmware/oscore/protect.js";
import type { OscoreRefusal } from "../../firmware/oscore/refusal.js";
import { unprotectRequest } from "../../firmware/oscore/unprotect.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { ContextsFileError, type NamedContext, readContexts } from "./contexts.js";
import { diagnose } from "./diagnose.js";
import { algorithmList, explainContext, explainMessage } from "./explain.js";
import { parseHexDump } from "./hex-dump.js";
import { exchangeOf, openResponse } from "./open.js";

export interface Io {
  out(line: string): void;
  error(line: string): void;
  /** All of standard input; for `-` as HEX. */
  input(): string;
}

/** Exit codes of DESIGN §7. */
const FAILURE = 1;
const USAGE = 2;

/** A failure that is no wrong usage: the reason, and hints behind it. */
class Failure extends Error {
  readonly hints: readonly string[];

  constructor(reason: string, hints: readonly string[] = []) {
    super(reason);
    this.hints = hints;
  }
}

interface ContextOptions {
  secret?: Uint8Array;
  salt?: Uint8Array;
  senderId?: Uint8Array;
  recipientId?: Uint8Array;
  idContext?: Uint8Array;
  alg?: number;
  hkdf?: Hkdf;
  request?: boolean;
  response?: boolean;
  for?: Uint8Array;
  ssn?: number;
  kidContext: boolean;
  contexts?: string;
  quiet?: boolean;
}

/** Runs one command line. @returns the exit code */
export function run(args: readonly string[], io: Io): number {
  const program = new Command("oscore")
    .description(
      "OSCORE (RFC 8613) on one CoAP message in hex: protect it, open it, or explain what it shows.",
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.error(text.trimEnd()),
    })
    .showHelpAfterError("Try --help.")
    .addHelpText(
      "after",
      `
HEX is one CoAP message (a UDP payload). Blanks, colons and 0x in it, and the lines of xxd, hexdump -C and Wireshark
are understood; - reads it from standard input. IDs are seen from this end: --sender-id is that of the one who
protects, --recipient-id that of the other; for opening a captured message either order will do.

Examples (RFC 8613 C.4 and C.7):
  npm run oscore -- inspect 44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e
  npm run oscore -- protect --secret 0102030405060708090a0b0c0d0e0f10 --salt 9e7ca92223786340 \\
      --sender-id "" --recipient-id 01 --ssn 20 44015d1f00003974396c6f63616c686f737483747631
  npm run oscore -- unprotect --secret 0102030405060708090a0b0c0d0e0f10 --salt 9e7ca92223786340 \\
      --sender-id "" --recipient-id 01 --response \\
      --for 44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e \\
      64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106`,
    );

  addContextOptions(program.command("protect"))
    .description("protect a message: prints what goes on the wire, in hex as the last line")
    .addOption(
      new Option(
        "--ssn <number>",
        "Sender Sequence Number: never one that these keys have seen before. A request needs it; a response without it takes the request's nonce",
      ).argParser(parseSequenceNumber),
    )
    .option("--no-kid-context", "do not send the ID Context in a request")
    .argument("<hex...>", "the unprotected message")
    .action((hex: string[], options: ContextOptions) => protect(options, parseMessage(hex, io), io));

  addContextOptions(program.command("unprotect"))
    .description("open a protected message: prints it in hex as the last line")
    .addOption(
      new Option("--ssn <number>", "accepted for symmetry; the message carries its own").argParser(
        parseSequenceNumber,
      ),
    )
    .option("--contexts <file>", "try all contexts of a JSON file instead of one of the command line")
    .argument("<hex...>", "the protected message")
    .action((hex: string[], options: ContextOptions) => unprotect(options, parseMessage(hex, io), io));

  program
    .command("inspect")
    .description("explain what anyone on the way can see of a message; needs no keys")
    .argument("<hex...>", "the message")
    .action((hex: string[]) => inspect(parseMessage(hex, io), io));

  try {
    program.parse(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error instanceof UsageError) io.error(`error: ${error.message}\nTry --help.`);
      const help = error.code === "commander.helpDisplayed" || error.code === "commander.version";
      return help ? 0 : USAGE;
    }
    if (error instanceof Failure) {
      io.error(`error: ${error.message}`);
      for (const hint of error.hints) io.error(hint);
      return FAILURE;
    }
    throw error;
  }
}

/** Wrong usage that shows only when the options are put together. */
class UsageError extends CommanderError {
  constructor(message: string) {
    super(USAGE, "oscore.usage", message);
  }
}

function addContextOptions(command: Command): Command {
  const hex = (flags: string, description: string) =>
    new Option(flags, description).argParser(parseHexOption(flags));
  return command
    .addOption(hex("--secret <hex>", "Master Secret"))
    .addOption(hex("--salt <hex>", "Master Salt; empty or left out: none"))
    .addOption(hex("--sender-id <hex>", "our ID; may be empty"))
    .addOption(hex("--recipient-id <hex>", "the other end's ID; may be empty"))
    .addOption(hex("--id-context <hex>", "ID Context; empty or left out: none"))
    .addOption(
      new Option("--alg <number>", `AEAD by COSE number or name: ${algorithmList()}`)
        .argParser(parseAlgorithm)
        .default(10, "10, AES-CCM-16-64-128"),
    )
    .addOption(
      new Option("--hkdf <hash>", "hash of the HKDF: sha-256 or sha-512")
        .argParser(parseHkdf)
        .default(Hkdf.SHA_256, "sha-256"),
    )
    .addOption(
      new Option("--request", "the message is a request (default: as its code says)").conflicts("response"),
    )
    .option("--response", "the message is a response; needs --for")
    .addOption(hex("--for <hex>", "the protected request that the response answers"))
    .option("-q, --quiet", "print the hex only");
}

function protect(options: ContextOptions, message: CoapMessage, io: Io): void {
  const context = deriveContext(hostCrypto, parametersOf(options));
  const request = requestOf(options, message);
  let outer: CoapMessage;
  try {
    if (request === undefined) {
      if (options.ssn === undefined)
        throw new UsageError("a request needs --ssn, its Sender Sequence Number");
      outer = protectRequest(context, message, options.ssn, {
        kidContext: options.kidContext && context.idContext !== undefined,
      }).message;
    } else {
      const exchange = exchangeOf(context, request, false);
      if (exchange instanceof Refusal) throw new Failure(String(exchange));
      outer = protectResponse(exchange, message, { partialIv: options.ssn });
    }
  } catch (error) {
    if (error instanceof ProtectError) throw new Failure(error.message);
    throw error;
  }
  const bytes = encodeMessage(outer);
  if (options.quiet !== true) {
    report("Unprotected", message, io);
    report(`Protected with ${context.algorithm.name}, ${bytes.length} bytes`, outer, io);
  }
  io.out(toHex(bytes));
}

function unprotect(options: ContextOptions, outer: CoapMessage, io: Io): void {
  const request = requestOf(options, outer);
  const contexts = options.contexts === undefined ? undefined : fromFile(options.contexts);
  const candidates = contexts ?? [{ name: "", parameters: parametersOf(options) }];
  let refusal: OscoreRefusal | undefined;
  for (const { name, parameters } of candidates) {
    const opened = open(parameters, outer, request);
    if (opened instanceof Refusal) {
      // The most telling reason: a context whose kid fits but whose keys do not.
      if (refusal === undefined || refusal.reason === "oscore-context") refusal = opened;
      continue;
    }
    if (options.quiet !== true) {
      report("Protected", outer, io);
      const by = `${name === "" ? "" : `${name}, `}${opened.algorithm}${opened.swapped ? ", the IDs in turn" : ""}`;
      report(`Unprotected (${by})`, opened.message, io);
    }
    io.out(toHex(encodeMessage(opened.message)));
    return;
  }
  if (refusal === undefined) throw new Failure("there are no contexts to try");
  if (contexts === undefined) {
    throw new Failure(reasonInWords(refusal), diagnose(candidates[0].parameters, outer, request, refusal));
  }
  const kid = explainContext(request ?? outer);
  throw new Failure(
    `none of ${contexts.length} contexts opens it: ${reasonInWords(refusal)}`,
    kid ? [kid] : [],
  );
}

function fromFile(path: string): NamedContext[] {
  try {
    return readContexts(path);
  } catch (error) {
    if (error instanceof ContextsFileError) throw new UsageError(error.message);
    throw error;
  }
}

interface Opened {
  readonly message: CoapMessage;
  readonly algorithm: string;
  readonly swapped: boolean;
}

/** Opens a captured message. Its direction is not known, so a context's IDs fit from either end. */
function open(
  parameters: ContextParameters,
  outer: CoapMessage,
  request: CoapMessage | undefined,
): Opened | OscoreRefusal {
  const { senderId, recipientId } = parameters;
  let first: OscoreRefusal | undefined;
  for (const swapped of [false, true]) {
    const context = deriveContext(
      hostCrypto,
      swapped ? { ...parameters, senderId: recipientId, recipientId: senderId } : parameters,
    );
    const result =
      request === undefined ? unprotectRequest(context, outer) : openResponse(context, outer, request);
    if (!(result instanceof Refusal))
      return { message: result.message, algorithm: context.algorithm.name, swapped };
    if (first === undefined || first.reason === "oscore-context") first = result;
  }
  return first!;
}

function inspect(message: CoapMessage, io: Io): void {
  const option = oscoreOptionOf(message);
  const kind =
    option === undefined
      ? "A plain CoAP message, not protected by OSCORE"
      : isRequest(message.code)
        ? "An OSCORE request"
        : "An OSCORE response";
  report(kind, message, io);
  const context = explainContext(message);
  if (context !== undefined) io.out(context);
}

function report(title: string, message: CoapMessage, io: Io): void {
  io.out(`${title}:`);
  for (const line of explainMessage(message)) io.out(`  ${line}`);
}

const REASONS: Record<string, string> = {
  "oscore-option": "its OSCORE option cannot be decoded",
  "oscore-no-payload": "it has an OSCORE option but no payload",
  "oscore-context": "it belongs to another context",
  "oscore-decrypt": "decryption failed",
  "oscore-response": "it is no response to that request",
  "oscore-unprotected": "it is not protected by OSCORE",
};

function reasonInWords(refusal: Refusal): string {
  const words = REASONS[refusal.reason] ?? refusal.reason;
  return refusal.detail === undefined ? words : `${words} (${refusal.detail})`;
}

/** The request that a response answers; `undefined` when the message is a request itself. */
function requestOf(options: ContextOptions, message: CoapMessage): CoapMessage | undefined {
  const response = options.response ?? (options.request === true ? false : !isRequest(message.code));
  if (!response) {
    if (options.for !== undefined) throw new UsageError("--for goes with --response");
    return undefined;
  }
  if (options.for === undefined)
    throw new UsageError("a response needs --for, the protected request that it answers");
  return decode(options.for, "the request of --for");
}

function parametersOf(options: ContextOptions): ContextParameters {
  const { secret, senderId, recipientId } = options;
  if (secret === undefined) throw new UsageError("--secret is needed");
  if (senderId === undefined) throw new UsageError("--sender-id is needed; it may be empty");
  if (recipientId === undefined) throw new UsageError("--recipient-id is needed; it may be empty");
  const parameters: ContextParameters = {
    masterSecret: secret,
    masterSalt: options.salt,
    senderId,
    recipientId,
    idContext: options.idContext?.length === 0 ? undefined : options.idContext,
    algorithm: options.alg,
    hkdf: options.hkdf,
  };
  const error = checkParameters(parameters);
  if (error !== undefined) throw new UsageError(error.message);
  return parameters;
}

function parseMessage(hex: readonly string[], io: Io): CoapMessage {
  const text = hex.length === 1 && hex[0] === "-" ? io.input() : hex.join(" ");
  const bytes = parseHexDump(text);
  if (bytes instanceof Refusal) throw new UsageError(`the message is not hex: ${bytes}`);
  return decode(bytes, "the message");
}

function decode(bytes: Uint8Array, what: string): CoapMessage {
  const message = decodeMessage(bytes);
  if (message instanceof Refusal) throw new Failure(`${what} is not CoAP: ${message}`);
  return message;
}

function parseHexOption(flags: string): (value: string) => Uint8Array {
  return (value) => {
    const bytes = value.trim() === "" ? new Uint8Array(0) : parseHexDump(value);
    // Not commander's own error, which repeats the value: it may be a key.
    if (bytes instanceof Refusal) throw new UsageError(`option ${flags}: not hex, ${bytes}`);
    return bytes;
  };
}

function parseSequenceNumber(value: string): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number <= MAX_SEQUENCE_NUMBER)) throw new InvalidArgumentError(`0 to ${MAX_SEQUENCE_NUMBER}.`);
  return number;
}

function parseAlgorithm(value: string): number {
  for (const { number, name } of AEAD_ALGORITHMS.values()) {
    if (value === String(number) || value.toLowerCase() === name.toLowerCase()) return number;
  }
  throw new InvalidArgumentError(`One of ${algorithmList()}.`);
}

function parseHkdf(value: string): Hkdf {
  switch (value.toLowerCase().replace("-", "")) {
    case "sha256":
    case String(Hkdf.SHA_256):
    case "10":
      return Hkdf.SHA_256;
    case "sha512":
    case "11":
      return Hkdf.SHA_512;
    default:
      throw new InvalidArgumentError("sha-256 or sha-512.");
  }
}

/** The process's own streams. */
export const processIo: Io = {
  out: (line) => console.log(line),
  error: (line) => console.error(line),
  input: () => readFileSync(0, "utf8"),
};

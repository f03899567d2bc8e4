/** `npm run oscore-http`: asks a node end to end, through an HTTP proxy and a gateway that cannot read what is said. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { contentFormatOf } from "../cloud/http/coap-mapping.js";
import { type CborValue, decodeCbor, encodeCbor } from "../firmware/bytes/cbor.js";
import { toHex } from "../firmware/bytes/hex.js";
import { Refusal } from "../firmware/bytes/refusal.js";
import type { CoapMessage, CoapOption } from "../firmware/coap/message.js";
import {
  Code,
  ContentFormat,
  codeClass,
  codeName,
  formatCode,
  OptionNumber,
} from "../firmware/coap/numbers.js";
import { getUint, pathOptions, queryOptions, uintOption } from "../firmware/coap/options.js";
import { EXIT_USAGE, fail, newCommand, wholeNumber } from "./cli.js";
import { ContextsFileError } from "./oscore/contexts.js";
import { ClientFile } from "./oscore-http/client-file.js";
import { exchangeOverHttp, NoAnswer } from "./oscore-http/exchange.js";

const METHODS = { GET: Code.GET, POST: Code.POST, PUT: Code.PUT, DELETE: Code.DELETE } as const;

const command = newCommand(
  "oscore-http",
  "Asks a node in OSCORE inside HTTP (RFC 8613 §11): the server and the gateway pass on what they cannot read. The context is this client's own with the node; `npm start` gives one for each simulated node.",
)
  .argument("<method>", "GET, PUT, POST or DELETE")
  .argument("<uri>", "coap://NODE/path, for example coap://node-1/settings")
  .option("--server <url>", "the HTTP side of the server", "http://127.0.0.1:8080")
  .option(
    "--contexts <file>",
    "the client's contexts and their sequence numbers",
    join(dataDir(), "client.json"),
  )
  .option("--context <name>", "which of them (default: the node's name)")
  .option(
    "--token <file>",
    "file of the server's token (or the environment's API_TOKEN)",
    join(dataDir(), "api-token"),
  )
  .option("--cbor <json>", "payload: this JSON as CBOR, keys that are whole numbers as such")
  .option("--text <text>", "payload: this text")
  .option("--accept <type>", "the media type wanted, for example application/cbor")
  .option("--wait <s>", "seconds to wait for the node", wholeNumber(1, 86_400), 120)
  .addHelpText("after", "\nExample: npm run oscore-http -- PUT coap://node-1/settings --cbor '{\"0\": 30}'")
  .allowExcessArguments(false)
  .parse();

function dataDir(): string {
  return process.env.DATA_DIR || "data";
}

function wrongUsage(sentence: string): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(EXIT_USAGE);
}

const [method, uri] = command.args;
const options = command.opts<{
  server: string;
  contexts: string;
  context?: string;
  token: string;
  cbor?: string;
  text?: string;
  accept?: string;
  wait: number;
}>();

function requestOf(): { node: string; request: Pick<CoapMessage, "code" | "options" | "payload"> } {
  const code = METHODS[method!.toUpperCase() as keyof typeof METHODS];
  if (code === undefined)
    wrongUsage(`There is no method ${method}; there are ${Object.keys(METHODS).join(", ")}.`);
  const parts = /^coap:\/\/([^/?]+)([^?]*)(?:\?(.*))?$/.exec(uri!);
  if (parts === null) wrongUsage(`${uri} is no coap://NODE/path.`);
  const [, host, path, query] = parts;
  const all: CoapOption[] = pathOptions(path!).concat(
    query === undefined ? [] : queryOptions(query.split("&")),
  );
  let payload: Uint8Array = new Uint8Array(0);
  if (options.cbor !== undefined || options.text !== undefined) {
    if (options.cbor !== undefined && options.text !== undefined)
      wrongUsage("One of --cbor and --text, not both.");
    payload = options.cbor === undefined ? Buffer.from(options.text!) : encodeCbor(cborOf(options.cbor));
    const format = options.cbor === undefined ? ContentFormat.TEXT : ContentFormat.CBOR;
    all.push(uintOption(OptionNumber.CONTENT_FORMAT, format));
  }
  if (options.accept !== undefined) {
    const format = contentFormatOf(options.accept);
    if (format === undefined) wrongUsage(`CoAP has no content format for ${options.accept}.`);
    all.push(uintOption(OptionNumber.ACCEPT, format));
  }
  all.sort((a, b) => a.number - b.number);
  return { node: decodeURIComponent(host!), request: { code, options: all, payload } };
}

function cborOf(json: string): CborValue {
  const convert = (value: unknown): CborValue => {
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value !== "object" || value === null) return value as CborValue;
    return new Map(
      Object.entries(value).map(([key, item]) => [
        /^(0|-?[1-9]\d*)$/.test(key) ? Number(key) : key,
        convert(item),
      ]),
    );
  };
  try {
    return convert(JSON.parse(json));
  } catch {
    return wrongUsage("--cbor is no JSON.");
  }
}

/** A payload for people. */
function textOf(answer: CoapMessage): string {
  const { payload } = answer;
  const format = getUint(answer, OptionNumber.CONTENT_FORMAT) ?? ContentFormat.TEXT;
  if (format === ContentFormat.TEXT || format === ContentFormat.LINK_FORMAT)
    return Buffer.from(payload).toString();
  const value = format === ContentFormat.CBOR ? decodeCbor(payload) : new Refusal("other");
  return value instanceof Refusal ? toHex(payload) : JSON.stringify(jsonOf(value));
}

function jsonOf(value: CborValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, jsonOf(item)]));
  if (value instanceof Uint8Array) return toHex(value);
  return Array.isArray(value) ? value.map(jsonOf) : value;
}

function readToken(): string {
  if (process.env.API_TOKEN) return process.env.API_TOKEN;
  try {
    return readFileSync(options.token, "utf8").trim();
  } catch (error) {
    return fail(
      `${options.token}: ${(error as NodeJS.ErrnoException).code}; --token names the server's token file.`,
    );
  }
}

const { node, request } = requestOf();
try {
  const file = new ClientFile(options.contexts);
  const name = options.context ?? node;
  const context = file.contexts().find((one) => one.name === name);
  if (context === undefined) fail(`${options.contexts} has no context "${name}".`);
  const answer = await exchangeOverHttp(request, {
    parameters: context.parameters,
    numbers: file.reserve(name),
    fetch,
    server: options.server.replace(/\/$/, ""),
    node,
    token: readToken(),
    wait: options.wait,
    onProgress: (sentence) => process.stderr.write(`${sentence}\n`),
  });
  process.stderr.write(`${formatCode(answer.code)} ${codeName(answer.code)}\n`);
  if (answer.payload.length > 0) process.stdout.write(`${textOf(answer)}\n`);
  if (codeClass(answer.code) !== 2) process.exitCode = 1;
} catch (error) {
  if (error instanceof ContextsFileError || error instanceof NoAnswer) fail(error.message);
  if (error instanceof TypeError && error.cause !== undefined)
    fail(`${options.server} is not reached: ${error.cause}`);
  throw error;
}

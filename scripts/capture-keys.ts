/** `npm run capture-keys`: the keys of a network of `npm start`, as a configuration directory for Wireshark. */

import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Refusal } from "../firmware/bytes/refusal.js";
import type { KeyValueStore } from "../hal/hal.js";
import { LogStore, StoreError } from "../hal/host/storage.js";
import { networkKeys } from "../sim/capture/network-keys.js";
import { decodeAs, KEY_FILE_MARK, keyFiles, PREFERENCES } from "../sim/capture/wireshark-profile.js";
import { loadKeyRing } from "../sim/network.js";
import { fail, newCommand, wholeNumber } from "./cli.js";

const command = newCommand(
  "capture-keys",
  "Writes the keys of the network that `npm start` runs as a configuration directory for Wireshark and tshark: with it they decrypt what `npm start -- --capture` wrote.",
)
  .option(
    "--data <directory>",
    "the data directory of npm start (default: DATA_DIR, or ./data)",
    process.env.DATA_DIR || "data",
  )
  .option("--out <directory>", "where to put it (default: wireshark/ in the data directory)")
  .option("--coap-port <n>", "the server's port, where it is not 5683", wholeNumber(1, 65_535), 5683)
  .allowExcessArguments(false)
  .parse();

const {
  data,
  out = join(data, "wireshark"),
  coapPort,
} = command.opts<{ data: string; out?: string; coapPort: number }>();

const ring = loadKeyRing(join(data, "network.json"));
if (ring === undefined) fail(`There is no network in ${data}: npm start makes one.`);
if (ring instanceof Refusal) fail(`The network's key file cannot be used: ${ring.detail}`);

const keys = networkKeys(ring, storedBy);
try {
  mkdirSync(out, { recursive: true, mode: 0o700 });
  const files = keyFiles(keys);
  for (const name of files.keys()) {
    if (!isOurs(join(out, name))) {
      fail(`${join(out, name)} holds keys of something else; choose another directory with --out.`);
    }
  }
  for (const [name, text] of files) writeSecret(join(out, name), text);
  writeSecret(join(out, "decode_as_entries"), decodeAs(coapPort));
  writeSecret(
    join(out, "init.lua"),
    readFileSync(new URL("../sim/capture/wireshark.lua", import.meta.url), "utf8"),
  );
  // Columns are the reader's to change: only a new directory gets ours.
  const preferences = join(out, "preferences");
  if (!existsSync(preferences)) writeSecret(preferences, PREFERENCES);
} catch (error) {
  fail(`${out} cannot be written: ${(error as NodeJS.ErrnoException).code ?? error}`);
}

const { networks, devices, contexts } = keys;
process.stdout.write(
  `${out}: network keys: ${networks.length}, device keys: ${devices.length}, OSCORE contexts: ${contexts.length}.\n` +
    "These ARE the keys: who has this directory reads and forges everything in the network. Do not pass it on with a capture.\n\n" +
    `  WIRESHARK_CONFIG_DIR=${quoted(out)} tshark -2 -r FILE.pcapng\n` +
    `  WIRESHARK_CONFIG_DIR=${quoted(out)} wireshark FILE.pcapng\n`,
);

/** What a device has stored, as it is now: the running network keeps its file, so this never writes. */
function storedBy(name: string): KeyValueStore | undefined {
  const file = join(data, "devices", `${name}.store`);
  if (!existsSync(file)) return undefined;
  const readOnly = () => {
    throw new Error(`${file} is only read`);
  };
  try {
    return new LogStore(
      {
        load: () => new Uint8Array(readFileSync(file)),
        // A record that is being written at this moment looks torn, and stays as it is.
        truncate: () => {},
        append: readOnly,
        replace: readOnly,
        close: () => {},
      },
      file,
    );
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    process.stderr.write(`${error.message}. Its keys are taken as they were provisioned.\n`);
    return undefined;
  }
}

function isOurs(file: string): boolean {
  return !existsSync(file) || readFileSync(file, "utf8").startsWith(KEY_FILE_MARK);
}

/** Beside and renamed: never half a table, never readable for others. */
function writeSecret(file: string, text: string): void {
  const beside = `${file}.new`;
  writeFileSync(beside, text, { mode: 0o600 });
  chmodSync(beside, 0o600);
  renameSync(beside, file);
}

function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

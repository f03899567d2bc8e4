/** `export` and `import`: between office and field, and to a server that is reached by file only. */

import { existsSync } from "node:fs";
import { grant, holderOf } from "../allocation.js";
import { ProvisionError, UsageError } from "../errors.js";
import { identityOf } from "../identities.js";
import { mergeNetworks } from "../merge.js";
import {
  type Credentials,
  decodeNetwork,
  encodeNetwork,
  hex4,
  members,
  type Network,
  note,
  OFFICE,
  stateOf,
} from "../network.js";
import { openSealed, readBytes, writeNew } from "../network-file.js";
import { newScrypt, PassphraseKey, readHeader, type SealedKind } from "../sealed.js";
import { type Registration, registrationOf, ServerClient } from "../server-client.js";
import type { Session } from "../session.js";
import { exportClient } from "./client.js";
import { readToken } from "./init.js";

export interface ExportOptions {
  /** Whose copy it is. */
  readonly for?: string;
  /** How many devices of each kind it can add. */
  readonly room: number;
  /** With the keys of the devices that are there already. */
  readonly withKeys?: boolean;
  readonly withoutToken?: boolean;
  /** The devices that the server does not know yet, for `import` there. */
  readonly registrations?: boolean;
  /** All of them. */
  readonly all?: boolean;
  /** The contexts of a client that asks nodes end to end. */
  readonly client?: boolean;
}

const COPY_PASSPHRASE = "OSCORE_MESH_COPY_PASSPHRASE";

export async function exportFile(session: Session, out: string, options: ExportOptions): Promise<void> {
  const asked = [options.for !== undefined, options.registrations === true, options.client === true];
  if (asked.filter((one) => one).length !== 1) {
    throw new UsageError(
      "export makes a copy for somebody (--for NAME), registrations for the server (--registrations), or a client's contexts (--client).",
    );
  }
  if (options.client === true) return exportClient(session, out);
  if (existsSync(out))
    throw new ProvisionError("file-exists", `${out} is there already; nothing was written.`);
  if (options.registrations === true) return exportRegistrations(session, out, options);
  const { ui } = session;
  const name = options.for!;
  ui.title(`A copy for ${name}`);
  const file = await session.write();
  const { network } = file;
  const holder = grant(network, name, options.room);
  note(network, `copy exported for ${name}`);
  const copy = copyFor(network, holder.id, options);
  const numbers = holder.ranges!.node.map(([first, last]) => `${hex4(first)}-${hex4(last)}`).join(", ");
  if (session.dry) {
    ui.done(
      { dryRun: true, for: name, nodes: numbers },
      `Would grant ${name} the node addresses ${numbers}. Nothing was changed.`,
    );
    return;
  }
  const passphrase = await session.newPassphrase(`Passphrase of the copy for ${name}`, COPY_PASSPHRASE);
  // Granted before it is given away: a copy that got lost on the way costs numbers, and never gives out ours.
  file.save();
  seal(out, "network", copy, passphrase);
  const { backup } = await session.afterwards(file);
  ui.done(
    { file: out, for: name, ranges: holder.ranges, backup },
    `${out} is the copy for ${name}, with node addresses ${numbers}` +
      `${options.withKeys === true ? "" : " and without the keys of other devices"}. \`import\` brings its work back.`,
  );
}

function copyFor(network: Network, holder: string, { withKeys, withoutToken }: ExportOptions): Network {
  const copy = structuredClone(network);
  copy.holder = holder;
  delete copy.provisioner;
  const { server } = copy.config;
  if (withoutToken === true && server !== undefined) copy.config.server = { url: server.url };
  if (withKeys === true) return copy;
  const bare = ({ secrets: _, ...rest }: Credentials): Credentials => rest;
  for (const device of copy.devices) {
    // What is not on its board yet is somebody's work in the field.
    if (stateOf(device) === "planned" && device.current === undefined) continue;
    if (device.current !== undefined) device.current = bare(device.current);
    if (device.next !== undefined) device.next = bare(device.next);
    delete device.oob;
  }
  // Old keys of the mesh are good for nothing in the field.
  copy.keys = copy.keys.slice(-1);
  return copy;
}

interface Registrations {
  readonly network: string;
  readonly name: string;
  readonly devices: readonly { readonly registration: Registration; readonly mine: readonly number[] }[];
}

async function exportRegistrations(session: Session, out: string, options: ExportOptions): Promise<void> {
  const { ui } = session;
  ui.title("Registrations for the server");
  const file = await session.read();
  const { network } = file;
  const devices = members(network).flatMap((device) => {
    const credentials = device.next ?? device.current;
    if (credentials?.secrets === undefined) return [];
    if (options.all !== true && device.registered?.life === credentials.life) return [];
    const registration = registrationOf(device, identityOf(network, device, credentials));
    const mine = [credentials.address, device.current?.address, device.registered?.address];
    return [{ registration, mine: mine.filter((address) => address !== undefined) }];
  });
  if (devices.length === 0)
    throw new ProvisionError(
      "not-found",
      "The server knows all devices already; --all exports them all the same.",
    );
  const names = devices.map(({ registration }) => registration.name);
  if (session.dry) {
    ui.done(
      { dryRun: true, devices: names },
      `Would write ${devices.length} registrations. Nothing was changed.`,
    );
    return;
  }
  const passphrase = await session.newPassphrase("Passphrase of the registrations", COPY_PASSPHRASE);
  const value: Registrations = { network: network.id, name: network.name, devices };
  seal(out, "registrations", value, passphrase, network);
  ui.done(
    { file: out, devices: names },
    `${out} has ${devices.length} registrations. At the server: \`npm run provision -- import ${out} --server URL --token-file FILE\`.`,
  );
}

function seal(
  out: string,
  kind: SealedKind,
  value: Network | Registrations,
  passphrase: string,
  of = value as Network,
): void {
  const key = new PassphraseKey(passphrase, newScrypt());
  writeNew(out, key.seal({ kind, network: of.id, holder: of.holder }, encodeNetwork(value)));
  key.wipe();
}

export interface ImportOptions {
  readonly server?: string;
  readonly tokenFile?: string;
}

export async function importFile(session: Session, from: string, options: ImportOptions): Promise<void> {
  const bytes = readBytes(from);
  const header = readHeader(bytes);
  if ("kind" in header && header.kind === "registrations")
    return importRegistrations(session, from, bytes, options);
  const { ui } = session;
  ui.title("Put two copies together");
  const file = await session.write();
  const { network } = file;
  const theirs = decodeNetwork(await openCopy(session, from, bytes));
  const before = structuredClone(network);
  const report = mergeNetworks(network, theirs);
  const whose = theirs.holder === OFFICE ? "the office" : holderOf(theirs).name;
  note(network, `copy of ${whose} imported: ${report.added.length} new, ${report.updated.length} changed`);
  if (session.dry) {
    file.network = before;
    ui.done(
      { dryRun: true, ...report },
      `${sentenceOf(report, whose)} would be taken over. Nothing was changed.`,
    );
    return;
  }
  file.save();
  for (const { name, what } of report.resolved) ui.warn(`${name} ${what}.`);
  const { registered, backup } = await session.afterwards(file);
  ui.done(
    { ...report, registered, backup },
    `${sentenceOf(report, whose)} taken over. ${registered.length} told to the server.`,
  );
}

function sentenceOf({ added, updated }: { added: string[]; updated: string[] }, whose: string): string {
  return `From ${whose}: ${added.length} new and ${updated.length} changed devices`;
}

/** Often a copy has the passphrase of the file: that is tried before anybody is asked. */
async function openCopy(session: Session, from: string, bytes: Uint8Array): Promise<Uint8Array> {
  const given = process.env[COPY_PASSPHRASE] || (await session.passphrase());
  const open = (passphrase: string) => {
    const { key, plain } = openSealed(bytes, from, "network", passphrase);
    key.wipe();
    return plain;
  };
  try {
    return open(given);
  } catch (error) {
    if (!(error instanceof ProvisionError) || error.reason !== "wrong-passphrase" || !session.ui.asks)
      throw error;
    return open(await session.ui.secret(`Passphrase of ${from}`));
  }
}

async function importRegistrations(
  session: Session,
  from: string,
  bytes: Uint8Array,
  { server: url, tokenFile }: ImportOptions,
): Promise<void> {
  const { ui } = session;
  ui.title("Register devices at the server");
  const passphrase =
    process.env[COPY_PASSPHRASE] || (await session.passphrase("Passphrase of the registrations"));
  const { key, plain } = openSealed(bytes, from, "registrations", passphrase);
  key.wipe();
  const { devices, name } = decodeNetwork<Registrations>(plain);
  if (url === undefined)
    throw new UsageError("Registrations go to a server: --server URL, and its token by --token-file.");
  const names = devices.map(({ registration }) => registration.name);
  if (session.dry) {
    ui.done(
      { dryRun: true, devices: names },
      `Would register ${names.length} devices of "${name}" at ${url}.`,
    );
    return;
  }
  const token = tokenFile === undefined ? process.env.OSCORE_MESH_TOKEN : readToken(tokenFile);
  const server = new ServerClient(url, token);
  await ui.during("Registering", async (meter) => {
    for (const [i, { registration, mine }] of devices.entries()) {
      meter.update(registration.name, i / devices.length);
      await server.register(registration, mine);
    }
  });
  ui.done({ devices: names }, `${names.length} devices of "${name}" are known at ${url}.`);
}

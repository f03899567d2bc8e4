/** `init`: a new network file, or a lost one brought back from the server. */

import { existsSync, readFileSync } from "node:fs";
import { Refusal } from "../../../firmware/bytes/refusal.js";
import type { UplinkIdentity } from "../../../firmware/roles/identity.js";
import { nextFree, retire, SPACE } from "../allocation.js";
import { ProvisionError, UsageError } from "../errors.js";
import { decodeNetwork, hex4, newNetwork, note } from "../network.js";
import { NetworkFile, writeNew } from "../network-file.js";
import { PassphraseKey, readHeader } from "../sealed.js";
import { isExposed, ServerClient } from "../server-client.js";
import type { Session } from "../session.js";

export interface InitOptions {
  readonly name?: string;
  readonly gateways: "one" | "several";
  readonly ttl: number;
  readonly interval: number;
  readonly confirmable: boolean;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly uplink?: string;
  readonly apn?: string;
  readonly client?: boolean;
  readonly recover?: boolean;
}

export async function init(session: Session, options: InitOptions): Promise<void> {
  if (options.recover === true) return recover(session, options);
  const { ui, path } = session;
  ui.title("A new network");
  if (existsSync(path))
    throw new ProvisionError("file-exists", `${path} is there already; nothing was changed.`);
  const name =
    options.name ??
    (await ui.text({
      message: "What is the network called?",
      initial: "office",
      option: "--name",
      check: (text) => (text.trim() === "" ? "It needs a name." : undefined),
    }));
  const url =
    options.server ??
    (ui.asks
      ? await ui.text({
          message: "Address of the server's page (empty: none yet)",
          initial: "",
          option: "--server",
        })
      : "");
  const server = url === "" ? undefined : await serverSettings(session, url, options);
  const uplink = uplinkOf(options);
  const network = newNetwork({
    name,
    gateways: options.gateways,
    ttl: options.ttl,
    interval: options.interval,
    confirmable: options.confirmable,
    ...(options.client === true && { client: true }),
    ...(server !== undefined && { server }),
    ...(uplink !== undefined && { uplink }),
  });
  const passphrase = await session.newPassphrase("Passphrase of the new network file");
  if (session.dry) {
    ui.done(
      { dryRun: true, file: path },
      `Would make the network "${name}" in ${path}. Nothing was changed.`,
    );
    return;
  }
  const file = NetworkFile.create(path, passphrase, network);
  session.adopt(file);
  const { backup } = await session.afterwards(file);
  ui.done(
    { file: path, network: network.id, name, backup },
    `${path} holds the keys of "${name}" now. ` +
      (backup
        ? `The server keeps a backup: with the passphrase alone, \`init --recover --server ${url}\` brings it back.`
        : "Without it, or without its passphrase, nobody can extend the network: keep a copy."),
  );
}

/** Where the API is, with its token when there is one, seen to work unless nobody is to be asked. */
async function serverSettings(
  session: Session,
  url: string,
  { tokenFile }: InitOptions,
): Promise<{ url: string; token?: string }> {
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new UsageError(`--server ${url}: the address of the server's page, like https://mesh.example`);
  }
  if (isExposed(url)) {
    session.ui.warn(
      `${url} is not encrypted: keys and token are open to all on the way. Use https, or a tunnel.`,
    );
  }
  let token: string | undefined;
  if (tokenFile !== undefined) token = readToken(tokenFile);
  else if (session.ui.asks && !process.env.OSCORE_MESH_TOKEN) {
    token = (await session.ui.secret("Token of the server's API (api-token in its data directory)")).trim();
  }
  if (!session.globals.offline) await new ServerClient(url, token).healthy();
  return { url, ...(token !== undefined && token !== "" && { token }) };
}

export function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new UsageError(`--token-file ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

function uplinkOf({ uplink, apn }: InitOptions): UplinkIdentity | undefined {
  if (uplink === undefined) return undefined;
  const parts = /^([^\s:]+)(?::(\d{1,5}))?$/.exec(uplink);
  const port = Number(parts?.[2] ?? 5683);
  if (parts === null || port < 1 || port > 65_535) {
    throw new UsageError(`--uplink ${uplink}: HOST:PORT of the server's CoAP, as the gateways reach it`);
  }
  if (apn === undefined)
    throw new UsageError("--uplink needs --apn, the access point of the gateways' SIM cards.");
  return { host: parts[1], port, apn };
}

/** The newest backup that opens, with the passphrase and nothing else. */
async function recover(session: Session, { server: url, name }: InitOptions): Promise<void> {
  const { ui, path } = session;
  ui.title("Bring a lost network file back");
  if (url === undefined) throw new UsageError("--recover needs --server, the address of the server's page.");
  if (existsSync(path))
    throw new ProvisionError("file-exists", `${path} is there already; nothing was changed.`);
  const server = new ServerClient(url);
  const backups = await server.backups();
  if (backups.length === 0) throw new ProvisionError("not-found", `${url} has no backup of a network file.`);
  const passphrase = await session.passphrase("Passphrase of the lost network file");
  for (const { network, holder, header, saved } of backups.sort((a, b) => (a.saved < b.saved ? 1 : -1))) {
    const read = readHeader(new TextEncoder().encode(`${header}\n`));
    if (read instanceof Refusal) continue;
    const key = await ui.during(
      "Trying the passphrase",
      async () => new PassphraseKey(passphrase, read.scrypt),
    );
    const bytes = await backupOf(server, { network, holder }, key.proof);
    const plain = bytes && key.open(bytes);
    if (bytes === undefined || plain === undefined) continue;
    const found = decodeNetwork(plain);
    if (name !== undefined && name !== found.name) continue;
    if (session.dry) {
      ui.done(
        { dryRun: true, file: path },
        `Would bring "${found.name}" of ${saved} back. Nothing was changed.`,
      );
      return;
    }
    writeNew(path, bytes);
    const file = NetworkFile.open(path, passphrase, { write: true });
    session.adopt(file);
    const reserved = await reserveKnown(session, file);
    ui.done(
      { file: path, network: found.id, name: found.name, saved, devices: found.devices.length, reserved },
      `"${found.name}" is back in ${path}, with ${found.devices.length} devices, as it was on ${saved.slice(0, 16).replace("T", " ")} UTC.`,
    );
    return;
  }
  throw new ProvisionError("wrong-passphrase", `No backup at ${url} opens with this passphrase.`);
}

async function backupOf(
  server: ServerClient,
  which: { network: string; holder: string },
  proof: string,
): Promise<Uint8Array | undefined> {
  try {
    return await server.backup(which, proof);
  } catch (error) {
    if (error instanceof ProvisionError && error.reason === "unauthorized") return undefined;
    throw error;
  }
}

/** A backup may be older than the network: what the server knows and the file does not stays taken, until it is added. */
async function reserveKnown(session: Session, file: NetworkFile): Promise<string[]> {
  const { network } = file;
  const server = session.server(network);
  const reserved: string[] = [];
  note(network, "brought back from the server's backup");
  for (const device of network.devices) {
    // They may have been given out since: twice they must not be.
    if (device.current?.secrets?.client !== undefined) device.client = device.current.life;
  }
  file.save();
  if (server === undefined) return reserved;
  const known = new Set(
    network.devices
      .flatMap(({ current, next }) => [current?.address, next?.address])
      .filter((one) => one !== undefined),
  );
  for (const { name, kind, meshAddress } of await server.nodes()) {
    const address = meshAddress === undefined ? Number.NaN : Number.parseInt(meshAddress, 16);
    const ours = Object.values(SPACE).some(([first, last]) => address >= first && address <= last);
    if (!ours || known.has(address)) continue;
    retire(network, { address });
    // Its Sender ID is not told, but they are given out in order.
    if (kind !== "relay") retire(network, { sender: nextFree(network, "sender") });
    network.strays = { ...network.strays, [name]: address };
    reserved.push(name);
    session.ui.warn(
      `The server knows "${name}" (${hex4(address)}), which this backup does not: add it anew.`,
    );
  }
  if (reserved.length > 0) file.save();
  return reserved;
}

/** What one run of a command works with: the options of all commands, the person, the file, the server, the boards. */

import { resolve } from "node:path";
import { progressOf } from "./commission.js";
import { ProvisionError, UsageError } from "./errors.js";
import { identityOf } from "./identities.js";
import { type Device, hex4, members, type Network, setRegistered, stateOf, target } from "./network.js";
import { NetworkFile } from "./network-file.js";
import { registrationOf, ServerClient } from "./server-client.js";
import { type Meter, Ui } from "./ui.js";
import type { Progress, Ways } from "./way.js";

export interface Globals {
  readonly network: string;
  readonly yes: boolean;
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly stealLock: boolean;
  readonly offline: boolean;
  /** Seconds that a pulled cable, or a board over the air, is waited for. */
  readonly patience: number;
}

/** Short passphrases are guessed, whatever a guess costs. */
const SHORTEST_PASSPHRASE = 8;

export class Session {
  readonly globals: Globals;
  readonly ui: Ui;
  readonly ways: Ways;
  readonly path: string;
  /** What is being brought onto its board: to tell of it when somebody interrupts. */
  current: Device | undefined;
  /** Where the way to the board shows how far it is. */
  meter: Meter | undefined;
  /** Somebody has pressed Ctrl-C: what is under way is ended, nothing new is begun. */
  interrupted = false;
  /** What a command that fails has done all the same. */
  result: object = {};
  #file: NetworkFile | undefined;
  #passphrase: string | undefined;

  constructor(globals: Globals, ways: Ways) {
    this.globals = globals;
    this.ui = new Ui(globals);
    this.ways = ways;
    this.path = resolve(globals.network);
  }

  readonly onProgress = (progress: Progress): void => {
    const { message, done } = progressOf(progress);
    this.meter?.update(message, done);
  };

  /** What a way to a board is opened with. */
  get wayOptions(): { readonly onProgress: (progress: Progress) => void; readonly patience: number } {
    return { onProgress: this.onProgress, patience: this.globals.patience * 1000 };
  }

  get dry(): boolean {
    return this.globals.dryRun;
  }

  /** @param env another variable than OSCORE_MESH_PASSPHRASE, for a second one */
  async passphrase(
    message = "Passphrase of the network file",
    env = "OSCORE_MESH_PASSPHRASE",
  ): Promise<string> {
    const given = process.env[env] || this.#passphrase;
    if (given !== undefined && given !== "") return given;
    if (!this.ui.asks) throw new UsageError(`The passphrase is asked for where a person sits, or in ${env}.`);
    this.#passphrase = await this.ui.secret(message);
    return this.#passphrase;
  }

  /** One that is made up now: asked for twice. */
  async newPassphrase(message: string, env = "OSCORE_MESH_PASSPHRASE"): Promise<string> {
    const check = (text: string) =>
      [...text].length < SHORTEST_PASSPHRASE
        ? `At least ${SHORTEST_PASSPHRASE} characters; four random words are good ones.`
        : undefined;
    const given = process.env[env];
    if (given !== undefined && given !== "") {
      const wrong = check(given);
      if (wrong !== undefined) throw new UsageError(`${env}: ${wrong}`);
      return given;
    }
    if (!this.ui.asks) throw new UsageError(`The passphrase is asked for where a person sits, or in ${env}.`);
    const first = await this.ui.secret(message, check);
    await this.ui.secret("Once more", (text) => (text === first ? undefined : "It is another one."));
    return first;
  }

  /** The network file, to read it; in a dry run changes stay in memory. */
  async read(): Promise<NetworkFile> {
    return this.#open(false);
  }

  /** The network file, to change it. */
  async write(): Promise<NetworkFile> {
    const file = await this.#open(!this.dry);
    for (const line of unfinished(file.network)) this.ui.warn(line);
    return file;
  }

  async #open(write: boolean): Promise<NetworkFile> {
    const passphrase = await this.passphrase();
    const file = NetworkFile.open(this.path, passphrase, {
      write,
      stealLock: this.globals.stealLock,
      dry: this.dry,
    });
    this.adopt(file);
    return file;
  }

  /** Closed, whatever happens, when the command ends. */
  adopt(file: NetworkFile): void {
    this.#file = file;
    if (file.weak) {
      this.ui.warn(
        `${file.path} is protected by a weak key derivation, made for tests; \`rotate --passphrase\` mends it.`,
      );
    }
  }

  get network(): Network | undefined {
    return this.#file?.network;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** The server of the network, `undefined` when it has none or is not to be asked. */
  server(network: Network): ServerClient | undefined {
    const { server } = network.config;
    if (server === undefined || this.globals.offline) return undefined;
    return new ServerClient(server.url, process.env.OSCORE_MESH_TOKEN || server.token);
  }

  /**
   * What every change ends with: devices that the server does not know yet are registered, and the file is backed up
   * there. Whether that works is not what the command was for, so it is a warning when it does not.
   */
  async afterwards(file: NetworkFile): Promise<{ registered: string[]; backup: boolean }> {
    const server = this.server(file.network);
    const outcome = { registered: [] as string[], backup: false };
    if (server === undefined || this.dry) return outcome;
    try {
      const { names, refused } = await registerAll(file, server);
      outcome.registered = names;
      for (const { message } of refused) this.ui.warn(`${message} The next command tries again.`);
      const { id: network, holder } = file.network;
      await server.backUp({ network, holder }, file.sealed(), file.proof);
      outcome.backup = true;
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error;
      this.ui.warn(`${error.message} The next command tries again.`);
    }
    return outcome;
  }
}

/**
 * Tells the server of the devices that are on their boards and not known there. One that it refuses, because another
 * one has its name or numbers there, keeps nobody else waiting.
 * @throws ProvisionError when the server cannot be asked
 */
async function registerAll(
  file: NetworkFile,
  server: ServerClient,
): Promise<{ names: string[]; refused: ProvisionError[] }> {
  const names: string[] = [];
  const refused: ProvisionError[] = [];
  for (const device of members(file.network)) {
    const credentials = device.current;
    if (stateOf(device) !== "verified" || credentials?.secrets === undefined) continue;
    const identity = identityOf(file.network, device, credentials);
    try {
      await server.register(registrationOf(device, identity), [
        credentials.address,
        ...(device.registered === undefined ? [] : [device.registered.address]),
      ]);
    } catch (error) {
      if (!(error instanceof ProvisionError) || error.reason !== "conflict") throw error;
      refused.push(error);
      continue;
    }
    setRegistered(file.network, device, credentials);
    file.save();
    names.push(device.name);
  }
  return { names, refused };
}

/** What an earlier run has left in the middle, and what ends it. */
export function unfinished(network: Network): string[] {
  const lines: string[] = [];
  for (const device of members(network)) {
    if (device.writing === undefined) continue;
    const address = hex4(target(device).address);
    const old =
      device.current === undefined ? "nothing" : `its former identity (${hex4(device.current.address)})`;
    lines.push(
      `"${device.name}" was being written at ${device.writing.slice(0, 16).replace("T", " ")} UTC and the end was not seen. ` +
        `The board has ${old} or the new one (${address}), nothing in between; the file has both; the server knows ` +
        `${device.registered === undefined ? "neither" : hex4(device.registered.address)}. \`add ${device.name}\` ends it.`,
    );
  }
  if (network.refresh !== undefined) {
    lines.push(
      `A key refresh is in phase ${network.refresh.phase}; \`rotate\` goes on with it. Until then the network works with both keys.`,
    );
  }
  return lines;
}

/**
 * Brings one device onto its board, step by step. Every step is noted in the file before and after, and every step may
 * be repeated: after a cut anywhere the same command goes on, and board, file and server each have the old state or the
 * new one.
 */

import { toHex } from "../../firmware/bytes/hex.js";
import { retire } from "./allocation.js";
import { ProvisionError } from "./errors.js";
import { identityOf } from "./identities.js";
import {
  type Device,
  hex4,
  members,
  type Network,
  note,
  now,
  setRegistered,
  target,
  touch,
} from "./network.js";
import type { NetworkFile } from "./network-file.js";
import { registrationOf, type ServerClient } from "./server-client.js";
import type { BoardInfo, Progress, Way, WayError } from "./way.js";

export interface CommissionOptions {
  readonly file: NetworkFile;
  readonly device: Device;
  readonly way: Way;
  /** `undefined`: none, or it is told later. */
  readonly server: ServerClient | undefined;
  /** Write also a board that another network has provisioned. */
  readonly force: boolean;
  readonly onStep: (message: string, done: number) => void;
}

/** Where the old state is and where the new one, for people. */
export interface Whereabouts {
  readonly board: "old" | "new" | "old or new";
  readonly file: "old" | "new" | "old and new";
  readonly server: "old" | "new" | "unknown there" | "none";
}

export interface Commissioned {
  readonly address: number;
  /** The board had it already. */
  readonly written: boolean;
  readonly info: BoardInfo;
}

/** @throws ProvisionError or WayError; {@link whereabouts} tells then what is where */
export async function commission(options: CommissionOptions): Promise<Commissioned> {
  const { file, device, way, onStep } = options;
  const { network } = file;
  onStep("asking the board who it is", 0.05);
  const info = await way.inspect();
  checkBoard(file, device, info);
  const credentials = target(device);
  const identity = identityOf(network, device, credentials);
  const mine = device.chipId !== undefined;
  if (device.chipId === undefined) {
    device.chipId = info.chipId;
    touch(device);
  }
  if (info.fingerprint === undefined && device.oob === undefined) device.oob = (await way.label()).oob;

  onStep("comparing", 0.15);
  let found = await way.verify(identity);
  const written = found !== "same";
  if (written) {
    const former = found === "other" && (mine || (await hasFormer(file, device, way)));
    if (found === "other" && !former && !options.force) throw foreign(info);
    // A board that works with its former keys goes on with them until the new ones are in it. Any other one is to be
    // known before it says its first word.
    if (!former) await register(options);
    device.writing = now();
    file.save();
    onStep("writing", 0.3);
    await way.write(identity);
    device.board = "written";
    file.save();
    onStep("reading back", 0.8);
    found = await way.verify(identity);
    if (found !== "same") {
      throw new ProvisionError(
        "board",
        "The board does not have what was written: run the same command again.",
      );
    }
  }
  settle(file, device);
  onStep("telling the server", 0.9);
  await register(options);
  return { address: credentials.address, written, info };
}

/** The board has the new identity, and has shown it: it is the current one. */
function settle(file: NetworkFile, device: Device): void {
  const { network } = file;
  const { current, next } = device;
  if (next !== undefined) {
    if (current !== undefined && current.address !== next.address)
      retire(network, { address: current.address });
    device.current = next;
    delete device.next;
  }
  delete device.writing;
  if (device.board !== "verified" || next !== undefined) {
    device.board = "verified";
    touch(device);
    note(network, `"${device.name}" is on its board, address ${hex4(target(device).address)}`, device);
  }
  file.save();
}

async function register({ file, device, server }: CommissionOptions): Promise<void> {
  const credentials = target(device);
  const { registered } = device;
  if (server === undefined || registered?.life === credentials.life) return;
  const identity = identityOf(file.network, device, credentials);
  const { strays } = file.network;
  const mine = [credentials.address, registered?.address, device.current?.address, strays?.[device.name]];
  await server.register(
    registrationOf(device, identity),
    mine.filter((address) => address !== undefined),
  );
  setRegistered(file.network, device, credentials);
  file.save();
}

/** Whether the board has what it had before, or is at least the board that we know. */
async function hasFormer({ network }: NetworkFile, device: Device, way: Way): Promise<boolean> {
  const { current, next } = device;
  if (current === undefined) return false;
  if (next === undefined) return true;
  if (current.secrets === undefined || current.life === next.life) return false;
  return (await way.verify(identityOf(network, device, current))) === "same";
}

/** @throws ProvisionError when it is not the board of this device */
function checkBoard({ network }: NetworkFile, device: Device, info: BoardInfo): void {
  const chip = toHex(info.chipId);
  const holder = members(network).find((one) => one.chipId !== undefined && toHex(one.chipId) === chip);
  if (holder !== undefined && holder !== device) {
    throw new ProvisionError(
      "wrong-board",
      `This board (chip ${chip}) is "${holder.name}" already. \`remove ${holder.name}\` takes it out of the network first.`,
    );
  }
  if (device.chipId !== undefined && toHex(device.chipId) !== chip) {
    throw new ProvisionError(
      "wrong-board",
      `"${device.name}" is the board with chip ${toHex(device.chipId)}, and this one has chip ${chip}. ` +
        `\`replace ${device.name}\` gives its name to another board.`,
    );
  }
  if (info.kind !== device.kind) {
    throw new ProvisionError(
      "wrong-board",
      `"${device.name}" is to be a ${device.kind}, and this board has the image of a ${info.kind}. ` +
        `\`npm run flash -- ${device.kind}\` puts the right one on it.`,
    );
  }
}

function foreign({ name }: BoardInfo): ProvisionError {
  const whose = name === undefined ? "" : `, as "${name}"`;
  return new ProvisionError(
    "foreign-board",
    `This board belongs to a network already${whose}; nothing was written. --force takes it over.`,
  );
}

/** What an interrupted command has left where. */
export function whereabouts({ config }: Network, device: Device): Whereabouts {
  const { life } = target(device);
  return {
    board: device.writing !== undefined ? "old or new" : device.next === undefined ? "new" : "old",
    file: device.next === undefined ? "new" : device.current === undefined ? "new" : "old and new",
    server:
      config.server === undefined
        ? "none"
        : device.registered === undefined
          ? "unknown there"
          : device.registered.life === life
            ? "new"
            : "old",
  };
}

const REASONS: Record<WayError["reason"], string> = {
  "no-port": "The port cannot be opened",
  "no-serial-library": "Serial ports need the optional package serialport",
  "cable-gone": "The cable was pulled and did not come back",
  silent: "No board of ours answers there",
  "wrong-board": "It is not the board of the label",
  refused: "The board refuses",
  "not-written": "The board has restarted without what was written",
  "not-heard": "Nothing is heard of this board",
  "provisioning-failed": "Provisioning over the air failed",
  unreachable: "The board does not answer any more",
};

/** A way's end in a sentence. */
export function explainWay({ reason, detail }: WayError): string {
  return `${REASONS[reason]}${detail === "" ? "" : ` (${detail})`}.`;
}

const STEPS: Record<Progress["step"], readonly [message: string, from: number, to: number]> = {
  connect: ["connecting", 0, 0.05],
  identify: ["asking the board who it is", 0.05, 0.15],
  provision: ["provisioning over the air", 0.2, 0.5],
  configure: ["configuring", 0.5, 0.7],
  write: ["writing", 0.3, 0.7],
  restart: ["restarting", 0.7, 0.8],
  verify: ["reading back", 0.8, 0.9],
};

/** A way's progress as a part of all that is done with a board. */
export function progressOf({ step, done, of, note: text }: Progress): { message: string; done: number } {
  const [message, from, to] = STEPS[step];
  return { message: text ?? message, done: of === 0 ? from : from + ((to - from) * done) / of };
}

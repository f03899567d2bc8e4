/** From the options of a command to a way to a board. */

import { readFileSync } from "node:fs";
import { progressOf } from "./commission.js";
import { UsageError } from "./errors.js";
import { identityOf } from "./identities.js";
import { type NamedLabel, parseLabel } from "./label.js";
import { type Device, keysOf } from "./network.js";
import type { NetworkFile } from "./network-file.js";
import type { Session } from "./session.js";
import type { Meter } from "./ui.js";
import type { AirNetwork, Progress, Way } from "./way.js";

export interface BoardOptions {
  /** Of the board itself. */
  readonly port?: string;
  /** Of a gateway that is the bridge to it. */
  readonly bridge?: string;
  /** File with the text of its label, "-" for stdin; an option must not hold a secret. */
  readonly label?: string;
}

/** The label that an option or a person gives. */
export async function labelFrom(
  session: Session,
  { label, bridge }: BoardOptions,
): Promise<NamedLabel | undefined> {
  if (label !== undefined) return parseLabel(readFileSync(label === "-" ? 0 : label, "utf8"));
  // Without a label there is no way over the air: somebody has it in his hand.
  if (bridge === undefined || !session.ui.asks) return undefined;
  return parseLabel(await session.ui.secret("Scan the label of the board, or type it"));
}

/** Opens what the options name: over the air with a bridge, else the board's own console. */
export async function openBoard(
  session: Session,
  file: NetworkFile,
  options: BoardOptions,
  meter: Meter,
  device?: Device,
  label?: NamedLabel,
): Promise<Way> {
  const onProgress = (progress: Progress) => {
    if (session.meter !== undefined) return session.onProgress(progress);
    const { message, done } = progressOf(progress);
    meter.update(message, done);
  };
  const wayOptions = { ...session.wayOptions, onProgress };
  if (options.bridge === undefined) {
    const oob = label?.oob ?? device?.oob;
    return session.ways.openSerial(options.port!, { ...wayOptions, ...(oob !== undefined && { oob }) });
  }
  if (label === undefined)
    throw new UsageError("--bridge needs the board's label: --label FILE, or - for stdin.");
  const current = device?.current;
  return session.ways.openOverTheAir({
    bridge: options.bridge,
    network: airNetwork(file),
    uuid: label.uuid,
    oob: label.oob,
    ...(device !== undefined &&
      current?.secrets !== undefined && { known: identityOf(file.network, device, current) }),
    ...wayOptions,
  });
}

/** The network as our own mesh stack sees it. */
export function airNetwork(file: NetworkFile): AirNetwork {
  const { config } = file.network;
  const { netKey, appKey } = keysOf(file.network);
  return { netKey, appKey, ivIndex: config.ivIndex, ttl: config.ttl, ...file.provisioner() };
}

/** The port to take: the one that was named, the only one there is, or the one that a person picks. */
export async function choosePort(session: Session, port: string | undefined): Promise<string> {
  if (port !== undefined) return port;
  const ports = await session.ways.listPorts();
  if (ports.length === 1) return ports[0].path;
  if (ports.length === 0) throw new UsageError("No board is plugged in here; --port PATH names its console.");
  return session.ui.select(
    "Which port is the board on?",
    ports.map(({ path }) => path),
    "--port",
  );
}

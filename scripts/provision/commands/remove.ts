/** `remove`: out of the server, out of the mesh, out of the board. */

import { explainWay } from "../commission.js";
import { ProvisionError } from "../errors.js";
import { type Device, deviceNamed, hex4, note, now, stateOf, target, touch } from "../network.js";
import type { NetworkFile } from "../network-file.js";
import type { Session } from "../session.js";
import { type Way, WayError } from "../way.js";
import { refuseDuringRefresh } from "./add.js";
import { refreshMesh } from "./rotate.js";

export interface RemoveOptions {
  /** The board is at hand: its identity is taken away. */
  readonly port?: string;
  /** A gateway, to refresh the keys of the mesh through. */
  readonly bridge?: string;
  readonly leaveBehind?: boolean;
}

export async function remove(session: Session, name: string, options: RemoveOptions): Promise<void> {
  const { ui } = session;
  ui.title(`Remove ${name}`);
  const file = await session.write();
  const { network } = file;
  refuseDuringRefresh(network);
  const device = deviceNamed(network, name);
  const { address } = target(device);
  const had = device.current !== undefined || device.board !== "planned" || device.writing !== undefined;
  if (session.dry) {
    ui.done(
      { dryRun: true, name, address: hex4(address) },
      `Would take the keys of "${name}" away at the server and ${options.port === undefined ? "refresh those of the mesh" : "erase its board"}. Nothing was changed.`,
    );
    return;
  }
  await ui.confirm(
    `"${name}" (${stateOf(device)}, ${hex4(address)}) is taken out of the network for good. Go on?`,
  );
  // The server first: from then on nothing that the device says is believed.
  const revoked = await revoke(session, file, device);
  const erased = options.port !== undefined && (await erase(session, device, options.port));
  device.removed = now();
  delete device.writing;
  touch(device);
  note(network, `"${name}" removed${erased ? ", its board erased" : ""}`, device);
  if (had && !erased) network.refreshDue = `"${name}" was removed and may still have the keys of the mesh`;
  file.save();
  let keyRefresh: "not needed" | "due" | "done" = network.refreshDue === undefined ? "not needed" : "due";
  if (keyRefresh === "due" && options.bridge !== undefined) {
    await refreshMesh(session, file, options.bridge, options.leaveBehind === true);
    keyRefresh = "done";
  }
  const { backup } = await session.afterwards(file);
  ui.done(
    { name, address: hex4(address), revoked, erased, keyRefresh, backup },
    `${name} is out${revoked ? ", and the server believes it nothing any more" : ""}. ` +
      (keyRefresh === "due"
        ? "It may still have the keys of the mesh: `rotate --bridge PORT` gives all others new ones."
        : keyRefresh === "done"
          ? "All others have new keys of the mesh."
          : "Nobody has its keys."),
  );
}

async function revoke(session: Session, file: NetworkFile, device: Device): Promise<boolean> {
  if (device.registered === undefined) return false;
  const server = session.server(file.network);
  if (server === undefined) {
    throw new ProvisionError(
      "no-server",
      `The server knows "${device.name}" and is not asked now: remove it where the server is in reach.`,
    );
  }
  await server.revoke(device.name);
  delete device.registered;
  touch(device);
  note(file.network, `"${device.name}" revoked at the server`, device);
  file.save();
  return true;
}

async function erase(session: Session, device: Device, port: string): Promise<boolean> {
  let way: Way | undefined;
  try {
    way = await session.ways.openSerial(port, session.wayOptions);
    const { chipId } = await way.inspect();
    if (device.chipId === undefined || `${chipId}` !== `${device.chipId}`) {
      throw new ProvisionError(
        "wrong-board",
        `The board on ${port} is not "${device.name}"; it was not erased.`,
      );
    }
    await way.erase();
    return true;
  } catch (error) {
    if (!(error instanceof WayError)) throw error;
    session.ui.warn(`The board could not be erased: ${explainWay(error)}`);
    return false;
  } finally {
    await way?.close();
  }
}

/** `rotate`: new keys for the mesh, for one device with the server, or for the file itself. */

import { renewedCredentials } from "../allocation.js";
import { choosePort } from "../boards.js";
import { explainWay, whereabouts } from "../commission.js";
import { ProvisionError, UsageError } from "../errors.js";
import { type RefreshReport, runRefresh, toRefresh } from "../key-refresh.js";
import { openMesh } from "../mesh-access.js";
import { deviceNamed, hex4, keysOf, note, OFFICE, stateOf, target, touch } from "../network.js";
import type { NetworkFile } from "../network-file.js";
import type { Session } from "../session.js";
import { WayError } from "../way.js";
import { commissionShown, placed, refuseDuringRefresh, summary } from "./add.js";

export interface RotateOptions {
  readonly bridge?: string;
  readonly port?: string;
  readonly leaveBehind?: boolean;
  readonly passphrase?: boolean;
}

export async function rotate(
  session: Session,
  name: string | undefined,
  options: RotateOptions,
): Promise<void> {
  const file = await session.write();
  if (options.passphrase === true) return rotatePassphrase(session, file);
  if (name !== undefined) return rotateDevice(session, file, name, options);
  const { ui } = session;
  const { network } = file;
  ui.title("New keys for the mesh");
  if (network.holder !== OFFICE) {
    throw new ProvisionError(
      "field-copy",
      "The keys of the mesh are refreshed at the office, where all device keys are.",
    );
  }
  const devices = toRefresh(network);
  if (session.dry) {
    ui.done(
      { dryRun: true, devices: devices.map(summary) },
      `Would give ${devices.length} devices keys of generation ${keysOf(network).number + 1}. Nothing was changed.`,
    );
    return;
  }
  if (network.refresh === undefined) {
    await ui.confirm(`All ${devices.length} devices get new keys of the mesh, over the air. Go on?`);
  }
  let report: RefreshReport;
  if (devices.length > 0 || network.refresh !== undefined) {
    if (options.bridge === undefined) {
      throw new UsageError(
        "rotate needs --bridge PORT, the console of a gateway: the keys go through the air.",
      );
    }
    report = await refreshMesh(session, file, options.bridge, options.leaveBehind === true);
  } else {
    throw new ProvisionError("wrong-state", "No board has keys of this network yet.");
  }
  const { backup } = await session.afterwards(file);
  const { behind } = report;
  ui.done(
    { ...report, backup },
    `${report.refreshed.length} devices have keys of generation ${report.generation}` +
      (behind.length === 0 ? "." : `; ${behind.join(", ")} need a cable: \`batch\` writes them.`),
  );
}

/** Over the air through a gateway; what is cut goes on with the next `rotate`. */
export async function refreshMesh(
  session: Session,
  file: NetworkFile,
  bridge: string,
  leaveBehind: boolean,
): Promise<RefreshReport> {
  try {
    return await session.ui.during(
      "Refreshing the keys of the mesh",
      async (meter) => {
        const access = await openMesh(file, bridge, session.wayOptions.patience);
        try {
          return await runRefresh(file, access, leaveBehind, (text, done) => meter.update(text, done));
        } finally {
          await access.close();
        }
      },
      ({ refreshed }) => `${refreshed.length} devices have new keys`,
    );
  } catch (error) {
    throw error instanceof WayError
      ? new ProvisionError("board", `${explainWay(error)} \`rotate\` goes on from there.`)
      : error;
  }
}

/** New keys with the server, and a new device key, on a board that keeps its place. */
async function rotateDevice(
  session: Session,
  file: NetworkFile,
  name: string,
  options: RotateOptions,
): Promise<void> {
  const { ui } = session;
  const { network } = file;
  ui.title(`New keys for ${name}`);
  refuseDuringRefresh(network);
  const device = deviceNamed(network, name);
  const { current } = device;
  if (current === undefined) {
    throw new ProvisionError("wrong-state", `"${name}" is on no board yet: \`add ${name}\` brings it there.`);
  }
  if (device.next === undefined) {
    device.next = renewedCredentials(network, device);
    device.board = "planned";
    touch(device);
    note(network, `"${name}" is to get new keys`, device);
  }
  if (session.dry) {
    ui.done(
      { dryRun: true, ...summary(device) },
      `Would write new keys into "${name}". Nothing was changed.`,
    );
    return;
  }
  const port = await choosePort(session, options.port);
  file.save();
  try {
    const way = await session.ways.openSerial(port, session.wayOptions);
    try {
      await commissionShown(session, file, device, way, false);
    } finally {
      await way.close();
    }
  } catch (error) {
    throw error instanceof WayError ? placed(error, session, network, device) : error;
  }
  const { backup } = await session.afterwards(file);
  ui.done(
    { ...summary(device), where: whereabouts(network, device), backup },
    `${name} is ${stateOf(device)} with new keys, at ${hex4(target(device).address)}.`,
  );
}

async function rotatePassphrase(session: Session, file: NetworkFile): Promise<void> {
  const passphrase = await session.newPassphrase("New passphrase", "OSCORE_MESH_NEW_PASSPHRASE");
  if (session.dry) {
    session.ui.done(
      { dryRun: true },
      "Would encrypt the network file under another passphrase. Nothing was changed.",
    );
    return;
  }
  note(file.network, "passphrase changed");
  file.changePassphrase(passphrase);
  const { backup } = await session.afterwards(file);
  session.ui.done(
    { file: file.path, backup },
    `${file.path} opens with the new passphrase only. Copies and older backups open with the old one.`,
  );
}

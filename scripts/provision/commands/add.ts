/** `add` and `replace`: one device onto its board. */

import { toHex } from "../../../firmware/bytes/hex.js";
import type { DeviceKind } from "../../../sim/network.js";
import { newCredentials } from "../allocation.js";
import { type BoardOptions, choosePort, labelFrom, openBoard } from "../boards.js";
import { type Commissioned, commission, explainWay, whereabouts } from "../commission.js";
import { ProvisionError } from "../errors.js";
import { checkName } from "../identities.js";
import type { NamedLabel } from "../label.js";
import {
  type Device,
  deviceNamed,
  findDevice,
  hex4,
  members,
  type Network,
  newId,
  note,
  now,
  stateOf,
  target,
  touch,
} from "../network.js";
import type { NetworkFile } from "../network-file.js";
import type { Session } from "../session.js";
import { type BoardInfo, type Way, WayError } from "../way.js";

export interface AddOptions extends BoardOptions {
  readonly kind?: DeviceKind;
  readonly place?: string;
  readonly interval?: number;
  readonly force?: boolean;
}

export async function add(session: Session, name: string | undefined, options: AddOptions): Promise<void> {
  session.ui.title("Add a board to the network");
  const file = await session.write();
  refuseDuringRefresh(file.network);
  const known = name === undefined ? undefined : findDevice(file.network, name);
  await withBoard(session, file, options, known, async (way, info, label) => {
    const device = await plan(session, file, name, options, info, label);
    await finish(session, file, device, way, info, options);
  });
}

export async function replace(
  session: Session,
  name: string,
  options: AddOptions & { lost?: boolean },
): Promise<void> {
  const { ui } = session;
  ui.title(`Replace the board of ${name}`);
  const file = await session.write();
  refuseDuringRefresh(file.network);
  const device = deviceNamed(file.network, name);
  await withBoard(session, file, options, undefined, async (way, info, label) => {
    const chip = toHex(info.chipId);
    const begun = device.next !== undefined && device.chipId !== undefined && toHex(device.chipId) === chip;
    if (!begun) {
      // The same board again is one whose storage is lost: nobody knows which numbers it has used.
      await ui.confirm(
        `"${name}" gets new keys and a new address, on the board with chip ${chip}. What its old board has is worth nothing then. Go on?`,
      );
      planReplacement(file.network, device, info, options.lost === true);
      if (label === undefined) delete device.oob;
      else device.oob = label.oob;
      file.save();
    }
    await finish(session, file, device, way, info, options);
  });
}

/** Opens the board that the options name, asks it who it is, and closes it whatever happens. */
async function withBoard(
  session: Session,
  file: NetworkFile,
  options: AddOptions,
  known: Device | undefined,
  use: (way: Way, info: BoardInfo, label: NamedLabel | undefined) => Promise<void>,
): Promise<void> {
  const label = await labelFrom(session, options);
  const at =
    options.bridge === undefined ? { ...options, port: await choosePort(session, options.port) } : options;
  let way: Way | undefined;
  try {
    way = await session.ui.during("Connecting", (meter) => openBoard(session, file, at, meter, known, label));
    await use(way, await way.inspect(), label);
  } catch (error) {
    // Once it is planned, what is said is where everything is.
    if (error instanceof WayError)
      throw new ProvisionError("board", `${explainWay(error)} Nothing was changed.`);
    throw error;
  } finally {
    await way?.close();
  }
}

function planReplacement(network: Network, device: Device, { chipId, kind }: BoardInfo, lost: boolean): void {
  const other = boardHolder(network, chipId);
  if (other !== undefined && other !== device) {
    throw new ProvisionError("wrong-board", `This board is "${other.name}"; nothing was changed.`);
  }
  if (kind !== device.kind) throw wrongImage(kind, device.kind);
  device.next = newCredentials(network, device);
  device.chipId = chipId;
  device.board = "planned";
  touch(device);
  note(network, `"${device.name}" is to get another board, address ${hex4(device.next.address)}`, device);
  if (lost) {
    network.refreshDue = `the former board of "${device.name}" was lost, with the keys of the mesh in it`;
  }
}

/** The device whose board has this chip. */
export function boardHolder(network: Network, chip: Uint8Array): Device | undefined {
  return members(network).find(({ chipId }) => chipId !== undefined && toHex(chipId) === toHex(chip));
}

function wrongImage(has: DeviceKind, wanted: DeviceKind): ProvisionError {
  return new ProvisionError(
    "wrong-board",
    `This board has the image of a ${has}, not of a ${wanted}. \`npm run flash -- ${wanted}\` puts the right one on it.`,
  );
}

/** The device that the board is, or is to be; a new one is in the file before anything is on the board. */
async function plan(
  session: Session,
  file: NetworkFile,
  name: string | undefined,
  options: AddOptions,
  info: BoardInfo,
  label: NamedLabel | undefined,
): Promise<Device> {
  const { network } = file;
  const { kind, place, interval } = options;
  const same = boardHolder(network, info.chipId);
  if (kind !== undefined && kind !== info.kind) throw wrongImage(info.kind, kind);
  const known = name === undefined ? same : findDevice(network, name);
  if (known !== undefined) {
    if (place !== undefined) known.place = place;
    if (interval !== undefined) known.interval = interval;
    if (place !== undefined || interval !== undefined) touch(known);
    return known;
  }
  // Otherwise one board would be two devices by the next line.
  if (same !== undefined) {
    throw new ProvisionError(
      "wrong-board",
      `This board (chip ${toHex(info.chipId)}) is "${same.name}" already. \`remove ${same.name}\` takes it out of the network first.`,
    );
  }
  const chosen =
    name ??
    (await session.ui.text({
      message: `Name of this ${info.kind} (chip ${toHex(info.chipId)})`,
      initial: label?.name ?? suggestName(network, info.kind),
      option: "The name",
      check: (text) =>
        checkName(text) ?? (findDevice(network, text) === undefined ? undefined : "There is one already."),
    }));
  const device = newDevice(network, {
    name: chosen,
    kind: info.kind,
    ...(place !== undefined && { place }),
    ...(interval !== undefined && { interval }),
    ...(label !== undefined && { oob: label.oob }),
  });
  file.save();
  return device;
}

export function suggestName(network: Network, kind: DeviceKind): string {
  const names = new Set(network.devices.map(({ name }) => name));
  let number = 1;
  while (names.has(`${kind}-${number}`)) number++;
  return `${kind}-${number}`;
}

export interface DeviceFields {
  readonly name: string;
  readonly kind: DeviceKind;
  readonly place?: string;
  readonly interval?: number;
  readonly oob?: Uint8Array;
}

/** Puts a device into the network, with its numbers. @throws ProvisionError for a name that cannot be */
export function newDevice(network: Network, fields: DeviceFields): Device {
  const wrong = checkName(fields.name);
  if (wrong !== undefined) throw new ProvisionError("name-taken", wrong);
  const time = now();
  const device: Device = {
    id: newId(),
    ...fields,
    next: newCredentials(network, { kind: fields.kind }),
    board: "planned",
    created: time,
    changed: time,
    revision: 1,
  };
  network.devices.push(device);
  note(network, `"${fields.name}" planned, address ${hex4(target(device).address)}`, device);
  return device;
}

/** Brings the device onto the board, or shows what would be done, and tells how it went. */
async function finish(
  session: Session,
  file: NetworkFile,
  device: Device,
  way: Way,
  info: BoardInfo,
  { force }: AddOptions,
): Promise<void> {
  const { ui } = session;
  if (session.dry) {
    const server = file.network.config.server?.url;
    ui.done(
      { dryRun: true, ...summary(device) },
      `Would write "${device.name}" with address ${hex4(target(device).address)} into the board with chip ${toHex(info.chipId)}` +
        `${server === undefined ? "" : ` and tell ${server} of it`}. Nothing was changed.`,
    );
    return;
  }
  const done = await commissionShown(session, file, device, way, force === true);
  const { backup } = await session.afterwards(file);
  ui.done(
    { ...summary(device), written: done.written, where: whereabouts(file.network, device), backup },
    `${device.name} is ${stateOf(device)} at address ${hex4(done.address)}. \`label ${device.name}\` prints its label.`,
  );
}

export async function commissionShown(
  session: Session,
  file: NetworkFile,
  device: Device,
  way: Way,
  force: boolean,
): Promise<Commissioned> {
  session.current = device;
  const server = session.server(file.network);
  try {
    return await session.ui.during(
      `${device.name} (${device.kind}, ${hex4(target(device).address)})`,
      (meter) => {
        session.meter = meter;
        return commission({
          file,
          device,
          way,
          server,
          force,
          onStep: (text, part) => meter.update(text, part),
        });
      },
      ({ written }) => `${device.name}: ${written ? "written and read back" : "was on its board already"}`,
    );
  } catch (error) {
    throw placed(error, session, file.network, device);
  } finally {
    session.current = undefined;
    session.meter = undefined;
  }
}

/** An error, with where everything is now: in its sentence, and in what `--json` prints. */
export function placed(error: unknown, session: Session, network: Network, device: Device): unknown {
  session.result = { ...session.result, where: whereabouts(network, device) };
  if (error instanceof WayError) {
    return new ProvisionError("board", `${explainWay(error)} ${placeSentence(network, device)}`);
  }
  if (error instanceof ProvisionError) {
    return new ProvisionError(error.reason, `${error.message} ${placeSentence(network, device)}`);
  }
  return error;
}

export function placeSentence(network: Network, device: Device): string {
  const { board, file, server } = whereabouts(network, device);
  const has = (state: string) => (state === "unknown there" ? "does not know it" : `has the ${state} state`);
  const places = [`The board ${has(board)}`, `the file ${has(file)}`];
  if (server !== "none") places.push(`the server ${has(server)}`);
  return `${places.join(", ")}. The same command goes on from there.`;
}

export function summary(device: Device): object {
  const { name, kind, chipId, place } = device;
  return {
    name,
    kind,
    address: hex4(target(device).address),
    ...(chipId !== undefined && { chip: toHex(chipId) }),
    ...(place !== undefined && { place }),
    state: stateOf(device),
  };
}

/** @throws ProvisionError: a device written now would have keys that are going out */
export function refuseDuringRefresh({ refresh }: Network): void {
  if (refresh === undefined) return;
  throw new ProvisionError(
    "wrong-state",
    `The keys of the mesh are being refreshed (phase ${refresh.phase}): \`rotate\` ends that first.`,
  );
}

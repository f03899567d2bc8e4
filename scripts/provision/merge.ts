/**
 * Two copies of one network file become one again. Copies that the office has granted numbers to cannot collide; those
 * that were merely copied can, and then the device that was made later gets new numbers here and is to be written anew.
 */

import { isDeepStrictEqual } from "node:util";
import { newCredentials, retire } from "./allocation.js";
import { ProvisionError } from "./errors.js";
import {
  type Credentials,
  type Device,
  type Holder,
  hex4,
  members,
  type Network,
  note,
  OFFICE,
  type Range,
  target,
  touch,
} from "./network.js";

export interface MergeReport {
  readonly added: string[];
  readonly updated: string[];
  /** Devices that share a number, a name or a board with another one, and what was done about it. */
  readonly resolved: { readonly name: string; readonly what: string }[];
}

/**
 * Takes over what `theirs` has and `mine` has not.
 * @throws ProvisionError when they are of different networks, or their keys were refreshed apart
 */
export function mergeNetworks(mine: Network, theirs: Network): MergeReport {
  if (mine.id !== theirs.id) {
    throw new ProvisionError(
      "cannot-merge",
      `The files are of two networks, "${mine.name}" and "${theirs.name}"; nothing was changed.`,
    );
  }
  const report: MergeReport = { added: [], updated: [], resolved: [] };
  mergeKeys(mine, theirs);
  mergeHolders(mine, theirs);
  mine.retired = {
    addresses: union(mine.retired.addresses, theirs.retired.addresses),
    senders: union(mine.retired.senders, theirs.retired.senders),
  };
  if (isNewer(theirs.config, mine.config)) mine.config = structuredClone(theirs.config);
  mergeDevices(mine, theirs, report);
  resolveConflicts(mine, report);
  if (theirs.strays !== undefined) mine.strays = { ...theirs.strays, ...mine.strays };
  mergeHistory(mine, theirs);
  return report;
}

function mergeKeys(mine: Network, theirs: Network): void {
  for (const keys of theirs.keys) {
    const known = mine.keys.find(({ number }) => number === keys.number);
    if (known !== undefined && !isDeepStrictEqual(known, keys)) {
      throw new ProvisionError(
        "cannot-merge",
        `The keys of the mesh were refreshed in both files, each to others (generation ${keys.number}). ` +
          "Go on with the office's file, and add the devices of the other one anew.",
      );
    }
    if (known === undefined) mine.keys.push(keys);
  }
  mine.keys.sort((a, b) => a.number - b.number);
  // Refreshes are the office's, so its copy knows how far they are.
  if (mine.holder === OFFICE) return;
  if (theirs.refresh === undefined) delete mine.refresh;
  else mine.refresh = theirs.refresh;
  if (theirs.holder !== OFFICE) return;
  if (theirs.refreshDue === undefined) delete mine.refreshDue;
  else mine.refreshDue = theirs.refreshDue;
}

function mergeHolders(mine: Network, theirs: Network): void {
  for (const holder of theirs.holders) {
    const known = mine.holders.find(({ id }) => id === holder.id);
    if (known === undefined) mine.holders.push(structuredClone(holder));
    else if (known.ranges !== undefined && holder.ranges !== undefined) {
      for (const kind of Object.keys(known.ranges) as (keyof typeof known.ranges)[]) {
        known.ranges[kind] = joined([...known.ranges[kind], ...holder.ranges[kind]]);
      }
    }
  }
  // Granted by two copies of the office's file to two holders: who was first has them.
  const order = [...mine.holders].sort((a, b) => compare(a.granted, b.granted) || compare(a.id, b.id));
  order.forEach((holder, i) => {
    for (const earlier of order.slice(0, i)) cut(holder, earlier);
  });
}

function cut(holder: Holder, earlier: Holder): void {
  if (holder.ranges === undefined || earlier.ranges === undefined) return;
  for (const kind of Object.keys(holder.ranges) as (keyof typeof holder.ranges)[]) {
    for (const [first, last] of earlier.ranges[kind]) {
      holder.ranges[kind] = holder.ranges[kind].flatMap(([a, b]): Range[] => {
        const left: Range[] = [];
        if (a < first) left.push([a, Math.min(b, first - 1)]);
        if (b > last) left.push([Math.max(a, last + 1), b]);
        return left;
      });
    }
  }
}

function joined(ranges: readonly Range[]): Range[] {
  const all: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const end = all.at(-1);
    if (end !== undefined && first <= end[1] + 1) end[1] = Math.max(end[1], last);
    else all.push([first, last]);
  }
  return all;
}

function mergeDevices(mine: Network, theirs: Network, report: MergeReport): void {
  for (const device of theirs.devices) {
    const at = mine.devices.findIndex(({ id }) => id === device.id);
    if (at < 0) {
      mine.devices.push(structuredClone(device));
      report.added.push(device.name);
      continue;
    }
    const known = mine.devices[at];
    const takeTheirs =
      (known.removed === undefined) === (device.removed === undefined)
        ? isNewer(device, known)
        : device.removed !== undefined;
    const [kept, other] = takeTheirs ? [structuredClone(device), known] : [known, device];
    let changed = takeTheirs && !isDeepStrictEqual(withoutSecrets(kept), withoutSecrets(other));
    // A copy that was made without others' keys must not take ours away.
    for (const field of ["current", "next"] as const) {
      const credentials = kept[field];
      if (credentials === undefined || credentials.secrets !== undefined) continue;
      const whole = [other.current, other.next].find(
        (one) => one?.address === credentials.address && one.secrets !== undefined,
      );
      if (whole === undefined) continue;
      kept[field] = whole;
      changed ||= !takeTheirs;
    }
    // What only the other copy has given out is not given out again.
    const has = livesOf(kept);
    for (const { address, sender } of livesOf(other)) {
      if (!has.some((life) => life.address === address)) retire(mine, { address });
      if (sender !== undefined && !has.some((life) => life.sender === sender)) retire(mine, { sender });
    }
    // What was given out in one copy is given out.
    const client = Math.max(known.client ?? 0, device.client ?? 0);
    if (client > 0) kept.client = client;
    mine.devices[at] = kept;
    if (changed) report.updated.push(kept.name);
  }
}

/**
 * Of two devices with one number or name, the one keeps it that the server knows by it: it would refuse the other one.
 * If it knows neither, the one that was made first. One that was removed has had its numbers, and nobody gets them.
 */
function resolveConflicts(network: Network, report: MergeReport): void {
  const addresses = new Map<number, Device>();
  const senders = new Map<number, Device>();
  const claim = (device: Device, { address, sender }: Pick<Credentials, "address" | "sender">) => {
    if (!addresses.has(address)) addresses.set(address, device);
    if (sender !== undefined && !senders.has(sender)) senders.set(sender, device);
  };
  for (const device of network.devices) {
    if (device.removed !== undefined) for (const life of livesOf(device)) claim(device, life);
  }
  const order = members(network).sort(
    (a, b) =>
      Number(a.registered === undefined) - Number(b.registered === undefined) ||
      compare(a.created, b.created) ||
      compare(a.id, b.id),
  );
  const names = new Map<string, Device>();
  for (const device of order) {
    if (device.registered === undefined) continue;
    // What two have told the server by one name is the name's there, whoever was the last.
    const holder = names.get(device.name) ?? device;
    names.set(device.name, holder);
    claim(holder, device.registered);
  }
  const boards = new Map<string, Device>();
  for (const device of order) {
    resolveBoard(device, boards, report);
    resolveName(network, device, names, report);
    const lives = livesOf(device);
    const others = [
      lives.map(({ address }) => addresses.get(address)),
      lives.map(({ sender }) => (sender === undefined ? undefined : senders.get(sender))),
    ].map((holders) => holders.find((holder) => holder !== undefined && holder !== device));
    const [sameAddress, sameSender] = others;
    const other = sameAddress ?? sameSender;
    if (other !== undefined) renumber(network, device, other, sameSender !== undefined, report);
    for (const life of livesOf(device)) claim(device, life);
  }
}

function renumber(
  network: Network,
  device: Device,
  other: Device,
  newSender: boolean,
  report: MergeReport,
): void {
  const lives = livesOf(device);
  for (const life of lives) retire(network, life);
  const { sender, ...rest } = { ...target(device), life: Math.max(...lives.map(({ life }) => life)) };
  device.next = newCredentials(network, {
    kind: device.kind,
    next: newSender || sender === undefined ? rest : { ...rest, sender },
  });
  delete device.current;
  device.board = "planned";
  touch(device);
  report.resolved.push({
    name: device.name,
    what: `had a number of "${other.name}": now ${hex4(device.next.address)}, to be written again (\`add ${device.name}\`)`,
  });
  note(network, `"${device.name}" got new numbers, because "${other.name}" has its former ones`, device);
}

const livesOf = ({ current, next }: Device): Credentials[] =>
  [current, next].filter((one) => one !== undefined);

function resolveName(
  network: Network,
  device: Device,
  names: Map<string, Device>,
  report: MergeReport,
): void {
  const other = names.get(device.name);
  if (other !== undefined && other !== device) {
    const former = device.name;
    const taken = new Set(network.devices.map(({ name }) => name));
    let number = 2;
    while (taken.has(`${former}-${number}`)) number++;
    device.name = `${former}-${number}`;
    // The board tells its name, and the server knows it by it.
    device.board = "planned";
    if (device.next === undefined && device.current !== undefined) device.next = device.current;
    if (device.registered !== undefined && other.registered !== undefined) {
      // At one address too, so that the server took the second for the first with new keys: it is told again.
      other.registered = { ...other.registered, life: 0 };
      touch(other);
    }
    delete device.registered;
    touch(device);
    report.resolved.push({
      name: device.name,
      what: `was called "${former}" like another device; to be written again (\`add ${device.name}\`)`,
    });
    note(network, `"${former}" is called "${device.name}" now, because there was another one`, device);
  }
  names.set(device.name, device);
}

/** One board in two entries: it has what was written last, and the entry of that is the later one. */
function resolveBoard(device: Device, boards: Map<string, Device>, report: MergeReport): void {
  if (device.chipId === undefined) return;
  const chip = `${device.chipId}`;
  const other = boards.get(chip);
  if (other !== undefined) {
    const [keeps, loses] = isNewer(device, other) ? [device, other] : [other, device];
    delete loses.chipId;
    loses.board = "planned";
    touch(loses);
    report.resolved.push({
      name: loses.name,
      what: `has no board any more: the one it was written to is "${keeps.name}" now`,
    });
    boards.set(chip, keeps);
  } else boards.set(chip, device);
}

function mergeHistory(mine: Network, theirs: Network): void {
  const known = new Set(mine.history.map((entry) => JSON.stringify(entry)));
  for (const entry of theirs.history) if (!known.has(JSON.stringify(entry))) mine.history.push(entry);
  mine.history.sort((a, b) => compare(a.time, b.time));
}

/** Whether `a` counts more. The same answer in both directions, so that both sides end up with the same. */
function isNewer(
  a: { revision: number; changed: string },
  b: { revision: number; changed: string },
): boolean {
  return (
    a.revision > b.revision ||
    (a.revision === b.revision &&
      (a.changed > b.changed || (a.changed === b.changed && JSON.stringify(a) > JSON.stringify(b))))
  );
}

function withoutSecrets(device: Device): unknown {
  const bare = (credentials: Credentials | undefined) =>
    credentials && { ...credentials, secrets: undefined };
  return { ...device, current: bare(device.current), next: bare(device.next) };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const union = (a: readonly number[], b: readonly number[]): number[] => [...new Set([...a, ...b])];

/** Numbers that a device has and another one has, or had; two that were removed do no harm. */
export function sharedNumbers({ devices }: Network): { addresses: number[]; senders: number[] } {
  const shared = (numberOf: (credentials: Credentials) => number | undefined): number[] => {
    const taken = new Set<number>();
    const twice: number[] = [];
    for (const living of [false, true]) {
      for (const device of devices) {
        if ((device.removed === undefined) !== living) continue;
        for (const number of new Set(livesOf(device).map(numberOf))) {
          if (number === undefined) continue;
          if (living && taken.has(number)) twice.push(number);
          taken.add(number);
        }
      }
    }
    return twice;
  };
  return { addresses: shared(({ address }) => address), senders: shared(({ sender }) => sender) };
}

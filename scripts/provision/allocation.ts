/**
 * Who gives out which addresses and Sender IDs. The office has all numbers but those that it has granted to copies of
 * the file; a copy has only its own. So copies that are extended apart never give out one number twice.
 */

import { hostCrypto } from "#hal/crypto.js";
import { type DeviceKind, FIRST_ADDRESS } from "../../sim/network.js";
import { ProvisionError } from "./errors.js";
import {
  type Credentials,
  DEVICE_KINDS,
  type Device,
  type Holder,
  keysOf,
  type Network,
  newId,
  now,
  OFFICE,
  type Range,
  type RangeKind,
  type Secrets,
  target,
} from "./network.js";

/** All there is. Unicast addresses end at 0x7FFF; those of provisioners are at the end. */
export const SPACE: Record<RangeKind, Range> = {
  gateway: [FIRST_ADDRESS.gateway, FIRST_ADDRESS.node - 1],
  node: [FIRST_ADDRESS.node, FIRST_ADDRESS.relay - 1],
  relay: [FIRST_ADDRESS.relay, 0x77ff],
  sender: [0, 0xffff],
};
const PROVISIONERS: Range = [0x7800, 0x7fff];
/** Gateways that a copy may add: they are few. */
const GATEWAYS_GRANTED = 4;

/** A relay is blind: it has no keys with the server. */
const hasContext = (kind: DeviceKind): boolean => kind !== "relay";

/** Every number that is, or ever was, in use. */
export class Taken {
  readonly addresses: Set<number>;
  readonly senders: Set<number>;

  constructor(network: Network) {
    this.addresses = new Set(network.retired.addresses);
    this.senders = new Set(network.retired.senders);
    for (const device of network.devices) {
      for (const credentials of [device.current, device.next]) {
        if (credentials === undefined) continue;
        this.addresses.add(credentials.address);
        if (credentials.sender !== undefined) this.senders.add(credentials.sender);
      }
    }
  }

  of(kind: RangeKind): Set<number> {
    return kind === "sender" ? this.senders : this.addresses;
  }
}

/** What the holder of this copy may give out, in order. */
export function rangesOf(network: Network, kind: RangeKind): Range[] {
  const own = holderOf(network).ranges;
  if (own !== undefined) return own[kind];
  const granted = network.holders.flatMap(({ ranges }) => ranges?.[kind] ?? []);
  return without(SPACE[kind], granted);
}

export function holderOf(network: Network): Holder {
  const holder = network.holders.find(({ id }) => id === network.holder);
  if (holder === undefined)
    throw new ProvisionError("bad-file", "The network file does not say whose it is.");
  return holder;
}

function without(whole: Range, taken: readonly Range[]): Range[] {
  const left: Range[] = [];
  let [from] = whole;
  for (const [first, last] of [...taken].sort((a, b) => a[0] - b[0])) {
    if (first > from) left.push([from, first - 1]);
    from = Math.max(from, last + 1);
  }
  if (from <= whole[1]) left.push([from, whole[1]]);
  return left;
}

/** The lowest number of a kind that nobody has. @throws ProvisionError when there is none */
export function nextFree(network: Network, kind: RangeKind, taken = new Taken(network)): number {
  for (const [first, last] of rangesOf(network, kind)) {
    for (let number = first; number <= last; number++) if (!taken.of(kind).has(number)) return number;
  }
  const what = kind === "sender" ? "Sender IDs" : `addresses for a ${kind}`;
  throw new ProvisionError(
    "no-address-left",
    network.holder === OFFICE
      ? `All ${what} of this network are used up.`
      : `This copy has no ${what} left. Import it at the office, which exports it anew with more (\`export --for\`).`,
  );
}

/**
 * Credentials for a new life of a device: all new but its Sender ID, which stays with the device, because its keys are
 * others.
 */
export function newCredentials(
  network: Network,
  device: Pick<Device, "kind" | "current" | "next">,
): Credentials {
  const taken = new Taken(network);
  const { kind } = device;
  const known = (device.next ?? device.current)?.sender;
  return {
    life: lifeAfter(device),
    address: nextFree(network, kind, taken),
    ...(hasContext(kind) && { sender: known ?? nextFree(network, "sender", taken) }),
    keys: keysOf(network).number,
    secrets: newSecrets(network, kind),
  };
}

/** New keys for a device that keeps its place: its storage is whole, so it goes on counting where it is. */
export function renewedCredentials(network: Network, device: Device): Credentials {
  const { address, sender, keys } = target(device);
  // Written with another NetKey it is in another network, and counts from the beginning: so at another address.
  if (keys !== keysOf(network).number) return newCredentials(network, device);
  return {
    life: lifeAfter(device),
    address,
    ...(sender !== undefined && { sender }),
    keys: keysOf(network).number,
    secrets: newSecrets(network, device.kind),
  };
}

function lifeAfter({ current, next }: Pick<Device, "current" | "next">): number {
  return 1 + Math.max(current?.life ?? 0, next?.life ?? 0);
}

function newSecrets({ config }: Network, kind: DeviceKind): Secrets {
  const random = (length: number) => hostCrypto.random(length);
  const context = () => ({ masterSecret: random(16), masterSalt: random(8) });
  return {
    deviceKey: random(16),
    ...(hasContext(kind) && context()),
    ...(config.client === true && kind === "node" && { client: context() }),
  };
}

/** Notes that a number was in use once, so that it stays taken. */
export function retire(network: Network, { address, sender }: { address?: number; sender?: number }): void {
  const { addresses, senders } = network.retired;
  if (address !== undefined && !addresses.includes(address)) addresses.push(address);
  if (sender !== undefined && !senders.includes(sender)) senders.push(sender);
}

/**
 * Grants numbers for `room` devices of each kind to a holder, a new one or, by its name, one that has some left.
 * Only the office may.
 */
export function grant(network: Network, name: string, room: number): Holder {
  if (network.holder !== OFFICE) {
    throw new ProvisionError(
      "field-copy",
      `This is the copy of ${holderOf(network).name}: copies for others are made at the office.`,
    );
  }
  let holder = network.holders.find((one) => one.name === name && one.id !== OFFICE);
  if (holder === undefined) {
    const ranges = { node: [], relay: [], gateway: [], sender: [] };
    holder = { id: newId(), name, granted: now(), ranges };
    network.holders.push(holder);
  }
  const taken = new Taken(network);
  const ranges = holder.ranges!;
  for (const kind of [...DEVICE_KINDS, "sender"] as const) {
    const wanted = kind === "gateway" ? Math.min(room, GATEWAYS_GRANTED) : room;
    let left = 0;
    for (const [first, last] of ranges[kind]) {
      for (let number = first; number <= last; number++) if (!taken.of(kind).has(number)) left++;
    }
    if (left < wanted) ranges[kind].push(...take(network, kind, taken, wanted - left));
  }
  return holder;
}

/** The first free numbers of the office, as ranges. */
function take(network: Network, kind: RangeKind, taken: Taken, count: number): Range[] {
  const found: [number, number][] = [];
  let left = count;
  for (const [first, last] of rangesOf(network, kind)) {
    for (let number = first; number <= last && left > 0; number++) {
      // The address that nodes publish to is of the office's gateway.
      if (taken.of(kind).has(number) || (kind !== "sender" && number === network.config.publish)) continue;
      const end = found.at(-1);
      if (end !== undefined && end[1] === number - 1) end[1] = number;
      else found.push([number, number]);
      left--;
    }
  }
  if (left > 0)
    throw new ProvisionError("no-address-left", `There is no room for ${count} more of "${kind}".`);
  return found;
}

/** An address for the provisioner itself, drawn at random: copies that know nothing of each other draw others. */
export function provisionerAddress(network: Network): number {
  const [first, last] = PROVISIONERS;
  const taken = new Taken(network).addresses;
  for (;;) {
    const [a, b] = hostCrypto.random(2);
    const address = first + (((a << 8) | b) % (last - first + 1));
    if (!taken.has(address)) return address;
  }
}

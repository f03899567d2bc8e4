import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { grant, newCredentials, nextFree, Taken } from "../../scripts/provision/allocation.js";
import { newDevice } from "../../scripts/provision/commands/add.js";
import { ProvisionError } from "../../scripts/provision/errors.js";
import { mergeNetworks, sharedNumbers } from "../../scripts/provision/merge.js";
import {
  type Credentials,
  type Device,
  decodeNetwork,
  deviceNamed,
  encodeNetwork,
  members,
  type Network,
  newNetwork,
  note,
  setRegistered,
  stateOf,
  target,
  touch,
} from "../../scripts/provision/network.js";

const office = (): Network =>
  newNetwork({ name: "office", gateways: "one", ttl: 7, interval: 60, confirmable: true });

/** As a file that was copied with `cp`. */
const copied = (network: Network): Network => decodeNetwork(encodeNetwork(network));

/** As `export --for` makes it. */
function exported(network: Network, name: string, room = 8): Network {
  const holder = grant(network, name, room);
  const copy = copied(network);
  copy.holder = holder.id;
  return copy;
}

/** As `add` leaves it. */
function onBoard(network: Network, name: string, kind: "node" | "relay" | "gateway" = "node") {
  const device = newDevice(network, { name, kind });
  device.current = device.next!;
  delete device.next;
  device.board = "verified";
  setRegistered(network, device, device.current);
  return device;
}

/** What is the same in both directions, whoever imports first. */
const comparable = ({ devices }: Network) =>
  devices
    .map((device) => ({ name: device.name, address: target(device).address }))
    .sort((a, b) => a.address - b.address);

describe("allocation", () => {
  it("gateways, nodes and relays have addresses of their own, and the shortest Sender IDs go first", () => {
    const network = office();
    const given = (["gateway", "node", "node", "relay"] as const).map(
      (kind, i) => newDevice(network, { name: `d${i}`, kind }).next!,
    );
    assert.deepEqual(
      given.map(({ address, sender }) => [address, sender]),
      [
        [0x0001, 0],
        [0x0100, 1],
        [0x0101, 2],
        [0x4000, undefined],
      ],
    );
  });

  it("an address that was in use once is never given out again", () => {
    const network = office();
    const device = onBoard(network, "node-1");
    device.next = newCredentials(network, device);
    assert.equal(device.next.address, 0x0101);
    assert.equal(device.next.sender, device.current!.sender, "its Sender ID stays, its keys are others");
    assert.notDeepEqual(device.next.secrets, device.current!.secrets);
    device.removed = "2026-01-01";
    assert.equal(nextFree(network, "node"), 0x0102);
  });

  it("a copy gives out its own numbers only, says when they are used up, and gets more at the office", () => {
    const network = office();
    const field = exported(network, "Anna", 2);
    newDevice(field, { name: "a", kind: "node" });
    newDevice(field, { name: "b", kind: "node" });
    const full = (error: unknown) =>
      error instanceof ProvisionError &&
      error.reason === "no-address-left" &&
      /Import it at the office/.test(error.message);
    assert.throws(() => newDevice(field, { name: "c", kind: "node" }), full);
    assert.throws(
      () => grant(field, "Ben", 2),
      (error: unknown) => (error as ProvisionError).reason === "field-copy",
    );
    mergeNetworks(network, field);
    const again = exported(network, "Anna", 2);
    assert.equal(network.holders.length, 2, "it is the same holder");
    mergeNetworks(field, again);
    assert.equal(newDevice(field, { name: "c", kind: "node" }).next!.address, 0x0102);
    assert.equal(newDevice(network, { name: "d", kind: "node" }).next!.address, 0x0104);
  });
});

/** What the server makes of registrations: one name, one mesh address and one kid each (`cloud/registry.ts`). */
class KnownAtServer {
  readonly #nodes = new Map<string, Credentials>();

  /** As `ServerClient.register`. @returns whether the server took it */
  register(device: Device): boolean {
    const credentials = device.current!;
    const { address, sender } = credentials;
    const known = this.#nodes.get(device.name);
    if (known !== undefined && known.address !== address && known.address !== device.registered?.address)
      return false;
    for (const [name, other] of this.#nodes) {
      if (name === device.name) continue;
      if (other.address === address || (sender !== undefined && other.sender === sender)) return false;
    }
    this.#nodes.set(device.name, credentials);
    const { life } = credentials;
    device.registered = { life, address, ...(sender !== undefined && { sender }) };
    return true;
  }

  revoke(device: Device): void {
    if (device.registered !== undefined) this.#nodes.delete(device.name);
    delete device.registered;
  }

  knows(device: Device): boolean {
    const known = this.#nodes.get(device.name);
    return known !== undefined && isDeepStrictEqual(known.secrets, device.current?.secrets);
  }
}

const KINDS = ["node", "relay", "gateway"] as const;

interface Step {
  readonly who: number;
  readonly what: "add" | "replace" | "remove" | "sync";
  readonly which: number;
  readonly kind?: (typeof KINDS)[number];
  readonly board?: number;
  /** Whether the server is in reach. */
  readonly online?: boolean;
}

/** What an office and two technicians do, each with a file; then the office has all of it. */
function worked(steps: readonly Step[], properly: boolean): void {
  const server = new KnownAtServer();
  const main = office();
  server.register(onBoard(main, "gateway", "gateway"));
  const others = ["Anna", "Ben"].map((name) => (properly ? exported(main, name, 64) : copied(main)));
  const files = [main, ...others];
  for (const { who, what, which, kind = "node", board = 0, online = true } of steps) {
    const file = files[who];
    const all = members(file);
    const device = all[which % Math.max(1, all.length)];
    if (what === "add" && !all.some(({ name }) => name === `${kind}-${which}`)) {
      if (properly && kind === "gateway") continue;
      const added = onBoard(file, `${kind}-${which}`, kind);
      added.chipId = new Uint8Array(8).fill(board);
      delete added.registered;
      if (online) server.register(added);
    } else if (device !== undefined && what === "replace" && device.kind !== "gateway") {
      device.next = newCredentials(file, device);
      touch(device);
    } else if (device !== undefined && what === "remove" && (online || device.registered === undefined)) {
      server.revoke(device);
      device.removed = "2026-01-01T00:00:00.000Z";
      touch(device);
    } else if (what === "sync" && who > 0) mergeNetworks(main, file);
  }
  for (const file of others) mergeNetworks(main, file);
  const none = { addresses: [], senders: [] };
  assert.deepEqual(sharedNumbers(main), none);
  for (const unique of ["name", "chipId"] as const) {
    const values = members(main).flatMap((device) =>
      device[unique] === undefined ? [] : `${device[unique]}`,
    );
    assert.equal(new Set(values).size, values.length, unique);
  }
  // A second time there is nothing to do, and those in the field learn what the office has decided.
  for (const file of others) {
    assert.deepEqual(mergeNetworks(main, copied(main)), { added: [], updated: [], resolved: [] });
    mergeNetworks(file, main);
    assert.deepEqual(sharedNumbers(file), none);
  }
  // Nothing that was in use is free again.
  const taken = new Taken(main);
  for (const device of files.flatMap(({ devices }) => devices)) {
    for (const { address, sender } of [device.current, device.next].filter((one) => one !== undefined)) {
      assert.ok(taken.addresses.has(address));
      assert.ok(sender === undefined || taken.senders.has(sender));
    }
  }
  // What the command says is what is left to do: those that are on their boards are told, the others are written.
  const tell = (device: Device) =>
    device.registered?.life === device.current?.life || server.register(device);
  for (const device of members(main)) if (device.next === undefined) tell(device);
  for (const device of members(main)) {
    if (device.next === undefined) continue;
    device.current = device.next;
    delete device.next;
    assert.ok(tell(device), `the server takes ${device.name}`);
  }
  for (const device of members(main)) {
    tell(device);
    assert.ok(server.knows(device), `the server knows ${device.name} by its keys`);
  }
}

describe("copies put together", () => {
  it("of two technicians' files, exported or merely copied, no two devices share an address, Sender ID, name or board, and the server takes all", () => {
    const step = fc.record({
      who: fc.nat(2),
      what: fc.constantFrom("add", "add", "replace", "remove", "sync"),
      kind: fc.constantFrom(...KINDS),
      which: fc.nat(5),
      board: fc.nat(6),
      online: fc.boolean(),
    });
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), worked), {
      numRuns: 300,
    });
  });

  it("two that had one address and one Sender ID and were both removed do no harm: the server knows neither", () => {
    worked(
      [
        { who: 1, what: "add", which: 0 },
        { who: 0, what: "remove", which: 0 },
        { who: 0, what: "add", which: 0 },
        { who: 0, what: "remove", which: 0 },
        { who: 1, what: "remove", which: 1 },
      ],
      false,
    );
  });

  it("one that gets new numbers is told to the server under its name, and gives the former ones back there", () => {
    worked(
      [
        { who: 2, what: "add", which: 0, online: false },
        { who: 0, what: "add", which: 0 },
        { who: 1, what: "add", which: 0, board: 1, online: false },
        { who: 1, what: "remove", which: 1 },
        { who: 2, what: "add", which: 5, board: 3 },
      ],
      false,
    );
  });

  it("two that the server took for one, by name and address, are two again", () => {
    worked(
      [
        { who: 1, what: "add", kind: "gateway", which: 4 },
        { who: 0, what: "add", which: 0, online: false },
        { who: 0, what: "add", kind: "gateway", which: 4 },
        { who: 0, what: "remove", which: 4, online: false },
      ],
      false,
    );
  });

  it("one that was removed in two copies, and had other numbers in each, keeps both taken", () => {
    worked(
      [
        { who: 1, what: "add", which: 0, online: false },
        { who: 0, what: "add", which: 0, online: false },
        { who: 1, what: "sync", which: 0 },
        { who: 0, what: "remove", which: 5, online: false },
        { who: 1, what: "remove", which: 1, online: false },
      ],
      false,
    );
  });

  it("of two with one address the later one gets another, and is to be written again", () => {
    const main = office();
    const copy = copied(main);
    const first = onBoard(main, "kitchen");
    const second = onBoard(copy, "cellar");
    second.changed = "2100-01-01";
    assert.equal(target(first).address, target(second).address);
    const report = mergeNetworks(main, copy);
    const [kitchen, cellar] = ["kitchen", "cellar"].map((name) => deviceNamed(main, name));
    const [moved, kept] = report.resolved[0].name === "cellar" ? [cellar, kitchen] : [kitchen, cellar];
    assert.equal(report.resolved.length, 1);
    assert.match(report.resolved[0].what, /now 0101, to be written again/);
    assert.equal(stateOf(moved), "planned");
    assert.equal(stateOf(kept), "registered");
    assert.equal(target(moved).sender !== target(kept).sender, true);
  });

  it("a copy without others' keys takes none away, and brings those that it made", () => {
    const main = office();
    const known = onBoard(main, "kitchen");
    const field = exported(main, "Anna");
    const bare = deviceNamed(field, "kitchen");
    bare.current = { ...bare.current!, secrets: undefined as never };
    bare.place = "upstairs";
    touch(bare);
    const made = onBoard(field, "cellar");
    const { updated, added } = mergeNetworks(main, field);
    assert.deepEqual([updated, added], [["kitchen"], ["cellar"]]);
    assert.equal(deviceNamed(main, "kitchen").place, "upstairs");
    assert.deepEqual(deviceNamed(main, "kitchen").current!.secrets, known.current!.secrets);
    assert.deepEqual(deviceNamed(main, "cellar").current, made.current);
    assert.deepEqual(comparable(main), comparable(field));
  });

  it("what cannot be put together is refused, and says why", () => {
    const main = office();
    const copy = copied(main);
    for (const network of [main, copy]) {
      network.keys.push({ ...office().keys[0], number: 2 });
      note(network, "refreshed");
    }
    assert.throws(() => mergeNetworks(main, copy), /refreshed in both files/);
    assert.throws(() => mergeNetworks(main, office()), /of two networks/);
  });
});

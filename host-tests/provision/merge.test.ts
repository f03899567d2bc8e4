import assert from "node:assert/strict";
import fc from "fast-check";
import { grant, newCredentials, nextFree, Taken } from "../../scripts/provision/allocation.js";
import { newDevice } from "../../scripts/provision/commands/add.js";
import { ProvisionError } from "../../scripts/provision/errors.js";
import { mergeNetworks, sharedNumbers } from "../../scripts/provision/merge.js";
import {
  decodeNetwork,
  deviceNamed,
  encodeNetwork,
  members,
  type Network,
  newNetwork,
  note,
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
  device.registered = { life: device.current.life, address: device.current.address };
  touch(device);
  return device;
}

function senders(network: Network): number[] {
  return network.devices.map((device) => target(device).sender).filter((sender) => sender !== undefined);
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

describe("copies put together", () => {
  it("of two technicians' files, exported or merely copied, no two devices share an address, Sender ID, name or board", () => {
    const step = fc.record({
      who: fc.nat(2),
      what: fc.constantFrom("add", "add", "replace", "remove", "sync", "rename"),
      kind: fc.constantFrom("node" as const, "relay" as const, "gateway" as const),
      which: fc.nat(5),
      board: fc.nat(6),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, properly) => {
        const main = office();
        onBoard(main, "gateway", "gateway");
        const others = ["Anna", "Ben"].map((name) => (properly ? exported(main, name, 64) : copied(main)));
        const files = [main, ...others];
        for (const { who, what, kind, which, board } of steps) {
          const file = files[who];
          const all = members(file);
          const device = all[which % Math.max(1, all.length)];
          if (what === "add" && !all.some(({ name }) => name === `${kind}-${which}`)) {
            if (properly && kind === "gateway") continue;
            onBoard(file, `${kind}-${which}`, kind).chipId = new Uint8Array(8).fill(board);
          } else if (device !== undefined && what === "replace" && device.kind !== "gateway") {
            device.next = newCredentials(file, device);
            touch(device);
          } else if (device !== undefined && what === "remove") {
            device.removed = "2026-01-01T00:00:00.000Z";
            touch(device);
          } else if (what === "sync" && who > 0) mergeNetworks(main, file);
        }
        for (const file of others) mergeNetworks(main, file);
        for (const network of [main]) {
          assert.deepEqual(sharedNumbers(network), []);
          const ids = senders(network);
          assert.equal(new Set(ids).size, ids.length, `Sender IDs ${ids}`);
          const names = members(network).map(({ name }) => name);
          assert.equal(new Set(names).size, names.length);
          const boards = members(network).flatMap(({ chipId }) =>
            chipId === undefined ? [] : [`${chipId}`],
          );
          assert.equal(new Set(boards).size, boards.length, "boards");
        }
        // A second time there is nothing to do, and those in the field learn what the office has decided.
        for (const file of others) {
          assert.deepEqual(mergeNetworks(main, copied(main)), { added: [], updated: [], resolved: [] });
          mergeNetworks(file, main);
          assert.deepEqual(sharedNumbers(file), []);
        }
        // Nothing that was in use is free again.
        const taken = new Taken(main).addresses;
        for (const { devices } of files)
          for (const device of devices) assert.ok(taken.has(target(device).address));
      }),
      { numRuns: 300 },
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

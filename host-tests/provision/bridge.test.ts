/** The commands that go through a gateway's radio, as processes: its console is a pseudo-terminal, the others are on the air. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostCrypto } from "#hal/crypto.js";
import { type RunningServer, startServer } from "../../cloud/server.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { type Kind, staticOob } from "../../firmware/console/label.js";
import { type Identity, loadIdentity } from "../../firmware/roles/identity.js";
import { MemoryStore } from "../../hal/host/storage.js";
import { labelOf, labelText } from "../../scripts/provision/label.js";
import { deviceNamed, keysOf, type Network, newNetwork, stateOf } from "../../scripts/provision/network.js";
import { NetworkFile } from "../../scripts/provision/network-file.js";
import { Air } from "../../sim/air/air.js";
import { fixedRange } from "../../sim/air/propagation.js";
import { SimulatedBoard } from "../../sim/board.js";
import { VirtualInternet } from "../../sim/modem/virtual-network.js";
import { PacedClock } from "../../sim/paced-clock.js";
import { Random } from "../../sim/random.js";
import { PASSPHRASE, provision, provisionJson } from "./command.js";
import { PtyBoard } from "./pty-board.js";

/** A board without a cable. */
interface Remote {
  readonly board: SimulatedBoard;
  readonly storage: MemoryStore;
  /** Text of what is printed on it. */
  readonly label: string;
}

/** The air takes its time; here it goes faster, at both ends. */
const SPEED = 4;

describe("npm run provision, over the air through a gateway", function () {
  this.timeout(120_000);
  let directory: string;
  let server: RunningServer;
  let clock: PacedClock;
  let air: Air;
  let gateway: PtyBoard;
  const remotes: Remote[] = [];
  const costBefore = process.env.OSCORE_MESH_TEST_SCRYPT;
  const at = (name: string) => join(directory, name);
  const fast = { preload: "./host-tests/provision/fast.mjs", env: { SPEED: `${SPEED}` } };
  const json = (args: string[], input?: string) =>
    provisionJson([...args, "--network", at("network")], { ...fast, ...(input !== undefined && { input }) });
  const bridged = (args: string[], input?: string) => json([...args, "--bridge", gateway.path], input);
  const network = (): Network => NetworkFile.open(at("network"), PASSPHRASE, { write: false }).network;
  const radio = (name: string) =>
    air.attach({ name, position: { x: 0, y: 0 }, random: new Random(1).fork(name) });

  before(async () => {
    process.env.OSCORE_MESH_TEST_SCRYPT = "4";
    directory = mkdtempSync(join(tmpdir(), "bridge-"));
    server = await startServer({
      dataDir: at("server"),
      http: { host: "127.0.0.1", port: 0 },
      coap: { host: "127.0.0.1", port: 0 },
    });
    clock = new PacedClock({ speed: SPEED });
    clock.start();
    air = new Air({ clock, random: new Random(5), propagation: fixedRange(60) });
    const plan = newNetwork({
      name: "air",
      gateways: "one",
      ttl: 7,
      interval: 60,
      confirmable: true,
      server: { url: server.httpUrl!, token: server.apiToken },
    });
    NetworkFile.create(at("network"), PASSPHRASE, plan).close();
    gateway = await PtyBoard.plugIn(at("tty"), clock, { kind: "gateway", bearer: radio("gateway") });
  });
  after(async () => {
    gateway.unplug();
    for (const { board } of remotes) clock.enter(() => board.powerOff());
    clock.stop();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
    if (costBefore === undefined) delete process.env.OSCORE_MESH_TEST_SCRYPT;
    else process.env.OSCORE_MESH_TEST_SCRYPT = costBefore;
  });

  /** Takes a board out of its box and gives it power. */
  function unpack(kind: Kind): Remote {
    const chipId = hostCrypto.random(8);
    const storage = new MemoryStore();
    const internet = new VirtualInternet(clock);
    const board = new SimulatedBoard({
      kind,
      chipId,
      storage,
      bearer: radio(`${kind}-${remotes.length}`),
      around: {
        clock,
        random: new Random(3),
        internet: () => internet.host(),
        server: { host: "192.0.2.1", port: 5683 },
        timeScale: 6,
      },
    });
    clock.enter(() => board.powerOn());
    const label = labelText(labelOf(kind, chipId, staticOob(storage, hostCrypto)));
    const remote = { board, storage, label };
    remotes.push(remote);
    return remote;
  }

  function identityOn({ storage }: Pick<Remote, "storage">): Identity {
    const identity = loadIdentity(storage);
    assert.ok(!(identity instanceof Refusal), `${identity}`);
    return identity;
  }

  it("add: a board that is only heard, by its label; twice is once", async () => {
    assert.equal((await json(["add", "gateway-1", "--port", gateway.path])).code, 0);
    const node = unpack("node");
    const unlabelled = await bridged(["add", "node-1"]);
    assert.deepEqual([unlabelled.code, unlabelled.json.error], [2, "usage"]);
    const added = await bridged(["add", "node-1", "--label", "-"], node.label);
    assert.deepEqual([added.code, added.json.state], [0, "registered"], JSON.stringify(added.json));
    const { name, mesh } = identityOn(node);
    assert.deepEqual([name, mesh.address], ["node-1", 0x0100]);
    assert.equal(server.registry.get("node-1")?.meshAddress, "0100");
    const again = await bridged(["add", "node-1", "--label", "-"], node.label);
    assert.deepEqual([again.code, again.json.written], [0, false], JSON.stringify(again.json));
  });

  it("batch: rows with a label, one after another, with the bridge's cable pulled under way", async () => {
    const [node, relay] = [unpack("node"), unpack("relay")];
    writeFileSync(
      at("list.csv"),
      `name,kind,label\nnode-2,node,${node.label}\nrelay-1,relay,${relay.label}\n`,
    );
    gateway.pullAt = [gateway.lines + 40];
    const { code, json: said } = await bridged(["batch", at("list.csv"), "--timeout", "5"]);
    assert.deepEqual([code, (said.done as unknown[]).length], [0, 2], JSON.stringify(said));
    assert.equal(gateway.pulls, 1);
    assert.equal(identityOn(node).name, "node-2");
    assert.equal(identityOn(relay).mesh.appKey, undefined, "a relay is blind");
  });

  it("rotate: all have new keys of the mesh, also the bridge, and go on from there", async () => {
    const dry = await bridged(["rotate", "--dry-run"]);
    assert.deepEqual([dry.code, (dry.json.devices as unknown[]).length], [0, 4]);
    assert.equal(keysOf(network()).number, 1);
    const unasked = await provision(["rotate", "--bridge", gateway.path, "--network", at("network")]);
    assert.deepEqual([unasked.code, /or --yes/.test(unasked.errors)], [2, true]);
    const { code, json: said } = await bridged(["rotate", "--yes"]);
    assert.deepEqual(
      [code, said.generation, (said.refreshed as string[]).sort(), said.behind],
      [0, 2, ["gateway-1", "node-1", "node-2", "relay-1"], []],
      JSON.stringify(said),
    );
    // Whoever comes now comes with the new keys.
    const node = unpack("node");
    const added = await bridged(["add", "node-3", "--label", "-"], node.label);
    assert.equal(added.code, 0, JSON.stringify(added.json));
    assert.deepEqual(identityOn(node).mesh.netKey, keysOf(network(), 2).netKey);
  });

  it("remove: the others get new keys, and the one that is out does not", async () => {
    const [first] = remotes;
    const { code, json: said } = await bridged(["remove", "node-1", "--yes"]);
    assert.deepEqual([code, said.revoked, said.keyRefresh], [0, true, "done"], JSON.stringify(said));
    assert.equal(server.registry.get("node-1"), undefined);
    const { netKey } = keysOf(network(), 3);
    for (const { storage } of [gateway, ...remotes]) {
      // Version, index, phase, key (firmware/mesh/node-store.ts).
      const has = storage.get("mesh.net")?.subarray(4, 20);
      assert.equal(has !== undefined && Buffer.from(netKey).equals(has), storage !== first!.storage);
    }
    assert.equal(stateOf(deviceNamed(network(), "node-2")), "registered");
  });

  it("a device that does not answer is named, and left behind when that is asked for", async () => {
    const relay = remotes[2]!;
    clock.enter(() => relay.board.powerOff());
    const stuck = await bridged(["rotate", "--yes", "--patience", "12"]);
    assert.deepEqual([stuck.code, /did not reach .*relay-1/.test(`${stuck.json.message}`)], [1, true]);
    const during = await json(["add", "node-9", "--port", at("nothing")]);
    assert.deepEqual([during.code, during.json.error], [1, "wrong-state"]);
    const on = await bridged(["rotate", "--yes", "--leave-behind", "--patience", "12"]);
    assert.deepEqual([on.code, on.json.behind], [0, ["relay-1"]], JSON.stringify(on.json));
    assert.equal(stateOf(deviceNamed(network(), "relay-1")), "planned");
  });
});

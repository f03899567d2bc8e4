import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Counters } from "../../firmware/bytes/counters.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { IvIndex } from "../../firmware/mesh/iv-index.js";
import { MeshStorage } from "../../firmware/mesh/mesh-storage.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { decodeReport } from "../../firmware/reading/codec.js";
import { NodeRole } from "../../firmware/roles/node.js";
import { MemoryStore, openFileStore } from "../../hal/host/storage.js";
import { Capture } from "../../sim/capture/capture.js";
import { networkKeys } from "../../sim/capture/network-keys.js";
import { type KeyRing, newKeyRing, saveKeyRing } from "../../sim/network.js";
import { EPOCH, TestSystem } from "../system/harness.js";
import { fields, needTshark, tshark } from "./tshark.js";

const SECONDS = 60;

/** The file that the keys of a system's devices would be in. */
function keyRingOf({ devices }: TestSystem): KeyRing {
  const { netKey, appKey } = devices.find(({ kind }) => kind === "node")!.identity.mesh;
  return {
    netKey,
    appKey: appKey!,
    devices: new Map(
      devices.map(({ name, identity: { mesh, oscore } }) => [
        name,
        { address: mesh.address, deviceKey: mesh.deviceKey, ...(oscore !== undefined && { oscore }) },
      ]),
    ),
  };
}

function captureKeys(...args: string[]) {
  return spawnSync(process.execPath, ["--import", "tsx", "scripts/capture-keys.ts", ...args], {
    encoding: "utf8",
  });
}

describe("a capture in Wireshark's eyes", function () {
  this.timeout(60_000);
  let directory: string;
  let file: string;
  let profile: string;
  let system: TestSystem;
  let said: string;
  /** Access messages that nodes gave to their stacks: source address and payload in hex. */
  const sent: { source: number; payload: string; time: number }[] = [];

  before(async function () {
    needTshark(this);
    directory = mkdtempSync(join(tmpdir(), "capture-"));
    file = join(directory, "run.pcapng");
    const blocks: Uint8Array[] = [];
    const capture = new Capture({
      write: (block) => blocks.push(block) > 0,
      time: () => EPOCH + system.clock.now(),
    });
    system = new TestSystem({
      nodes: 3,
      relays: 2,
      gateways: 2,
      loss: 0.1,
      wrapNetwork: (gateway, network) => capture.tap(gateway, network),
    });
    capture.listen(system.world.air);
    await system.start();
    for (const { role, device } of system.world.devices.values()) {
      if (!(role instanceof NodeRole)) continue;
      const { stack } = role;
      const send = stack.send.bind(stack);
      stack.send = (destination, opcode, parameters, options) => {
        assert.equal(opcode, OPCODE_COAP_STATUS);
        const payload = `c1ffff${toHex(parameters)}`;
        sent.push({ source: device.identity.mesh.address, payload, time: system.clock.now() });
        return send(destination, opcode, parameters, options);
      };
    }
    system.run(SECONDS);
    capture.finish();
    writeFileSync(file, Buffer.concat(blocks));

    // As npm start would have left them.
    const data = join(directory, "data");
    profile = join(data, "wireshark");
    mkdirSync(data);
    saveKeyRing(join(data, "network.json"), keyRingOf(system));
    const { status, stdout, stderr } = captureKeys("--data", data);
    assert.equal(status, 0, stderr);
    said = stdout + stderr;
  });
  after(() => {
    if (directory !== undefined) rmSync(directory, { recursive: true });
  });

  it("has the access messages of the nodes, byte for byte", () => {
    const seen = fields(profile, file, "btmesh.access.decrypted", ["btmesh.src", "btmesh.access.decrypted"]);
    const all = new Set(sent.map(({ source, payload }) => `${source} ${payload}`));
    const nodes = new Set(sent.map(({ source }) => source));
    const fromNodes = seen
      .filter((packet) => nodes.has(Number(packet["btmesh.src"])))
      .map((packet) => `${packet["btmesh.src"]} ${packet["btmesh.access.decrypted"]}`);
    for (const message of fromNodes) assert.ok(all.has(message), `${message} was never sent`);
    // The segments of the last ones may still be on their way.
    const settled = sent.filter(({ time }) => time < (SECONDS - 10) * 1000);
    assert.ok(settled.length >= 3 * 4, `${settled.length} messages`);
    const found = new Set(fromNodes);
    for (const { source, payload } of settled)
      assert.ok(found.has(`${source} ${payload}`), `${source} ${payload}`);
  });

  it("has the measured temperatures in the UDP datagrams, inside OSCORE", () => {
    const datagrams = fields(profile, file, "udp && oscore.tag && data.data", [
      "ip.src",
      "coap.opt.object_security_kid",
      "data.data",
    ]);
    const names = new Map(
      system.devices.map(({ name, identity }) => [identity.oscore && toHex(identity.oscore.senderId), name]),
    );
    const arrived = new Set<string>();
    for (const datagram of datagrams) {
      // Ciphertext, then what it was; an answer has nothing in it.
      const plain = datagram["data.data"].split(",")[1];
      if (plain === undefined) continue;
      const report = decodeReport(hex(plain));
      assert.ok(!(report instanceof Refusal), plain);
      if (report.kind === "health") continue;
      const node = names.get(datagram["coap.opt.object_security_kid"])!;
      for (const { temperature, humidity } of report.readings) {
        arrived.add(
          TestSystem.key({
            node,
            temperature: temperature && temperature / 100,
            humidity: humidity && humidity / 100,
          }),
        );
      }
    }
    const measured = new Set(system.measured.map(TestSystem.key));
    for (const reading of arrived) assert.ok(measured.has(reading), `${reading} was never measured`);
    assert.ok(system.readings.length >= 3 * 4, `${system.readings.length} readings`);
    for (const reading of system.readings) assert.ok(arrived.has(TestSystem.key(reading)));
  });

  it("shows the reading's CoAP, OSCORE and CBOR inside the mesh message too", () => {
    const messages = fields(profile, file, "btmesh && coap.code == 2", [
      "coap.opt.object_security_kid",
      "oscore.code",
      "cbor.type.uint",
      "data.data",
    ]);
    assert.ok(messages.length >= 3 * 4);
    for (const message of messages) {
      assert.equal(message["oscore.code"], "2");
      const report = decodeReport(hex(message["data.data"].split(",")[1]));
      assert.ok(!(report instanceof Refusal) && report.kind === "readings");
      // CBOR key 1 is the temperature in hundredths of a degree, and none of this office is below zero.
      const temperature = report.readings[0].temperature;
      assert.ok(message["cbor.type.uint"].startsWith(`1,${temperature},2,`), message["cbor.type.uint"]);
    }
  });

  it("has packets that Wireshark finds right, in the order of time, under the names of their senders", () => {
    const checks = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    const wrong =
      "_ws.malformed || btle.crc.incorrect || ip.checksum.status == 0 || udp.checksum.status == 0 || frame.time_delta < 0";
    assert.deepEqual(tshark(profile, file, ...checks, "-Y", wrong), []);
    const senders = new Set(fields(profile, file, "frame", ["frame.comment"]).map((p) => p["frame.comment"]));
    assert.deepEqual([...senders].sort(), system.devices.map(({ name }) => name).sort());
    const addresses = fields(profile, file, "udp && frame.comment == gateway-2", ["ip.addr"]);
    for (const packet of addresses) {
      assert.deepEqual(packet["ip.addr"].split(",").sort(), ["10.64.0.2", "192.0.2.1"]);
    }
    const [first] = fields(profile, file, "frame.number == 1", ["frame.time_epoch"]);
    const seconds = Number(first["frame.time_epoch"]) - EPOCH / 1000;
    assert.ok(seconds >= 0 && seconds < SECONDS);
  });

  it("says nothing to those who have no keys", () => {
    const nobody = join(directory, "nobody");
    mkdirSync(nobody);
    assert.deepEqual(fields(nobody, file, "btmesh.src || oscore.tag", ["frame.number"]), []);
  });

  it("holds no key, and neither does what the command says; the files with keys are their owner's", () => {
    const written = readFileSync(file);
    const { netKey, appKey, devices } = keyRingOf(system);
    const keys = [netKey, appKey];
    for (const { deviceKey, oscore } of devices.values()) {
      keys.push(deviceKey);
      if (oscore !== undefined) keys.push(oscore.masterSecret, oscore.masterSalt);
    }
    for (const key of keys) {
      assert.equal(written.indexOf(key), -1);
      assert.equal(written.indexOf(toHex(key)), -1);
      assert.ok(!said.includes(toHex(key)));
    }
    assert.match(said, /These ARE the keys/);
    assert.equal(statSync(profile).mode & 0o777, 0o700);
    for (const name of ["btmesh_nw_keys", "btmesh_dev_keys", "oscore_contexts"]) {
      assert.equal(statSync(join(profile, name)).mode & 0o777, 0o600, name);
    }
  });
});

describe("keys for Wireshark", function () {
  this.timeout(20_000);
  let directory: string;
  const ring = newKeyRing((length) => new Uint8Array(length).fill(7));
  ring.devices.set("node-1", { address: 0x0100, deviceKey: new Uint8Array(16) });

  before(() => {
    directory = mkdtempSync(join(tmpdir(), "capture-keys-"));
    saveKeyRing(join(directory, "network.json"), ring);
  });
  after(() => rmSync(directory, { recursive: true }));

  /** What a node stores when its network moves to IV Index 1. */
  const update = (storage: MemoryStore | ReturnType<typeof openFileStore>) => {
    const iv = new IvIndex({
      storage: new MeshStorage(storage, new Counters()),
      ivIndex: 0,
      updating: false,
      testMode: true,
      now: 0,
      changed: () => {},
      busy: () => false,
    });
    assert.ok(iv.start(0));
    return storage;
  };

  it("have a row for each IV Index in use", () => {
    const rows = (store: MemoryStore | undefined) =>
      networkKeys(ring, () => store).networks.map(({ ivIndex }) => ivIndex);
    assert.deepEqual(rows(undefined), [0]);
    assert.deepEqual(rows(new MemoryStore()), [0]);
    assert.deepEqual(rows(update(new MemoryStore()) as MemoryStore), [1, 0]);
  });

  it("follow the devices' stores, which stay as they are", () => {
    mkdirSync(join(directory, "devices"), { recursive: true });
    const file = join(directory, "devices", "node-1.store");
    const store = openFileStore(file, { sync: false });
    update(store);
    store.close();
    // A record that is being written.
    writeFileSync(file, Uint8Array.of(1, 2, 3), { flag: "a" });
    const before = readFileSync(file);
    const out = join(directory, "out");
    assert.equal(captureKeys("--data", directory, "--out", out, "--coap-port", "15683").status, 0);
    assert.deepEqual(readFileSync(file), before);
    const key = `0x${"07".repeat(16)}`;
    const table = readFileSync(join(out, "btmesh_nw_keys"), "utf8").split("\n").slice(1);
    assert.deepEqual(table, [`"${key}","${key}","0x00000001"`, `"${key}","${key}","0x00000000"`, ""]);
    assert.match(readFileSync(join(out, "decode_as_entries"), "utf8"), /udp\.port,15683,\(none\),CoAP/);
  });

  it("are not put in the place of somebody else's, and leave the reader's columns alone", () => {
    const out = join(directory, "theirs");
    mkdirSync(out);
    writeFileSync(join(out, "preferences"), "their columns");
    assert.equal(captureKeys("--data", directory, "--out", out).status, 0);
    assert.equal(readFileSync(join(out, "preferences"), "utf8"), "their columns");
    writeFileSync(join(out, "oscore_contexts"), "their contexts");
    const { status, stderr } = captureKeys("--data", directory, "--out", out);
    assert.equal(status, 1);
    assert.match(stderr, /choose another directory with --out/);
    assert.equal(readFileSync(join(out, "oscore_contexts"), "utf8"), "their contexts");
  });

  it("that are not there, or options that are none, are named", () => {
    const empty = captureKeys("--data", join(directory, "nowhere"));
    assert.equal(empty.status, 1);
    assert.match(empty.stderr, /There is no network in .*nowhere/);
    assert.equal(captureKeys("--colour").status, 2);
    assert.equal(captureKeys("--coap-port", "0").status, 2);
    assert.equal(captureKeys("--help").status, 0);
  });
});

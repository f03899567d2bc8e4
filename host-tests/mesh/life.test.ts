import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { ByteWriter } from "../../firmware/bytes/writer.js";
import { sealSecureNetworkBeacon } from "../../firmware/mesh/beacon.js";
import * as ask from "../../firmware/mesh/config-messages.js";
import { Status } from "../../firmware/mesh/foundation.js";
import { KeyStore } from "../../firmware/mesh/keys.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Network, type Node } from "./test-network.js";
import { APP_KEY, NET_KEY } from "./vectors.js";

const NEW_NET_KEY = hex("11112222333344445555666677778888");
const NEW_APP_KEY = hex("aaaabbbbccccddddeeeeffff00001111");

function deviceKey(address: number): Uint8Array {
  return new Uint8Array(16).fill(address);
}

/** A provisioner that can configure everyone, and some nodes; all hear all. */
function setUp(count: number, config = {}) {
  const network = new Network(11, { delay: () => 1 + network.random() * 5 });
  const all: Node[] = [];
  for (let address = 1; address <= count; address++) {
    all.push(network.add(address, { deviceKey: deviceKey(address), beacon: true, ...config }));
  }
  for (let address = 1; address <= count; address++) {
    all[0].stack.keys.setRemoteDeviceKey(address, deviceKey(address));
  }
  return { network, all };
}

let serial = 0;
/** Sends a message from one node to another, and says whether it came. */
function reaches(network: Network, from: Node, to: Node): boolean {
  const text = (++serial).toString(16).padStart(8, "0");
  from.stack.send(to.address, OPCODE_COAP_STATUS, hex(text));
  network.run(2000);
  return to.heard.includes(text);
}

describe("mesh: secure network beacons on the air", () => {
  it("are heard about once in ten seconds, however many nodes there are", () => {
    for (const count of [1, 2, 5, 20]) {
      const { network, all } = setUp(count);
      network.run(600_000);
      const sent = all.reduce((sum, { stack }) => sum + stack.counters.get("beacon.sent"), 0);
      assert.ok(sent > 30 && sent < 150, `${count} nodes sent ${sent} in ten minutes`);
      assert.equal(all[0].stack.counters.get("drop.beacon-mic"), 0);
    }
  });

  it("of others, forged or broken, change nothing", () => {
    const { network, all } = setUp(1, { beacon: false });
    const { stack } = all[0];
    const other = new KeyStore(hostCrypto).addSubnet(0, NEW_NET_KEY).current;
    const beacon = { keyRefresh: false, ivUpdate: true, ivIndex: 2 };
    const foreign = sealSecureNetworkBeacon(hostCrypto, other, beacon);
    const own = sealSecureNetworkBeacon(hostCrypto, stack.keys.subnet(0)!.current, beacon);
    const forged = own.slice();
    forged[forged.length - 1] ^= 1;
    const far = sealSecureNetworkBeacon(hostCrypto, stack.keys.subnet(0)!.current, {
      ...beacon,
      ivIndex: 99,
    });
    for (const bytes of [foreign, forged, far, own.subarray(0, 10), hex("022b01")])
      stack.receive(bytes, -60, 0);
    assert.equal(stack.iv.current, 1);
    assert.equal(stack.counters.get("drop.beacon-network"), 1);
    assert.equal(stack.counters.get("drop.beacon-mic"), 1);
    assert.equal(stack.counters.get("drop.beacon-ignored-far"), 1);
    assert.equal(stack.counters.get("drop.ad-length"), 1);
    stack.receive(own, -60, network.medium.now);
    assert.equal(stack.iv.current, 2);
  });

  it("private ones are heard too", () => {
    const network = new Network(6);
    const { stack } = network.add(1);
    const random = new Uint8Array(13).fill(7);
    const said = Uint8Array.of(0x02, 0, 0, 0, 2);
    const sealed = stack.keys.subnet(0)!.current.privateBeacon.seal(random, new Uint8Array(0), said);
    const beacon = Uint8Array.of(28, 0x2b, 0x02, ...random, ...sealed);
    for (let i = 3; i < beacon.length; i++) {
      const forged = beacon.slice();
      forged[i] ^= 1;
      stack.receive(forged, -50, 0);
    }
    stack.receive(Uint8Array.of(27, ...beacon.subarray(1, 28)), -50, 0);
    assert.equal(stack.iv.current, 1);
    stack.receive(beacon, -50, 0);
    assert.deepEqual([stack.iv.current, stack.iv.updating, stack.iv.transmit], [2, true, 1]);
  });

  it("of a secondary subnet do not move the IV Index of a member of the primary one", () => {
    const network = new Network(1);
    const { stack } = network.add(1, {
      netKeys: [
        { index: 0, key: hex(NET_KEY) },
        { index: 1, key: NEW_NET_KEY },
      ],
    });
    const beacon = { keyRefresh: false, ivUpdate: true, ivIndex: 2 };
    stack.receive(sealSecureNetworkBeacon(hostCrypto, stack.keys.subnet(1)!.current, beacon), -60, 0);
    assert.equal(stack.iv.current, 1);
    stack.receive(sealSecureNetworkBeacon(hostCrypto, stack.keys.subnet(0)!.current, beacon), -60, 0);
    assert.equal(stack.iv.current, 2);
  });
});

describe("mesh: IV Update in a network", () => {
  it("spreads by beacons, messages pass at every moment, and numbers start again at zero", () => {
    const { network, all } = setUp(4, { ivUpdateTestMode: true });
    assert.ok(reaches(network, all[1], all[2]));
    assert.ok(all[0].stack.startIvUpdate());
    // Some nodes know of it already, some do not.
    for (let i = 0; i < 4; i++) assert.ok(reaches(network, all[i], all[(i + 1) % 4]), `in between, ${i}`);
    network.run(120_000);
    for (const { stack } of all) assert.deepEqual([stack.iv.current, stack.iv.transmit], [2, 1]);
    assert.ok(all[3].stack.iv.finish(network.medium.now));
    for (let i = 0; i < 4; i++) assert.ok(reaches(network, all[i], all[(i + 2) % 4]), `at the end, ${i}`);
    network.run(120_000);
    for (const { stack } of all) assert.deepEqual([stack.iv.current, stack.iv.transmit], [2, 2]);
    for (let i = 0; i < 4; i++) assert.ok(reaches(network, all[i], all[(i + 3) % 4]), `afterwards, ${i}`);
  });

  it("is begun by a node whose numbers run out", () => {
    const { network, all } = setUp(3, { ivUpdateTestMode: true });
    all[1].off();
    all[1].store.set("mesh.seq", new ByteWriter().u32(1).u32(0xc00001).finish());
    all[1].on();
    assert.ok(reaches(network, all[1], all[2]));
    network.run(60_000);
    for (const { stack } of all) assert.equal(stack.iv.updating, true);
    all[1].stack.iv.finish(network.medium.now);
    network.run(60_000);
    assert.ok(reaches(network, all[1], all[2]), "with low numbers under the new index");
  });

  it("a node that was off finds back, and so does one that missed two updates", () => {
    const { network, all } = setUp(3, { ivUpdateTestMode: true });
    all[2].off();
    for (let round = 0; round < 2; round++) {
      all[0].stack.startIvUpdate();
      network.run(60_000);
      all[0].stack.iv.finish(network.medium.now);
      network.run(60_000);
    }
    assert.equal(all[1].stack.iv.current, 3);
    all[2].on({ ivUpdateTestMode: false });
    assert.equal(all[2].stack.iv.current, 1);
    network.run(60_000);
    assert.equal(all[2].stack.iv.current, 3);
    assert.ok(reaches(network, all[2], all[1]));
    assert.ok(reaches(network, all[1], all[2]));
    all[2].reboot();
    assert.equal(all[2].stack.iv.current, 3);
    assert.ok(reaches(network, all[2], all[1]));
  });

  it("waits with its end for a segmented message under way", () => {
    const { network, all } = setUp(2, { ivUpdateTestMode: true, ivIndex: 5, ivUpdate: true });
    const [a] = all;
    a.stack.send(0x0077, OPCODE_COAP_STATUS, new Uint8Array(40));
    network.run(100);
    a.stack.iv.finish(network.medium.now);
    assert.equal(a.stack.iv.updating, true);
    network.run(10_000);
    assert.equal(a.stack.iv.updating, false);
  });
});

describe("mesh: key refresh in a network", () => {
  function ok(from: Node, address: number, request: ask.ConfigRequest): void {
    assert.equal(from.configure(address, request).status, Status.SUCCESS, `0x${address.toString(16)}`);
  }

  it("goes through its phases, messages pass at every moment, and the old keys are gone at the end", () => {
    const { network, all } = setUp(4);
    const addresses = all.map(({ address }) => address);
    const allReach = (when: string) => {
      for (let i = 0; i < 4; i++) assert.ok(reaches(network, all[i], all[(i + 1) % 4]), `${when}, ${i}`);
    };
    allReach("before");
    for (const address of addresses) {
      ok(all[0], address, ask.netKeyUpdate(0, NEW_NET_KEY));
      ok(all[0], address, ask.appKeyUpdate(0, 0, NEW_APP_KEY));
      if (address === 2) allReach("half in phase 1");
    }
    allReach("phase 1");
    // One node is told, the others hear it from its beacons.
    ok(all[0], 1, ask.keyRefreshPhaseSet(0, 2));
    allReach("some in phase 2");
    network.run(60_000);
    for (const { stack } of all) assert.equal(stack.keys.subnet(0)?.phase, 2);
    allReach("phase 2");
    all[2].reboot();
    assert.equal(all[2].stack.keys.subnet(0)?.phase, 2, "kept over a power cut");
    allReach("phase 2 after a power cut");
    ok(all[0], 1, ask.keyRefreshPhaseSet(0, 3));
    network.run(60_000);
    for (const { stack } of all) {
      assert.equal(stack.keys.subnet(0)?.phase, 0);
      assert.equal(toHex(stack.keys.subnet(0)!.current.key), toHex(NEW_NET_KEY));
      assert.equal(toHex(stack.keys.appKey(0)!.current.key), toHex(NEW_APP_KEY));
    }
    allReach("afterwards");
    for (const node of all) {
      node.reboot();
      const left = JSON.stringify([...node.store.image().values()].map(toHex));
      assert.ok(!left.includes(NET_KEY) && !left.includes(APP_KEY), "old keys in storage");
    }
    allReach("after power cuts");
  });

  it("leaves out who was not told", () => {
    const { network, all } = setUp(3);
    for (const address of [1, 2]) {
      ok(all[0], address, ask.netKeyUpdate(0, NEW_NET_KEY));
      ok(all[0], address, ask.appKeyUpdate(0, 0, NEW_APP_KEY));
    }
    for (const address of [1, 2]) ok(all[0], address, ask.keyRefreshPhaseSet(0, 2));
    for (const address of [1, 2]) ok(all[0], address, ask.keyRefreshPhaseSet(0, 3));
    network.run(60_000);
    assert.ok(reaches(network, all[0], all[1]));
    assert.equal(reaches(network, all[0], all[2]), false);
    assert.equal(reaches(network, all[2], all[1]), false);
  });
});

describe("mesh: heartbeats", () => {
  it("are sent as often as was set, at once, and heard with their hops", () => {
    const { network, all } = setUp(3, { beacon: false });
    const set = (countLog: number) =>
      ask.heartbeatPublicationSet({
        destination: 3,
        countLog,
        periodLog: 3,
        ttl: 7,
        features: 1,
        netKeyIndex: 0,
      });
    const heard: number[] = [];
    all[2].stack.heartbeat.onHeard = ({ hops }) => heard.push(hops);
    assert.equal(all[0].configure(3, ask.heartbeatSubscriptionSet(2, 3, 8)).status, Status.SUCCESS);
    // Four of them, four seconds apart.
    assert.equal(all[0].configure(2, set(3)).parameters, "000300030307010000" + "00");
    network.run(60_000);
    assert.deepEqual(heard, [1, 1, 1, 1]);
    assert.equal(all[0].configure(3, ask.heartbeatSubscriptionGet()).parameters.slice(0, 10), "0002000300");
    assert.match(all[0].configure(3, ask.heartbeatSubscriptionGet()).parameters, /030101$/);
    assert.equal(all[0].configure(2, ask.heartbeatPublicationGet()).parameters, "00030000030701000000");
    // A feature that is switched is told once more.
    all[0].configure(2, ask.relaySet(true, { count: 2, intervalMs: 20 }));
    network.run(5000);
    assert.equal(heard.length, 5);
  });

  it("publication: status codes", () => {
    const { all } = setUp(2, { beacon: false });
    const set = (destination: number, netKeyIndex: number) =>
      all[0].configure(
        2,
        ask.heartbeatPublicationSet({
          destination,
          countLog: 1,
          periodLog: 1,
          ttl: 5,
          features: 0,
          netKeyIndex,
        }),
      ).status;
    assert.equal(set(0x8001, 0), Status.INVALID_ADDRESS);
    assert.equal(set(0xc001, 7), Status.INVALID_NETKEY_INDEX);
    assert.equal(set(0xc001, 0), Status.SUCCESS);
    assert.equal(set(0, 0), Status.SUCCESS);
    assert.equal(all[0].configure(2, ask.heartbeatPublicationGet()).parameters, "00000000000000000000");
  });

  it("without an end go on after a power cut", () => {
    const { network, all } = setUp(3, { beacon: false });
    all[0].configure(
      2,
      ask.heartbeatPublicationSet({
        destination: 0xc005,
        countLog: 0xff,
        periodLog: 2,
        ttl: 3,
        features: 0,
        netKeyIndex: 0,
      }),
    );
    all[0].configure(3, ask.heartbeatSubscriptionSet(2, 0xc005, 12));
    let heard = 0;
    all[2].stack.heartbeat.onHeard = () => {
      heard++;
    };
    network.run(20_000);
    assert.ok(heard >= 9, `${heard}`);
    all[1].reboot();
    heard = 0;
    network.run(60_000);
    assert.ok(heard >= 15, `${heard}`);
  });
});

describe("mesh: storage that fails", () => {
  it("stops numbers, messages and changes, but nothing else, and tells the Configuration Client", () => {
    const { network, all } = setUp(3, { beacon: false, relay: true });
    const [client, node, peer] = all;
    assert.ok(reaches(network, node, client));
    // A burst raises the ceiling of the replay list, so that some more messages of this source need no write.
    for (let i = 0; i < 20; i++) {
      client.stack.send(2, OPCODE_COAP_STATUS, Uint8Array.of(i));
      network.run(100);
    }
    let broken = true;
    const { set } = node.store;
    node.store.set = (key, value) => {
      if (broken) throw new Error("worn out");
      set.call(node.store, key, value);
    };
    assert.equal(client.configure(2, ask.appKeyAdd(0, 5, NEW_APP_KEY)).status, Status.STORAGE_FAILURE);
    assert.equal(client.configure(2, ask.netKeyAdd(5, NEW_NET_KEY)).status, Status.STORAGE_FAILURE);
    assert.ok(node.stack.counters.get("storage-failure") > 0);
    const before = node.stack.iv.current;
    assert.equal(node.stack.iv.heard(before + 1, true, network.medium.now), "storage-failure");
    assert.equal(node.stack.iv.current, before);
    // A source that is new cannot be remembered, so nothing is taken from it.
    assert.equal(reaches(network, peer, node), false);
    assert.ok(node.stack.counters.get("drop.not-remembered") > 0);
    const relayed = node.stack.counters.get("relayed");
    client.stack.send(3, OPCODE_COAP_STATUS, hex("77"));
    network.run(1000);
    assert.equal(node.stack.counters.get("relayed"), relayed + 1);

    broken = false;
    assert.equal(client.configure(2, ask.appKeyAdd(0, 5, NEW_APP_KEY)).status, Status.SUCCESS);
    assert.ok(reaches(network, peer, node));
    node.reboot();
    assert.equal(toHex(node.stack.keys.appKey(5)!.current.key), toHex(NEW_APP_KEY));
  });
});

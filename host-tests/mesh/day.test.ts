import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import * as ask from "../../firmware/mesh/config-messages.js";
import { Status } from "../../firmware/mesh/foundation.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { Network, type Node } from "./test-network.js";

const GATEWAY = 1;
const NODES = 10;
const MINUTE = 60_000;
const HOURS = 4;
const NEW_NET_KEY = hex("11112222333344445555666677778888");
const NEW_APP_KEY = hex("aaaabbbbccccddddeeeeffff00001111");

function deviceKey(address: number): Uint8Array {
  return new Uint8Array(16).fill(address);
}

describe("mesh over hours", () => {
  it(`${NODES} nodes behind relays, 10 % loss, power cuts, an IV Update and a key refresh: nothing is lost or doubled`, () => {
    // Nodes hear relays and one another, the gateway hears the relays only.
    const network = new Network(2024, {
      reaches: (from, to) => !(from + to > 3 && (from === 0 || to === 0)) && network.random() >= 0.1,
      delay: () => 1 + network.random() * 8,
    });
    const config = (address: number) => ({
      deviceKey: deviceKey(address),
      ivUpdateTestMode: true,
      beacon: true,
    });
    const gateway = network.add(GATEWAY, { ...config(GATEWAY), limits: { rxSessions: 16 } });
    const relays = [2, 3].map((address) => network.add(address, { ...config(address), relay: true }));
    const sensors = Array.from({ length: NODES }, (_, i) => network.add(10 + i, config(10 + i)));
    const all: Node[] = [gateway, ...relays, ...sensors];
    const teach = () => {
      for (const { address } of all) gateway.stack.keys.setRemoteDeviceKey(address, deviceKey(address));
    };
    teach();

    /** Messages that a node wants to bring to the gateway: sent again until they are acknowledged. */
    const waiting = new Map<Node, string>();
    const taken = new Set<string>();
    let sent = 0;
    let lost = 0;
    let serial = 0;
    const report = (node: Node) => {
      const before = waiting.get(node);
      // A message that was not acknowledged in two minutes counts as lost, unless it got there all the same.
      if (before !== undefined && !gateway.heard.includes(before)) lost++;
      const text = (++serial).toString(16).padStart(40, "0");
      waiting.set(node, text);
      sent++;
      attempt(node, text);
    };
    const attempt = (node: Node, text: string) => {
      const accepted = node.stack.send(GATEWAY, OPCODE_COAP_STATUS, hex(text), {
        done: (outcome) => {
          if (waiting.get(node) !== text) return;
          if (outcome === "acknowledged") waiting.delete(node);
        },
      });
      if (accepted) taken.add(text);
    };

    let minute = 0;
    const live = (minutes: number) => {
      for (const end = minute + minutes; minute < end; minute++) {
        for (const [i, node] of sensors.entries()) if ((minute + i) % 2 === 0) report(node);
        for (let part = 0; part < 4; part++) {
          network.run(MINUTE / 4);
          for (const [node, text] of waiting) if (node.stack.sending === 0) attempt(node, text);
        }
        // Somebody's power fails every five minutes, for some seconds.
        if (minute % 5 !== 4) continue;
        const victim = all[Math.floor(network.random() * all.length)];
        victim.off();
        network.run(2000);
        victim.reboot();
        if (victim === gateway) teach();
      }
    };
    const ok = (address: number, request: ask.ConfigRequest) =>
      assert.equal(gateway.configure(address, request).status, Status.SUCCESS);

    live(60);
    assert.ok(relays[0].stack.startIvUpdate());
    live(30);
    for (const { stack } of all) assert.deepEqual([stack.iv.current, stack.iv.updating], [2, true]);
    for (const { address } of all) {
      ok(address, ask.netKeyUpdate(0, NEW_NET_KEY));
      ok(address, ask.appKeyUpdate(0, 0, NEW_APP_KEY));
    }
    live(10);
    assert.ok(gateway.stack.iv.finish(network.medium.now));
    ok(GATEWAY, ask.keyRefreshPhaseSet(0, 2));
    live(20);
    ok(GATEWAY, ask.keyRefreshPhaseSet(0, 3));
    live(HOURS * 60 - minute);
    network.run(MINUTE);

    for (const { stack } of all) {
      assert.deepEqual([stack.iv.current, stack.iv.updating], [2, false]);
      const subnet = stack.keys.subnet(0)!;
      assert.deepEqual([subnet.phase, toHex(subnet.current.key)], [0, toHex(NEW_NET_KEY)]);
    }
    const heard = gateway.heard;
    for (const text of heard) assert.ok(taken.has(text), "never sent");
    assert.ok(sent > NODES * HOURS * 25, `${sent} sent`);
    assert.ok(lost <= sent / 1000, `${lost} of ${sent} lost`);
    // The same text twice can only be an attempt that was repeated because its acknowledgment was lost.
    const doubled = heard.length - new Set(heard).size;
    assert.ok(doubled <= sent / 50, `${doubled} of ${sent} doubled`);
  }).timeout(60_000);
});

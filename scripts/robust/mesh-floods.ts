/** Attacks on what a mesh node keeps: sessions, friendships, provisioning links, the IV Index, its replay list. */

import { sealSecureNetworkBeacon } from "../../firmware/mesh/beacon.js";
import { AdType, ControlOpcode, OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Random } from "../../sim/random.js";
import { Field } from "../soak/field.js";
import { refusals, wrongReadings } from "./field-accounts.js";
import { Insider } from "./insider.js";
import { type AttackSuite, grown } from "./result.js";

interface Flood {
  readonly attack: string;
  /** What it needs to have. */
  readonly has: "nothing" | "the NetKey" | "NetKey and AppKey";
  /** Once every `every` ms. */
  readonly every: number;
  readonly run: (insider: Insider, attempt: number, field: Field) => void;
}

/** Nobody's addresses: of devices that are not there. */
const FOREIGN = 0x5000;

const FLOODS: readonly Flood[] = [
  {
    attack: "random mesh messages, beacons and provisioning PDUs",
    has: "nothing",
    every: 60,
    run: (insider) => {
      const { random } = insider;
      const type = random.pick([AdType.MESH_MESSAGE, AdType.MESH_BEACON, AdType.PB_ADV]);
      insider.frame(type, random.bytes(1 + random.below(29)));
    },
  },
  {
    attack: "first segments of messages that never end, each from another address",
    has: "the NetKey",
    every: 120,
    run: (insider, attempt, field) => {
      const seq = attempt & 0x1fff;
      const segment = [0x80, seq >> 6, (seq << 2) & 0xff, 31, ...insider.random.bytes(12)];
      insider.transport(Uint8Array.from(segment), { src: FOREIGN + attempt, dst: gatewayOf(field), seq });
    },
  },
  {
    attack: "sources that nobody knows, to fill the replay list",
    has: "NetKey and AppKey",
    every: 120,
    run: (insider, attempt, field) => {
      insider.access(Uint8Array.of(0xc1, 0xff, 0xff, 0x70, 0, 0, attempt), {
        src: FOREIGN + attempt,
        dst: gatewayOf(field),
        seq: 1,
      });
    },
  },
  {
    attack: "friend requests and clears in the name of nodes",
    has: "the NetKey",
    every: 250,
    run: (insider, attempt, field) => {
      const src = nodeOf(field, attempt);
      const request = Uint8Array.of(ControlOpcode.FRIEND_REQUEST, 0x41, 0xff, 0, 0, 10, 0, 0, 1, 0, attempt);
      insider.transport(request, { src, dst: 0xfffd, seq: 0x1000 + attempt, ttl: 0, ctl: true });
    },
  },
  {
    attack: "control messages in the name of nodes, with numbers that they never reach",
    has: "the NetKey",
    every: 250,
    run: (insider, attempt, field) => {
      const heartbeat = Uint8Array.of(ControlOpcode.HEARTBEAT, 5, 0, 0);
      const src = nodeOf(field, attempt);
      insider.transport(heartbeat, { src, dst: gatewayOf(field), seq: 0xf00000 + attempt, ctl: true });
    },
  },
  {
    attack: "segment acknowledgments between node and gateway, with numbers that they never reach",
    has: "the NetKey",
    every: 250,
    run: (insider, attempt, field) => {
      const acknowledgment = Uint8Array.of(ControlOpcode.SEGMENT_ACKNOWLEDGMENT, 0, 0, 0, 0, 0, 0);
      const [node, gateway] = [nodeOf(field, attempt >> 1), gatewayOf(field)];
      const way = attempt & 1 ? { src: node, dst: gateway } : { src: gateway, dst: node };
      insider.transport(acknowledgment, { ...way, seq: 0xf00000 + attempt, ctl: true });
    },
  },
  {
    attack: "provisioning links that are opened and left",
    has: "nothing",
    every: 150,
    run: (insider, attempt) => {
      insider.frame(
        AdType.PB_ADV,
        Uint8Array.of(0, 0, attempt >> 8, attempt, 0, 3, ...insider.random.bytes(16)),
      );
    },
  },
  {
    attack: "beacons with another IV Index, authentication made up",
    has: "nothing",
    every: 250,
    run: (insider, attempt) => {
      const beacon = beaconOf(insider, 1 + (attempt % 40)).slice(2);
      beacon[beacon.length - 1] ^= 1 + (attempt % 255);
      insider.frame(AdType.MESH_BEACON, beacon);
    },
  },
  {
    attack: "authentic beacons with an IV Index further ahead than the specification lets a node follow",
    has: "the NetKey",
    every: 250,
    run: (insider, attempt) => insider.frame(AdType.MESH_BEACON, beaconOf(insider, 43 + attempt).slice(2)),
  },
  {
    attack: "CoAP messages with AT commands and line ends inside",
    has: "NetKey and AppKey",
    every: 500,
    run: (insider, attempt, field) => {
      const text = ["\r\nAT+CFUN=15\r\n", '"\r\nAT+USOCL=0\r\n', "@\r\nAT+CPWROFF\r", "+++ATH\r\n"][
        attempt % 4
      ];
      const message = [0x51, 0x02, attempt >> 8, attempt, 0x07, 0xff, ...new TextEncoder().encode(text)];
      insider.access(Uint8Array.of(...opcode(), ...message), {
        src: FOREIGN,
        dst: gatewayOf(field),
        seq: 1 + 8 * attempt,
      });
    },
  },
  {
    attack: "CoAP messages of every form that a gateway must not forward",
    has: "NetKey and AppKey",
    every: 300,
    run: (insider, attempt, field) => {
      const garbage = insider.random.bytes(1 + insider.random.below(40));
      insider.access(Uint8Array.of(...opcode(), ...garbage), {
        src: FOREIGN + 1,
        dst: gatewayOf(field),
        seq: 1 + 8 * attempt,
      });
    },
  },
];

function opcode(): number[] {
  return [OPCODE_COAP_STATUS >> 16, (OPCODE_COAP_STATUS >> 8) & 0xff, OPCODE_COAP_STATUS & 0xff];
}

function beaconOf(insider: Insider, ivIndex: number): Uint8Array {
  const subnet = insider.keys.subnet(0);
  if (subnet === undefined) throw new Error("the insider has no NetKey");
  return sealSecureNetworkBeacon(hostCrypto, subnet.transmit, {
    keyRefresh: false,
    ivUpdate: false,
    ivIndex,
  });
}

function gatewayOf(field: Field): number {
  return field.gateway.device.identity.mesh.address;
}

function nodeOf(field: Field, index: number): number {
  const nodes = field.devices.filter(({ kind }) => kind === "node");
  return nodes[index % nodes.length].identity.mesh.address;
}

export const meshFloodSuite: AttackSuite = async ({ seed, short }, onResult) => {
  const make = () => new Field({ seed, nodes: 4, relays: 2, air: true, settings: { interval: 10 } }).start();
  const seconds = short ? 60 : 600;
  const quiet = await make();
  quiet.run(seconds);
  await wrongReadings(quiet);
  const usual = refusals(quiet);
  for (const { attack, has, every, run } of FLOODS) {
    const field = await make();
    const insider = new Insider(field, new Random(seed).fork(attack));
    let attempts = 0;
    const effects: string[] = [];
    const end = field.clock.now() + seconds * 1000;
    const next = (): void => {
      if (field.clock.now() >= end) return;
      run(insider, attempts++, field);
      watch(field, effects);
      field.clock.post(field.clock.now() + every, next);
    };
    field.clock.post(field.clock.now() + every, next);
    field.run(seconds);
    if (field.gateway.role.modem.counters.get("fault-restarted") > 0) effects.push("the modem restarted");
    effects.push(...(await wrongReadings(field)));
    onResult({
      layer: `somebody on the air with ${has}`,
      attack,
      attempts,
      refusedBy: grown(usual, refusals(field)),
      effects,
    });
    await field.cloud.stop();
  }
};

/** What a node keeps must stay what it may keep, whoever floods it. */
function watch(field: Field, effects: string[]): void {
  for (const { role } of [...field.gateways.values(), ...field.nodes.values(), ...field.relays.values()]) {
    const { receiving, sending } = role.stack;
    if (receiving > 8 || sending > 6)
      effects.push(`${receiving} sessions of reception, ${sending} of sending`);
  }
}

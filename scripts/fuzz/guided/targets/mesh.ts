import { Counters } from "../../../../firmware/bytes/counters.js";
import { hex } from "../../../../firmware/bytes/hex.js";
import { Refusal } from "../../../../firmware/bytes/refusal.js";
import { k4 } from "../../../../firmware/crypto/mesh-keys.js";
import {
  decodeUnprovisionedBeacon,
  encodeUnprovisionedBeacon,
  sealSecureNetworkBeacon,
} from "../../../../firmware/mesh/beacon.js";
import { KeyStore } from "../../../../firmware/mesh/keys.js";
import { MessageCache } from "../../../../firmware/mesh/message-cache.js";
import { NetworkCodec } from "../../../../firmware/mesh/network.js";
import { AdType } from "../../../../firmware/mesh/numbers.js";
import { CloseReason, fcs, linkOpenUuid, PbAdvLink } from "../../../../firmware/mesh/pb-adv.js";
import { ProvisioningDevice } from "../../../../firmware/mesh/provisioning-device.js";
import { MeshStack } from "../../../../firmware/mesh/stack.js";
import type { Crypto } from "../../../../hal/hal.js";
import { MemoryStore } from "../../../../hal/host/storage.js";
import { Random } from "../../../../sim/random.js";
import { Pieces, pieces } from "../pieces.js";
import { rememberingCrypto } from "../remembering-crypto.js";
import { type GuidedTarget, must } from "../target.js";

/** The specification's sample keys (Mesh Profile §8.3). */
const NET_KEY = hex("7dd7364cd842ad18c17c2b820c84c3d6");
const APP_KEY = hex("63964771734fbd76e3b40519d1d94a48");
const DEVICE_KEY = hex("9d6dd0e96eb25dc19a40ed9914f8f03f");
const UUID = hex("70cf7c9732a345b691494810d2e9cbf4");
const OWN = 2;

const crypto = rememberingCrypto();

/** What an insider has: the NetKey. */
const keys = new KeyStore(crypto);
const subnet = keys.addSubnet(0, NET_KEY);
const { credentials } = subnet.transmit;
const codec = new NetworkCodec(keys, new MessageCache(1));

function frame(
  ctl: boolean,
  ttl: number,
  seq: number,
  src: number,
  dst: number,
  transport: Uint8Array,
): Uint8Array {
  return codec.encode(credentials, 1, ctl, ttl, seq, src, dst, transport).slice();
}

/** An unsegmented access PDU of an insider with the AppKey, or with the node's DevKey (§3.6.2, §3.8.5). */
function accessPdu(access: Uint8Array, seq: number, src: number, device: boolean): Uint8Array {
  const nonce = Uint8Array.of(device ? 2 : 1, 0, 0, seq >> 8, seq, 0, src, 0, OWN, 0, 0, 0, 1);
  const key = crypto.ccm(device ? DEVICE_KEY : APP_KEY, 4);
  const header = device ? 0 : 0x40 | k4(crypto, APP_KEY);
  return Uint8Array.of(header, ...key.seal(nonce, new Uint8Array(0), access));
}

interface Clock {
  now: number;
}

function makeStack(clock: Clock): MeshStack {
  const random = new Random(4);
  return new MeshStack({
    crypto: crypto,
    storage: new MemoryStore(),
    random: () => random.between(0, 1),
    now: () => clock.now,
    transmit: () => true,
    config: {
      unicastAddress: OWN,
      netKeys: [{ index: 0, key: NET_KEY }],
      appKeys: [{ index: 0, key: APP_KEY }],
      deviceKey: DEVICE_KEY,
      ivIndex: 1,
      relay: true,
      friend: true,
      subscriptions: [0xc001],
      limits: { rxSessions: 4, txSessions: 4, replayEntries: 8, messageCache: 8, repetitions: 2 },
    },
  });
}

function advance(stack: MeshStack, clock: Clock, by: number): void {
  clock.now += by;
  for (let i = 0; i < 30 && stack.deadline <= clock.now; i++) stack.tick(clock.now);
  must(stack.receiving <= 4 && stack.sending <= 4, "more sessions than are allowed");
  must((stack.friend?.size ?? 0) <= 4, "more friendships than are allowed");
}

const DESTINATIONS = [OWN, 3, 0xc001, 0xffff, 0xfffd, 0xfffe, 0x9736, 1];

/** P-256 takes milliseconds; what is tried here is the order and the form of what comes, not the curve. */
const quickCrypto: Crypto = {
  ...crypto,
  p256: {
    generate: () => ({ privateKey: new Uint8Array(32).fill(1), publicKey: new Uint8Array(64).fill(2) }),
    sharedSecret: (_own, peer) => (peer[0] === 0xff ? undefined : peer.slice(0, 32)),
  },
};

/** A provisioning PDU in the transactions of PB-ADV (§5.3.2), as AD structures. */
function transaction(number: number, pdu: Uint8Array): Uint8Array[] {
  const head = Uint8Array.of(0, 0, 0, 1, number);
  const segments = Math.max(0, Math.ceil((pdu.length - 20) / 23));
  const start = Uint8Array.of(
    ...head,
    segments << 2,
    pdu.length >> 8,
    pdu.length,
    fcs(pdu),
    ...pdu.subarray(0, 20),
  );
  const frames = [start];
  for (let i = 0; i < segments; i++) {
    frames.push(Uint8Array.of(...head, ((i + 1) << 2) | 2, ...pdu.subarray(20 + 23 * i, 43 + 23 * i)));
  }
  return frames.map((data) => Uint8Array.of(data.length + 1, AdType.PB_ADV, ...data));
}

const LINK_OPEN = Uint8Array.of(23, AdType.PB_ADV, 0, 0, 0, 1, 0, 0x03, ...UUID);

const targets: readonly GuidedTarget[] = [
  {
    name: "mesh-frames",
    holds: "any AD structures: nothing is delivered, what is kept stays bounded",
    longest: 600,
    seeds: [
      pieces(frame(false, 4, 5, 3, OWN, hex("66e4d8e1c2f0")), LINK_OPEN),
      pieces(
        sealSecureNetworkBeacon(crypto, subnet.transmit, {
          keyRefresh: false,
          ivUpdate: false,
          ivIndex: 1,
        }),
      ),
    ],
    run(input) {
      const clock = { now: 0 };
      const stack = makeStack(clock);
      stack.onMessage = () => must(false, "delivered");
      const steps = new Pieces(input);
      while (steps.more) {
        stack.receive(steps.bytes(steps.u8()), -50, clock.now);
        advance(stack, clock, 200);
      }
      return steps.taken;
    },
  },
  {
    name: "mesh-transport",
    holds:
      "any lower transport PDUs of somebody with the NetKey, in any order: nothing is delivered, sessions stay bounded",
    longest: 600,
    seeds: [
      // Step of SEQ, source, destination and CTL, wait; then the transport PDU.
      pieces(
        hex("010300018000400100112233445566778899aabb"),
        hex("010300018000402100112233445566778899aabb"),
      ),
      pieces(hex("01031001004000000000ff"), hex("010312010300640005112233"), hex("010310010a010100")),
    ],
    run(input) {
      const clock = { now: 0 };
      const stack = makeStack(clock);
      stack.onMessage = () => must(false, "nobody has the AppKey");
      const steps = new Pieces(input);
      let seq = 0;
      while (steps.more) {
        const step = new Pieces(steps.bytes(steps.u8()));
        seq += step.u8() & 31;
        const src = 3 + (step.u8() & 31);
        const head = step.u8();
        const wait = step.u8() * 50;
        const ctl = (head & 0x10) !== 0;
        const dst = DESTINATIONS[head & 7];
        const transport = step.bytes(ctl ? 12 : 16);
        if (transport.length > 0 && !(ctl && (dst & 0xc000) === 0x8000)) {
          stack.receive(frame(ctl, head >> 5, seq, src, dst, transport), -50, clock.now);
        }
        advance(stack, clock, wait);
      }
      return steps.taken;
    },
  },
  {
    name: "mesh-access",
    holds:
      "any access payloads by the right keys, AppKey or DevKey, to every model: answered or counted, never an exception",
    longest: 600,
    seeds: [
      // Which key; then opcode and parameters: Composition Data Get, Relay Set, AppKey Add, Publication Set, Heartbeat.
      pieces(hex("01800800"), hex("0180270125"), hex("0100000000" + "63964771734fbd76e3b40519d1d94a48")),
      pieces(hex("01030200010000ff05140500ffff0000"), hex("018039000301050405ff00000000"), hex("00c1ffff00")),
    ],
    run(input) {
      const clock = { now: 0 };
      const stack = makeStack(clock);
      const steps = new Pieces(input);
      let seq = 1;
      while (steps.more) {
        const step = steps.bytes(steps.u8());
        const access = step.subarray(1, 12);
        if (access.length === 0) continue;
        const device = (step[0] & 1) !== 0;
        stack.receive(frame(false, 3, seq, 5, OWN, accessPdu(access, seq, 5, device)), -50, clock.now);
        seq++;
        advance(stack, clock, 500);
      }
      return steps.taken;
    },
  },
  {
    name: "mesh-beacon",
    holds: "any bytes are an unprovisioned device's beacon or a refusal",
    longest: 32,
    seeds: [encodeUnprovisionedBeacon({ uuid: UUID, oobInformation: 4, uriHash: hex("01020304") })],
    run(input) {
      const beacon = decodeUnprovisionedBeacon(input);
      if (!(beacon instanceof Refusal)) encodeUnprovisionedBeacon(beacon);
      linkOpenUuid(input);
      return 1;
    },
  },
  {
    name: "pb-adv",
    holds:
      "any AD structures on a provisioning link: a PDU comes out only when its checksum fits, and the link ends",
    longest: 400,
    seeds: [pieces(...transaction(0, hex("0000")), ...transaction(1, new Uint8Array(65).fill(3)))],
    run(input) {
      let closed = false;
      const clock = { now: 0 };
      const link: PbAdvLink = new PbAdvLink({
        linkId: 1,
        provisioner: false,
        counters: new Counters(),
        random: () => 0.5,
        transmit: () => true,
        onPdu: (pdu) => must(pdu.length > 0 && pdu.length <= 300, `a PDU of ${pdu.length} bytes`),
        onClosed: () => {
          closed = true;
        },
      });
      link.accept(clock.now);
      const steps = new Pieces(input);
      while (steps.more) {
        link.receive(steps.bytes(steps.u8()), clock.now);
        clock.now += 50;
        link.tick(clock.now);
      }
      if (!closed) link.close(CloseReason.SUCCESS, clock.now);
      for (let i = 0; i < 40 && link.deadline < Number.POSITIVE_INFINITY; i++) {
        clock.now = Math.max(clock.now, link.deadline);
        link.tick(clock.now);
      }
      must(closed, "the link never ends");
      return steps.taken;
    },
  },
  {
    name: "mesh-provisioning",
    holds:
      "any provisioning PDUs in any order: nobody is provisioned who does not hold the session's keys, and the device goes on",
    longest: 400,
    seeds: [
      pieces(
        hex("0005"),
        hex("020000000000"),
        Uint8Array.of(3, ...new Uint8Array(64).fill(9)),
        new Uint8Array(17).fill(5),
      ),
    ],
    run(input) {
      const clock = { now: 0 };
      const device = new ProvisioningDevice({
        crypto: quickCrypto,
        random: () => 0.5,
        now: () => clock.now,
        transmit: () => true,
        uuid: UUID,
        staticOob: DEVICE_KEY,
        onProvisioned: () => must(false, "provisioned"),
      });
      device.receive(LINK_OPEN, -50, clock.now);
      const steps = new Pieces(input);
      for (let number = 0; steps.more; number = (number + 1) & 0x7f) {
        for (const structure of transaction(number, steps.bytes(steps.u8())))
          device.receive(structure, -50, clock.now);
        for (let i = 0; i < 10; i++) {
          clock.now += 100;
          if (device.deadline <= clock.now) device.tick(clock.now);
        }
      }
      for (let i = 0; i < 60; i++) {
        clock.now = Math.max(clock.now, device.deadline);
        device.tick(clock.now);
      }
      must(device.deadline < Number.POSITIVE_INFINITY, "it beacons no more");
      return steps.taken;
    },
  },
];

export default targets;

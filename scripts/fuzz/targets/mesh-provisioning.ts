import fc from "fast-check";
import { hex } from "../../../firmware/bytes/hex.js";
import { AdType } from "../../../firmware/mesh/numbers.js";
import { CloseReason, fcs } from "../../../firmware/mesh/pb-adv.js";
import { Provisioner, type ProvisioningOutcome } from "../../../firmware/mesh/provisioner.js";
import { Pdu } from "../../../firmware/mesh/provisioning.js";
import { ProvisioningDevice } from "../../../firmware/mesh/provisioning-device.js";
import { hostCrypto } from "../../../hal/host/crypto.js";
import { must, NET_KEY } from "../mesh-parties.js";
import { type FuzzTarget, fuzzTarget } from "../target.js";

const UUID = hex("70cf7c9732a345b691494810d2e9cbf4");
const LINK = hex("23af5850");
/** P-256 is slow, and what is fuzzed here is not the curve. */
const KEY_PAIR = hostCrypto.p256.generate();
/** One pair for all, for speed; copied, since a session zeroes its private key. */
const generate = () => ({ ...KEY_PAIR, privateKey: KEY_PAIR.privateKey.slice() });
const crypto = { ...hostCrypto, p256: { ...hostCrypto.p256, generate } };

/** The AD structure of a generic provisioning PDU. */
function pbAdv(link: Uint8Array, transaction: number, body: Uint8Array): Uint8Array {
  return Uint8Array.of(6 + body.length, AdType.PB_ADV, ...link, transaction, ...body);
}

/** A provisioning PDU as the segments of its transaction (§5.3.1). */
function segments(link: Uint8Array, transaction: number, pdu: Uint8Array): Uint8Array[] {
  const segN = pdu.length <= 20 ? 0 : Math.ceil((pdu.length - 20) / 23);
  const start = [segN << 2, pdu.length >> 8, pdu.length, fcs(pdu), ...pdu.subarray(0, 20)];
  const frames = [pbAdv(link, transaction, Uint8Array.from(start))];
  for (let i = 1; i <= segN; i++) {
    const part = pdu.subarray(20 + (i - 1) * 23, 20 + i * 23);
    frames.push(pbAdv(link, transaction, Uint8Array.of((i << 2) | 2, ...part)));
  }
  return frames;
}

const LENGTHS = [1, 11, 5, 64, 0, 16, 16, 33, 0, 1];
/** PDUs of any type, mostly of the right length. */
const pdu = fc.oneof(
  fc
    .nat(9)
    .chain((type) =>
      fc
        .uint8Array({ minLength: LENGTHS[type], maxLength: LENGTHS[type] })
        .map((rest) => Uint8Array.of(type, ...rest)),
    ),
  fc.constantFrom(
    hex("0000"),
    hex("020000000000"),
    Uint8Array.of(Pdu.PUBLIC_KEY, ...KEY_PAIR.publicKey),
    Uint8Array.of(Pdu.CAPABILITIES, ...hex("0100010000000000000000")),
  ),
  fc.uint8Array({ minLength: 1, maxLength: 65 }),
);

const targets: readonly FuzzTarget[] = [
  fuzzTarget(
    "mesh-pb-adv",
    "any bytes on a provisioning link: the device is there afterwards, for another provisioner",
    fc.array(
      fc.tuple(
        fc.constantFrom(0, 1, 2, 3, 0x80),
        fc.uint8Array({ minLength: 1, maxLength: 24 }),
        fc.nat(900),
      ),
      { maxLength: 40 },
    ),
    (frames) => {
      let now = 0;
      const device = new ProvisioningDevice({
        crypto,
        random: () => 0.5,
        now: () => now,
        transmit: () => true,
        uuid: UUID,
        onProvisioned: () => must(false, "provisioned by noise"),
      });
      device.receive(pbAdv(LINK, 0, Uint8Array.of(3, ...UUID)), -40, now);
      for (const [transaction, body, wait] of frames) {
        device.receive(pbAdv(LINK, transaction, body), -40, now);
        now += wait;
        device.tick(now);
      }
      device.receive(pbAdv(LINK, 0, Uint8Array.of(0x0b, CloseReason.FAIL)), -40, now);
      must(device.deadline <= now + 3300, "it sends no beacon");
    },
  ),

  fuzzTarget(
    "mesh-provisioning-device",
    "any provisioning PDUs in any order to a device end in its failure or nothing, never in its being provisioned",
    fc.array(pdu, { maxLength: 12 }),
    (pdus) => {
      let now = 0;
      let acknowledge: number | undefined;
      const device = new ProvisioningDevice({
        crypto,
        random: () => 0.5,
        now: () => now,
        transmit: (frame) => {
          if (frame[1] === AdType.PB_ADV && (frame[7] & 3) === 0) acknowledge = frame[6];
          return true;
        },
        uuid: UUID,
        output: { actions: 0x1f, size: 8 },
        onProvisioned: () => must(false, "provisioned without knowing anything"),
      });
      device.receive(pbAdv(LINK, 0, Uint8Array.of(3, ...UUID)), -40, now);
      pdus.forEach((one, transaction) => {
        for (const frame of segments(LINK, transaction, one)) device.receive(frame, -40, now);
        for (let i = 0; i < 4; i++) {
          now += 30;
          device.tick(now);
          if (acknowledge !== undefined) device.receive(pbAdv(LINK, acknowledge, Uint8Array.of(1)), -40, now);
          acknowledge = undefined;
        }
      });
      // Whoever goes away in the middle of it leaves a device that can be provisioned.
      for (let i = 0; i < 60 && device.deadline < now + 200_000; i++) {
        now = Math.max(now, device.deadline);
        device.tick(now);
      }
      must(device.deadline < Number.POSITIVE_INFINITY, "it sends no beacon");
    },
  ),

  fuzzTarget(
    "mesh-provisioner",
    "any provisioning PDUs in any order to a provisioner end its session with a reason, and the next one can begin",
    fc.array(pdu, { maxLength: 12 }),
    (pdus) => {
      let now = 0;
      let link: Uint8Array = LINK;
      let acknowledge: number | undefined;
      let outcome: ProvisioningOutcome | undefined;
      const provisioner = new Provisioner({
        crypto,
        random: () => 0.5,
        now: () => now,
        transmit: (frame) => {
          link = frame.slice(2, 6);
          if ((frame[7] & 3) === 0) acknowledge = frame[6];
          return true;
        },
      });
      const job = {
        uuid: UUID,
        assign: () => ({
          netKey: NET_KEY,
          netKeyIndex: 0,
          keyRefresh: false,
          ivUpdate: false,
          ivIndex: 0,
          unicastAddress: 5,
        }),
        done: (end: ProvisioningOutcome) => {
          outcome = end;
        },
      };
      provisioner.provision(job);
      provisioner.receive(pbAdv(link, 0, Uint8Array.of(7)), -40, now);
      pdus.forEach((one, i) => {
        for (const frame of segments(link, 0x80 + i, one)) provisioner.receive(frame, -40, now);
        for (let turn = 0; turn < 4; turn++) {
          now += 30;
          provisioner.tick(now);
          if (acknowledge !== undefined) {
            provisioner.receive(pbAdv(link, acknowledge, Uint8Array.of(1)), -40, now);
          }
          acknowledge = undefined;
        }
      });
      for (let i = 0; i < 300 && outcome === undefined; i++) {
        now = Math.max(now, provisioner.deadline);
        provisioner.tick(now);
      }
      must(outcome?.kind === "failed", `the session ended as ${outcome?.kind}`);
      must(!provisioner.busy && provisioner.provision(job), "no other session can begin");
    },
  ),
];

export default targets;

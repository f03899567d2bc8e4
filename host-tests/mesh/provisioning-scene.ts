/** A provisioner and a device on one medium, and the sample data of Mesh Profile §8.7. */

import assert from "node:assert/strict";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import {
  Provisioner,
  type ProvisionerOptions,
  type ProvisioningJob,
  type ProvisioningOutcome,
} from "../../firmware/mesh/provisioner.js";
import type { ProvisioningData } from "../../firmware/mesh/provisioning.js";
import {
  type Provisioned,
  ProvisioningDevice,
  type ProvisioningDeviceOptions,
} from "../../firmware/mesh/provisioning-device.js";
import type { Crypto } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Medium, type MediumOptions, type Station, seeded } from "./medium.js";

/** Sample data of section 8.7. */
export const SAMPLE = {
  uuid: "70cf7c9732a345b691494810d2e9cbf4",
  linkId: 0x23af5850,
  provisioner: {
    privateKey: "06a516693c9aa31a6084545d0c5db641b48572b97203ddffb7ac73f7d0457663",
    publicKey:
      "2c31a47b5779809ef44cb5eaaf5c3e43d5f8faad4a8794cb987e9b03745c78dd919512183898dfbecd52e2408e43871fd021109117bd3ed4eaf8437743715d4f",
    random: "8b19ac31d58b124c946209b5db1021b9",
  },
  device: {
    privateKey: "529aa0670d72cd6497502ed473502b037e8803b5c60829a5a3caa219505530ba",
    publicKey:
      "f465e43ff23d3f1b9dc7dfc04da8758184dbc966204796eccf0d6cf5e16500cc0201d048bcbbd899eeefc424164e33c201c2b010ca6b4d43a8a155cad8ecb279",
    random: "55a2a2bca04cd32ff6f346bd0a0c1a3a",
  },
  secret: "ab85843a2f6d883f62e5684b38e307335fe6e1945ecd19604105c6f23221eb69",
  sessionKey: "c80253af86b33dfa450bbdb2a191fea3",
  nonce: "da7ddbe78b5f62b81d6847487e",
  deviceKey: "0520adad5e0142aa3e325087b4ec16d8",
  data: "efb2255e6422d330088e09bb015ed707056700010203040b0c",
  /** What goes over the air, without length and AD type, each once. */
  air: [
    "23af5850000370cf7c9732a345b691494810d2e9cbf4",
    "23af58500007",
    "23af585000000002140000",
    "23af58500001",
    "23af58508000000cd6010100010000000000000000",
    "23af58508001",
    "23af58500100000664020000000000",
    "23af58500101",
    "23af585002080041d1032c31a47b5779809ef44cb5eaaf5c3e43d5f8fa",
    "23af58500206ad4a8794cb987e9b03745c78dd919512183898dfbecd52",
    "23af5850020ae2408e43871fd021109117bd3ed4eaf8437743715d4f",
    "23af58500201",
    "23af5850810800411003f465e43ff23d3f1b9dc7dfc04da8758184dbc9",
    "23af5850810666204796eccf0d6cf5e16500cc0201d048bcbbd899eeef",
    "23af5850810ac424164e33c201c2b010ca6b4d43a8a155cad8ecb279",
    "23af58508101",
    "23af585003000011d105b38a114dfdca1fe153bd2c1e0dc46ac2",
    "23af58500301",
    "23af585082000011ec05eeba521c196b52cc2e37aa40329f554e",
    "23af58508201",
    "23af585004000011d3068b19ac31d58b124c946209b5db1021b9",
    "23af58500401",
    "23af585083000011590655a2a2bca04cd32ff6f346bd0a0c1a3a",
    "23af58508301",
    "23af5850050400228b07d0bd7f4a89a2ff6222af59a90a60ad58acfe31",
    "23af5850050623356f5cec2973e0ec50783b10c7",
    "23af58500501",
    "23af5850840000013e08",
    "23af58508401",
    "23af5850000b00",
  ],
} as const;

/** The host's crypto with these random numbers first, and this key pair. */
export function scripted(side: { privateKey: string; publicKey: string }, ...randoms: string[]): Crypto {
  const queue = randoms.map(hex);
  return {
    ...hostCrypto,
    ccm: (key, tag) => hostCrypto.ccm(key, tag),
    cmac: (key, message) => hostCrypto.cmac(key, message),
    aesBlock: (key) => hostCrypto.aesBlock(key),
    random: (length) => {
      const next = queue.shift();
      assert.equal(next?.length, length);
      return next!;
    },
    p256: {
      generate: () => ({ privateKey: hex(side.privateKey), publicKey: hex(side.publicKey) }),
      sharedSecret: (own, peer) => hostCrypto.p256.sharedSecret(own, peer),
    },
  } as Crypto;
}

export const DATA: ProvisioningData = {
  netKey: hex("7dd7364cd842ad18c17c2b820c84c3d6"),
  netKeyIndex: 0,
  keyRefresh: false,
  ivUpdate: true,
  ivIndex: 0x12345679,
  unicastAddress: 0x0042,
};

export interface Scene {
  readonly medium: Medium;
  readonly device: ProvisioningDevice;
  readonly provisioner: Provisioner;
  readonly provisioned: Provisioned[];
  readonly failed: unknown[];
  readonly outcomes: ProvisioningOutcome[];
  readonly air: string[];
  start(job?: Partial<ProvisioningJob>): void;
}

export function scene(
  options: Partial<ProvisioningDeviceOptions> = {},
  medium: Omit<MediumOptions, "random"> = {},
  provisionerOptions: Partial<ProvisionerOptions> = {},
  seed = 5,
): Scene {
  const random = seeded(seed);
  const air: string[] = [];
  const { reaches } = medium;
  const m = new Medium({
    random,
    ...medium,
    reaches: (from, to, bytes, now) => {
      if (bytes[1] === 0x29) air.push(toHex(bytes.subarray(2)));
      return reaches?.(from, to, bytes, now) ?? true;
    },
  });
  const provisioned: Provisioned[] = [];
  const failed: unknown[] = [];
  const outcomes: ProvisioningOutcome[] = [];
  const places = [m.reserve(), m.reserve()];
  const uuid = hex(SAMPLE.uuid);
  const device = new ProvisioningDevice({
    crypto: hostCrypto,
    random,
    now: () => m.now,
    transmit: places[0].transmit,
    uuid,
    onProvisioned: (data) => provisioned.push(data),
    onFailed: (error) => failed.push(error),
    ...options,
  });
  const provisioner = new Provisioner({
    crypto: hostCrypto,
    random,
    now: () => m.now,
    transmit: places[1].transmit,
    ...provisionerOptions,
  });
  m.attach(0, device as Station);
  m.attach(1, provisioner as Station);
  return {
    medium: m,
    device,
    provisioner,
    provisioned,
    failed,
    outcomes,
    air,
    start: (job = {}) => {
      provisioner.provision({
        uuid,
        assign: () => DATA,
        done: (outcome) => outcomes.push(outcome),
        ...job,
      });
    },
  };
}

/** The host's crypto, and what it has given away that must not outlive a session: private keys and ECDH secrets. */
export function watched(): { readonly crypto: Crypto; readonly given: Uint8Array[] } {
  const given: Uint8Array[] = [];
  const crypto = Object.create(hostCrypto, {
    p256: {
      value: {
        generate: () => {
          const pair = hostCrypto.p256.generate();
          given.push(pair.privateKey);
          return pair;
        },
        sharedSecret: (own: Uint8Array, peer: Uint8Array) => {
          const secret = hostCrypto.p256.sharedSecret(own, peer);
          if (secret !== undefined) given.push(secret);
          return secret;
        },
      },
    },
  }) as Crypto;
  return { crypto, given };
}

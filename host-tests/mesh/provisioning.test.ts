import assert from "node:assert/strict";
import * as fc from "fast-check";
import { concat } from "../../firmware/bytes/compare.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { CloseReason, fcs } from "../../firmware/mesh/pb-adv.js";
import {
  Provisioner,
  type ProvisionerOptions,
  type ProvisioningJob,
  type ProvisioningOutcome,
} from "../../firmware/mesh/provisioner.js";
import {
  decodeCapabilities,
  decodeData,
  encodeCapabilities,
  encodeData,
  OutputAction,
  type ProvisioningData,
  ProvisioningError,
  SessionKeys,
} from "../../firmware/mesh/provisioning.js";
import {
  type Provisioned,
  ProvisioningDevice,
  type ProvisioningDeviceOptions,
} from "../../firmware/mesh/provisioning-device.js";
import type { Crypto } from "../../hal/hal.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Medium, type MediumOptions, type Station, seeded } from "./medium.js";

/** Sample data of section 8.7. */
const SAMPLE = {
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
function scripted(side: { privateKey: string; publicKey: string }, ...randoms: string[]): Crypto {
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

const DATA: ProvisioningData = {
  netKey: hex("7dd7364cd842ad18c17c2b820c84c3d6"),
  netKeyIndex: 0,
  keyRefresh: false,
  ivUpdate: true,
  ivIndex: 0x12345679,
  unicastAddress: 0x0042,
};

interface Scene {
  readonly medium: Medium;
  readonly device: ProvisioningDevice;
  readonly provisioner: Provisioner;
  readonly provisioned: Provisioned[];
  readonly failed: unknown[];
  readonly outcomes: ProvisioningOutcome[];
  readonly air: string[];
  start(job?: Partial<ProvisioningJob>): void;
}

function scene(
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

describe("mesh provisioning: sample data of section 8.7", () => {
  it("checksums of generic provisioning", () => {
    for (const [pdu, sum] of [
      ["0000", 0x14],
      ["010100010000000000000000", 0xd6],
      ["020000000000", 0x64],
      ["08", 0x3e],
      [`05b38a114dfdca1fe153bd2c1e0dc46ac2`, 0xd1],
    ] as const) {
      assert.equal(fcs(hex(pdu)), sum, pdu);
    }
  });

  it("keys of the session", () => {
    const secret = hostCrypto.p256.sharedSecret(
      hex(SAMPLE.provisioner.privateKey),
      hex(SAMPLE.device.publicKey),
    )!;
    assert.equal(toHex(secret), SAMPLE.secret);
    const exchanged = concat(
      hex("00"),
      hex("0100010000000000000000"),
      hex("0000000000"),
      hex(SAMPLE.provisioner.publicKey),
      hex(SAMPLE.device.publicKey),
    );
    const keys = new SessionKeys(hostCrypto, secret, exchanged);
    const none = new Uint8Array(16);
    assert.equal(
      toHex(keys.confirmation(hex(SAMPLE.provisioner.random), none)),
      "b38a114dfdca1fe153bd2c1e0dc46ac2",
    );
    assert.equal(
      toHex(keys.confirmation(hex(SAMPLE.device.random), none)),
      "eeba521c196b52cc2e37aa40329f554e",
    );
    const final = keys.final(hex(SAMPLE.provisioner.random), hex(SAMPLE.device.random));
    assert.equal(toHex(final.sessionKey), SAMPLE.sessionKey);
    assert.equal(toHex(final.nonce), SAMPLE.nonce);
    assert.equal(toHex(final.deviceKey), SAMPLE.deviceKey);
  });

  it("the whole conversation, byte by byte", () => {
    const s = scene(
      { crypto: scripted(SAMPLE.device, SAMPLE.device.random) },
      {},
      { crypto: scripted(SAMPLE.provisioner, "23af5850", SAMPLE.provisioner.random) },
    );
    s.start({ assign: () => decodeData(hex(SAMPLE.data)) });
    s.medium.run(60_000);
    const [outcome] = s.outcomes;
    assert.equal(outcome.kind, "provisioned");
    assert.equal(toHex(s.provisioned[0].deviceKey), SAMPLE.deviceKey);
    assert.equal(toHex(encodeData(s.provisioned[0])), SAMPLE.data);
    assert.deepEqual([...new Set(s.air)].sort(), [...SAMPLE.air].sort());
  });
});

/** The host's crypto, and what it has given away that must not outlive a session: private keys and ECDH secrets. */
function watched(): { readonly crypto: Crypto; readonly given: Uint8Array[] } {
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

describe("mesh provisioning", () => {
  it("leaves zeros where the secrets of a session were, when it ends well and when it does not", () => {
    for (const oob of [hex("00112233445566778899aabbccddeeff"), hex("ff112233445566778899aabbccddeeff")]) {
      const [device, provisioner] = [watched(), watched()];
      const label = hex("00112233445566778899aabbccddeeff");
      const s = scene({ crypto: device.crypto, staticOob: label }, {}, { crypto: provisioner.crypto });
      s.start({ staticOob: oob });
      s.medium.run(120_000);
      assert.equal(s.provisioned.length, oob[0] === 0 ? 1 : 0);
      for (const { given } of [device, provisioner]) {
        assert.ok(given.length >= 2, `${given.length}`);
        for (const bytes of given) assert.ok(bytes.every((byte) => byte === 0));
      }
      assert.equal(toHex(label), "00112233445566778899aabbccddeeff");
      if (oob[0] === 0) assert.equal(toHex(s.provisioned[0].netKey), toHex(DATA.netKey));
    }
  });

  function both(s: Scene): void {
    assert.deepEqual(s.failed, []);
    assert.equal(s.provisioned.length, 1);
    const [outcome] = s.outcomes;
    assert.ok(outcome?.kind === "provisioned", JSON.stringify(outcome));
    assert.deepEqual(outcome.deviceKey, s.provisioned[0].deviceKey);
    const { deviceKey: _, ...data } = s.provisioned[0];
    assert.deepEqual(data, DATA);
  }

  it("without OOB: both sides end with one device key, and the device is quiet then", () => {
    const beacons: string[] = [];
    const s = scene({}, {}, { onBeacon: ({ uuid }) => beacons.push(toHex(uuid)) });
    s.medium.run(10_000);
    assert.ok(beacons.length >= 3 && beacons[0] === SAMPLE.uuid);
    s.start();
    s.medium.run(30_000);
    both(s);
    assert.equal(s.device.deadline, Number.POSITIVE_INFINITY);
    assert.equal(s.provisioner.busy, false);
  });

  it("with a static OOB value, and not with a wrong one", () => {
    const staticOob = hex("00112233445566778899aabbccddeeff");
    const right = scene({ staticOob });
    right.start({ staticOob, requireOob: true });
    right.medium.run(30_000);
    both(right);

    const wrong = scene({ staticOob });
    wrong.start({ staticOob: hex("ff112233445566778899aabbccddeeff") });
    wrong.medium.run(30_000);
    assert.deepEqual(wrong.failed, [ProvisioningError.CONFIRMATION_FAILED]);
    assert.deepEqual(wrong.outcomes, [
      { kind: "failed", reason: `refused-${ProvisioningError.CONFIRMATION_FAILED}` },
    ]);
    wrong.medium.run(10_000);
    assert.equal(wrong.provisioned.length, 0);
  });

  for (const [name, action] of Object.entries(OutputAction)) {
    it(`with output OOB: ${name.toLowerCase()}`, () => {
      const shown: (number | string | undefined)[] = [];
      const s = scene({
        output: { actions: 1 << action, size: 6 },
        onOutput: (kind, value) => {
          assert.equal(kind, action);
          shown.push(value);
        },
      });
      s.start({
        requireOob: true,
        // A person needs a while.
        askForOutput: (kind, size, answer) => {
          assert.equal(kind, action);
          assert.ok(size >= 1 && size <= 6);
          s.medium.attach(2, undefined);
          pending = () => answer(shown[0]!);
        },
      });
      let pending: () => void = () => assert.fail("not asked");
      s.medium.run(20_000);
      assert.equal(shown.length, 1);
      if (typeof shown[0] === "string") assert.match(shown[0], /^[0-9A-Z]{6}$/);
      pending();
      s.medium.run(20_000);
      both(s);
      assert.deepEqual(shown.slice(1), [undefined], "stops showing");
    });
  }

  it("with output OOB and a wrong answer fails", () => {
    const s = scene({ output: { actions: 8, size: 8 } });
    s.start({ askForOutput: (_action, _size, answer) => answer(123456789) });
    s.medium.run(30_000);
    assert.deepEqual(s.failed, [ProvisioningError.CONFIRMATION_FAILED]);
    assert.equal(s.provisioned.length, 0);
  });

  it("a device without OOB is refused where one is required", () => {
    const s = scene();
    s.start({ requireOob: true, staticOob: new Uint8Array(16) });
    s.medium.run(30_000);
    assert.deepEqual(s.outcomes, [{ kind: "failed", reason: "no-oob" }]);
    assert.deepEqual(s.failed, ["closed"]);
  });

  it("a device with more elements than addresses is refused", () => {
    const s = scene({ elements: 3 });
    s.start({ assign: (elements) => (elements > 2 ? undefined : DATA) });
    s.medium.run(30_000);
    assert.deepEqual(s.outcomes, [{ kind: "failed", reason: "elements" }]);
  });

  it("addresses that cannot be are refused by the device", () => {
    const s = scene({ elements: 2 });
    s.start({ assign: () => ({ ...DATA, unicastAddress: 0x7fff }) });
    s.medium.run(30_000);
    assert.deepEqual(s.failed, [ProvisioningError.CANNOT_ASSIGN_ADDRESSES]);
  });

  it("the provisioner gives up on a device that is not there, or goes away", () => {
    const absent = scene({}, { reaches: () => false });
    absent.start();
    absent.medium.run(59_000);
    assert.deepEqual(absent.outcomes, []);
    absent.medium.run(5000);
    assert.deepEqual(absent.outcomes, [{ kind: "failed", reason: "timeout" }]);

    const leaving = scene({}, { reaches: (from, _to, _bytes, now) => from === 1 || now < 300 });
    leaving.start();
    leaving.medium.run(120_000);
    assert.deepEqual(leaving.outcomes, [{ kind: "failed", reason: "timeout" }]);
    assert.equal(leaving.provisioned.length, 0);
  });

  it("a device whose provisioner goes away closes the link and can be provisioned by another", () => {
    let away = false;
    const s = scene({}, { reaches: (from) => from === 0 || !away });
    s.start({
      assign: () => {
        away = true;
        return DATA;
      },
    });
    s.medium.run(100_000);
    assert.deepEqual(s.failed, ["timeout"]);
    away = false;
    s.medium.run(60_000);
    s.start();
    s.medium.run(30_000);
    assert.equal(s.provisioned.length, 1);
  });

  it("works with loss, re-ordering and duplication", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const random = seeded(seed);
        const s = scene({}, { reaches: () => random() > 0.35, delay: () => random() * 300 }, {}, seed);
        s.start();
        s.medium.run(200_000);
        both(s);
      }),
      { numRuns: 15 },
    );
  });

  it("sends no key in the clear, and not the device key at all", () => {
    const s = scene();
    s.start();
    s.medium.run(30_000);
    const all = s.air.join(" ");
    assert.ok(!all.includes(toHex(DATA.netKey)));
    assert.ok(!all.includes(toHex(s.provisioned[0].deviceKey)));
  });

  it("codecs give back what they were given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 11, maxLength: 11 }), (bytes) => {
        assert.deepEqual(encodeCapabilities(decodeCapabilities(bytes)), bytes);
      }),
    );
  });
});

describe("mesh provisioning: a device and a hostile provisioner", () => {
  /** Speaks to a device PDU by PDU over the bearer, with correct transactions. */
  function talk(options: Partial<ProvisioningDeviceOptions> = {}) {
    let now = 0;
    let transaction = 0;
    let answers: string[] = [];
    const failed: unknown[] = [];
    const device = new ProvisioningDevice({
      crypto: hostCrypto,
      random: () => 0.5,
      now: () => now,
      transmit: (bytes) => {
        if (bytes[1] === 0x29) answers.push(toHex(bytes.subarray(6)));
        return true;
      },
      uuid: hex(SAMPLE.uuid),
      onProvisioned: () => assert.fail("provisioned"),
      onFailed: (error) => failed.push(error),
      ...options,
    });
    const put = (body: string) => {
      const data = hex(`23af5850${body}`);
      device.receive(Uint8Array.of(data.length + 1, 0x29, ...data), -40, now);
      for (let i = 0; i < 5; i++) {
        now += 30;
        device.tick(now);
      }
    };
    put(`0003${SAMPLE.uuid}`);
    return {
      device,
      failed,
      /** Sends a PDU as a transaction and acknowledges what the device says; the error code, if it said one. */
      say(pdu: string): number | undefined {
        answers = [];
        const bytes = hex(pdu);
        const number = (transaction++).toString(16).padStart(2, "0");
        const segN = bytes.length <= 20 ? 0 : Math.ceil((bytes.length - 20) / 23);
        const head = [segN << 2, 0, bytes.length, fcs(bytes)].map((b) => b.toString(16).padStart(2, "0"));
        put(`${number}${head.join("")}${toHex(bytes.subarray(0, 20))}`);
        for (let i = 1; i <= segN; i++) {
          const part = toHex(bytes.subarray(20 + (i - 1) * 23, 20 + i * 23));
          put(`${number}${((i << 2) | 2).toString(16).padStart(2, "0")}${part}`);
        }
        const error = answers.find((answer) => /^8.000002..09/.test(answer));
        for (const answer of answers) if (/^8.0[048]00/.test(answer)) put(`${answer.slice(0, 2)}01`);
        return error === undefined ? undefined : Number.parseInt(error.slice(-2), 16);
      },
    };
  }

  const INVITE = "0000";
  const START = "020000000000";
  const KEY = `03${SAMPLE.provisioner.publicKey}`;
  const CONFIRMATION = `05${"11".repeat(16)}`;
  const RANDOM = `06${"22".repeat(16)}`;
  const IN_ORDER = [INVITE, START, KEY, CONFIRMATION];

  it("PDUs out of order, unknown, or of a wrong length end it with the right code", () => {
    const cases: readonly (readonly [string[], string, number])[] = [
      [[], START, ProvisioningError.UNEXPECTED_PDU],
      [[], KEY, ProvisioningError.UNEXPECTED_PDU],
      [[], "0a", ProvisioningError.INVALID_PDU],
      [[], "00", ProvisioningError.INVALID_FORMAT],
      [[], "000000", ProvisioningError.INVALID_FORMAT],
      [[INVITE], INVITE, ProvisioningError.UNEXPECTED_PDU],
      [[INVITE], "08", ProvisioningError.UNEXPECTED_PDU],
      [[INVITE], "020100000000", ProvisioningError.INVALID_FORMAT],
      [[INVITE], "020001000000", ProvisioningError.INVALID_FORMAT],
      [[INVITE], "020000010000", ProvisioningError.INVALID_FORMAT],
      [[INVITE], "020000020301", ProvisioningError.INVALID_FORMAT],
      [[INVITE], "020000040000", ProvisioningError.INVALID_FORMAT],
      [[INVITE, START], CONFIRMATION, ProvisioningError.UNEXPECTED_PDU],
      [[INVITE, START], `03${"00".repeat(64)}`, ProvisioningError.INVALID_FORMAT],
      [[INVITE, START], `03${"11".repeat(64)}`, ProvisioningError.INVALID_FORMAT],
      [[INVITE, START, KEY], RANDOM, ProvisioningError.UNEXPECTED_PDU],
      [IN_ORDER, RANDOM, ProvisioningError.CONFIRMATION_FAILED],
      [IN_ORDER, `07${"00".repeat(33)}`, ProvisioningError.UNEXPECTED_PDU],
    ];
    for (const [before, pdu, code] of cases) {
      const { say, failed } = talk();
      for (const step of before) assert.equal(say(step), undefined, `${before} ${pdu}`);
      assert.equal(say(pdu), code, `${before} then ${pdu}`);
      assert.deepEqual(failed, [code]);
      // After an error everything is unexpected.
      assert.equal(say(INVITE), ProvisioningError.UNEXPECTED_PDU);
    }
  });

  it("does not take its own public key back", () => {
    const own = SAMPLE.device;
    const { say } = talk({ crypto: scripted(own) });
    say(INVITE);
    say(START);
    assert.equal(say(`03${own.publicKey}`), ProvisioningError.INVALID_FORMAT);
  });

  it("any bytes on the link: never an exception, and the device is there afterwards", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom(0, 1, 2, 3, 0x80), fc.uint8Array({ minLength: 1, maxLength: 24 })),
          { maxLength: 30 },
        ),
        (frames) => {
          const { device, say } = talk();
          say(INVITE);
          let now = 1000;
          for (const [transaction, bytes] of frames) {
            const data = [0x29, 0x23, 0xaf, 0x58, 0x50, transaction, ...bytes];
            device.receive(Uint8Array.of(data.length, ...data), -40, now);
            now += 50;
            device.tick(now);
          }
          const close = [0x29, 0x23, 0xaf, 0x58, 0x50, 0, 0x0b, CloseReason.FAIL];
          device.receive(Uint8Array.of(close.length, ...close), -40, now);
          assert.ok(device.deadline < Number.POSITIVE_INFINITY, "beacons again");
        },
      ),
    );
  });
});

import assert from "node:assert/strict";
import * as fc from "fast-check";
import { concat } from "../../firmware/bytes/compare.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { fcs } from "../../firmware/mesh/pb-adv.js";
import {
  decodeCapabilities,
  decodeData,
  encodeCapabilities,
  encodeData,
  OutputAction,
  ProvisioningError,
  SessionKeys,
} from "../../firmware/mesh/provisioning.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { seeded } from "./medium.js";
import { DATA, SAMPLE, type Scene, scene, scripted, watched } from "./provisioning-scene.js";

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

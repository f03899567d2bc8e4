import assert from "node:assert/strict";
import * as fc from "fast-check";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { CloseReason, fcs } from "../../firmware/mesh/pb-adv.js";
import { ProvisioningError } from "../../firmware/mesh/provisioning.js";
import {
  ProvisioningDevice,
  type ProvisioningDeviceOptions,
} from "../../firmware/mesh/provisioning-device.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { SAMPLE, scripted } from "./provisioning-scene.js";

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

import assert from "node:assert/strict";
import * as fc from "fast-check";
import { Counters } from "../../firmware/bytes/counters.js";
import { hex, toHex } from "../../firmware/bytes/hex.js";
import { Refusal } from "../../firmware/bytes/refusal.js";
import { opcodeLength, readOpcode, writeOpcode } from "../../firmware/mesh/access.js";
import { OPCODE_COAP_STATUS } from "../../firmware/mesh/numbers.js";
import { Reassembler } from "../../firmware/mesh/reassembly.js";
import { ReplayList } from "../../firmware/mesh/replay.js";
import { lowBits } from "../../firmware/mesh/segmentation.js";
import { MeshStack } from "../../firmware/mesh/stack.js";
import { DEFAULT_TIMING } from "../../firmware/mesh/timing.js";
import { hostCrypto } from "../../hal/host/crypto.js";
import { Insider, makeParty } from "../../scripts/fuzz/mesh-parties.js";
import meshTargets from "../../scripts/fuzz/targets/mesh.js";
import provisioningTargets from "../../scripts/fuzz/targets/mesh-provisioning.js";
import { MemoryStore, meshStorage } from "./medium.js";
import { APP_KEY, NET_KEY } from "./vectors.js";

describe("mesh access opcodes", () => {
  it("are read back as written, and everything else is refused", () => {
    const opcodes = fc.oneof(
      fc.integer({ min: 0, max: 0x7e }),
      fc.integer({ min: 0x8000, max: 0xbfff }),
      fc.integer({ min: 0xc00000, max: 0xffffff }),
    );
    fc.assert(
      fc.property(opcodes, fc.uint8Array({ maxLength: 5 }), (opcode, parameters) => {
        const bytes = new Uint8Array(8);
        const at = writeOpcode(bytes, 0, opcode);
        assert.equal(at, opcodeLength(opcode));
        bytes.set(parameters, at);
        assert.equal(readOpcode(bytes.subarray(0, at + parameters.length)), opcode);
      }),
    );
    for (const cut of ["", "7f", "80", "c1", "c1ff"]) assert.ok(readOpcode(hex(cut)) instanceof Refusal, cut);
    for (const wrong of [0x7f, 0x80, 0x7fff, 0xc000, 0xbfffff, 0x1000000, -1]) {
      assert.throws(() => opcodeLength(wrong), RangeError);
    }
  });
});

describe("mesh reassembly", () => {
  it("any order of segments with any repetitions gives the message once; any foreign one changes nothing", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 31 }),
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.nat(1000), { minLength: 1, maxLength: 120 }),
        fc.nat(0xffff00),
        (segN, last, order, base) => {
          const seqAuth = base;
          const payload = Uint8Array.from({ length: segN * 12 + last }, (_, i) => (i * 7) & 0xff);
          const delivered: string[] = [];
          const acknowledgments: number[] = [];
          const reassembler = new Reassembler({
            timing: DEFAULT_TIMING,
            counters: new Counters(),
            replay: new ReplayList(meshStorage(new MemoryStore()), 4, 4),
            sessions: 2,
            complete: (upper) => delivered.push(toHex(upper.payload)),
            acknowledge: (_credentials, _ttl, _src, _dst, _seqZero, block) => acknowledgments.push(block),
          });
          let seq = seqAuth;
          const put = (segO: number, length: number, segments = segN) => {
            const seqZero = seqAuth & 0x1fff;
            const data = payload.subarray(segO * 12, segO * 12 + length);
            const head = [0x80, seqZero >> 6, ((seqZero << 2) | (segO >> 3)) & 0xff, (segO << 5) | segments];
            reassembler.segment(
              {
                credentials: undefined as never,
                ivIndex: 1,
                ctl: false,
                ttl: 3,
                seq: Math.min(seq++, seqAuth + 0x1fff),
                src: 5,
                dst: 2,
                transport: Uint8Array.of(...head, ...data),
              },
              -50,
              0,
            );
          };
          const all = [...order.map((n) => n % (segN + 1)), ...Array.from({ length: segN + 1 }, (_, i) => i)];
          for (const segO of all) {
            put(segO, segO === segN ? last : 12);
            // A segment that is too short, and one that claims another number of segments.
            if (segN > 0) put(0, 5);
            if (segN > 0 && segN < 31) put(0, 12, segN + 1);
          }
          assert.deepEqual(delivered, [toHex(payload)]);
          assert.equal(acknowledgments[0], lowBits(segN + 1));
          assert.equal(reassembler.size, 0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("mesh fuzz targets, for a moment", () => {
  for (const target of [...meshTargets, ...provisioningTargets]) {
    it(`${target.name}: ${target.holds}`, () => target.run({ runs: 150 }));
  }
});

describe("mesh stack and insiders", () => {
  it("one source cannot take all places for segmented messages", () => {
    const insider = new Insider();
    const { stack } = makeParty();
    // First segments of messages to different addresses of this node.
    for (const [i, dst] of [2, 0xc001, 0xffff].entries()) {
      const seqZero = 10 * (i + 1);
      const segment = Uint8Array.of(0x80, seqZero >> 6, (seqZero << 2) & 0xff, 1, ...new Uint8Array(12));
      stack.receive(insider.frame(false, 3, seqZero, 9, dst, segment), -50, 0);
    }
    assert.equal(stack.receiving, 2);
    assert.equal(stack.counters.get("drop.segment-busy"), 1);
  });

  it("recorded segments played again get no answer and burn no numbers", () => {
    const sent: string[] = [];
    const clock = { now: 0 };
    const make = (address: number, transmit: (bytes: Uint8Array) => void) =>
      new MeshStack({
        crypto: hostCrypto,
        storage: new MemoryStore(),
        random: () => 0,
        now: () => clock.now,
        transmit: (bytes) => {
          transmit(bytes.slice());
          return true;
        },
        config: {
          unicastAddress: address,
          netKeys: [{ index: 0, key: hex(NET_KEY) }],
          appKeys: [{ index: 0, key: hex(APP_KEY) }],
          ivIndex: 1,
          beacon: false,
          limits: { messageCache: 2 },
        },
      });
    const frames: Uint8Array[] = [];
    const a = make(3, (bytes) => frames.push(bytes));
    const b = make(2, (bytes) => sent.push(toHex(bytes)));
    a.send(2, OPCODE_COAP_STATUS, new Uint8Array(60));
    for (let i = 0; i < 10; i++) {
      clock.now += 80;
      a.tick(clock.now);
    }
    for (const frame of frames) b.receive(frame, -50, clock.now);
    assert.equal(sent.length, 1, "acknowledged once");
    for (let round = 0; round < 20; round++) {
      for (const frame of frames) b.receive(frame, -50, clock.now);
      clock.now += 1000;
      b.tick(clock.now);
    }
    assert.equal(sent.length, 1);
    assert.ok(b.counters.get("drop.segment-late") > 50, "the cache was too small on purpose");
  });
});
